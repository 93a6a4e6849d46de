"""Deliveries on the schedule: tried again, dropped, told with their reasons."""

from typing import Any

import pytest

from actors.destinations.base import Response
from actors.dialing import Failure
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, batching, one, single, times
from tests.support.making import HOUR_MS, START_MS, event
from tests.support.platform import answer, failure


async def test_a_delivery_is_tried_five_times_in_four_hours_then_dropped(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "retry"))
    world.take(event("a"))
    assert await world.run_for(30 * HOUR_S)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.reason, found.tries, found.words) == ("dropped", "attempts_exhausted", 5, "later")
    waits = [later - earlier for earlier, later in zip(times(world), times(world)[1:], strict=False)]
    assert waits == [pytest.approx(wait_s, rel=0.11, abs=1) for wait_s in (150, 600, 2_400, 9_600)]
    assert [attempt.outcome for attempt in found.attempts] == ["retry"] * 5


async def test_a_delivery_that_succeeds_later_is_delivered_with_all_attempts_on_record(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(failure(), "retry", "ok"))
    world.take(event("a"))
    assert await world.run_for(HOUR_S)
    found = world.delivery("a", "one").row
    assert found is not None
    assert [(attempt.outcome, attempt.status) for attempt in found.attempts] == [
        ("failure", None), ("retry", 200), ("delivered", 200),
    ]  # fmt: skip
    assert found.latency_ms == pytest.approx(750_000, rel=0.11)


async def test_retry_after_wins_where_it_is_longer(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(), one(answer(429, retry_after="5000"), answer(429, retry_after="1")))
    world.take(event("a"))
    assert await world.run_for(3 * HOUR_S)
    first, second, third = times(world)
    assert second - first == pytest.approx(5_000, abs=15)
    assert third - second == pytest.approx(600, rel=0.11)


@pytest.mark.parametrize("told", ["315360000", "1e300"])
async def test_no_platform_can_put_a_delivery_off_for_more_than_a_day(
    make_world: MakeWorld, autojump_clock: Clock, told: str
) -> None:
    world = make_world(single(), one(answer(429, retry_after=told)))
    world.take(event("a"))
    assert await world.run_for(25 * HOUR_S)
    assert world.delivery("a", "one").status in ("delivered", "dropped")


@pytest.mark.parametrize(
    ("name", "told", "reason", "words"),
    [
        ("page_viewed", "drop", "platform_refused", "never"),
        ("page_viewed", "split", "platform_refused", "one of you is wrong"),
        ("unencodable", "ok", "not_encodable", "cannot be encoded"),
        ("adapter_bug", "ok", "not_encodable", "the adapter failed: ZeroDivisionError"),
    ],
)
async def test_what_can_never_succeed_is_dropped_at_once_with_its_reason(
    make_world: MakeWorld, autojump_clock: Clock, name: str, told: str, reason: str, words: str
) -> None:
    world = make_world(single(), one(play=lambda _: told))
    world.take(event("a", name))
    assert await world.run_for(1)
    found = world.delivery("a", "one", name).row
    assert found is not None
    assert (found.status, found.reason, found.words) == ("dropped", reason, words)


async def test_an_event_too_old_for_the_platform_costs_no_request(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(max_s=3_600))
    world.take(event("old", occurred_at_ms=START_MS - 2 * HOUR_MS), event("new"))
    assert await world.run_for(1)
    found = world.delivery("old", "one").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "too_old")
    assert found.words == "the event is 7200 s old; test takes at most 3600 s"
    assert world.senders["one"].ids() == ["new"]


async def test_an_answer_nobody_foresaw_is_tried_again_with_its_words_kept(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(answer(200, ["ok", "ok"])))
    world.take(event("a"))
    assert await world.run_for(1)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.words) == ("failed", 'unforeseen answer 200: ["ok","ok"]')


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (failure(), "unreachable"),
        (Failure(kind="timeout", message="no whole answer"), "timeout"),
        (answer(429), "throttled"),
        (answer(200, ["ok", "ok"]), "unforeseen"),
        ("retry", "not_now"),
        ("pause", "paused"),
    ],
)
async def test_why_a_delivery_waits_is_told_with_its_code(
    make_world: MakeWorld, autojump_clock: Clock, told: Any, reason: str
) -> None:
    world = make_world(single(), one(told))
    world.take(event("a"))
    assert await world.run_for(1)
    assert [labels["4"] for name, labels in world.observer.told if name == "delivery"] == [reason]


async def test_an_attempt_is_counted_by_what_each_delivery_came_to(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(batching(), one(["ok", "drop", "retry", "ok"]))
    world.take(*(event(name) for name in "abcd"))
    assert await world.run_for(1)
    told = [labels["3"] for name, labels in world.observer.told if name == "attempt"]
    assert told == [{"delivered": 2, "drop": 1, "retry": 1}]


async def test_what_headers_ask_for_counts_also_where_the_adapter_does_not_read_them(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(Response(status=503, headers={"retry-after": "5000"}, body=b'"retry"')))
    world.take(event("a"))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.next_at_ms or 0) - START_MS == pytest.approx(5_000_000, abs=2_000)
