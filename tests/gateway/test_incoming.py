"""From a request's body to canonical events."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import Consent, Event, Item, Page, Plaintext, UserData
from actors.identity import date_digest, email_digests, name_digests, phone_digests
from gateway.form import EventForm
from gateway.incoming import Body, Intake, Invalid, event_of, parse_body, to_event
from gateway.sealing import Sealer

NOW_MS = 1795168512999  # 2026-11-20T09:55:12.999Z
INTAKE = Intake(site="demo", source="server", received_at_ms=NOW_MS, make_id=lambda: "made", default_country="DE")
SEALED = msgspec.structs.replace(INTAKE, sealer=Sealer(bytes(32), "demo"))


def read(value: object, intake: Intake = INTAKE) -> Event | Invalid:
    return to_event(value if isinstance(value, bytes) else json.dumps(value).encode(), intake)


def taken(intake: Intake = INTAKE, **fields: object) -> Event:
    event = read({"event_name": "purchase", **fields}, intake)
    assert isinstance(event, Event), event
    return event


def test_an_event_with_everything_becomes_canonical() -> None:
    event = taken(
        event_id="e-1",
        occurred_at="2026-11-20T10:55:12.345+01:00",
        action_source="app",
        page={"url": "https://shop.example.com/tea?gclid=Cj0", "title": "Tea", "referrer": "https://example.org/"},
        user_data={"email": "Jane@Example.com", "phone": "0151 12345678", "first_name": "Jane", "city": "Bonn"},
        custom_data={
            "value": 49.90,
            "currency": "eur",
            "order_id": "gid://shopify/Order/123",
            "items": [{"id": 7, "quantity": "2", "price": "24.95", "name": "Oolong"}],
            "product_ids": [7, "8"],
            "plan": "gold",
        },
        consent={"marketing": "granted", "analytics": None},
    )
    assert (event.event_name, event.event_id, event.action_source) == ("purchase_placed", "e-1", "app")
    assert (event.occurred_at_ms, event.received_at_ms) == (1795168512345, NOW_MS)
    assert event.page == Page(
        url="https://shop.example.com/tea?gclid=Cj0", path="/tea", title="Tea", referrer="https://example.org/"
    )
    assert event.user_data.email == email_digests("jane@example.com")
    assert event.user_data.phone == phone_digests("+4915112345678", None)
    assert event.user_data.first_name == name_digests("jane")
    assert (event.user_data.city, event.user_data.gclid) == ("Bonn", "Cj0")
    custom = event.custom_data
    assert (custom.value, custom.currency, custom.order_id) == (Decimal("49.9"), "EUR", "123")
    assert custom.items == (Item(id="7", name="Oolong", quantity=2, price=Decimal("24.95")),)
    assert (custom.product_ids, custom.properties) == (("7", "8"), {"plan": "gold"})
    assert event.consent == Consent(marketing="granted")
    assert event.marks == ()


def test_the_smallest_event_is_its_name() -> None:
    event = taken()
    assert (event.event_id, event.is_id_made, event.occurred_at_ms) == ("made", True, NOW_MS)
    assert (event.action_source, event.page, event.user_data.email) == ("website", Page(), None)


def test_null_and_blank_are_absent() -> None:
    nothing: dict[str, Any] = {field: None for field in EventForm.__struct_fields__ if field != "event_name"}
    assert taken(**nothing) == taken()
    assert taken(custom_data={"currency": " ", "order_id": "", "x": None}, user_data={"email": ""}) == taken()


def test_money_keeps_the_digits_it_was_sent_with() -> None:
    event = read(b'{"event_name": "x", "custom_data": {"value": 19.900000000000000001, "tax": "3.18"}}')
    assert isinstance(event, Event)
    assert str(event.custom_data.value) == "19.900000000000000001"
    assert event.custom_data.tax == Decimal("3.18")


@pytest.mark.parametrize(
    ("occurred_at", "marks"),
    [
        ("2026-11-13T09:55:12.998Z", ("late",)),
        ("2026-11-13T09:55:12.999Z", ()),
        ("2026-11-20T10:05:12.999Z", ()),
        ("2026-11-20T10:05:13.000Z", ("early",)),
    ],
)
def test_a_time_out_of_bounds_is_taken_and_marked(occurred_at: str, marks: tuple[str, ...]) -> None:
    assert taken(occurred_at=occurred_at).marks == marks


def test_an_identifier_without_a_usable_value_is_left_out_and_said() -> None:
    user = {
        "email": "n/a",
        "phone": "unknown",
        "external_id": "null",
        "fbp": "fb.1",
        "gclid": "a b",
        "first_name": "Li",
    }
    event = taken(user_data=user)
    assert event.user_data == UserData(first_name=name_digests("Li"))
    assert event.marks == tuple(f"{field}_left_out" for field in ("email", "phone", "external_id", "fbp", "gclid"))


def test_a_short_customer_id_is_kept() -> None:
    assert taken(user_data={"external_id": 42}).user_data.external_id == "42"


def test_the_events_country_reads_its_phone_before_the_sites() -> None:
    user = taken(user_data={"phone": "(650)555-1212", "country": "us"}).user_data
    assert user.phone == phone_digests("+16505551212", None)
    assert user.country == "us"


def test_a_hash_that_arrives_is_never_hashed_again() -> None:
    digest = "DBF1912B4CAD4DF9823F627874244E64B50A6AC550B9CB33B17DF671A26679DB"
    email = taken(user_data={"email": f"{digest}.AQ"}, intake=SEALED).user_data
    assert email.email is not None
    assert (email.email.sha256, email.email.suffix, email.email.md5) == (digest.lower(), "AQ", None)
    assert email.sealed is None


def test_an_exchange_id_is_told_from_klaviyos_profile_id() -> None:
    assert taken(user_data={"klaviyo_id": "Zm9v.AbC123"}).user_data.kx == "Zm9v.AbC123"
    assert taken(user_data={"klaviyo_id": "01HYQ3V8Z5"}).user_data.klaviyo_id == "01HYQ3V8Z5"


def test_no_plaintext_stays_in_an_event() -> None:
    values = {
        "email": "jane@example.com",
        "phone": "+4915112345678",
        "first_name": "Jannette",
        "last_name": "Doering",
        "street": "Hauptgasse 1",
        "date_of_birth": "1990-04-23",
    }
    stored = msgspec.msgpack.encode(taken(user_data=values, intake=SEALED)).lower()
    for value in (*values.values(), "19900423"):
        assert value.lower().encode() not in stored


def test_a_sealed_site_keeps_the_values_for_destinations_that_need_them() -> None:
    user = {
        "email": " Jane@Example.com",
        "phone": "0151 12345678",
        "date_of_birth": "04/23/1990",
        "last_name": " O'Neil ",
    }
    event = taken(user_data=user, intake=SEALED)
    assert event.user_data.date_of_birth == date_digest("1990-04-23")
    assert event.user_data.sealed is not None
    assert SEALED.sealer is not None
    assert SEALED.sealer.open(event.user_data.sealed, event.event_id) == Plaintext(
        email="jane@example.com", phone="+4915112345678", last_name="O'Neil", date_of_birth="1990-04-23"
    )
    assert taken(user_data=user).user_data.sealed is None


def test_the_connection_beats_what_a_browser_says() -> None:
    intake = msgspec.structs.replace(
        INTAKE, client_ip="203.0.113.7", client_user_agent="UA", anonymous_id="v1", session_id="s1", cookies="_ttp=x"
    )
    user = taken(user_data={"client_ip": "198.51.100.1", "anonymous_id": "other"}, intake=intake).user_data
    assert (user.client_ip, user.client_user_agent, user.anonymous_id, user.session_id) == (
        "203.0.113.7",
        "UA",
        "v1",
        "s1",
    )
    assert user.ttp == "x"


def test_campaign_parameters_become_properties_unless_the_sender_gave_them() -> None:
    page = {"url": "https://x.example/?utm_source=google&utm_medium=cpc"}
    event = taken(page=page, custom_data={"utm_source": "own"})
    assert event.custom_data.properties == {"utm_source": "own", "utm_medium": "cpc"}


def test_card_data_is_removed_and_ids_are_spared() -> None:
    card = "4111111111111111"
    event = taken(
        event_id=card,
        page={"title": f"Paid with {card}"},
        user_data={"external_id": card, "gclid": card},
        custom_data={
            "order_id": card,
            "items": [{"id": card, "name": card}],
            "cvc": "123",
            "note": card,
            "lead_id": card,
        },
    )
    assert event.page.title == "Paid with [card]"
    assert (event.event_id, event.custom_data.order_id, event.custom_data.lead_id) == (card, card, card)
    assert event.custom_data.items == (Item(id=card, name="[card]"),)
    assert event.custom_data.properties == {"note": "[card]"}
    assert (event.user_data.external_id, event.user_data.gclid) == (card, card)
    assert event.marks == ("card_removed",)


def test_the_last_of_two_equal_names_counts() -> None:
    event = read(b'{"event_name": "a", "event_name": "b", "custom_data": {"x": 1}, "custom_data": {"y": 2, "y": 3}}')
    assert isinstance(event, Event)
    assert (event.event_name, event.custom_data.properties) == ("b", {"y": 3})


@pytest.mark.parametrize(
    ("body", "count", "place"),
    [
        (b'{"event_name": "a"}', 1, ""),
        (b' [{"event_name": "a"}, 5]', 2, "events[1]"),
        (b'{"events": [{"event_name": "a"}, {}, null], "k": "pk_demo"}', 3, "events[2]"),
    ],
)
def test_a_body_is_one_event_an_array_or_an_object_of_events(body: bytes, count: int, place: str) -> None:
    parsed = parse_body(body)
    assert isinstance(parsed, Body)
    assert len(parsed.events) == count
    assert parsed.place(count - 1) == place
    assert parsed.key == ("pk_demo" if b"pk_demo" in body else None)
    assert isinstance(to_event(parsed.events[0], INTAKE), Event)


def test_in_a_batch_a_bad_event_spoils_no_good_one() -> None:
    parsed = parse_body(b'[{"event_name": "a"}, {"event_name": 5}, "x", {"event_name": "b"}]')
    assert isinstance(parsed, Body)
    results = [to_event(raw, INTAKE) for raw in parsed.events]
    assert [isinstance(result, Event) for result in results] == [True, False, False, True]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"5", "invalid_field"),
        (b'{"events": {}}', "invalid_field"),
        (b"[]", "invalid_field"),
        (b"[" + b"1," * 1000 + b"1]", "too_many_events"),
    ],
)
def test_a_body_that_holds_no_events_is_refused_as_a_whole(body: bytes, code: str) -> None:
    parsed = parse_body(body)
    assert isinstance(parsed, Invalid)
    assert parsed.code == code


def test_a_source_of_its_own_format_fills_the_form() -> None:
    event = event_of(EventForm(event_name="Purchase"), {"shop": "x"}, INTAKE)
    assert isinstance(event, Event)
    assert (event.event_name, event.custom_data.properties) == ("purchase_placed", {"shop": "x"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.emails(), st.text(), st.decimals(0, 10**6, places=2))
def test_every_event_taken_is_stored_as_it_is(own: dict[str, Any], email: str, name: str, value: Decimal) -> None:
    result = read(
        {
            "event_name": "x",
            "user_data": {"email": email, "last_name": name},
            "custom_data": {**own, "value": str(value)},
        }
    )
    if isinstance(result, Event):
        assert_kept_as_it_is(result)


def assert_kept_as_it_is(event: Event) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


def test_what_the_page_came_in_by_tells_beside_it_is_kept_without_addresses() -> None:
    came = msgspec.structs.replace(INTAKE, landing_url="https://shop.example/?gclid=Cj0abc&email=a@b.example#top")
    event = taken(came, page={"url": "https://shop.example/tea"})
    assert event.landing_query.startswith("gclid=Cj0abc")
    assert "a@b.example" not in event.landing_query
    assert "?" not in (event.page.url or "")
