"""What waits for a destination that was taken out of the configuration, and what outlives its events' retention."""

from collections.abc import Callable
from random import Random

import msgspec
import trio
import trio.testing

from actors.dispatcher import Hub
from gateway.core_service import CoreService, CoreSettings
from gateway.removed import Removed
from store import keys, standing
from store.env import fetch
from store.retention import CLOCK_KEY
from tests.support.making import DAY_MS, event, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
GONE, STAYS = keys.destination("shop", "gone"), keys.destination("shop", "stays")
NOW_MS = 100 * DAY_MS


def hub_of(world: World) -> Hub:
    return Hub(
        store=world.store, writer=world.writer, now_ms=world.clock.now_ms, random=Random(1), observer=world.observer,
        on_settled=world.core.settle,
    )  # fmt: skip


async def queued_for_both(make_world: MakeWorld) -> World:
    """450 deliveries that wait for each of two destinations; one of them was tried already."""
    senders = {"gone": FakeSender(play=lambda _: "retry")}
    world = make_world(snapshot(site(Single(id="gone"), Single(id="stays"))), senders)
    world.take(event("tried"))
    assert await world.run_for(5, "gone")
    world.take(*(event(f"e{number}") for number in range(449)))
    await world.settle()
    return world


async def run_removed(world: World, configured: set[bytes], retiring: dict[bytes, trio.Event], for_s: float) -> None:
    with trio.move_on_after(for_s):
        await Removed(world.core, hub_of(world), configured, retiring).run()


async def test_what_waits_for_a_destination_that_is_held_stays(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = await queued_for_both(make_world)
    held = msgspec.structs.replace(snapshot(site(Single(id="stays"))), held=frozenset({("shop", "gone")}))
    service = CoreService(
        world.store, world.writer, held, now_ms=world.clock.now_ms, random=Random(1), observer=world.observer,
        make_sender=lambda _: FakeSender(), sealers={}, settings=CoreSettings(shards=SHARDS),
    )  # fmt: skip
    with trio.move_on_after(10):
        await service.run()
    assert service.core.depths[GONE] == 450


async def test_what_waits_for_a_removed_destination_is_dropped_and_nothing_else(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = await queued_for_both(make_world)
    await run_removed(world, {STAYS}, {}, 10)
    rows = [world.delivery(name, "gone").row for name in ("tried", "e0", "e448")]
    assert {(row.status, row.reason) for row in rows if row is not None} == {("dropped", "destination_deleted")}
    assert (world.core.depths[GONE], world.core.depths[STAYS]) == (0, 450)
    told = [
        labels
        for name, labels in world.observer.told
        if name == "delivery" and "destination_deleted" in labels.values()
    ]
    assert len(told) == 450
    assert world.events()["tried"].routed == ("gone", "stays")


async def test_publishing_without_a_destination_ends_what_waits_for_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = await queued_for_both(make_world)
    world.restart(snapshot(site(Single(id="stays"))))
    service = CoreService(
        world.store, world.writer, world.snapshot, now_ms=world.clock.now_ms, random=Random(1),
        observer=world.observer, make_sender=lambda _: FakeSender(), sealers={}, settings=CoreSettings(shards=SHARDS),
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert (service.core.depths[GONE], service.core.depths[STAYS]) == (0, 0)
    assert (world.delivery("e7", "gone").status, world.delivery("e7", "stays").status) == ("dropped", "delivered")
    told = [labels["0"] for name, labels in world.observer.told if name == "destinations"]
    assert [list(configured) for configured in told] == [[("shop", "stays")]]


async def test_an_outbox_whose_dispatcher_still_ends_is_left_alone(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = await queued_for_both(make_world)
    await run_removed(world, {STAYS}, {GONE: trio.Event()}, 10)
    assert world.core.depths[GONE] == 450


async def test_a_destination_that_comes_back_keeps_what_is_left(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = await queued_for_both(make_world)
    configured, retiring = {STAYS}, dict[bytes, trio.Event]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_removed, world, configured, retiring, 10)
        await trio.testing.wait_all_tasks_blocked()
        claim = retiring[GONE]
        configured.add(GONE)
        await claim.wait()
    assert 0 < world.core.depths[GONE] < 450
    assert retiring == {}


async def test_a_delivery_of_a_paused_destination_goes_when_its_event_is_past_its_retention(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"), retention_ms=30 * DAY_MS)))
    world.senders["one"] = FakeSender(play=lambda _: "pause")
    world.take(event("old"), event("old too"))
    assert await world.run_for(5)
    clock_ms = world.clock.now_ms()
    for days, status in ((29, "queued"), (31, "dropped")):
        with world.store.env.begin(write=True) as txn:
            txn.put(CLOCK_KEY, keys.u64(clock_ms + days * DAY_MS), db=world.store.dbs["meta"])
        assert await world.run_for(400)
        assert {world.delivery(name, "one").status for name in ("old", "old too")} == {status}
    found = world.delivery("old", "one").row
    assert found is not None
    assert found.reason == "too_old"


async def test_a_wall_clock_set_ahead_drops_nothing(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender(play=lambda _: "pause")})
    world.take(event("a"))
    assert await world.run_for(5)
    world.clock.jump_ms = 400 * DAY_MS
    assert await world.run_for(400)
    assert world.delivery("a", "one").status == "queued"
    with world.store.read() as txn:
        assert fetch(txn, world.store.dbs["meta"], CLOCK_KEY) is None


async def test_the_standing_of_a_removed_destination_goes_with_it(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = await queued_for_both(make_world)
    assert await world.run_for(1)
    assert None not in (standing.read(world.store, GONE), standing.read(world.store, STAYS))
    await run_removed(world, {STAYS}, {}, 10)
    assert standing.read(world.store, GONE) is None
    assert standing.read(world.store, STAYS) is not None
