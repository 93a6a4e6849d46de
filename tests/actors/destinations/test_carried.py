"""What an adapter says that a request carries is what the request carries, for every adapter and every identifier."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.destinations import Webhook, carried
from actors.destinations.base import Destination, Payload
from actors.event import Consent, Event, Plaintext, UserData
from actors.identity import email_digests, name_digests, phone_digests
from tests.actors.destinations.test_conformance import CASES, every_adapter, whole

EMAIL, PHONE, FIRST, LAST = "anna.k+shop@gmail.com", "+4915112345678", "Änn-Lee", "O'Neill"
MATCHING = [one for one in CASES if not isinstance(one, Webhook)]
every_matching = pytest.mark.parametrize("destination", MATCHING, ids=lambda one: f"{one.id}")

USER = UserData(
    email=email_digests(EMAIL),
    phone=phone_digests(PHONE, None),
    first_name=name_digests(FIRST),
    last_name=name_digests(LAST),
    city="Springfield",
    region="IL",
    postal_code="62704",
    country="US",
    external_id="customer-4711",
    client_ip="81.2.69.142",
    client_user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    fbp="fb.1.1795032251412.1098115397",
    fbc="fb.1.1795032251398.IwAR2F4dbP0l7Mn1IawQQGCINEz7",
    ga_client_id="1234567890.1795032200",
    gclid="Cj0KCQ-gclid",
    gbraid="0AAAA-gbraid",
    wbraid="CkgK-wbraid",
    ttclid="E.C.P.ttclid",
    ttp="2kZt-ttp",
    epik="dj0y-epik",
    sc_click_id="sc-click-4711",
    sc_cookie1="scid-4711",
    li_fat_id="li-fat-4711",
    rdt_cid="rdt-cid-4711",
    rdt_uuid="1795032251412.rdt-uuid",
    awc="12345_1795032251_0f3c5e0b",
    tblci="GiTaboola",
    criteo_id="crto-4711",
    klaviyo_id="N2MyYz",
    kx="Zm9vYmFy.AbC123",
)
PLAIN = Plaintext(email=EMAIL, phone=PHONE, first_name=FIRST, last_name=LAST)
FIELDS = [name for name in UserData.__struct_fields__ if getattr(USER, name) is not None]
KINDS: Mapping[int, tuple[str, ...]] = {
    carried.EMAIL: ("email",),
    carried.PHONE: ("phone",),
    carried.EXTERNAL_ID: ("external_id",),
    carried.IP: ("client_ip",),
    carried.USER_AGENT: ("client_user_agent",),
    carried.NAMES: ("first_name", "last_name"),
}


def only(base: Event, names: Iterable[str]) -> Event:
    """The event with these identifiers and no others, beside the visitor's id; what is opened follows."""
    fields = {name: getattr(USER, name) for name in names}
    plain = {name: getattr(PLAIN, name) for name in ("email", "phone", "first_name", "last_name") if name in fields}
    user = UserData(anonymous_id="0123456789abcdef", plain=Plaintext(**plain), **fields)
    return msgspec.structs.replace(base, user_data=user)


def is_in(sent: bytes, name: str) -> bool:
    """Whether the identifier stands in what is sent, in any of its forms."""
    return any(form.encode() in sent for form in _forms(name))


def _forms(name: str) -> set[str]:
    value = getattr(USER, name)
    if not isinstance(value, str):  # a digest set, or what was opened
        digests = {text for text in msgspec.to_builtins(value).values() if text}
        return digests | {getattr(PLAIN, name)}
    plain = re.sub("[^a-z0-9]", "", value.lower())
    hashes = {hashlib.sha256(text.encode()).hexdigest() for text in (value, value.lower(), plain)}
    quoted = {f'"{text}"' for text in (value, value.lower())}  # "US" is also a part of other words
    return hashes | (quoted if len(value) < 3 else {value, value.lower()})


def counted(sent: bytes, destination: Destination) -> int:
    """The kinds that stand in what is sent, as a reader of the request finds them."""
    kinds = sum(kind for kind, names in KINDS.items() if all(is_in(sent, name) for name in names))
    if any(is_in(sent, name) for name in destination.click_ids):
        kinds |= carried.CLICK_ID
    if any(is_in(sent, name) for name in destination.browser_ids):
        kinds |= carried.BROWSER_ID
    if is_in(sent, "country") and (is_in(sent, "city") or is_in(sent, "postal_code")):
        kinds |= carried.PLACE
    return kinds


