"""Replay jobs on virtual time: when they wait, how they end, and what crashes and other processes leave of them."""

from typing import Any

import pytest
import trio

from actors.replay import CHOICES
from actors.replaying import look
from gateway import exit_codes, replays
from gateway.replays import Ask, Refused
from store import keys
from store import replays as store_replays
from store.records import DELIVERY, DeliveryRow, ReplayRow
from store.replays import Step
from tests.gateway.replay_world import Clock, MakeWorld, Replays, Windowed, windowed
from tests.gateway.told_store import Told
from tests.support.making import START_MS, event
from tests.support.platform import Single


@pytest.fixture
async def jobs(make_world: MakeWorld) -> Replays:
    made = Replays(make_world)
    await made.begin()
    return made


async def test_a_job_waits_while_the_outbox_is_half_full_and_then_goes_on(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = Replays(make_world, outbox_limit=20)
    await jobs.begin()
    await jobs.take(*(f"{number:02}" for number in range(18)), told="drop")
    jobs.publish(Single(id="one", paused=True))
    job = await jobs.replay()
    deepest = jobs.world.core.depths[keys.destination("shop", "one")]
    jobs.publish(Single(id="one"))
    assert (deepest, job.words) == (10, "waits: the outbox of its destination is more than half full")
    assert await jobs.world.run_for(10)
    assert (jobs.job(job.id).counts, len(jobs.sender.ids())) == ({"queued": 18}, 18)


async def test_a_job_waits_while_the_store_takes_no_events(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take("a", told="drop")
    jobs.world.writer.is_full = True
    job = await jobs.replay()
    assert (job.state, job.words, job.counts) == ("running", "waits: the store has no room", {})
    jobs.world.writer.is_full = False
    assert await jobs.world.run_for(5)
    assert jobs.job(job.id).counts == {"queued": 1}


async def test_live_events_overtake_a_long_replay(autojump_clock: Clock, jobs: Replays) -> None:
    await jobs.take(*(f"old-{number:03}" for number in range(200)), told="drop")
    jobs.sender.delay_s = 1
    await jobs.ask()
    async with jobs.world.running():
        await trio.sleep(10)
        jobs.world.take(event("live"))
        await trio.sleep(3)
        sent = jobs.sender.ids()
        await trio.sleep(200)
    assert "live" in sent
    assert len(sent) < 100
    assert len(jobs.sender.ids()) == 201


async def test_a_cancelled_job_queues_nothing_more(make_world: MakeWorld, autojump_clock: Clock) -> None:
    jobs = Replays(make_world)
    await jobs.begin()
    await jobs.take("a", told="drop")
    job = await jobs.ask()
    await replays.cancel(jobs.world.writer, job.id, jobs.world.clock.now_ms(), "a test")
    assert await jobs.world.run_for(5)
    found = jobs.job(job.id)
    assert (found.state, found.words, jobs.sender.ids()) == ("cancelled", "cancelled by a test", [])


async def test_what_a_cancelled_job_has_queued_is_as_it_was_before(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    jobs = await windowed(make_world)
    await jobs.take("dropped", told="drop")
    await jobs.take("delivered")
    await jobs.take("failed", told="busy")
    before = [jobs.world.delivery(one, "one").row for one in ("dropped", "delivered")]
    jobs.publish(Windowed(id="one", paused=True))
    job = await jobs.replay(seconds=0.7, statuses=CHOICES)
    assert jobs.statuses("dropped", "delivered", "failed") == ["queued"] * 3
    await replays.cancel(jobs.world.writer, job.id, jobs.world.clock.now_ms(), "a test")
    jobs.publish(Windowed(id="one"))
    assert await jobs.world.run_for(5)
    after = [jobs.world.delivery(one, "one").row for one in ("dropped", "delivered")]
    assert [(row.status, row.reason, row.settled_at_ms) for row in after if row is not None] == [
        (row.status, row.reason, row.settled_at_ms) for row in before if row is not None
    ]
    assert jobs.sender.ids() == ["failed"]


async def planned(jobs: Replays) -> Step:
    """The first step of a job, not committed yet."""
    await jobs.take("a", told="drop")
    await jobs.ask()
    [row] = store_replays.running(jobs.world.store)
    rules = jobs.world.snapshot.sites["shop"]
    part = look(jobs.world.store, row, rules, rules.destinations[0], jobs.world.clock.now_ms())
    return Step(row, part.after, [one.move for one in part.chosen if one.move is not None])


async def test_a_step_of_a_job_that_was_cancelled_meanwhile_changes_nothing(
    autojump_clock: Clock, jobs: Replays
) -> None:
    step = await planned(jobs)
    await replays.cancel(jobs.world.writer, 1, jobs.world.clock.now_ms(), "a test")
    jobs.world.writer.submit(step)
    assert (step.is_stale, jobs.statuses("a"), jobs.job(1).state) == (True, ["dropped"], "cancelled")


async def test_a_step_that_is_committed_twice_is_one(autojump_clock: Clock, jobs: Replays) -> None:
    step = await planned(jobs)
    jobs.world.writer.submit(step)
    jobs.world.writer.submit(step)
    assert (step.is_stale, jobs.job(1).counts, len(jobs.world.rows("outbox"))) == (True, {"queued": 1}, 1)


async def test_a_delivery_that_changed_since_it_was_read_stays_as_it_is(autojump_clock: Clock, jobs: Replays) -> None:
    step = await planned(jobs)
    key = keys.delivery(keys.event("shop", "a", "page_viewed"), keys.destination("shop", "one"))
    changed = DELIVERY.encode(DeliveryRow(status="dropped", destination="one", reason="platform_refused", tries=2))
    jobs.world.writer.submit(lambda write: write.put("delivery", key, changed))
    jobs.world.writer.submit(step)
    assert (jobs.job(1).counts, jobs.statuses("a")) == ({"queued": 0, "in_queue": 1}, ["dropped"])


async def test_one_destination_has_one_job_at_a_time(autojump_clock: Clock, jobs: Replays) -> None:
    first = await jobs.ask()
    ask = Ask(destination="one", since_ms=START_MS - 1_000)
    second = await replays.start(jobs.world.store, jobs.world.writer, ask, START_MS + 1_000, "a test")
    assert isinstance(second, Refused)
    assert (second.field, f"job {first.id}" in second.message) == ("destination", True)


async def test_the_job_of_a_destination_that_was_removed_ends(make_world: MakeWorld, autojump_clock: Clock) -> None:
    jobs = Replays(make_world)
    await jobs.begin()
    await jobs.take("a", told="drop")
    job = await jobs.ask()
    jobs.publish()
    assert await jobs.world.run_for(2)
    assert (jobs.job(job.id).state, "taken out" in jobs.job(job.id).words) == ("cancelled", True)


@pytest.mark.parametrize("is_after_commit", [False, True])
@pytest.mark.parametrize("commits", range(7))
async def test_a_job_that_is_cut_anywhere_queues_each_delivery_once(
    make_world: MakeWorld, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch, commits: int, is_after_commit: bool
) -> None:
    monkeypatch.setattr("gateway.replaying.LOOKED_AT", 3)
    jobs = Replays(make_world)
    await jobs.begin()
    ids = [f"{number:02}" for number in range(10)]
    await jobs.take(*ids, told="drop")
    job = await jobs.ask()
    jobs.world.writer.crash_at(commits, is_after_commit=is_after_commit)
    assert not await jobs.world.run_for(5)
    jobs.world.restart()
    assert jobs.world.check().problems == ()
    assert await jobs.world.run_for(5)
    assert jobs.job(job.id).counts == {"queued": 10}
    assert jobs.statuses(*ids) == ["delivered"] * 10
    rows = [jobs.world.delivery(one, "one").row for one in ids]
    assert [len(row.replays) for row in rows if row is not None] == [1] * 10


async def test_old_jobs_give_way_to_new_ones(
    autojump_clock: Clock, jobs: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.replays.KEPT", 3)
    for _ in range(6):
        await jobs.replay(seconds=1)
    assert [job.id for job in replays.recent(jobs.world.store)] == [6, 5, 4]


async def test_what_is_asked_for_wrongly_is_told_by_its_field(autojump_clock: Clock, jobs: Replays) -> None:
    def asked(**changes: Any) -> ReplayRow | Refused:
        ask = Ask(**{"destination": "one", "since_ms": START_MS, **changes})
        return replays.job_of(jobs.world.store, ask, START_MS + 1_000, "a test")

    fields = {
        "destination": asked(destination="two"),
        "site": asked(site="nowhere"),
        "since": asked(since_ms=START_MS + 2_000),
        "status": asked(statuses=()),
        "event": asked(event_name="x" * 200),
    }
    for field, refused in fields.items():
        assert isinstance(refused, Refused)
        assert refused.field == field


def test_wrong_arguments_are_told_by_their_option(make_world: MakeWorld) -> None:
    told = Told(make_world)
    trio.run(told.begin)
    wrong = {
        "--destination: no destination 'nobody' is configured; there are: shop/acme": ("nobody", "1h"),
        "--since: 2099-01-01T00:00:00.000Z is not before": ("acme", "2099-01-01"),
        "give some of dropped, failed, delivered": ("acme", "1h", "--status", "queued"),
        "--site: no site 'other' is configured; there are: shop": ("acme", "1h", "--site", "other"),
    }
    for words, (destination, since, *more) in wrong.items():
        result = told.run("replay", "--destination", destination, "--since", since, *more)
        assert (result.exit_code, words in result.stderr) == (exit_codes.USAGE, True)
    assert told.run("replay").exit_code == exit_codes.USAGE
    for command in ("show", "cancel"):
        result = told.run("replay", command, "77")
        assert (result.exit_code, "there is no job 77" in result.stderr) == (exit_codes.FAILED, True)
    assert told.run("replay", "list").stdout == "no replay was asked for yet\n"
