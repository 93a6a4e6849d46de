"""Which destinations an event goes to, and why not to the others (contracts/routing.md; consent.md, section 3)."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.destinations import Ga4
from actors.destinations import Meta as RealMeta
from actors.destinations.base import InTestMode
from actors.event import BOT_SCORE, Consent, CustomData
from actors.routing import decide, refusal
from actors.secret import Secret
from actors.twins import twin_of
from tests.support.making import event, site
from tests.support.platform import Single


class NoSale(Single, frozen=True, kw_only=True, tag="test_no_sale"):
    without_sale: ClassVar[bool] = False


class Meta(Single, frozen=True, kw_only=True, tag="test_meta"):
    platform: ClassVar[str] = "meta"


STATES = st.sampled_from([None, "granted", "denied"])
DENIED, GRANTED = Consent(marketing="denied"), Consent(marketing="granted")


@pytest.mark.parametrize(
    ("settings", "name", "wanted"),
    [
        ({}, "page_viewed", None),
        ({}, "my_own_event", None),
        ({}, "cart_viewed", "no_route"),
        ({}, "identify", "no_route"),
        ({"events": ("page_viewed",)}, "page_viewed", None),
        ({"events": ("page_viewed",)}, "purchase_placed", "no_route"),
        ({"events": ("*",)}, "my_own_event", None),
        ({"events": ()}, "page_viewed", "no_route"),
    ],
)
def test_a_destination_takes_the_names_it_lists_or_its_platform_knows(
    settings: dict[str, Any], name: str, wanted: str | None
) -> None:
    assert refusal(event(name=name), GRANTED, Single(id="one", **settings), site()) == wanted


@pytest.mark.parametrize(
    ("state", "default", "wanted"),
    [
        ("granted", "denied", None),
        ("denied", "granted", "consent_denied"),
        (None, "granted", None),
        (None, "denied", "consent_unknown"),
    ],
)
def test_consent_decides_and_where_it_is_absent_the_sites_default(state: Any, default: Any, wanted: str | None) -> None:
    consent = Consent(marketing=state)
    assert refusal(event(), consent, Single(id="one"), site(consent_default=default)) == wanted


@given(analytics=STATES, marketing=STATES)
def test_of_several_purposes_all_must_be_granted(analytics: Any, marketing: Any) -> None:
    destination = Single(id="one", consent=("analytics", "marketing"))
    reason = refusal(event(), Consent(analytics=analytics, marketing=marketing), destination, site())
    assert (reason is not None) == ("denied" in (analytics, marketing))


def test_a_destination_that_asks_for_no_purpose_needs_none() -> None:
    assert refusal(event(), DENIED, Single(id="one", consent=()), site()) is None


def test_a_denied_sale_stops_where_the_platform_has_no_limited_mode() -> None:
    consent = Consent(marketing="granted", sale_of_data="denied")
    assert refusal(event(), consent, NoSale(id="one"), site()) == "sale_denied"
    assert refusal(event(), consent, Single(id="one"), site()) is None
    assert refusal(event(), GRANTED, NoSale(id="one"), site()) is None


def test_a_test_event_goes_to_the_twins_of_those_that_count_nothing_in_their_test_mode() -> None:
    live, meta = Ga4(id="ga4", measurement_id="G-1", api_secret=Secret("s")), Meta(id="meta")
    decisions = decide(event(source="test"), GRANTED, site(live, meta, Single(id="one")))
    told = [(one.destination, one.reason) for one in decisions]
    assert told == [("ga4~test", None), ("meta~test", "test_event"), ("one~test", "test_event")]


def test_a_platform_that_may_count_test_events_has_no_twin() -> None:
    coded = RealMeta(id="meta", pixel_id="1234567890", access_token=Secret("token"), test_event_code="TEST1")
    assert isinstance(coded.in_test_mode(), InTestMode)
    assert twin_of(coded) is None


def test_what_counts_as_a_bots_goes_nowhere_only_where_the_site_says_so() -> None:
    told = structs.replace(event(), bot_score=BOT_SCORE)
    assert refusal(told, GRANTED, Single(id="one"), site()) is None
    assert refusal(told, GRANTED, Single(id="one"), site(bots="drop")) == "bot"
    assert refusal(structs.replace(told, bot_score=BOT_SCORE - 1), GRANTED, Single(id="one"), site(bots="drop")) is None


@pytest.mark.parametrize(("properties", "wanted"), [({}, "no_route"), ({"meta_event": "Purchase"}, None)])
def test_what_a_caller_of_the_events_api_leaves_out_is_not_sent_there(
    properties: dict[str, str], wanted: str | None
) -> None:
    one = event(source="events_api", custom_data=CustomData(properties=properties))
    assert refusal(one, GRANTED, Meta(id="one"), site()) == wanted
    assert refusal(one, GRANTED, Single(id="one"), site()) is None


def test_there_is_one_decision_for_each_destination_in_their_order() -> None:
    destinations = (Single(id="b"), Single(id="a", events=()), Single(id="c", consent=("analytics",)))
    found = decide(event(), DENIED, site(*destinations))
    assert [(one.destination, one.reason) for one in found] == [
        ("b", "consent_denied"),
        ("a", "no_route"),
        ("c", None),
    ]


@pytest.mark.parametrize(
    ("integrations", "wanted"),
    [
        ({"all": False}, "no_route"),
        ({"all": False, "meta": True}, None),
        ({"all": False, "meta": False, "one": True}, None),
        ({"one": False}, "no_route"),
        ({"meta": False}, "no_route"),
        ({"ga4": False}, None),
    ],
)
def test_where_a_sender_does_not_want_its_event_it_does_not_go(
    integrations: dict[str, bool], wanted: str | None
) -> None:
    told = structs.replace(event(), integrations=integrations)
    assert refusal(told, GRANTED, Meta(id="one"), site()) == wanted
