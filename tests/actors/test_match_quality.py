"""The estimated match quality: the page's samples, what does not count, what is missing, and the rule's bounds."""

import ipaddress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.addresses import refusal
from actors.destinations import Meta, Reddit, Webhook, carried
from actors.destinations.base import Destination, Payload
from actors.event import EmailDigests, Event, PhoneDigests
from actors.identity import email_digests
from actors.match_quality import KINDS, estimate, gaps, is_library, is_public, is_there
from actors.secret import Secret
from bench.simulator.webhook import SECRET as WEBHOOK_SECRET
from store.records import MatchRow
from tests.actors.destinations.test_carried import USER, every_matching, only
from tests.support.making import DAY_MS, event

META = Meta(id="meta", pixel_id="1", access_token=Secret("token"))
REDDIT = Reddit(id="reddit", pixel_id="a2_abc", access_token=Secret("token"))
BOTH = ("client_ip", "client_user_agent")
CLICKED_MS = 1_795_032_251_398  # of the sample's fbc


def match_of(sent: Event, destination: Destination = META) -> MatchRow:
    payload = destination.encode(sent)
    assert isinstance(payload, Payload)
    match = estimate(sent, payload.carries, destination)
    assert match is not None
    return match


def carrying(*names: str, **changes: Any) -> Event:
    """An event with these identifiers of the sample, some of them changed."""
    found = only(event(), names)
    user = msgspec.structs.replace(found.user_data, **changes)
    return msgspec.structs.replace(found, user_data=user)


@pytest.mark.parametrize(
    ("names", "tenths"),
    [
        (("email", "phone", "external_id", "fbp", "fbc"), 88),
        (("email", "phone", "external_id", "fbp", "fbc", *BOTH), 94),
        (("email", "external_id"), 40),
        (("fbc", "fbp", *BOTH), 34),
        (("fbp", *BOTH), 14),
    ],
)
def test_samples_of_the_page(names: tuple[str, ...], tenths: int) -> None:
    assert match_of(carrying(*names)).tenths == tenths


def test_all_weights_sum_up_to_ten() -> None:
    assert sum(tenths for _, _, tenths in KINDS) == 100


def test_what_a_platform_does_not_take_is_left_out_and_the_rest_scaled() -> None:
    everything = ("email", "phone", "external_id", "rdt_cid", "rdt_uuid", *BOTH)
    assert match_of(carrying(*everything), REDDIT).tenths == 100
    assert match_of(carrying("email"), REDDIT).tenths == 32  # 3.0 of 9.4


def test_a_destination_that_looks_for_nobody_has_no_estimate() -> None:
    hook = Webhook(id="hook", url="https://hooks.example.com/", secret=Secret(WEBHOOK_SECRET))
    assert estimate(carrying("email"), 0, hook) is None


WITH_EMAIL = ("email", "phone", "external_id", "fbc", *BOTH)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"email": email_digests("jane@example.com")}, 0),
        ({"email": EmailDigests(sha256="973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b")}, 30),
        ({"phone": PhoneDigests(sha256="74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b")}, 20),
        ({"external_id": "guest"}, 10),
        ({"external_id": "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c"}, 10),
        ({"fbc": "fb.1.123.abc"}, 20),
        ({"client_ip": "192.168.1.7"}, 3),
        ({"client_ip": "fd00::7"}, 3),
        ({"client_ip": "somewhere"}, 3),
        ({"client_user_agent": "python-requests/2.32.3"}, 3),
    ],
)
def test_a_value_that_says_nothing_does_not_count(changes: dict[str, Any], lost: int) -> None:
    assert match_of(carrying(*WITH_EMAIL, **changes)).tenths == match_of(carrying(*WITH_EMAIL)).tenths - lost


