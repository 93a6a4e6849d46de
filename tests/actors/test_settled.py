"""Whose a visitor's events are is remembered for a while: what is remembered is what a look-up would find."""

from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import msgspec
import trio.testing
from hypothesis import given

from actors.event import Event
from actors.settled import MARKS_KEPT, SETTLED_MS, Mark, settled_after
from store.records import EVENT
from tests.actors.people import seen
from tests.actors.test_identity_properties import FEW, world
from tests.support.making import START_MS

MINUTE_MS = 60_000
Told = dict[str, tuple[str | None, dict[str, Any]]]  # event -> its identity, and what that added


def told_after(events: Sequence[Event], apart_ms: int) -> Told:
    with world() as made:

        async def run() -> None:
            for number, one in enumerate(events):
                at_ms = START_MS + number * apart_ms
                made.submit(msgspec.structs.replace(one, received_at_ms=at_ms, occurred_at_ms=at_ms))
                await made.settle()

        trio.run(run, clock=trio.testing.MockClock())
        rows = [EVENT.decode(raw) for _, raw in made.rows("event")]
    return {row.event_id: (row.identity, dict(row.added)) for row in rows}


@st.composite
def sequences(draw: st.DrawFn, *, is_mixed: bool) -> list[Event]:
    """Two persons at three visitors, who now and then name themselves; mixed: either of them at any."""
    events = []
    for number in range(draw(st.integers(2, 9))):
        named = draw(st.sets(st.sampled_from(("email", "external_id", "first_name", "order_id")), max_size=2))
        who = draw(st.integers(0, 2))
        person = draw(st.integers(0, 1)) if is_mixed else who // 2
        fields: dict[str, Any] = {
            "email": f"p{person}@example.com", "external_id": f"customer-{person}", "first_name": f"Name {person}",
            "order_id": f"o-{number}",
        }  # fmt: skip
        events.append(seen(f"e{number}", who, **{name: fields[name] for name in sorted(named)}))
    return events


@FEW
@given(sequences(is_mixed=False))
def test_what_is_remembered_of_a_visitor_adds_what_looking_up_would_find(events: list[Event]) -> None:
    assert told_after(events, MINUTE_MS) == told_after(events, SETTLED_MS + MINUTE_MS)


@FEW
@given(sequences(is_mixed=True))
def test_who_a_visitor_is_remembered_to_be_is_whom_looking_up_would_find(events: list[Event]) -> None:
    quickly, slowly = (told_after(events, apart_ms) for apart_ms in (MINUTE_MS, SETTLED_MS + MINUTE_MS))
    assert {one: told[0] for one, told in quickly.items()} == {one: told[0] for one, told in slowly.items()}


def test_the_latest_marks_are_kept_and_none_for_longer_than_the_first() -> None:
    settled = None
    for number in range(MARKS_KEPT + 2):
        settled = settled_after(settled, "one", Mark(bytes((number,)), False), START_MS + number)
    assert settled is not None
    assert [mark.digest for mark in settled.marks] == [bytes((number,)) for number in range(2, MARKS_KEPT + 2)]
    assert settled.until_ms <= START_MS + SETTLED_MS
    assert len(settled_after(settled, "other", Mark(b"x", True), START_MS).marks) == 1