def sent_by(destination: Destination, names: Iterable[str]) -> list[tuple[bytes, int]]:
    """What goes out of an event with these identifiers, and what the adapter says of it: with all consent, and in the
    platform's limited mode. What is dropped is left out."""
    limited = only(whole(destination), names)
    granted = Consent(analytics="granted", marketing="granted", sale_of_data="granted")
    payloads = map(destination.encode, (msgspec.structs.replace(limited, consent=granted), limited))
    return [(one.body + one.envelope, one.carries) for one in payloads if isinstance(one, Payload)]


@every_matching
def test_event_with_every_identifier_carries_all_that_the_platform_takes(destination: Destination) -> None:
    sent = sent_by(destination, FIELDS)
    assert sent
    for body, carries in sent:
        assert carries == destination.matches_on() == counted(body, destination)


@every_matching
@pytest.mark.parametrize("name", FIELDS)
def test_one_identifier_counts_if_it_is_in_the_request_and_only_then(destination: Destination, name: str) -> None:
    parts = {"first_name": ["last_name"], "last_name": ["first_name"], "city": ["country"], "postal_code": ["country"]}
    for names in ([name], [name, *parts.get(name, [])]):
        for body, carries in sent_by(destination, names):
            assert carries == counted(body, destination), names


@every_matching
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.sampled_from(FIELDS)))
def test_any_identifiers_together_count_if_they_are_in_the_request(destination: Destination, names: set[str]) -> None:
    for body, carries in sent_by(destination, sorted(names)):
        assert carries == counted(body, destination)


@every_adapter
def test_own_ids_are_fields_of_the_event(destination: Destination) -> None:
    takes = destination.matches_on()
    assert bool(takes & carried.CLICK_ID) == bool(destination.click_ids)
    assert bool(takes & carried.BROWSER_ID) == bool(destination.browser_ids)
    assert {*destination.click_ids, *destination.browser_ids} <= set(UserData.__struct_fields__)


SWITCHES: list[tuple[str, dict[str, Any], int]] = [
    ("ga4", {"send_user_data": False}, carried.EMAIL | carried.PHONE | carried.NAMES | carried.PLACE),
    ("b", {"user_identifiers": False}, carried.EMAIL | carried.PHONE | carried.NAMES | carried.PLACE),
    ("linkedin", {"user_info": None}, carried.NAMES),
]


@pytest.mark.parametrize(("name", "setting", "lost"), SWITCHES)
def test_setting_that_keeps_identifiers_back_is_seen(name: str, setting: dict[str, Any], lost: int) -> None:
    destination = msgspec.structs.replace(next(one for one in CASES if one.id == name), **setting)
    sent = sent_by(destination, FIELDS)
    assert sent
    for body, carries in sent:
        assert carries == destination.matches_on() & ~lost == counted(body, destination)


def test_ga4_without_marketing_consent_carries_no_user_data() -> None:
    ga4 = next(one for one in CASES if one.id == "ga4")
    event = only(whole(ga4), FIELDS)
    denied = msgspec.structs.replace(event, consent=msgspec.structs.replace(event.consent, marketing="denied"))
    payload = ga4.encode(denied)
    assert isinstance(payload, Payload)
    assert payload.carries == carried.EXTERNAL_ID | carried.BROWSER_ID | carried.IP | carried.USER_AGENT
    assert payload.carries == counted(payload.body + payload.envelope, ga4)


def test_klaviyo_carries_no_email_that_stayed_sealed() -> None:
    klaviyo = next(one for one in CASES if one.id == "klaviyo")
    event = only(whole(klaviyo), ["email", "phone", "external_id"])
    user = msgspec.structs.replace(event.user_data, plain=None)
    payload = klaviyo.encode(msgspec.structs.replace(event, user_data=user))
    assert isinstance(payload, Payload)
    assert payload.carries == carried.EXTERNAL_ID


def test_google_sends_no_address_of_the_eea() -> None:
    google = next(one for one in CASES if one.id == "b")
    event = only(whole(google), FIELDS)
    user = msgspec.structs.replace(event.user_data, country="DE")
    payload = google.encode(msgspec.structs.replace(event, user_data=user))
    assert isinstance(payload, Payload)
    assert payload.carries == google.matches_on() & ~carried.IP