@pytest.mark.parametrize(("age_ms", "tenths"), [(90 * DAY_MS, 20), (90 * DAY_MS + 1, 0)])
def test_a_click_of_meta_counts_for_90_days(age_ms: int, tenths: int) -> None:
    sent = msgspec.structs.replace(carrying("email", "fbc"), occurred_at_ms=CLICKED_MS + age_ms)
    assert match_of(sent).tenths == 30 + tenths


def test_an_old_click_of_meta_says_nothing_of_another_platforms() -> None:
    sent = msgspec.structs.replace(carrying("rdt_cid", "fbc"), occurred_at_ms=CLICKED_MS + 100 * DAY_MS)
    assert match_of(sent, REDDIT).counted == carried.CLICK_ID


def test_what_is_missing_is_named_with_what_it_would_add() -> None:
    found = [(gap.name, gap.adds_tenths) for gap in gaps(match_of(carrying("email", "external_id")))]
    assert found[:3] == [("phone", 20), ("click_id", 20), ("browser_id", 8)]


@every_matching
@given(st.integers(0, 511))
def test_missing_and_counted_make_up_the_whole(destination: Destination, carries: int) -> None:
    match = estimate(event(user_data=USER), carries, destination)
    assert match is not None
    assert 0 <= match.tenths <= 100
    missing = sum(gap.adds_tenths for gap in gaps(match))
    assert abs(match.tenths + missing - 100) <= len(KINDS) // 2 + 1  # each is rounded by itself


@pytest.mark.parametrize(
    ("kind", "changes", "there"),
    [
        (carried.CLICK_ID, {"fbc": None}, False),
        (carried.CLICK_ID, {}, True),
        (carried.BROWSER_ID, {"fbp": None}, False),
        (carried.NAMES, {"last_name": None}, False),
        (carried.PLACE, {"city": None}, True),
        (carried.PLACE, {"city": None, "postal_code": None}, False),
        (carried.IP, {"client_ip": None}, False),
        (carried.EMAIL, {}, True),
    ],
)
def test_what_did_not_count_is_there_or_is_not(kind: int, changes: dict[str, Any], there: bool) -> None:
    assert is_there(kind, msgspec.structs.replace(USER, **changes), Meta) == there


@pytest.mark.parametrize(
    "agent", ["", " ", "curl/8.5.0", "okhttp/4.12.0", "Go-http-client/2.0", "Java/17.0.2", "axios"]
)
def test_a_library_is_known_by_its_user_agent(agent: str) -> None:
    assert is_library(agent)


@pytest.mark.parametrize("agent", [USER.client_user_agent, "MyShop/3.1 (iPhone; iOS 19.1)", "JavaScriptCore", "gotcha"])
def test_a_browser_or_an_app_is_no_library(agent: str) -> None:
    assert not is_library(agent)


@given(st.ip_addresses())
def test_an_address_is_public_where_the_table_of_addresses_says_so(address: ipaddress.IPv4Address) -> None:
    why = refusal(str(address)) or ""
    # What a translator wraps is no visitor's own address; what a cloud keeps for itself is never one.
    if not (str(address).startswith("64:ff9b:") or "cloud metadata" in why or "inside" in why):
        assert is_public(str(address)) == (not why), why


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("81.2.69.142", True),
        ("100.63.0.1", True),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("172.15.0.1", True),
        ("172.31.0.1", False),
        ("192.88.99.1", False),
        ("198.20.0.1", True),
        ("203.0.113.7", False),
        ("224.0.0.1", False),
        ("2a02:8070:1::5", True),
        ("2001:db8::1", False),
        ("2001::1", False),
        ("2001:200::1", True),
        ("2002:c000:204::", False),
        ("3fff:0::1", False),
        ("::1", False),
        ("fe80::1", False),
        ("::ffff:81.2.69.142", True),
        ("::ffff:10.0.0.1", False),
        ("", False),
        ("1.2.3", False),
        ("x::1", False),
    ],
)
def test_addresses_that_are_public_and_that_are_not(address: str, expected: bool) -> None:
    assert is_public(address) == expected
