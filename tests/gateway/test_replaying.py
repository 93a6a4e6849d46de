"""What a replay queues again on virtual time, what it leaves out, and in which lane."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.event import Consent, UserData
from actors.replay import CHOICES
from gateway.replays import Job
from store import keys
from store.records import DeliveryStatus
from tests.conftest import MEMORY
from tests.gateway.replay_world import Clock, MakeWorld, Replays, Windowed, windowed
from tests.support.making import DAY_MS, HOUR_MS, START_MS, VISITOR, event
from tests.support.platform import Single
from tests.support.world import World


@pytest.fixture
async def jobs(make_world: MakeWorld) -> Replays:
    made = Replays(make_world)
    await made.begin()
    return made


async def test_what_was_dropped_or_failed_is_sent_again_once(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take("a", told="drop")
    await jobs.take("b", told="busy")
    job = await jobs.replay()
    assert (job.state, job.progress, job.counts) == ("done", 1.0, {"queued": 2})
    assert sorted(jobs.sender.ids()) == ["a", "b"]
    assert jobs.statuses("a", "b") == ["delivered", "delivered"]


async def test_a_replayed_delivery_keeps_its_attempts_and_says_by_which_job(
    autojump_clock: Clock, jobs: Replays
) -> None:
    await jobs.take("a", told="drop")
    job = await jobs.replay()
    row = jobs.world.delivery("a", "one").row
    assert row is not None
    assert [attempt.outcome for attempt in row.attempts] == ["drop", "delivered"]
    assert [(mark.job, mark.status, mark.reason) for mark in row.replays] == [(job.id, "dropped", "platform_refused")]


async def test_its_schedule_begins_anew_and_stays_behind_live_traffic(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take("a", told="drop")
    jobs.later(6 * HOUR_MS)
    jobs.sender.play = lambda _: "retry"
    await jobs.replay()
    row = jobs.world.delivery("a", "one").row
    assert row is not None
    assert (row.status, row.tries) == ("failed", 1)
    [(key, _)] = jobs.world.rows("outbox")
    assert keys.read_outbox(key)[1] == keys.REPLAY_LANE
    jobs.sender.play = lambda _: "ok"
    assert await jobs.world.run_for(300)
    assert jobs.statuses("a") == ["delivered"]


async def test_event_id_time_and_delivery_id_stay_as_they_were(autojump_clock: Clock, jobs: Replays) -> None:
    jobs.sender.play = lambda _: "drop"
    jobs.world.take(event("a", occurred_at_ms=START_MS - 5_000))
    assert await jobs.world.run_for(1)
    jobs.sender.play = lambda _: "ok"
    await jobs.replay()
    first, second = jobs.sender.sent
    assert (first.ids, first.deliveries) == (second.ids, second.deliveries)
    assert first.events[0]["occurred_at_ms"] == second.events[0]["occurred_at_ms"] == START_MS - 5_000


async def test_only_the_time_the_name_and_the_statuses_asked_for(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take("early", told="drop")
    jobs.later(HOUR_MS)
    await jobs.take("in-time", told="drop")
    await jobs.take("other", name="product_viewed", told="drop")
    await jobs.take("waiting", told="retry")
    since_ms = START_MS + HOUR_MS
    job = await jobs.replay(since_ms=since_ms, statuses=("dropped",), event_name="page_viewed")
    assert (job.counts, jobs.sender.ids()) == ({"queued": 1}, ["in-time"])


async def test_what_waits_in_the_queue_is_left_alone(autojump_clock: Clock, jobs: Replays) -> None:
    jobs.sender.play = lambda _: "pause"
    jobs.world.take(event("a"))
    assert await jobs.world.run_for(1)
    job = await jobs.replay()
    assert job.counts == {"in_queue": 1}


async def test_a_delivery_in_hand_is_not_queued_a_second_time(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take("a", told="busy")
    jobs.sender.delay_s = 60
    jobs.sender.play = lambda _: "ok"
    async with jobs.world.running():
        await trio.sleep(170)  # its second attempt is under way
        job = await jobs.ask()
        await trio.sleep(5)
        counts = jobs.job(job.id).counts
        await trio.sleep(100)
    assert (counts, jobs.sender.ids(), jobs.statuses("a")) == ({"in_queue": 1}, ["a"], ["delivered"])


TOLD = {"ok": "delivered", "drop": "dropped", "busy": "failed"}
NAMES = ("page_viewed", "product_viewed")


@given(
    sent=st.lists(st.tuples(st.sampled_from(sorted(TOLD)), st.sampled_from(NAMES)), max_size=8),
    statuses=st.sets(st.sampled_from(CHOICES), min_size=1),
    name=st.sampled_from(("", *NAMES)),
)
@settings(max_examples=20, deadline=None)
def test_exactly_what_is_asked_for_is_sent_again(
    sent: list[tuple[str, str]], statuses: set[DeliveryStatus], name: str
) -> None:
    async def run(folder: str) -> tuple[list[str], Job, tuple[str, ...]]:
        def make_world(*arguments: Any, **settings: Any) -> World:
            return World(Path(folder) / "store", *arguments, **settings)

        jobs = await windowed(make_world)
        for number, (told, event_name) in enumerate(sent):
            await jobs.take(f"{number}", told=told, name=event_name)
        jobs.sender.sent.clear()
        job = await jobs.replay(statuses=tuple(statuses), event_name=name)
        problems = jobs.world.check().problems
        jobs.world.close()
        return jobs.sender.ids(), job, problems

    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        ids, job, problems = trio.run(run, folder, clock=trio.testing.MockClock(autojump_threshold=0))
    wanted = [
        f"{number}"
        for number, (told, event_name) in enumerate(sent)
        if TOLD[told] in statuses and name in ("", event_name)
    ]
    assert (sorted(ids), job.counts.get("queued", 0), problems) == (sorted(wanted), len(wanted), ())


# --- the fence -----------------------------------------------------------------------------------------------------


async def test_within_the_window_also_what_was_delivered_may_be_sent_again(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = await windowed(make_world)
    await jobs.take("a")
    jobs.later(47 * HOUR_MS)
    job = await jobs.replay(statuses=("delivered",))
    assert (job.counts, jobs.sender.ids()) == ({"queued": 1}, ["a"])


async def test_past_the_window_nothing_is_sent_unless_somebody_insists(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = await windowed(make_world)
    await jobs.take("a", told="drop")
    jobs.later(49 * HOUR_MS)
    job = await jobs.replay()
    assert (job.counts, job.examples, jobs.sender.ids()) == ({"past_window": 1}, {"past_window": "a"}, [])
    assert jobs.statuses("a") == ["dropped"]
    assert (await jobs.replay(is_past_window=True)).counts == {"queued": 1}
    assert jobs.sender.ids() == ["a"]


async def test_a_platform_without_a_window_gets_only_what_it_surely_never_counted(
    autojump_clock: Clock, jobs: Replays
) -> None:
    await jobs.take("delivered")
    await jobs.take("refused", told="drop")
    await jobs.take("unreached", told="unreached")
    job = await jobs.replay(statuses=("dropped", "failed", "delivered"))
    assert job.counts == {"queued": 2, "past_window": 1}
    assert sorted(jobs.sender.ids()) == ["refused", "unreached"]


@pytest.mark.parametrize(("told", "status"), [("drop", "dropped"), ("ok", "delivered")])
async def test_a_replay_whose_turn_comes_past_the_window_is_left_out_after_all(
    make_world: MakeWorld, autojump_clock: Clock, told: str, status: str
) -> None:
    jobs = await windowed(make_world)
    await jobs.take("a", told=told)
    jobs.later(47 * HOUR_MS)
    await jobs.ask(statuses=("dropped", "delivered"))
    jobs.publish(Windowed(id="one", paused=True))
    assert await jobs.world.run_for(2)
    assert jobs.statuses("a") == ["queued"]
    jobs.later(2 * HOUR_MS)
    jobs.publish(Windowed(id="one"))
    assert await jobs.world.run_for(5)
    row = jobs.world.delivery("a", "one").row
    assert row is not None
    assert (row.status, jobs.sender.ids()) == (status, [])
    assert row.reason == ("past_window" if status == "dropped" else "")


# --- what is kept in -----------------------------------------------------------------------------------------------


async def test_consent_that_was_withdrawn_since_keeps_a_delivery_in(autojump_clock: Clock, jobs: Replays) -> None:
    visitor = UserData(anonymous_id=VISITOR)
    await jobs.take("a", told="drop", user_data=visitor)
    await jobs.take("withdrawal", "page_viewed", told="ok", user_data=visitor, consent=Consent(marketing="denied"))
    job = await jobs.replay()
    assert (job.counts["consent_denied"], jobs.statuses("a")) == (1, ["dropped"])


async def test_an_event_too_old_for_the_platform_is_counted_and_not_queued(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = Replays(make_world)
    await jobs.begin()
    await jobs.take("a", told="drop")
    jobs.publish(Single(id="one", max_s=3_600))
    jobs.later(2 * HOUR_MS)
    assert (await jobs.replay()).counts == {"too_old": 1}


async def test_what_retention_is_about_to_take_is_not_queued(make_world: MakeWorld, autojump_clock: Clock) -> None:
    jobs = Replays(make_world)
    await jobs.begin()
    await jobs.take("a", told="drop")
    jobs.later(90 * DAY_MS)
    assert (await jobs.replay()).counts == {"too_old": 1}


async def test_names_that_the_destination_takes_no_more_are_left_out(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = Replays(make_world)
    await jobs.begin()
    await jobs.take("a", told="drop")
    jobs.publish(Single(id="one", events=("purchase_placed",)))
    assert (await jobs.replay()).counts == {"no_route": 1}
