"""The promises of the design that show without HTTP, each by its number."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.event import UserData
from store import keys
from store.env import NAMES, Store, fetch
from store.mailbox import append
from tests.support.making import HOUR_MS, event, purchase, site, snapshot
from tests.support.platform import Batching, FakeSender, Sent, Single
from tests.support.world import World
from tests.support.writing import writing

MakeWorld = Callable[..., World]
BOTH = snapshot(site(Single(id="one"), Batching(id="many")))
SEVERAL = (event("a"), event("b"), purchase("c"), purchase("d", "shopify_webhook"))


async def test_promise_1_an_append_is_told_only_when_its_commit_is_over(store: Store) -> None:
    flags = store.env.flags()
    assert (flags["sync"], flags["metasync"], flags["writemap"]) == (True, True, False)
    is_over = threading.Event()
    async with writing(store) as writer:
        blocked = writer.submit(lambda _: assert_true(is_over.wait(10)))
        ticket = writer.submit(append([(0, b"message")]))
        with trio.move_on_after(0.05) as scope:
            await ticket.wait()
        assert scope.cancelled_caught
        is_over.set()
        await ticket.wait()
        await blocked.wait()
        with store.read() as txn:
            assert fetch(txn, store.dbs["log"], keys.log(0, 1)) == b"message"


def assert_true(value: bool) -> None:
    assert value


@pytest.mark.parametrize("is_after_commit", [False, True])
@pytest.mark.parametrize("commits", range(10))
async def test_promise_2_processed_exactly_once(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock, commits: int, is_after_commit: bool
) -> None:
    world = make_world(BOTH)
    world.take(*SEVERAL)
    world.writer.crash_at(commits, is_after_commit=is_after_commit)
    is_alive = await world.run_for(60)
    assert is_alive == (commits >= commits_of_a_run())
    world.restart()
    assert await world.run_for(60)
    assert Counter(row.status for row in world.events().values()) == {"processed": 3, "merged": 1}
    assert world.core.waiting() == 0
    for sender in world.senders.values():
        assert set(sender.ids()) == {"a", "b", "c"}


def commits_of_a_run() -> int:
    """Two standings; of the four events: one of turns, and one for each request of three and of one."""
    return 7


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crashes=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=6), seed=st.integers(0, 1000))
def test_promise_2_processed_exactly_once_whatever_crashes(
    make_world: MakeWorld, crashes: list[tuple[int, bool]], seed: int
) -> None:
    async def run() -> None:
        world = make_world(BOTH, seed=seed)
        for number, (commits, is_after_commit) in enumerate(crashes):
            world.take(event(f"e{number}"), purchase(f"p{number}", order_id=f"o{number}"), event("again"))
            world.writer.crash_at(commits, is_after_commit=is_after_commit)
            await world.run_for(20)
            world.restart()
        await world.run_for(60)
        assert world.core.waiting() == 0
        assert {world.delivery(f"e{number}", "one").status for number in range(len(crashes))} <= {"delivered"}
        assert sum(one.copies != () for one in world.events().values()) <= 1
        assert world.check().problems == ()

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_promise_3_nothing_leaves_before_its_commit(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    def play(sent: Sent) -> str:
        for event_id in sent.ids:
            with world.store.read() as txn:
                row = fetch(txn, world.store.dbs["event"], keys.event("shop", event_id, "page_viewed"))
            assert row is not None
        return "ok"

    world = make_world(BOTH, {"one": FakeSender(play=play), "many": FakeSender(play=play)})
    world.take(event("a"))
    world.writer.crash_at(0, is_after_commit=False)
    assert not await world.run_for(60)
    assert world.senders["one"].sent == []
    world.restart()
    assert await world.run_for(60)
    assert world.senders["one"].ids() == ["a"]


async def test_promise_4_a_visitors_events_are_taken_in_the_order_they_arrived(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(Single(id="one", concurrency=1))))
    for number in range(60):
        visitor = UserData(anonymous_id=f"{number % 3:032x}")
        world.take(event(f"{number:02}", user_data=visitor))
    assert await world.run_for(60)
    sent = world.senders["one"].ids()
    for visitor_number in range(3):
        own = [one for one in sent if int(one) % 3 == visitor_number]
        assert own == sorted(own)
        assert len(own) == 20


async def test_promise_5_what_was_under_way_at_a_crash_is_sent_again_under_the_same_id(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    world.take(event("a"), event("b"))
    world.writer.crash_at(2, is_after_commit=False)
    assert not await world.run_for(60)
    before = {sent.ids: sent.deliveries for sent in world.senders["one"].sent}
    world.restart()
    assert await world.run_for(60)
    after = world.senders["one"].sent[len(before) :]
    assert before.items() <= {sent.ids: sent.deliveries for sent in after}.items()
    assert before != {}
    assert world.delivery("a", "one").status == "delivered"


async def test_promise_6_past_the_bound_of_an_outbox_deliveries_are_dropped_with_their_reason(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))), outbox_limit=3)
    world.take(*(event(f"e{number}") for number in range(5)))
    await world.settle()
    rows = [world.delivery(f"e{number}", "one") for number in range(5)]
    assert Counter(one.status for one in rows) == {"queued": 3, "dropped": 2}
    assert {one.row.reason for one in rows if one.row is not None} == {"outbox_full"}
    assert world.observer.count_of("outbox_full") == 2
    told = [labels for name, labels in world.observer.told if name == "delivery"]
    assert [one["platform"] for one in told if one.get("reason") == "outbox_full"] == ["test"] * 2


def test_promise_7_a_run_repeats_from_its_seed(make_world: MakeWorld) -> None:
    async def run(world: World) -> None:
        world.take(*(event(f"e{number}") for number in range(8)), *SEVERAL)
        assert await world.run_for(4 * HOUR_MS / 1000)

    worlds = []
    for _ in range(2):
        sender = FakeSender(*["retry", "ok", "split", "ok", "retry"] * 20, delay_s=0.3)
        worlds.append(make_world(snapshot(site(Batching(id="many"))), {"many": sender}, seed=7))
        trio._core._run._r.seed(1)  # in which order trio runs tasks that are ready together
        trio.run(run, worlds[-1], clock=trio.testing.MockClock(autojump_threshold=0))
    for database in NAMES:
        assert worlds[0].rows(database) == worlds[1].rows(database), database
