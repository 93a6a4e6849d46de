"""Retention deletes what is past its time and nothing else, whatever the clock does, and frees pages for reuse."""

from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.ip import Ip
from actors.site import Site as SiteActor
from store import keys, purge, retention
from store.writer import InlineWriter
from tests.support.making import DAY_MS, HOUR_MS, START_MS, event, purchase, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
KEPT_MS = 30 * DAY_MS
SNAPSHOT = snapshot(site(Single(id="one"), retention_ms=KEPT_MS))
FOREVER = ("meta", "cursor", "depth", "config")


async def purge_at(world: World, at_ms: int) -> int:
    """One round of retention at that time."""
    InlineWriter(world.store).submit(lambda write: write.put("meta", retention.CLOCK_KEY, keys.u64(at_ms)))
    return await retention.purge_round(world.store, world.writer, world.snapshot)


def left(world: World) -> set[str]:
    rows = {name for name in ("event", "log", "site_event", "visitor_event", "order_event", "delivery", "state")}
    rows |= {"books", "dedup", "alarm", "outbox", "verdict", "dead"}
    return {name for name in rows if world.rows(name)}


async def test_what_is_past_its_time_goes_with_all_that_belongs_to_it(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"), purchase("p"), purchase("q", "server"), event("a"), purchase("r", "server"), caller="ip:1")
    assert await world.run_for(60)
    await purge_at(world, START_MS + KEPT_MS)
    assert set(world.events()) == {"a", "p", "q", "r"}
    assert world.check().problems == ()
    assert await purge_at(world, START_MS + KEPT_MS + 3 * HOUR_MS) > 0
    assert left(world) == {"state"}
    assert {key[0] for key, _ in world.rows("state")} == {SiteActor.number}


async def test_an_event_stays_while_a_delivery_of_it_waits_or_is_to_be_tried_again(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    destinations = (Single(id="paused"), Single(id="failing"), Single(id="done"))
    senders = {"paused": FakeSender("pause"), "failing": FakeSender(play=lambda _: "retry")}
    world = make_world(snapshot(site(*destinations, retention_ms=KEPT_MS)), senders)
    world.take(event("a"))
    assert await world.run_for(60)
    await purge_at(world, START_MS + 10 * KEPT_MS)
    assert set(world.events()) == {"a"}
    assert world.delivery("a", "done").status == "delivered"


async def test_what_was_set_aside_goes_with_its_message_when_its_time_is_over(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"))
    [(key, _)] = world.rows("log")
    InlineWriter(world.store).submit(lambda write: write.put("log", key, b"\x01jane@shop.example"))
    assert await world.run_for(60)
    await purge_at(world, START_MS + KEPT_MS)
    assert [len(world.rows(name)) for name in ("log", "quarantine")] == [1, 1]
    await purge_at(world, START_MS + KEPT_MS + 3 * HOUR_MS)
    assert [len(world.rows(name)) for name in ("log", "quarantine")] == [0, 0]
    assert world.check().problems == ()


async def test_an_event_that_waits_for_its_twin_stays(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(Single(id="one"), retention_ms=KEPT_MS)))
    world.take(purchase("p"))
    await world.settle()
    await purge_at(world, START_MS + 10 * KEPT_MS)
    assert await world.run_for(60)
    assert world.senders["one"].ids() == ["p"]


async def test_a_copy_that_came_later_keeps_its_event_until_its_own_time(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"))
    assert await world.run_for(20 * HOUR_MS / 1000)
    world.take(event("a"))
    await world.settle()
    await purge_at(world, START_MS + KEPT_MS + 10 * HOUR_MS)
    assert set(world.events()) == {"a"}
    await purge_at(world, START_MS + KEPT_MS + 30 * HOUR_MS)
    assert left(world) == {"state"}


async def test_a_copy_that_came_while_the_clock_was_years_behind_takes_no_event_with_it(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"))
    assert await world.run_for(60)
    world.clock.jump_ms = -10 * KEPT_MS
    world.take(event("a"))
    await world.settle()
    world.clock.jump_ms = 0
    await purge_at(world, START_MS + KEPT_MS - HOUR_MS)
    assert set(world.events()) == {"a"}
    assert world.check().problems == ()
    await purge_at(world, START_MS + KEPT_MS + 30 * HOUR_MS)
    assert left(world) == {"state"}


async def test_retention_counts_each_site_by_its_own_rule(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(retention_ms=KEPT_MS), site(id="other", retention_ms=10 * KEPT_MS)))
    world.take(event("a"), event("b", site="other"), event("c", site="gone"))
    await world.settle()
    await purge_at(world, START_MS + 2 * KEPT_MS)
    assert set(world.events()) == {"b", "c"}


async def test_dead_letters_go_with_their_messages(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    from actors.runtime import KINDS
    from actors.visitor import Visitor

    class Failing(Visitor):
        def receive(self, message: object, turn: object) -> None:
            raise ValueError

    world = make_world(SNAPSHOT, kinds={**KINDS, "visitor": Failing})
    world.take(event("a"))
    await world.settle()
    assert len(world.rows("dead")) == 1
    await purge_at(world, START_MS + KEPT_MS + 3 * HOUR_MS)
    assert (world.rows("dead"), world.rows("log")) == ([], [])


async def test_the_file_does_not_grow_over_many_cycles(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    sizes = []
    for cycle in range(8):
        world.take(*(event(f"{cycle}-{number}") for number in range(400)))
        assert await world.run_for(600)
        world.clock.jump_ms += 2 * KEPT_MS
        await purge_at(world, world.clock.now_ms())
        sizes.append(world.store.usage().file_bytes)
    assert set(world.events()) == set()
    assert max(sizes[3:]) <= 1.1 * sizes[2]


async def test_a_clock_years_ahead_purges_nothing_for_hours(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"))
    await world.settle()
    with trio.move_on_after(3_600):
        await retention.run(world.store, world.writer, lambda: SNAPSHOT, world.clock.now_ms)
    world.clock.jump_ms = 10 * 365 * DAY_MS
    with trio.move_on_after(24 * 3_600):
        await retention.run(world.store, world.writer, lambda: SNAPSHOT, world.clock.now_ms)
    world.clock.jump_ms = 0
    with trio.move_on_after(24 * 3_600):
        await retention.run(world.store, world.writer, lambda: SNAPSHOT, world.clock.now_ms)
    assert set(world.events()) == {"a"}
    assert retention.read_clock(world.store) == pytest.approx(world.clock.now_ms(), abs=HOUR_MS)


async def test_after_a_long_stop_retention_catches_up(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(SNAPSHOT)
    world.take(event("a"))
    assert await world.run_for(60)
    with trio.move_on_after(600):
        await retention.run(world.store, world.writer, lambda: SNAPSHOT, world.clock.now_ms)
    world.clock.jump_ms = 31 * DAY_MS
    with trio.move_on_after(32 * 3_600):
        await retention.run(world.store, world.writer, lambda: SNAPSHOT, world.clock.now_ms)
    assert set(world.events()) == set()


@given(
    clock_ms=st.integers(0, 2**45), wall_ms=st.integers(0, 2**45), ran_s=st.floats(0, 10**7),
)  # fmt: skip
def test_the_purge_clock_never_runs_ahead_of_the_wall_nor_faster_than_a_day_an_hour(
    clock_ms: int, wall_ms: int, ran_s: float
) -> None:
    after_ms = retention.advance(clock_ms, wall_ms, ran_s)
    assert after_ms <= wall_ms
    assert after_ms <= max(clock_ms + ran_s * 1000 * retention.CATCH_UP, min(clock_ms, wall_ms))
    assert retention.advance(None, wall_ms, 0) == wall_ms


def test_the_actors_with_rules_of_their_own_have_these_numbers() -> None:
    assert (Ip.number, SiteActor.number) == (purge.IP_KIND, purge.SITE_KIND)
