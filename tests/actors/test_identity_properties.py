"""What holds of identities whatever happens: the order of arrival does not matter, a split undoes its merge, no
identity has more values than it may."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import msgspec
import trio.testing
from hypothesis import HealthCheck, given, settings

from actors.event import Event
from actors.identifying import BY_PRIORITY, Named
from actors.identity_state import IdentityState, Merge, Value, merged, over_limit, split, standards
from actors.resolving import resolve
from tests.actors.people import graph, identities, seen
from tests.support.making import START_MS, site, snapshot
from tests.support.platform import Single
from tests.support.world import World, problems

MakeWorld = Callable[[], World]
ONE = snapshot(site(Single(id="one")))
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MINUTE_MS = 60_000


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        made = World(Path(folder) / "store", ONE)
        try:
            yield made
            assert problems([made]) == []
        finally:
            made.close()


def graph_after(events: Sequence[Event]) -> set[frozenset[str]]:
    with world() as made:

        async def run() -> None:
            for one in events:
                made.submit(one)
                await made.settle()

        trio.run(run, clock=trio.testing.MockClock())
        return graph(made)


@st.composite
def lives(draw: st.DrawFn) -> list[list[Event]]:
    """Per visitor what it sends, in order. Visitors 0 and 1 are one person's, 2 and 3 another's; both share a phone."""
    made: list[list[Event]] = []
    at_ms = START_MS
    for visitor in range(4):
        person = visitor // 2
        events: list[Event] = []
        for number in range(draw(st.integers(0, 3))):
            at_ms += MINUTE_MS
            names = draw(st.sets(st.sampled_from(("email", "external_id", "phone", "order_id"))))
            fields: dict[str, Any] = {
                "email": f"p{person}@example.com", "external_id": f"customer-{person}", "phone": "+49",
                "order_id": f"o-{visitor}",
            }  # fmt: skip
            event = seen(f"e{visitor}{number}", visitor, **{name: fields[name] for name in names})
            events.append(msgspec.structs.replace(event, received_at_ms=at_ms, occurred_at_ms=at_ms))
        made.append(events)
    return made


def interleaved(draws: Sequence[int], lives: Sequence[Sequence[Event]]) -> list[Event]:
    """All events, each visitor's in its order: the next is of the visitor that the next draw points to."""
    left, found = [list(events) for events in lives], list[Event]()
    for draw in (*draws, *[0] * sum(map(len, lives))):
        waiting = [events for events in left if events]
        if waiting:
            found.append(waiting[draw % len(waiting)].pop(0))
    return found


@FEW
@given(lives(), st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_merges_commute_with_the_order_of_arrival(made: list[list[Event]], one: list[int], other: list[int]) -> None:
    assert graph_after(interleaved(one, made)) == graph_after(interleaved(other, made))


def values(origin: str) -> st.SearchStrategy[dict[str, tuple[Value, ...]]]:
    value = st.builds(
        Value, st.sampled_from("abcdef"), st.integers(1, 9), st.integers(10, 19), st.just("server"), st.just("e"),
        st.just(origin),
    )  # fmt: skip
    found = st.lists(value, min_size=1, max_size=3, unique_by=lambda one: one.standard).map(tuple)
    return st.dictionaries(st.sampled_from(("anonymous_id", "email", "city")), found, min_size=1)


def states(origin: str) -> st.SearchStrategy[IdentityState]:
    return st.builds(
        IdentityState, first_at_ms=st.integers(1, 9), last_at_ms=st.integers(10, 19), values=values(origin)
    )


def merge_of(surviving: str, other: str, state: IdentityState, at_ms: int) -> Merge:
    return Merge(
        id=f"{surviving}{other}", surviving=surviving, merged=other, at_ms=at_ms, event_id="e", key="email",
        merged_first_at_ms=state.first_at_ms, merged_last_at_ms=state.last_at_ms,
    )  # fmt: skip


def facts(state: IdentityState) -> Mapping[str, object]:
    return {"values": state.values, "merges": state.merges, "first_at_ms": state.first_at_ms}


@given(states("a"), states("b"), states("c"))
def test_a_split_undoes_its_merge_whatever_was_merged_before(
    a: IdentityState, b: IdentityState, c: IdentityState
) -> None:
    first = merge_of("b", "c", c, 20)
    both = merged(b, c, first)
    last = merge_of("a", "b", both, 21)
    stays, back = split(merged(a, both, last), "a", last)
    assert facts(stays) == facts(a)
    assert facts(back) == facts(both)
    stays, back = split(merged(a, both, last), "a", first)
    assert facts(back) == facts(c)
    assert {kind for kind, found in stays.values.items() if any(one.origin == "c" for one in found)} == set()


@FEW
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 7), st.sampled_from(("email", "phone", "external_id"))),
        max_size=14,
    )
)
def test_no_identity_has_more_values_than_it_may(choices: list[tuple[int, int, str]]) -> None:
    text: dict[str, Any] = {"email": "p{}@example.com", "phone": "+49{}", "external_id": "customer-{}"}
    events = [
        seen(f"e{index}", visitor, **{kind: cast("Any", text[kind].format(number))})
        for index, (visitor, number, kind) in enumerate(choices)
    ]
    with world() as made:

        async def run() -> None:
            for one in events:
                made.submit(one)
                await made.settle()

        trio.run(run, clock=trio.testing.MockClock())
        for state in identities(made).values():
            assert not any(over_limit(kind, standards(state, kind), START_MS) for kind in BY_PRIORITY)


def test_what_was_split_is_not_merged_again() -> None:
    parts = {
        "a": IdentityState(first_at_ms=1, apart=("b",)),
        "b": IdentityState(first_at_ms=2, apart=("a",)),
    }
    named = (Named("email", "x", "a", joins=True), Named("anonymous_id", "v", "b", joins=True))
    plan = resolve(named, (), parts, {}, 3)
    assert (plan.identity, plan.merges, plan.is_conflict) == ("a", (), True)
