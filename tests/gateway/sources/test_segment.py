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
from gateway.answers import no_room
from gateway.call import Call
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid
from gateway.sources.segment_answers import as_clients_read
from gateway.sources.segment_body import Envelope, read_envelope, read_message
from gateway.sources.segment_event import Reading, event_of_message
from gateway.sources.segment_people import Connection
from tests.gateway.sources.segment_mutations import CALLS, CHANGES, SAMPLE, mutated

CASES = sorted((Path(__file__).parents[2] / "cases" / "sources" / "segment").glob("*.json"))
INTAKE = Intake(site="shop", source="segment", received_at_ms=1_795_168_803_200, make_id=lambda: "made")
READING = Reading(
    intake=INTAKE,
    connection=Connection(address="198.51.100.7", user_agent="curl/8"),
    categories={"Advertising": ("marketing", "sale_of_data"), "Targeting": ("marketing",)},
)


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
        landing_query=case.get("landing_query", ""),
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


@given(CHANGES, CALLS)
@settings(max_examples=1_000, deadline=None)
def test_a_mutated_message_is_read_or_refused(changes: list[tuple[tuple[str, ...], Any]], call: str) -> None:
    message = read_message(Raw(json.dumps(mutated(changes, call)).encode()), Envelope(), None)
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


def test_what_the_gateway_answers_by_itself_has_code_and_message_at_its_top() -> None:
    call = Call(method="POST", path="/v1/batch", query="", headers={}, body=b"", peer="127.0.0.1")
    answer = as_clients_read(call, no_room("the store has no room"))
    body = msgspec.json.decode(answer.body)
    assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "1")
    assert (body["code"], body["message"]) == ("no_room", "the store has no room")


def test_half_an_emoji_spoils_no_batch() -> None:
    body = rb'{"batch": [{"a": "\ud83d\ude00 \ud83d, \\ud83d"}, {}]}'
    envelope = read_envelope(body, is_batch=True)
    assert isinstance(envelope, Envelope)
    assert envelope.batch is not None
    assert msgspec.json.decode(envelope.batch[0]) == {"a": "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}, \\ud83d"}
    assert len(envelope.batch) == 2
