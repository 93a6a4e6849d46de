"""Case files of sources: what a sender posts, beside the event that it becomes; `null`: kept, and sent nowhere."""

import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st

from actors.event import CustomData, Event, Source
from gateway.incoming import Intake, to_event
from gateway.sources import hooks
from gateway.sources.base import Draft

RECEIVED_AT_MS = 1_795_262_400_000
COLUMNS = [name for name in CustomData.__struct_fields__ if name != "properties"]
# What stands in a payload's places instead of what was promised.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 1.5, float("inf"), float("nan"), "", " ", "x" * 200, "x" * 9_000, "-0",
    "9e999999", "1,2",
    "\x00", "\ud800", "é", "2026-13-40T99:00:00", "https://[", "https://x/?_kx=a&_kx=b", [], [None], [[]],
    ["a", 1, {}], {}, {"": None}, {"id": {}}, {"a": [{"b": [1]}]}, "status", "checkout", "refunded", "0.00",
)  # fmt: skip


def cases(kind: str) -> list[Path]:
    found = sorted((Path(__file__).parents[2] / "cases" / "sources" / kind).glob("*.json"))
    assert found
    return found


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"), parse_float=Decimal)


def encoded(value: Any) -> bytes:
    return json.dumps(value, default=float).encode()


def event_of(told: Any, source: Source, landing_url: str | None = None) -> Event:
    intake = Intake(
        site="shop", source=source, received_at_ms=RECEIVED_AT_MS, make_id=lambda: "made", landing_url=landing_url
    )
    event = to_event(msgspec.json.encode(told, enc_hook=str), intake)
    assert isinstance(event, Event), event
    return event


def settle(draft: Draft, source: Source) -> Event:
    """What is kept of a draft, whatever it is: the event, or what is set apart of it."""
    intake = Intake(
        site="shop", source=source, received_at_ms=RECEIVED_AT_MS, make_id=lambda: "made",
        landing_url=draft.landing_url, is_internal=draft.is_internal, max_event_bytes=hooks.EVENT_BYTES,
    )  # fmt: skip
    event = hooks.read_draft(draft, intake)
    return event if isinstance(event, Event) else hooks.set_apart(draft.event, event, intake)


def check(draft: Draft, wanted: Any, source: Source) -> None:
    """The draft becomes this event; of further properties it may have more."""
    assert draft.is_internal is (wanted is None)
    if wanted is None:
        return
    found, right = event_of(draft.event, source, draft.landing_url), event_of(wanted, source)
    for name in ("event_name", "event_id", "occurred_at_ms", "action_source", "page", "user_data", "consent"):
        assert getattr(found, name) == getattr(right, name), name
    stated = {name: value for name in COLUMNS if (value := getattr(right.custom_data, name))}
    assert {name: getattr(found.custom_data, name) for name in stated} == stated
    assert right.custom_data.properties.items() <= found.custom_data.properties.items()


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def mutations(worked: Any, bodies: int = 20) -> st.SearchStrategy[list[bytes]]:
    """So many times the worked payload with some places changed to anything, or cut short."""
    found = places(worked)
    return st.randoms(use_true_random=False).map(
        lambda random: [_mutated(worked, found, random) for _ in range(bodies)]
    )


def _mutated(worked: Any, found: list[tuple[Any, ...]], random: Random) -> bytes:
    for _ in range(random.randint(1, 4)):
        worked = _changed(worked, random.choice(found), random.choice(ODD))
    body = encoded(worked)
    return body[: random.randrange(len(body))] if random.random() < 0.05 else body


def _changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at that place; as it is where an earlier change took the place away."""
    if not place:
        return new
    is_there = place[0] in value if isinstance(value, dict) else isinstance(value, list) and place[0] in range(9)
    if not is_there or (isinstance(value, list) and place[0] >= len(value)):
        return value
    copy = value.copy()
    copy[place[0]] = _changed(value[place[0]], place[1:], new)
    return copy
