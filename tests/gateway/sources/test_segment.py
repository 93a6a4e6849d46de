"""Segment's messages as events: the page's worked example and tables, and shapes nobody promised."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from actors.event import Event
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid
from gateway.sources.segment_body import Envelope, read_envelope, read_message
from gateway.sources.segment_event import Reading, event_of_message
from gateway.sources.segment_people import Connection

CASES = sorted((Path(__file__).parents[2] / "cases" / "sources" / "segment").glob("*.json"))
INTAKE = Intake(site="shop", source="segment", received_at_ms=1_795_168_803_200, make_id=lambda: "made")
READING = Reading(
    intake=INTAKE,
    connection=Connection(address="198.51.100.7", user_agent="curl/8"),
    categories={"Advertising": ("marketing", "sale_of_data"), "Targeting": ("marketing",)},
)
SAMPLE = json.loads((CASES[0].parent / "worked_example.json").read_text())["sent"]


def read(sent: Any, reading: Reading = READING, envelope: Envelope | None = None) -> Event | Invalid:
    message = read_message(Raw(msgspec.json.encode(sent)), envelope or Envelope(), None)
    return message if isinstance(message, Invalid) else event_of_message(message, reading)


def event_of(sent: Any, **more: Any) -> Event:
    event = read(sent, **more)
    assert isinstance(event, Event), event
    return event


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    reading = msgspec.structs.replace(READING, is_import=case.get("is_import", False))
    found = event_of(case["sent"], reading=reading)
    wanted = to_event(msgspec.json.encode({"occurred_at": "2026-11-20T10:00:03.200Z", **case["event"]}), INTAKE)
    assert isinstance(wanted, Event), wanted
    wanted = msgspec.structs.replace(
        wanted,
        is_internal=case.get("is_internal", False),
        is_from_browser=case.get("is_from_browser", False),
        integrations=case.get("integrations", {}),
        marks=(*wanted.marks, *case.get("marks", ())),
    )
    assert found == wanted


def test_what_stands_beside_a_batch_counts_where_a_message_says_nothing() -> None:
    beside = Envelope(context={"ip": "203.0.113.9", "userAgent": "outer"}, integrations={"All": False})
    event = event_of({**SAMPLE, "context": {"userAgent": "own"}}, envelope=beside)
    assert (event.user_data.client_ip, event.user_data.client_user_agent) == ("203.0.113.9", "own")
    assert event.integrations == {"all": False}


@pytest.mark.parametrize("message_id", ["a" * 129, "a\nb"])
def test_an_id_that_cannot_be_kept_still_tells_copies(message_id: str) -> None:
    first, second = (event_of({**SAMPLE, "messageId": message_id}) for _ in range(2))
    assert first.event_id == second.event_id != "made"
    assert not first.is_id_made


def test_of_many_properties_as_many_are_kept_as_an_event_may_have() -> None:
    event = event_of({**SAMPLE, "properties": {f"p{number}": number for number in range(300)}})
    assert len(event.custom_data.properties) == 200
    assert "properties_left_out" in event.marks


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({**SAMPLE, "type": "charge"}, "type"),
        ({**SAMPLE, "event": ""}, "event"),
        ({**SAMPLE, "userId": None, "anonymousId": ""}, "userId"),
        ({**SAMPLE, "properties": {"text": "a" * 33_000}}, ""),
        (7, ""),
    ],
)
def test_what_is_no_message_is_refused_by_its_field(sent: Any, field: str) -> None:
    refused = read(sent)
    assert isinstance(refused, Invalid)
    assert refused.field == field


def test_a_message_that_is_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"a": deep}
    assert isinstance(read({**SAMPLE, "properties": deep}), Invalid)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["1969-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01", "NaN", "-1", "1e999", "\ud800", "::1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
PLACES: list[tuple[str, ...]] = [
    *((name,) for name in [*SAMPLE, "traits", "previousId", "groupId", "originalTimestamp", "integrations", "name"]),
    *(("context", name) for name in [*SAMPLE["context"], "consent", "consentManagement", "clientIds", "device"]),
    *(("properties", name) for name in [*SAMPLE["properties"], "query", "quantity", "price", "email", "fbp", "items"]),
    ("context", "consent", "categoryPreferences"), ("context", "clientIds", "ga4"), ("context", "traits", "address"),
]  # fmt: skip


def mutated(place: tuple[str, ...], value: Any, call: str) -> dict[str, Any]:
    message = json.loads(json.dumps({**SAMPLE, "type": call}))
    inner = message
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = value
    return dict(message)


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3),
    st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]),
)
@settings(max_examples=1_000, deadline=None)
def test_a_mutated_message_is_read_or_refused(changes: list[tuple[tuple[str, ...], Any]], call: str) -> None:
    for place, value in changes:
        raw = json.dumps(mutated(place, value, call)).encode()
        message = read_message(Raw(raw), Envelope(), None)
        event = message if isinstance(message, Invalid) else event_of_message(message, READING)
        if isinstance(event, Event):
            kept = msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event)
            assert kept == event
            assert 0 <= event.occurred_at_ms <= INTAKE.received_at_ms


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.booleans())
def test_any_bytes_are_a_body_or_refused(body: bytes, is_batch: bool) -> None:
    assert isinstance(read_envelope(body, is_batch=is_batch), Envelope | Invalid)


def test_an_amount_is_kept_to_its_last_digit() -> None:
    event = event_of({**SAMPLE, "properties": {"total": 0.1 + 0.2, "tax": 1.10}})
    assert event.custom_data.value == Decimal("0.30000000000000004")
    assert event.custom_data.tax == Decimal("1.1")
