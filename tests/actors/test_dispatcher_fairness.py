"""Nobody waits for others: neither new deliveries for retries nor a destination for another."""

from typing import Any, ClassVar

import trio
import trio.testing

from actors.destinations.base import Limits
from actors.taking import IN_HAND
from store import keys
from tests.actors.dispatching import Clock, MakeWorld, batching, one, single
from tests.support.making import event, site, snapshot
from tests.support.platform import FakeSender, Sent, Single


class Pairs(Single, frozen=True, kw_only=True, tag="test_pairs"):
    limits: ClassVar[Limits] = Limits(events=2)


async def test_new_deliveries_are_not_stuck_behind_a_long_line_of_retries(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(sent: Sent) -> Any:
        return ["retry"] + ["ok"] * (len(sent.ids) - 1) if trio.current_time() < 100 else "ok"

    world = make_world(snapshot(site(Pairs(id="one", concurrency=1))), one(play=play))
    world.take(*(event(f"old{number}") for number in range(900)))
    async with world.running():
        await trio.sleep(100)
        world.senders["one"].delay_s = 1.0
        await trio.sleep(100)
        assert world.core.depths[keys.destination("shop", "one")] > 200
        world.take(event("new"))
        await trio.sleep(5)
        assert world.delivery("new", "one").status == "delivered"
        assert world.core.depths[keys.destination("shop", "one")] > 200


async def test_a_destination_that_hangs_takes_nothing_from_another(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    senders = {"hangs": FakeSender(delay_s=10**6), "well": FakeSender()}
    world = make_world(snapshot(site(Single(id="hangs"), Single(id="well"))), senders)
    world.take(*(event(f"e{number}") for number in range(50)))
    assert await world.run_for(5)
    assert len(senders["well"].sent) == 50


async def test_a_backlog_larger_than_the_hand_is_drained(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(batching(), outbox_limit=10_000)
    world.take(*(event(f"e{number}") for number in range(IN_HAND + 500)))
    await world.settle()
    assert await world.run_for(60)
    assert len(set(world.senders["one"].ids())) == IN_HAND + 500
    assert world.core.depths[keys.destination("shop", "one")] == 0


async def test_two_commits_of_one_millisecond_are_both_sent_at_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single())
    async with world.running():
        for number in range(40):
            world.take(event(f"e{number}"))
            await world.core.step()
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        assert len(world.senders["one"].sent) == 40
