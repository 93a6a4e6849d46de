"""The dispatcher on virtual time: schedule, batches, splitting, breaker, throttle, pause, tokens, fairness."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import trio
import trio.testing

from actors.destinations.base import Limits, Response
from actors.dialing import Failure
from actors.event import CustomData
from actors.taking import IN_HAND
from store import keys
from store.writer import InlineWriter
from tests.support.making import DAY_MS, HOUR_MS, START_MS, event, site, snapshot
from tests.support.platform import Batching, FakeSender, Sent, Single, answer, failure
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
HOUR_S = 3_600.0


def one(*answers: Any, play: Any = None, delay_s: float = 0.0) -> dict[str, FakeSender]:
    return {"one": FakeSender(*answers, play=play, delay_s=delay_s)}


def single(**settings: Any) -> Any:
    return snapshot(site(Single(id="one", **settings)))


def batching(**settings: Any) -> Any:
    return snapshot(site(Batching(id="one", **settings)))


def times(world: World, destination: str = "one") -> list[float]:
    return [sent.at_s for sent in world.senders[destination].sent]


# --- the schedule --------------------------------------------------------------------------------------------------


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


# --- batches -------------------------------------------------------------------------------------------------------


async def test_deliveries_that_wait_share_a_request(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(batching())
    world.take(*(event(f"{number:03}") for number in range(250)))
    assert await world.run_for(5)
    assert sorted(len(sent.ids) for sent in world.senders["one"].sent) == [50, 100, 100]
    assert sorted(world.senders["one"].ids()) == [f"{number:03}" for number in range(250)]


async def test_deliveries_of_different_envelopes_never_share_a_request(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(batching())
    world.take(*(event(f"{n}", custom_data=CustomData(properties={"envelope": n % 3})) for n in range(30)))
    assert await world.run_for(5)
    assert sorted(sorted({int(one) % 3 for one in sent.ids}) for sent in world.senders["one"].sent) == [[0], [1], [2]]


async def test_a_refused_batch_is_split_until_the_bad_one_stands_alone(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(sent: Sent) -> str:
        return "split" if "e13" in sent.ids else "ok"

    world = make_world(batching(), one(play=play))
    world.take(*(event(f"e{number}") for number in range(32)))
    assert await world.run_for(20)
    statuses = {f"e{number}": world.delivery(f"e{number}", "one") for number in range(32)}
    assert {name for name, found in statuses.items() if found.status == "dropped"} == {"e13"}
    assert {found.status for name, found in statuses.items() if name != "e13"} == {"delivered"}
    assert len(world.senders["one"].sent) <= 1 + 2 * 5
    row = statuses["e13"].row
    assert row is not None
    assert (row.tries, row.attempts[-1].batch) == (1, 1)


async def test_the_innocent_go_again_at_once_and_it_costs_them_no_attempt(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(sent: Sent) -> Any:
        return ["drop" if one == "bad" else "again" for one in sent.ids] if "bad" in sent.ids else "ok"

    world = make_world(batching(), one(play=play))
    world.take(event("a"), event("bad"), event("b"))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.tries, [one.outcome for one in found.attempts]) == (
        "delivered",
        1,
        ["again", "delivered"],
    )
    assert world.delivery("bad", "one").status == "dropped"


async def test_an_innocent_that_is_refused_for_ever_ends_by_the_schedule(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "again"))
    world.take(event("a"))
    assert await world.run_for(30 * HOUR_S)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.tries) == ("dropped", 5)


# --- pacing --------------------------------------------------------------------------------------------------------


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


# --- pause, tokens -------------------------------------------------------------------------------------------------


async def test_a_refused_token_pauses_and_a_new_one_sends_all_that_waited(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "pause"))
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(10 * HOUR_S)
    assert len(times(world)) <= 2
    assert world.observer.count_of("paused") >= 1
    assert world.core.depths[keys.destination("shop", "one")] == 20
    world.senders["one"].play = lambda _: "ok"
    world.restart(single(account="2"))
    assert await world.run_for(60)
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}
    rows = [found for number in range(20) if (found := world.delivery(f"e{number}", "one").row) is not None]
    assert {row.tries for row in rows} == {1}
    assert {row.attempts[0].words for row in rows} == {"token refused", ""}


async def test_a_token_is_fetched_once_and_sent_with_every_request(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(needs_token=True), one(delay_s=0.1))
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(60)
    assert world.senders["one"].tokens == 1
    assert {sent.token for sent in world.senders["one"].sent} == {"t1"}


async def test_an_old_token_is_replaced_once_whatever_was_under_way(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(
        single(needs_token=True), one(play=lambda sent: "refresh" if sent.token == "t1" else "ok", delay_s=0.1)
    )
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(60)
    assert world.senders["one"].tokens == 2
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}


async def test_a_token_refused_twice_in_a_row_pauses(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True), one(play=lambda _: "refresh"))
    world.take(event("a"))
    assert await world.run_for(HOUR_S)
    assert world.senders["one"].tokens == 2
    assert world.dispatchers["one"].pause_reason == "token is old"
    assert world.delivery("a", "one").status == "queued"


async def test_a_token_is_replaced_before_it_ends(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True))
    async with world.running():
        for number in range(3):
            world.take(event(f"e{number}"))
            await trio.sleep(3_500)
    assert [sent.token for sent in world.senders["one"].sent] == ["t1", "t2", "t3"]


# --- fairness ------------------------------------------------------------------------------------------------------


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


# --- the clock, damage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_ms", [10 * 365 * DAY_MS, -DAY_MS, HOUR_MS, -HOUR_MS])
async def test_no_setting_of_the_clock_loses_a_retry_or_ends_it_early(
    make_world: MakeWorld, autojump_clock: Clock, jump_ms: int
) -> None:
    world = make_world(single(max_s=7 * 86_400), one("retry", "retry"))
    world.take(event("a"))
    async with world.running():
        await trio.sleep(10)
        world.clock.jump_ms = jump_ms
        await trio.sleep(HOUR_S)
        world.clock.jump_ms = 0
        world.take(event("b"))
        await trio.sleep(26 * HOUR_S)
    assert world.delivery("a", "one").status == "delivered"
    assert world.delivery("b", "one").status == "delivered"
    assert len(times(world)) == 4


async def test_a_clock_set_ahead_and_back_leaves_no_delivery_years_away(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one("retry"))
    world.clock.jump_ms = 10 * 365 * DAY_MS
    world.take(event("a"), event("b"))
    assert await world.run_for(5)
    world.clock.jump_ms = 0
    assert await world.run_for(HOUR_S)
    assert {world.delivery(name, "one").status for name in "ab"} == {"delivered"}


async def test_a_delivery_whose_event_is_damaged_is_dropped_with_that_reason(
    make_world: MakeWorld, autojump_clock: Clock, fast_path: Any
) -> None:
    world = World(fast_path / "damaged", single())
    world.take(event("body"), event("row"), event("well"))
    await world.settle()
    place = world.events()["body"]
    writer = InlineWriter(world.store)
    writer.submit(lambda write: write.put("log", keys.log(place.shard, place.sequence), b"\x01damaged"))
    writer.submit(lambda write: write.put("event", keys.event("shop", "row", "page_viewed"), b"\x01damaged"))
    assert await world.run_for(5)
    found = world.delivery("body", "one").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "unreadable")
    assert world.senders["one"].ids() == ["well"]
    assert world.rows("outbox") == []
    assert world.observer.count_of("unreadable_row") == 2
    assert not [problem for problem in world.check().problems if "balance" in problem or "depth" in problem]
    world.close()


async def test_a_damaged_row_of_the_outbox_is_taken_out_and_booked(
    make_world: MakeWorld, autojump_clock: Clock, fast_path: Any
) -> None:
    world = World(fast_path / "damaged", single())
    world.take(event("a"))
    await world.settle()
    [(key, _)] = world.rows("outbox")
    InlineWriter(world.store).submit(lambda write: write.put("outbox", key, b"\x01damaged"))
    assert await world.run_for(5)
    assert world.rows("outbox") == world.rows("delivery") == []
    assert not [problem for problem in world.check().problems if "balance" in problem or "depth" in problem]
    world.close()


# --- stopping ------------------------------------------------------------------------------------------------------


async def test_stopping_begins_nothing_more_and_waits_for_what_is_under_way(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(concurrency=1), one(delay_s=5))
    world.take(*(event(f"e{number}") for number in range(10)))
    async with world.running():
        await trio.sleep(7)
        dispatcher = world.dispatchers["one"]
        began_s = trio.current_time()
        await dispatcher.stop()
        assert 0 < trio.current_time() - began_s <= 5
        await trio.sleep(HOUR_S)
    assert 1 <= len(times(world)) <= 4
    delivered = [n for n in range(10) if world.delivery(f"e{n}", "one").status == "delivered"]
    assert len(delivered) == len(times(world))


async def test_connections_are_closed_when_nothing_is_sent_and_at_the_end(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(delay_s=1))
    async with world.running():
        world.take(event("a"))
        await trio.sleep(5)
        assert world.senders["one"].closings == []
        await trio.sleep(HOUR_S)
        assert world.senders["one"].closings == ["idle"]
        world.take(event("b"))
        await trio.sleep(HOUR_S)
    assert world.senders["one"].closings == ["idle", "idle", "all"]


async def test_a_minted_token_that_a_platform_repeats_is_not_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True), one(Response(status=200, body=b"Bearer token-1 is odd")))
    world.senders["one"].token = "token-"
    world.take(event("a"))
    assert await world.run_for(1)
    found = world.delivery("a", "one").row
    assert found is not None
    assert found.words == "unforeseen answer 200: Bearer [secret] is odd"


async def test_a_request_body_is_kept_only_where_it_is_asked_for(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"), Single(id="kept", keep_payloads=True))))
    world.take(event("a"))
    assert await world.run_for(5)
    plain, kept = world.delivery("a", "one").row, world.delivery("a", "kept").row
    assert plain is not None
    assert kept is not None
    assert plain.attempts[0].request is None
    assert b'"id":"a"' in (kept.attempts[0].request or b"")


async def test_what_was_opened_from_its_seal_is_never_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Opening(id="one", keep_payloads=True))))
    world.take(event("a"))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.attempts[0].request) == ("delivered", None)


async def test_a_body_is_kept_up_to_64_kib(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(keep_payloads=True))
    world.take(event("a", custom_data=CustomData(properties={"long": "x" * 70_000})))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert len(found.attempts[0].request or b"") == 65_536


class Opening(Single, frozen=True, kw_only=True, tag="test_opening"):
    needs_plaintext: ClassVar[bool] = True
