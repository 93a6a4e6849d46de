"""How many requests go out, and when: window, throttle, rates, breaker."""

import trio
import trio.testing

from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, batching, one, single, times
from tests.support.making import event
from tests.support.platform import answer, failure


async def test_requests_in_flight_grow_with_success_within_the_bound(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(concurrency=5), one(delay_s=0.2))
    world.take(*(event(f"e{number}") for number in range(100)))
    assert await world.run_for(60)
    assert world.senders["one"].most_under_way == 5
    assert len(world.senders["one"].sent) == 100


async def test_a_throttle_stops_all_requests_for_as_long_as_the_platform_asks(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(concurrency=1), one(answer(429, retry_after="100")))
    world.take(event("a"), event("b"), event("c"))
    assert await world.run_for(99)
    assert len(times(world)) == 1
    assert await world.run_for(20)
    assert len(set(world.senders["one"].ids())) == 3


async def test_an_outage_opens_the_breaker_and_costs_only_a_few_attempts(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: failure() if trio.current_time() < 2 * HOUR_S else "ok"))
    world.take(*(event(f"e{number}") for number in range(200)))
    assert await world.run_for(2 * HOUR_S)
    assert len(times(world)) < 60
    assert await world.run_for(HOUR_S)
    rows = [world.delivery(f"e{number}", "one") for number in range(200)]
    assert {found.status for found in rows} == {"delivered"}
    assert max(found.row.tries for found in rows if found.row is not None) <= 4


async def test_a_failed_probe_costs_the_delivery_no_attempt(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(concurrency=1), one(play=lambda _: failure()))
    world.take(*(event(f"e{number}") for number in range(6)))
    assert await world.run_for(100)
    probed = [found for n in range(6) if (found := world.delivery(f"e{n}", "one")).status == "queued"]
    assert len(probed) == 1
    assert probed[0].row is not None
    assert probed[0].row.tries == 0
    assert len(probed[0].row.attempts) >= 2


async def test_while_nothing_may_go_out_the_loop_sleeps(make_world: MakeWorld, autojump_clock: Clock) -> None:
    """An outage, with deliveries in hand, for ten hours: a loop that spun would never let virtual time go on."""
    world = make_world(batching(), one(play=lambda _: failure(), delay_s=3))
    world.take(*(event(f"e{number}") for number in range(300)))
    with trio.fail_after(12 * HOUR_S):
        assert await world.run_for(10 * HOUR_S)
