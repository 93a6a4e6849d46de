"""The body of the Events API (contracts/events_api.md)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import Event, Page
from actors.identity import email_digests, name_digests, phone_digests
from gateway.incoming import Intake
from gateway.invalid import Invalid
from gateway.sources.events_api_body import decode_events_api

INTAKE = Intake(
    site="demo",
    source="events_api",
    received_at_ms=1795168800000,
    make_id=lambda: "made",
    client_ip="203.0.113.7",
    client_user_agent="Mozilla/5.0 (X11; Linux x86_64)",
)
SAMPLE: dict[str, Any] = {
    "data": {
        "metaEvent": "AddToCart",
        "gaEvent": "add_to_cart",
        "gadsConversionLabel": None,
        "eventUrl": "https://shop.example.com/products/oolong",
        "eventId": "3d0f8c52-8f1e-4a37-9f35-0f2b7f0f9f11",
        "userId": "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21",
        "userData": {"email": "Jane@Example.com", "phone": "4915112345678", "name": "Jane Doe"},
        "cookieFbp": "fb.1.1795168512000.1098115397",
        "cookieFbc": None,
        "cookieGclid": None,
    },
    "meta": {"metaPixelId": "123456789012345", "metaTestCode": None, "gaMeasurementId": "G-EXAMPLE123"},
}


def decode(value: object) -> Event | Invalid | None:
    return decode_events_api(json.dumps(value).encode(), INTAKE)


def taken(**data: object) -> Event:
    event = decode({"data": data})
    assert isinstance(event, Event)
    return event


def test_the_pages_sample_becomes_its_canonical_event() -> None:
    event = decode(SAMPLE)
    assert isinstance(event, Event)
    assert event.event_name == "cart_item_added"
    assert event.event_id == "3d0f8c52-8f1e-4a37-9f35-0f2b7f0f9f11"
    assert event.occurred_at_ms == event.received_at_ms == 1795168800000
    assert (event.source, event.action_source) == ("events_api", "website")
    assert event.page == Page(url="https://shop.example.com/products/oolong", path="/products/oolong")
    user = event.user_data
    assert user.email == email_digests("Jane@Example.com")
    assert user.phone == phone_digests("+4915112345678", None)
    assert (user.first_name, user.last_name) == (name_digests("Jane"), name_digests("Doe"))
    assert user.anonymous_id == "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21"
    assert (user.external_id, user.fbp, user.fbc) == (None, "fb.1.1795168512000.1098115397", None)
    assert (user.client_ip, user.client_user_agent) == ("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64)")
    assert event.custom_data.properties == {
        "meta_event": "AddToCart",
        "ga_event": "add_to_cart",
        "meta_pixel_id": "123456789012345",
        "ga_measurement_id": "G-EXAMPLE123",
    }


@pytest.mark.parametrize(
    ("meta_event", "ga_event", "name"),
    [
        ("Purchase", "begin_checkout", "purchase_placed"),
        ("MyQuiz", "sign_up", "registration_completed"),
        (None, "purchase", "purchase_placed"),
        ("MyQuiz", "my_quiz", "MyQuiz"),
        (None, "my_quiz", "my_quiz"),
        ("  ", "my_quiz", "my_quiz"),
    ],
)
def test_the_name_is_metas_alias_else_ga4s_else_the_name(meta_event: str | None, ga_event: str, name: str) -> None:
    assert taken(metaEvent=meta_event, gaEvent=ga_event).event_name == name


def test_a_conversion_label_alone_is_an_event_for_google_ads() -> None:
    event = taken(gadsConversionLabel="AW-1/ABC", cookieGclid="GCL.1795168512.Cj0.Example")
    assert event.event_name == "conversion"
    assert event.user_data.gclid == "Cj0.Example"
    assert event.custom_data.properties == {"gads_conversion_label": "AW-1/ABC"}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Jane", "Jane", None), ("Jane van Dyk", "Jane", "van Dyk"), (" Jane  Doe ", "Jane", "Doe"), ("", None, None)],
)
def test_a_full_name_is_split_at_its_first_space(name: str, first: str | None, last: str | None) -> None:
    user = taken(metaEvent="Lead", userData={"name": name}).user_data
    assert user.first_name == (name_digests(first) if first else None)
    assert user.last_name == (name_digests(last) if last else None)


def test_an_id_of_its_own_is_made_where_the_body_has_none() -> None:
    event = taken(metaEvent="Lead", eventId=None)
    assert (event.event_id, event.is_id_made) == ("made", True)


def test_a_body_that_names_no_event_is_nothing_to_send() -> None:
    assert decode({"data": {"metaEvent": None, "eventUrl": "https://x.example/"}}) is None
    assert decode({"data": {}, "meta": None}) is None


@pytest.mark.parametrize(
    "body", [b"", b"nope", b'"data"', b"[]", b"{}", b'{"data": null}', b'{"data": []}', b'{"data": 1}', b"\xff"]
)
def test_no_json_or_no_data_is_refused(body: bytes) -> None:
    problem = decode_events_api(body, INTAKE)
    assert isinstance(problem, Invalid)
    assert problem.code == "invalid_json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional={name: JSON for name in SAMPLE["data"]}), JSON)
def test_whatever_the_fields_hold_the_body_is_taken(data: dict[str, object], meta: object) -> None:
    event = decode({"data": data, "meta": meta})
    assert not isinstance(event, Invalid)
    if event is not None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
