"""The process ends at each named point between append and settled delivery, twice over; then it runs to the end."""

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE

import msgspec
import pytest
import trio

from actors.snapshot import Snapshot
from actors.visitor import Visitor, VisitorState
from bench.simulator import MetaSim, Simulator, WebhookSim
from store.check import check
from store.env import Store
from store.records import STATE
from tests.crash.child import BUDGET, SHARDS, VISITORS, Job, event_ids, snapshot_of
from tests.crash.points import POINTS
from tests.simulation import invariants, ledger

KILLED = -9
CRASHES = 2
PASSAGES = (1, 2, 5)
FEWER_PASSAGES = dict.fromkeys(("turns_before", "turns_in_commit", "turns_after"), (1, 2))  # they come in few batches
PLACES = {("shop", "meta"): "meta", ("shop", "hook"): "webhook"}

Delivery = tuple[str, str, str]  # site, destination, platform key


class Machine:
    """A folder that outlives its processes, and the processes."""

    def __init__(self, folder: Path, simulator: Simulator, process: trio.Process) -> None:
        self.acknowledged: list[str] = []
        self._folder = folder
        self._simulator = simulator
        self._process = process
        self._heard = b""

    @property
    def snapshot(self) -> Snapshot:
        return snapshot_of(self._simulator.address)

    async def run(self, point: str = "", passage: int = 1) -> int:
        """One process from its start to its end; the exit code."""
        job = Job(
            folder=str(self._folder), simulator=self._simulator.address, point=point, passage=passage,
            acknowledged=self.acknowledged,
        )  # fmt: skip
        assert self._process.stdin is not None
        await self._process.stdin.send_all(msgspec.json.encode(job) + b"\n")
        while not (line := await self._line()).startswith("exit "):
            self.acknowledged.append(line)
        return int(line.removeprefix("exit "))

    async def _line(self) -> str:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            more = await self._process.stdout.receive_some()
            assert more, "the process that makes processes has ended"
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def read(self) -> tuple[ledger.Ledger, list[str]]:
        """What is on disk, and what is wrong with it."""
        store = Store(self._folder, budget_bytes=BUDGET)
        try:
            found = ledger.read(store, SHARDS)
            names = {("shop", event_id, _name(event_id)) for event_id in self.acknowledged}
            problems = [*invariants.after_crash(found, self.snapshot, names), *check(store, SHARDS).problems]
            return found, problems
        finally:
            store.close()

    def visitors(self) -> list[VisitorState]:
        store = Store(self._folder, budget_bytes=BUDGET)
        with store.read() as txn, txn.cursor(db=store.dbs["state"]) as cursor:
            rows = [STATE.decode(bytes(raw)) for key, raw in cursor if bytes(key)[0] == Visitor.number]
        store.close()
        return [msgspec.msgpack.decode(row.data, type=VisitorState) for row in rows]

    def taken(self) -> Counter[Delivery]:
        """How often each platform took each delivery."""
        return Counter(
            (*place, accepted.key)
            for place, platform in PLACES.items()
            for accepted in self._simulator.accepted(platform)
        )

    def settled(self, found: ledger.Ledger) -> set[Delivery]:
        by_place = ledger.delivered_keys(found, self.snapshot)
        return {(*place, key) for place, platform_keys in by_place.items() for key in platform_keys}


def _name(event_id: str) -> str:
    kind = event_id.partition("-")[0]
    return {"page": "page_viewed", "product": "product_viewed"}.get(kind, "purchase_placed")


@asynccontextmanager
async def child() -> AsyncIterator[trio.Process]:
    """The process that makes a process for each job."""
    command = [sys.executable, "-m", "tests.crash.child"]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, check=False)
            yield await nursery.start(run)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_that_ends_at_this_point_loses_and_doubles_nothing(point: str, tmp_path: Path) -> None:
    async with child() as process:
        for passage in FEWER_PASSAGES.get(point, PASSAGES):
            async with Simulator([MetaSim(), WebhookSim()]).running() as simulator:
                one = Machine(tmp_path / str(passage), simulator, process)
                assert await one.run(point, passage) == KILLED
                settled = _look(one)
                await one.run(point, passage + 1)
                settled = _look(one) | settled
                assert await one.run() == 0
                _at_the_end(one, settled)


def _look(one: Machine) -> dict[Delivery, int]:
    """What holds after every crash; how often that was taken which is settled by now: it must never be sent again."""
    found, problems = one.read()
    assert not problems
    taken = one.taken()
    settled = {key: taken[key] for key in one.settled(found)}
    assert all(settled.values())
    return settled


def _at_the_end(one: Machine, settled: dict[Delivery, int]) -> None:
    found, problems = one.read()
    assert not problems
    assert sorted(one.acknowledged) == sorted(event_ids())
    assert not found.outbox
    assert {row.status for row in found.deliveries.values()} == {"delivered"}
    assert len(found.deliveries) == 3 * VISITORS * len(PLACES)
    taken = one.taken()
    assert taken.keys() == one.settled(found)
    assert settled == {key: taken[key] for key in settled}
    assert max(taken.values()) <= 1 + CRASHES
    assert [(state.events, state.purchases) for state in one.visitors()] == [(3, 1)] * VISITORS
