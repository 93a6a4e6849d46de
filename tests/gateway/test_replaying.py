"""Replay jobs on virtual time: what is queued again, what is left out, in which lane, and through crashes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.destinations.base import Response
from actors.dialing import Failure
from actors.event import Consent, UserData
from actors.replay import CHOICES
from actors.replaying import look
from gateway import exit_codes, replays
from gateway.replays import Ask, Job, Refused
from store import keys, versions
from store import replays as store_replays
from store.records import DELIVERY, DeliveryRow, DeliveryStatus, ReplayRow
from store.replays import Step
from tests.conftest import MEMORY
from tests.gateway.told_store import Told
from tests.support.making import DAY_MS, HOUR_MS, START_MS, VISITOR, event, site, snapshot
from tests.support.platform import FakeSender, Single, answer, failure
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
DAY_S = 86_400
ANSWERS: dict[str, Response | Failure] = {"unreached": failure(), "busy": answer(503, "retry")}


class Windowed(Single, frozen=True, kw_only=True, tag="test_windowed"):
    """A platform that drops second copies for two days."""

    dedup_window_s = 2 * DAY_S


class Replays:
    """A world with one destination, and jobs that replay to it."""

    def __init__(self, make_world: MakeWorld, *, kind: type[Single] = Single, **settings: Any) -> None:
        self.sender = FakeSender()
        self.world = make_world(snapshot(site(kind(id="one"))), {"one": self.sender}, has_replays=True, **settings)

    async def begin(self) -> None:
        text = msgspec.json.encode({"shop": ["one (test)"]}).decode()
        await versions.publish(self.world.store, self.world.writer, at_ms=1, fingerprint=text, summary=text)

    async def take(self, *ids: str, told: str = "ok", **changes: Any) -> None:
        """Events that arrive now, and what the platform says to them."""
        said: Response | Failure | str | list[str] = ANSWERS.get(told) or told
        self.sender.play = lambda _: said
        self.world.take(*(event(one, **changes) for one in ids))
        assert await self.world.run_for(1)
        self.sender.play = lambda _: "ok"
        self.sender.sent.clear()

    async def ask(self, *, since_ms: int = START_MS - 1_000, **asked: Any) -> Job:
        ask = Ask(**{"destination": "one", "since_ms": since_ms, **asked})
        job = await replays.start(self.world.store, self.world.writer, ask, self.world.clock.now_ms(), "a test")
        assert isinstance(job, Job), job
        return job

    async def replay(self, seconds: float = 5, **asked: Any) -> Job:
        """The job as it is some seconds later."""
        job = await self.ask(**asked)
        assert await self.world.run_for(seconds)
        return self.job(job.id)

    def job(self, number: int) -> Job:
        found = replays.get(self.world.store, number)
        assert found is not None
        return found

    def statuses(self, *ids: str) -> list[str]:
        return [self.world.delivery(one, "one").status for one in ids]

    def publish(self, *destinations: Single) -> None:
        """The gateway starts again with another configuration."""
        self.world.restart(snapshot(site(*destinations)))

    def later(self, ms: int) -> None:
        self.world.clock.jump_ms += ms


@pytest.fixture
async def jobs(make_world: MakeWorld) -> Replays:
    made = Replays(make_world)
    await made.begin()
    return made


async def windowed(make_world: MakeWorld) -> Replays:
    made = Replays(make_world, kind=Windowed)
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


# --- the job -------------------------------------------------------------------------------------------------------


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
