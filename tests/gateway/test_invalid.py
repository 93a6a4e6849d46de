"""What is wrong with an event is named by its field, whatever the sender sent."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import Event
from gateway.form import EventForm
from gateway.incoming import Body, Intake, Invalid, parse_body, to_event

INTAKE = Intake(
    site="demo", source="server", received_at_ms=1795168512999, make_id=lambda: "made", default_country="DE"
)


def read(value: object) -> Event | Invalid:
    return to_event(value if isinstance(value, bytes) else json.dumps(value).encode(), INTAKE)


def taken(**fields: object) -> Event:
    event = read({"event_name": "purchase", **fields})
    assert isinstance(event, Event), event
    return event


def refused(**fields: object) -> Invalid:
    problem = read({"event_name": "purchase", **fields})
    assert isinstance(problem, Invalid)
    return problem


# field, value, part of the message
WRONG: list[tuple[str, object, str]] = [
    ("event_name", 5, "give 1 to 128 characters"),
    ("event_name", "", "no name"),
    ("event_name", "a\nb", "control characters"),
    ("event_name", "x" * 129, "too long"),
    ("event_id", "", "leave it out"),
    ("event_id", "x" * 129, "128"),
    ("event_id", True, "got bool"),
    ("event_id", 10**30, "give 1 to 128"),
    ("occurred_at", "yesterday", "RFC 3339"),
    ("occurred_at", "2026-11-20T09:55:12", "RFC 3339"),
    ("occurred_at", 1795168512, "RFC 3339"),
    ("occurred_at", "1969-12-31T23:59:59Z", "before 1970"),
    ("action_source", "web", "website"),
    ("page", [], "give an object"),
    ("page.url", 5, "got int"),
    ("page.title", "x" * 8193, "8192"),
    ("user_data", "jane", "give an object"),
    ("user_data.email", {}, "got object"),
    ("user_data.client_ip", "300.1.1.1", "IPv4 or IPv6"),
    ("user_data.client_ip", "fe80::1%eth0", "IPv4 or IPv6"),
    ("custom_data.currency", "EURO", "'EURO' is no ISO 4217 currency code; give three letters such as EUR"),
    ("custom_data.value", "12,50", "give an amount such as 19.90"),
    ("custom_data.value", "NaN", "give an amount"),
    ("custom_data.value", "Infinity", "give an amount"),
    ("custom_data.value", 10**13, "too large"),
    ("custom_data.value", "1e-400", "too long"),
    ("custom_data.shipping", True, "give an amount"),
    ("custom_data.num_items", 1.5, "whole number"),
    ("custom_data.num_items", -1, "whole number"),
    ("custom_data.customer_type", "old", "'new' or 'returning'"),
    ("custom_data.product_ids", "SKU-1", "give an array"),
    ("custom_data.big", 2**63, "64-bit"),
    ("custom_data.long", "x" * 8193, "8192"),
    ("custom_data.deep", {"a": [{"b": 2**63}]}, "64-bit"),
    ("consent.marketing", "yes", "give 'granted' or 'denied'"),
    ("consent.analytics", True, "give 'granted' or 'denied'"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path}={value!r:.20}" for path, value, _ in WRONG])
def test_what_is_wrong_is_named_with_what_would_be_right(path: str, value: object, message: str) -> None:
    first, _, second = path.partition(".")
    problem = refused(**{first: {second: value} if second else value})
    assert (problem.code, problem.field) == ("invalid_field", path)
    assert message in problem.message


def test_a_fault_in_a_line_is_named_with_its_place_in_the_request() -> None:
    problem = refused(custom_data={"items": [{"price": 1}, {"price": "dear"}]}).under("events[3]")
    assert json.loads(problem.body()) == {
        "error": {
            "code": "invalid_field",
            "field": "events[3].custom_data.items[1].price",
            "message": "invalid decimal string; give an amount such as 19.90",
        }
    }
    assert Invalid(code="invalid_json", field="", message="").under("events[3]").field == "events[3]"


def test_a_message_repeats_no_value_of_a_person() -> None:
    for fields in ({"consent": {"marketing": "jane@x.de"}}, {"user_data": {"client_ip": "jane@x.de"}}):
        assert "jane" not in refused(**fields).message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nope",
        b'{"event_name": "x"',
        b'{"event_name": "x", "custom_data": {"a": NaN}}',
        b'{"event_name": "x", "custom_data": {"a": 1e999}}',
        b'{"event_name": "\\ud800"}',
        b'{"event_name": "\xff"}',
        b'\xef\xbb\xbf{"event_name": "x"}',
        b'{"event_name": "x", "custom_data": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"event_name": "x", "ignored": ' + b"[" * 40 + b"]" * 40 + b"}",
        '{"event_name": "x"}'.encode("utf-16"),
    ],
)
def test_malformed_json_is_refused(raw: bytes) -> None:
    assert isinstance(read(raw), Invalid)


HALF = rb'{"event_name": "\ud83d"}'


@pytest.mark.parametrize(
    "bad",
    [
        HALF,
        rb'{"event_name": "x", "custom_data": {"\uDE00": 1}}',
        rb'{"event_name": "x", "ignored": ["\ud83d \ud83d\ude00"]}',
    ],
)
@pytest.mark.parametrize("wrap", [b"[%s]", rb'{"events": [%s], "cookies": "_ga=\ud83d"}'])
def test_half_a_character_is_refused_with_its_own_event_and_no_other(bad: bytes, wrap: bytes) -> None:
    good = rb'{"event_name": "\ud83d\ude00", "custom_data": {"a": "\\ud83d \ufdd0"}}'
    body = parse_body(wrap % b",".join([good, bad, good]))
    assert isinstance(body, Body)
    assert [isinstance(read(bytes(raw)), Invalid) for raw in body.events] == [False, True, False]
    assert bytes(body.events[0]) == good


def test_a_body_that_holds_every_mark_is_refused_whole() -> None:
    marks = b"".join(rb"\uFD%02x" % number for number in range(0xD0, 0xF0))
    assert isinstance(parse_body(b'[%s, {"event_name": "%s"}]' % (HALF, marks)), Invalid)


@pytest.mark.parametrize(("levels", "is_taken"), [(32, True), (33, False)])
def test_an_event_has_at_most_32_levels(levels: int, is_taken: bool) -> None:
    inner = levels - 2  # the event and custom_data are two
    raw = b'{"event_name": "x", "custom_data": {"a": ' + b"[" * inner + b"]" * inner + b"}}"
    assert isinstance(read(raw), Event) == is_taken


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert len(taken(custom_data={"items": [{"id": i} for i in range(100)]}).custom_data.items) == 100


def test_an_event_has_at_most_200_properties_and_64_kib() -> None:
    assert len(taken(custom_data={f"p{i}": i for i in range(200)}).custom_data.properties) == 200
    assert refused(custom_data={f"p{i}": i for i in range(201)}).field == "custom_data"
    problem = refused(custom_data={f"p{i}": "x" * 8000 for i in range(9)})
    assert (problem.code, problem.field) == ("too_large", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
PATHS = [
    f"{group}.{name}" if group else name
    for group, names in {
        "": EventForm.__struct_fields__,
        "page": ("url", "referrer", "title", "path"),
        "user_data": Event.__struct_fields__
        and ("email", "phone", "street", "city", "postal_code", "fbc", "client_ip"),
        "custom_data": ("value", "currency", "order_id", "items", "product_ids", "num_items", "coupon", "own"),
        "consent": ("analytics", "marketing", "preferences", "sale_of_data"),
    }.items()
    for name in names
]


@given(st.sampled_from(PATHS), JSON)
def test_a_wrong_value_never_raises_and_is_named(path: str, value: Any) -> None:
    first, _, second = path.partition(".")
    result = read({"event_name": "purchase", **({first: {second: value}} if second else {first: value})})
    if isinstance(result, Invalid):
        assert result.field.startswith(path) or path.startswith(result.field)
        assert result.message
    else:
        assert_kept_as_it_is(result)


@given(st.dictionaries(st.sampled_from([*EventForm.__struct_fields__, "x"]), JSON) | JSON)
def test_no_json_makes_the_reading_fail(value: Any) -> None:
    result = read(value)
    if isinstance(result, Event):
        assert_kept_as_it_is(result)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reading_fail(body: bytes) -> None:
    assert isinstance(to_event(body, INTAKE), Event | Invalid)
    assert isinstance(parse_body(body), Body | Invalid)


def assert_kept_as_it_is(event: Event) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
