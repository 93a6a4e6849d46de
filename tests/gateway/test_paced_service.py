"""A running core whose configuration changes: what is paused, and for what, when another one is published."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import trio
import trio.testing

from actors.snapshot import Snapshot
from gateway.core_service import CoreService, CoreSettings
from store import keys, standing
from tests.support.making import event, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock


def single(*, paused: bool = False) -> Snapshot:
    return snapshot(site(Single(id="one", paused=paused)))


@asynccontextmanager
async def serving(world: World, sender: FakeSender) -> AsyncIterator[CoreService]:
    service = CoreService(
        world.store, world.writer, world.snapshot, now_ms=world.clock.now_ms, random=Random(1),
        observer=world.observer, make_sender=lambda _: sender, sealers={}, settings=CoreSettings(shards=SHARDS),
        stopwatch=trio.current_time,
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        yield service
        nursery.cancel_scope.cancel()


def cause(world: World) -> str:
    row = standing.read(world.store, keys.destination("shop", "one"))
    assert row is not None
    return row.cause


async def test_publishing_lets_a_destination_paused_for_its_errors_probe_at_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world, sender = make_world(single()), FakeSender(play=lambda _: "drop")
    async with serving(world, sender) as service:
        for number in range(400):
            world.take(event(f"e{number}"))
            service.wake()
            await trio.sleep(1)
        await trio.sleep(600)
        assert cause(world) == "error_share"
        sender.play = lambda _: "ok"
        sent = len(sender.sent)
        await trio.sleep(5)
        assert len(sender.sent) == sent
        service.publish(single())
        await trio.sleep(5)
        assert cause(world) == ""
    assert world.delivery("e399", "one").status == "delivered"


async def test_an_operators_pause_begins_and_ends_with_a_published_configuration(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world, sender = make_world(single()), FakeSender()
    async with serving(world, sender) as service:
        for number, paused in enumerate((False, True, False)):
            service.publish(single(paused=paused))
            await trio.sleep(5)
            world.take(event(f"e{number}"))
            service.wake()
            await trio.sleep(60)
            assert cause(world) == ("operator" if paused else "")
            assert sender.ids() == (["e0"] if paused or number == 0 else ["e0", "e1", "e2"])
    told = [labels["2"] for name, labels in world.observer.told if name == "paused"]
    assert told == [None, "operator", None]
