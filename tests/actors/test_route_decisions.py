"""By which route an event goes to a destination, in what form, and why not (contracts/routing.md, section 4.2)."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.compiled_routes import problems
from actors.content import read_content, with_content
from actors.event import Consent, CustomData, Event, Page, UserData
from actors.facts import Facts, VisitorFacts
from actors.routes import DropIf, EventName, Route, Sample, Set
from actors.routing import Decision, decide, refusal
from tests.support.making import event, site
from tests.support.platform import Single

GRANTED = Consent(marketing="granted")
ORDER = event(name="purchase_placed", custom_data=CustomData(value=Decimal(50), currency="EUR"))


def route(route_id: str = "r", destination: str = "one", **fields: Any) -> Route:
    return Route(id=route_id, destination=destination, **fields)


def decided(*routes: Route, of: Event = ORDER, consent: Consent = GRANTED, **changes: Any) -> Decision:
    (found,) = decide(of, consent, site(Single(id="one"), routes=routes, **changes))
    return found


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, None),
        ({"events": ("page_viewed",)}, "no_route"),
        ({"events": ("*",)}, None),
        ({"sources": ("server",)}, "no_route"),
        ({"sources": ("server", "browser")}, None),
        ({"enabled": False}, "no_route"),
        ({"filter": "event.custom_data.value > 100"}, "filtered"),
        ({"filter": "event.custom_data.value > 10"}, None),
        ({"filter": "event.event_name > 10"}, "filter_error"),
        ({"consent": ("analytics",)}, None),
        ({"sample": Sample(rate=0)}, None),
        ({"sample": Sample(rate=0, allow_conversions=True)}, "sampled"),
        ({"transform": (DropIf(expression="true"),)}, "dropped_by_transform"),
        ({"transform": (Set(path="custom_data.x", expression="event.custom_data.tax"),)}, "transform_error"),
        ({"transform": (EventName(name="order"),)}, None),
    ],
)
def test_each_step_has_its_reason(fields: dict[str, Any], wanted: str | None) -> None:
    assert decided(route(**fields)).reason == wanted


def test_the_first_route_by_order_whose_filter_holds_decides() -> None:
    routes = (
        route("last"),
        route("big", order=-1, filter="event.custom_data.value > 10"),
        route("huge", order=-2, filter="event.custom_data.value > 100"),
    )
    assert decided(*routes).route == "big"
    assert decided(*routes, of=event()).route == "last"


def test_routes_of_one_order_go_as_they_are_listed() -> None:
    assert decided(route("b"), route("a")).route == "b"


def test_a_filter_that_fails_does_not_match_and_the_next_route_decides() -> None:
    assert decided(route("bad", filter="event.event_name > 10"), route("good")).route == "good"
    found = decided(route("bad", filter="event.event_name > 10"), route("not", filter="false"))
    assert (found.reason, found.route) == ("filter_error", "bad")
    assert found.words == "failed: the values are of other types than it takes"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"consent": ("analytics",)}, "consent_denied"),
        ({"sample": Sample(rate=0, allow_conversions=True)}, "sampled"),
        ({"transform": (DropIf(expression="true"),)}, "dropped_by_transform"),
    ],
)
def test_consent_sampling_and_transformation_do_not_fall_through(fields: dict[str, Any], reason: str) -> None:
    consent = Consent(marketing="granted", analytics="denied")
    found = decided(route("first", **fields), route("second"), consent=consent)
    assert (found.reason, found.route) == (reason, "first")


def test_what_a_filter_keeps_out_is_not_told_as_denied() -> None:
    assert decided(route(filter="false"), consent=Consent(marketing="denied")).reason == "filtered"


def test_consent_is_asked_before_the_transformation() -> None:
    bad = Set(path="custom_data.x", expression="1 / 0")
    assert decided(route(transform=(bad,)), consent=Consent(marketing="denied")).reason == "consent_denied"


def test_a_destination_without_routes_keeps_its_default_beside_another_that_has_some() -> None:
    destinations = (Single(id="one"), Single(id="two", events=("page_viewed",)))
    found = decide(ORDER, GRANTED, site(*destinations, routes=(route(filter="false"),)))
    assert [(one.destination, one.reason) for one in found] == [("one", "filtered"), ("two", "no_route")]


def test_a_route_goes_where_its_destination_goes() -> None:
    assert decided(route(), of=event(name="cart_viewed")).reason == "no_route"
    assert decided(route(events=("cart_viewed",)), of=event(name="cart_viewed")).reason is None


def test_a_disabled_destination_gets_nothing_by_any_route() -> None:
    for routes in ((), (route(),)):
        (found,) = decide(ORDER, GRANTED, site(Single(id="one", enabled=False), routes=routes))
        assert found.reason == "destination_disabled"


def test_what_the_sender_does_not_want_goes_by_no_route() -> None:
    unwanted = event(name="purchase_placed", integrations={"one": False})
    assert decided(route(events=("*",)), of=unwanted).reason == "no_route"


def test_the_visitor_can_be_asked_by_a_filter() -> None:
    shop = site(Single(id="one"), routes=(route(filter="visitor.visits > 2 && !visitor.is_new"),))
    for visits, reason in ((1, "filtered"), (3, None)):
        facts = Facts(event=ORDER, visitor=VisitorFacts(visits <= 1, visits))
        assert decide(ORDER, GRANTED, shop, facts)[0].reason == reason


@pytest.mark.parametrize(
    ("of_address", "named", "wanted"), [("FR", "DE", None), (None, " fr ", None), (None, None, "filtered")]
)
def test_the_country_is_that_of_the_visitors_address_else_the_one_named(
    of_address: str | None, named: str | None, wanted: str | None
) -> None:
    one = structs.replace(ORDER, ip_country=of_address, user_data=UserData(country=named))
    assert decided(route(filter="geo.country == 'FR'"), of=one).reason == wanted


def test_a_transformation_sees_what_goes_out() -> None:
    step = Set(path="custom_data.allowed", expression="event.consent.marketing")
    content = read_content(decided(route(transform=(step,))).content or b"")
    assert content is not None
    assert with_content(ORDER, content).custom_data.properties == {"allowed": "granted"}


def test_the_share_is_told_with_what_it_keeps() -> None:
    half = route(sample=Sample(rate=0.5))
    viewed = [event(str(number), user_data=UserData(anonymous_id=str(number))) for number in range(200)]
    found = [decided(half, of=one) for one in viewed]
    assert {one.sample_rate for one in found} == {0.5}
    assert 60 < sum(one.reason is None for one in found) < 140
    assert decided(half).sample_rate == 1, "a conversion stands for itself"


def test_a_route_with_a_fault_that_is_in_force_all_the_same_lets_nothing_through() -> None:
    assert decided(route(filter="event.nothing == 3")).reason == "filter_error"
    assert decided(route(transform=(Set(path="event_id", expression="1"),))).reason == "transform_error"


def test_all_that_is_wrong_with_a_route_is_told_with_its_place() -> None:
    bad = route(filter="event.evnt_name == 'x'", events=(), transform=(Set(path="event_id", expression="1"),))
    assert [field for field, _ in problems(bad)] == ["events", "filter", "transform[0].path"]


class Anonymous(Single, frozen=True, kw_only=True, tag="test_anonymous"):
    takes_anonymous = True


@pytest.mark.parametrize(
    ("kind", "strip", "marketing", "reason"),
    [
        (Anonymous, True, "denied", None),
        (Anonymous, True, None, None),
        (Anonymous, False, "denied", "consent_denied"),
        (Single, True, "denied", "consent_denied"),
        (Single, True, None, "consent_unknown"),
    ],
)
def test_without_consent_an_event_may_go_out_without_anybody_in_it(
    kind: type[Single], strip: bool, marketing: Any, reason: str | None
) -> None:
    shop = site(kind(id="one"), routes=(route(strip=strip),), consent_default="denied")
    (found,) = decide(ORDER, Consent(marketing=marketing), shop)
    assert found.reason == reason


def test_nobody_is_in_what_goes_out_stripped() -> None:
    told = structs.replace(
        ORDER, user_data=UserData(external_id="c", client_ip="192.0.2.1"), consent=Consent(marketing="denied"),
        page=Page(url="https://shop.example/a?gclid=x"),
    )  # fmt: skip
    step = Set(path="custom_data.tier", expression="'gold'")
    shop = site(Anonymous(id="one"), routes=(route(strip=True, transform=(step,)),))
    (found,) = decide(told, told.consent, shop)
    content = read_content(found.content or b"")
    assert content is not None
    sent = with_content(told, content)
    assert (sent.user_data, sent.page.url) == (UserData(), "https://shop.example/a")
    assert sent.custom_data.properties == {"tier": "gold"}
    assert (Anonymous(id="one").denied(sent), Single(id="one").denied(sent)) == (None, "marketing")


def test_with_consent_nothing_is_stripped() -> None:
    shop = site(Anonymous(id="one"), routes=(route(strip=True),))
    assert decide(ORDER, GRANTED, shop)[0].content is None


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "order": st.integers(-2, 2),
        "enabled": st.booleans(),
        "events": st.sampled_from([("*",), ("page_viewed",), ("purchase_placed", "page_viewed")]),
        "filter": st.sampled_from(["event.custom_data.value > 10", "!has(event.custom_data.value)", "1 / 0 == 1"]),
        "sample": st.builds(Sample, rate=st.floats(0, 1), allow_conversions=st.booleans()),
        "transform": st.sampled_from([(EventName(name="x"),), (DropIf(expression="event.custom_data.value > 20"),)]),
    },
)


@given(fields=st.lists(FIELDS, max_size=5), name=st.sampled_from(["page_viewed", "purchase_placed"]), data=st.data())
def test_the_same_event_is_always_decided_alike(fields: list[dict[str, Any]], name: str, data: st.DataObject) -> None:
    routes = tuple(route(f"r{index}", **one) for index, one in enumerate(fields))
    value = data.draw(st.none() | st.decimals(0, 100, places=2))
    one = event(name=name, custom_data=CustomData(value=value), user_data=UserData(anonymous_id="v"))
    first, again = (decided(*routes, of=one) for _ in range(2))
    assert first == again


@given(
    name=st.sampled_from(["page_viewed", "cart_viewed", "identify", "x"]),
    source=st.sampled_from(["browser", "test", "server"]),
    wishes=st.dictionaries(st.sampled_from(["one", "two", "all", "test"]), st.booleans(), max_size=2),
    marketing=st.sampled_from([None, "granted", "denied"]),
    score=st.sampled_from([0, 90]),
    enabled=st.booleans(),
)
def test_a_site_without_routes_is_decided_as_each_destinations_default_says(
    name: str, source: Any, wishes: dict[str, bool], marketing: Any, score: int, enabled: bool
) -> None:
    one = event(name=name, source=source, integrations=wishes, bot_score=score)
    consent = Consent(marketing=marketing)
    shop = site(Single(id="one", enabled=enabled), Single(id="two"), bots="drop", consent_default="denied")
    wanted = [refusal(one, consent, destination, shop) for destination in shop.destinations]
    assert [found.reason for found in decide(one, consent, shop)] == wanted
