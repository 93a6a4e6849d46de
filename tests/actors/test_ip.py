"""The activity guard: a token bucket per caller, and a verdict that expires by itself."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from actors.ip import SUSPECT_MS
from store import keys
from store.env import fetch
from tests.support.making import DAY_MS, event, site, snapshot
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
IP = "ip:192.0.2.1"


def verdict_ms(world: World, caller: str = IP) -> int | None:
    """For how long the caller is refused; None where it is not."""
    with world.store.read() as txn:
        raw = fetch(txn, world.store.dbs["verdict"], keys.verdict("shop", caller))
    left_ms = keys.read_u64(raw) - world.clock.now_ms() if raw is not None else 0
    return left_ms if left_ms > 0 else None


def guarded(make_world: MakeWorld, **rules: Any) -> World:
    return make_world(snapshot(site(**{"ip_rate": 10.0, "ip_burst": 20.0, **rules})))


def flood(world: World, count: int, caller: str = IP, start: int = 0) -> None:
    world.take(*(event(f"{caller}{start + number}") for number in range(count)), caller=caller)


async def test_a_burst_is_taken_and_the_next_one_too_many_brings_a_verdict(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = guarded(make_world)
    flood(world, 19)
    await world.settle()
    assert verdict_ms(world) is None
    flood(world, 1, start=19)
    await world.settle()
    assert verdict_ms(world) == 1_000
    assert world.observer.count_of("caller_limited") == 1


async def test_a_steady_rate_below_the_limit_is_never_refused(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = guarded(make_world)
    for number in range(300):
        flood(world, 1, start=number)
        await world.settle()
        await trio.sleep(0.101)
    assert world.observer.count_of("caller_limited") == 0


async def test_a_verdict_expires_and_the_bucket_fills_again(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = guarded(make_world)
    flood(world, 50)
    async with world.running():
        await trio.sleep(0.5)
        assert verdict_ms(world) is not None
        await trio.sleep(0.7)
        assert verdict_ms(world) is None
        flood(world, 5, start=50)
        await trio.sleep(0.01)
        assert verdict_ms(world) is None
        flood(world, 10, start=60)
        await trio.sleep(0.1)
        assert verdict_ms(world) is not None


async def test_a_verdict_stays_on_record_as_a_sign_of_a_bot_until_its_alarm_takes_it_back(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = guarded(make_world)
    flood(world, 50)
    async with world.running():
        await trio.sleep(SUSPECT_MS / 1000)
        assert len(world.rows("verdict")) == 1
        await trio.sleep(3)
        assert world.rows("verdict") == []


async def test_a_verdict_survives_a_restart_and_still_expires(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = guarded(make_world)
    flood(world, 50)
    await world.settle()
    world.restart()
    assert verdict_ms(world) == 1_000
    assert await world.run_for(1.1)
    assert verdict_ms(world) is None


async def test_callers_are_judged_apart(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = guarded(make_world)
    flood(world, 50)
    flood(world, 5, "ip:192.0.2.2")
    await world.settle()
    assert verdict_ms(world) is not None
    assert verdict_ms(world, "ip:192.0.2.2") is None


async def test_a_server_with_a_key_has_a_rate_of_its_own_off_by_default(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = guarded(make_world)
    flood(world, 500, "key:a")
    await world.settle()
    assert verdict_ms(world, "key:a") is None
    limited = guarded(make_world, key_rate=5.0, key_burst=10.0)
    flood(limited, 500, "key:a")
    await limited.settle()
    assert verdict_ms(limited, "key:a") is not None


async def test_nobody_is_judged_where_the_rate_is_off_or_the_sender_has_no_bucket(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = guarded(make_world, ip_rate=0.0)
    flood(world, 500)
    flood(world, 500, "")
    await world.settle()
    assert world.rows("verdict") == []


async def test_what_a_limited_caller_had_sent_is_still_processed(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = guarded(make_world)
    flood(world, 300)
    await world.settle()
    assert len(world.events()) == 300


@pytest.mark.parametrize("jump_ms", [10 * 365 * DAY_MS, -DAY_MS])
async def test_a_clock_that_is_set_leaves_no_caller_refused_for_long(
    make_world: MakeWorld, autojump_clock: Clock, jump_ms: int
) -> None:
    world = guarded(make_world)
    world.clock.jump_ms = jump_ms
    flood(world, 50)
    await world.settle()
    world.clock.jump_ms = 0
    assert await world.run_for(700)
    assert (verdict_ms(world) or 0) <= 0
    flood(world, 10, start=50)
    await world.settle()
    assert (verdict_ms(world) or 0) <= 0
