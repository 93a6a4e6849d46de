"""Destinations do not feel each other: one that hangs and one that answers 500, both for ten minutes, leave the others'
latencies where they were, on virtual time and with the same platforms, event for event."""

import statistics
from collections.abc import Sequence
from random import Random

import pytest
import trio

from actors.destinations.base import Request
from actors.dialing import Failure
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld
from tests.support.making import event, site, snapshot
from tests.support.platform import Answer, Batching, FakeSender, Single, answer
from tests.support.world import World

FAULT_S = 600.0
ATTEMPT_S = 15.0  # how long a platform that hangs is waited for
EVERY_S = 1.0


class Wavering(FakeSender):
    """Answers as fast as a real platform: from 50 ms to 400 ms, most in 100 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._random = Random(7)

    async def send(self, request: Request) -> Answer:
        self.delay_s = 0.05 + min(0.35, self._random.expovariate(1 / 0.05))
        return await super().send(request)


class Hanging(FakeSender):
    """Gives no answer for ten minutes."""

    def __init__(self) -> None:
        super().__init__()
        self._until_s = trio.current_time() + FAULT_S

    async def send(self, request: Request) -> Answer:
        if trio.current_time() < self._until_s:
            await trio.sleep(ATTEMPT_S)
            return Failure(kind="timeout", message="no whole answer within 15 s")
        return await super().send(request)


def broken() -> FakeSender:
    until_s = trio.current_time() + FAULT_S
    return FakeSender(play=lambda _: answer(500, "retry") if trio.current_time() < until_s else "ok")


async def delivered(make_world: MakeWorld, hangs: FakeSender, fails: FakeSender) -> World:
    destinations = (Single(id="hangs"), Single(id="fails"), Single(id="well"), Batching(id="batches"))
    senders = {"hangs": hangs, "fails": fails, "well": Wavering(), "batches": Wavering()}
    world = make_world(snapshot(site(*destinations)), senders, outbox_limit=10_000)
    async with world.running():
        for number in range(int(FAULT_S / EVERY_S)):
            world.take(event(f"e{number}"))
            await trio.sleep(EVERY_S)
        await trio.sleep(2 * HOUR_S)
    return world


def latencies_ms(world: World, destination: str) -> list[int]:
    rows = [world.delivery(f"e{number}", destination).row for number in range(int(FAULT_S / EVERY_S))]
    return [row.latency_ms for row in rows if row is not None and row.latency_ms is not None]


def p99(values: Sequence[int]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def test_one_that_hangs_and_one_that_answers_500_move_the_p99_of_the_others_by_less_than_a_tenth(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    quiet = await delivered(make_world, FakeSender(), FakeSender())
    trouble = await delivered(make_world, Hanging(), broken())
    for destination in ("well", "batches"):
        before, after = latencies_ms(quiet, destination), latencies_ms(trouble, destination)
        assert len(before) == len(after) == FAULT_S / EVERY_S
        assert 50 <= p99(before) <= 1_000
        assert p99(after) == pytest.approx(p99(before), rel=0.1)
    for destination in ("hangs", "fails"):
        assert len(latencies_ms(trouble, destination)) == FAULT_S / EVERY_S
        assert p99(latencies_ms(trouble, destination)) > 60_000
