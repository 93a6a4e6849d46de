"""`gateway deliveries` finds what waits in the outbox, and lists it as the walk over all events would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from trio.testing import MockClock

from gateway.commands import facts
from gateway.commands.deliveries import lines_of
from store.env import Store
from tests.gateway.told_store import Told
from tests.support.making import event
from tests.support.platform import FakeSender
from tests.support.world import World

MakeWorld = Callable[..., World]


class Counted(Store):
    """Counts its read transactions."""

    reads = 0

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.reads += 1
        with super().read() as txn:
            yield txn


async def told_of(make_world: MakeWorld) -> Told:
    """Two failed deliveries, forty delivered ones after them, and one that nobody has tried."""
    told = Told(make_world, acme=FakeSender("retry", "retry"))
    await told.begin()
    await told.take(event("failed-1"), event("failed-2"), seconds=5)
    await told.take(*(event(f"e-{number}") for number in range(40)), seconds=30)
    told.world.take(event("queued"))
    await told.world.settle()
    return told


@pytest.mark.parametrize(("status", "ids"), [("failed", ["failed-2", "failed-1"]), ("queued", ["queued"])])
async def test_what_waits_is_listed_the_newest_first(
    autojump_clock: MockClock, make_world: MakeWorld, status: str, ids: list[str]
) -> None:
    told = await told_of(make_world)
    assert [one["event_id"] for one in told.lines("deliveries", "--status", status)] == ids
    assert told.lines("deliveries", "--status", status, "--since", "2100-01-01T00:00:00Z") == []


async def test_looking_for_what_waits_reads_no_other_event(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await told_of(make_world)
    told.world.close()
    store = Counted(told.world.path, is_readonly=True)
    now_ms = told.world.clock.now_ms()
    waiting = list(facts.waiting_events(store, ["shop"], 0, now_ms, pytest.fail))
    assert store.reads <= 1 + 2 * 3
    walked = list(facts.newest_events(store, ["shop"], 0, now_ms, pytest.fail))
    assert waiting == [one for one in walked if {line.status for line in lines_of(one)} & {"queued", "failed"}]
    assert list(facts.waiting_events(store, ["other"], 0, now_ms, pytest.fail)) == []
    store.close()
    told.world.restart()
