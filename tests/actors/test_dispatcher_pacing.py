"""How many requests go out, and when: window, throttle, rates, breaker."""

from typing import Any, ClassVar

import pytest
import trio

from actors.destinations.base import Limits, Response
from actors.rates import Rate
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, batching, one, single, times
from tests.support.making import event, site, snapshot
from tests.support.platform import Batching, Sent, answer, failure


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


# --- rates ---------------------------------------------------------------------------------------------------------


def most_in_a_second(sent_s: list[float]) -> int:
    return max(sum(1 for other in sent_s if start_s <= other < start_s + 1) for start_s in sent_s)


async def test_no_request_goes_out_above_the_set_rate(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(rate=Rate("10/s")))
    world.take(*(event(f"e{number}") for number in range(300)))
    assert await world.run_for(20)
    assert len(times(world)) == pytest.approx(200, abs=5)
    assert most_in_a_second(times(world)) <= 11


class Limited(Batching, frozen=True, kw_only=True, tag="test_limited"):
    limits: ClassVar[Limits] = Limits(events=10, rate=Rate("20/min"))


async def test_a_platforms_own_limit_is_kept_where_none_is_set(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Limited(id="one"))))
    world.take(*(event(f"e{number}") for number in range(500)))
    assert await world.run_for(121)
    assert len(times(world)) in (38, 39, 40)
    assert len(world.senders["one"].ids()) >= 380


async def test_a_slow_rate_costs_no_turn_of_the_loop(make_world: MakeWorld, autojump_clock: Clock) -> None:
    """A loop that spun would never let virtual time go on."""
    world = make_world(single(rate=Rate("1/h")))
    world.take(*(event(f"e{number}") for number in range(9)))
    with trio.fail_after(5 * HOUR_S):
        assert await world.run_for(4.5 * HOUR_S)
    assert len(times(world)) == 5


async def test_a_platform_that_refuses_above_its_rate_is_soon_asked_below_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(_: Sent) -> Any:
        last = world.senders["one"].sent[-11:]
        return answer(429) if len(last) == 11 and last[0].at_s > trio.current_time() - 1 else "ok"

    world = make_world(single(), one(play=play, delay_s=0.05), outbox_limit=10_000)
    world.take(*(event(f"e{number}") for number in range(1_500)))
    assert await world.run_for(140)
    refused = [labels for name, labels in world.observer.told if name == "delivery" and labels["4"] == "throttled"]
    assert len(times(world)) > 600
    assert len(refused) < len(times(world)) / 20


async def test_no_more_requests_go_out_than_headers_say_remain(make_world: MakeWorld, autojump_clock: Clock) -> None:
    def play(_: Sent) -> Any:
        left_s = 60 - trio.current_time() % 60
        used = sum(1 for at_s in times(world) if at_s // 60 == trio.current_time() // 60)
        if used > 30:
            return answer(429, retry_after=str(int(left_s) + 1))
        return answer(200, "ok", ratelimit_remaining=str(30 - used), ratelimit_reset=str(int(left_s) + 1))

    world = make_world(single(concurrency=4), one(play=play, delay_s=0.05))
    world.take(*(event(f"e{number}") for number in range(200)))
    assert await world.run_for(400)
    assert len(times(world)) >= 170
    assert not [labels for name, labels in world.observer.told if name == "delivery" and labels["4"] == "throttled"]


async def test_a_503_with_retry_after_leaves_the_platform_alone_for_so_long(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    away = Response(status=503, headers={"retry-after": "600"}, body=b'"retry"')
    world = make_world(single(concurrency=1), one(away))
    world.take(event("a"), event("b"))
    assert await world.run_for(HOUR_S)
    first, second, third = times(world)
    assert second - first == pytest.approx(600, abs=2)
    assert third - first == pytest.approx(600, abs=20)


async def test_a_platform_that_answers_slowly_gets_fewer_requests_at_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(latency_goal_s=2.0), one(delay_s=0.1))
    world.take(*(event(f"e{number}") for number in range(600)))
    async with world.running():
        await trio.sleep(3)
        sender = world.senders["one"]
        assert sender.most_under_way == 8
        sender.delay_s = 4.0
        await trio.sleep(60)
        sender.most_under_way = 0
        await trio.sleep(60)
        assert sender.most_under_way == 2
        sender.delay_s = 1.0
        await trio.sleep(30)
        assert sender.most_under_way == 8
