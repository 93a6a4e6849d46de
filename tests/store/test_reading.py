"""What is read from the store: the ledger, the books, the mailbox, the outbox, configuration versions."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.event import UserData
from store import books, keys, ledger, mailbox, outbox, versions
from store.env import Store
from store.errors import Unreadable
from store.records import BOOKS, OUTBOX, BooksRow, OutboxRow
from store.writer import Apply, InlineWriter, WriteTxn
from tests.support.making import HOUR_MS, START_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
MEMORY = Path("/dev/shm")


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Three purchases of two orders, from two sides, and a page view; one destination answers, one fails."""
    made = make_world(
        snapshot(site(Single(id="one"), Single(id="two"), Single(id="off", events=()))),
        {"two": FakeSender(play=lambda _: "retry")},
    )
    trio.run(fill, made, clock=trio.testing.MockClock(autojump_threshold=0))
    return made


async def fill(world: World) -> None:
    world.take(purchase("p"), purchase("w", "shopify_webhook"), purchase("other", order_id="o-2"), event("view"))
    assert await world.run_for(30)


def test_an_event_is_found_by_its_id_with_its_body(world: World) -> None:
    [found] = ledger.find_events(world.store, "shop", "view")
    assert (found.row.event_name, found.row.status) == ("page_viewed", "processed")
    assert found.body is not None
    assert ledger.event(world.store, found.key) == found
    assert ledger.find_events(world.store, "shop", "vie") == []
    assert ledger.find_events(world.store, "other", "view") == []
    assert ledger.event(world.store, bytes(29)) is None


def test_an_order_is_found_with_all_its_events(world: World) -> None:
    assert {found.row.event_id for found in ledger.find_order(world.store, "shop", "o-1")} == {"p", "w"}
    assert [found.row.event_id for found in ledger.find_order(world.store, "shop", "o-2")] == ["other"]
    assert ledger.find_order(world.store, "shop", "o-") == []


def test_deliveries_are_listed_with_those_never_tried(world: World) -> None:
    async def leave_one_waiting() -> None:
        world.take(event("waits"))
        await world.settle()

    trio.run(leave_one_waiting, clock=trio.testing.MockClock(autojump_threshold=0))
    key = keys.event("shop", "waits", "page_viewed")
    assert [(one.destination, one.row) for one in ledger.deliveries_of(world.store, key)] == [
        ("one", None),
        ("two", None),
    ]
    one, two = ledger.deliveries_of(world.store, keys.event("shop", "view", "page_viewed"))
    assert one.row is not None
    assert two.row is not None
    assert (one.row.status, one.due_ms) == ("delivered", None)
    assert two.row.status == "failed"
    assert two.due_ms == pytest.approx(START_MS + 150_000, rel=0, abs=20_000)


def test_a_sites_events_are_listed_by_time_page_by_page(world: World) -> None:
    whole = ledger.site_events(world.store, "shop", 0, 2 * START_MS)
    paged: list[ledger.Listed] = []
    while page := ledger.site_events(world.store, "shop", 0, 2 * START_MS, 3, paged[-1].place if paged else b""):
        paged += page
    assert paged == whole
    assert len(whole) == 4
    assert {one.row.event_id for one in whole if one.row is not None} == {"p", "w", "other", "view"}
    assert ledger.site_events(world.store, "shop", START_MS + 1, 2 * START_MS) == []
    assert ledger.site_events(world.store, "shop", 0, START_MS) == []


async def test_a_visitors_events_are_listed_the_newest_first(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site()))
    for number in range(5):
        await trio.sleep(1)
        world.take(event(f"e{number}", user_data=UserData(anonymous_id=VISITOR)), event(f"x{number}"))
        world.take(event(f"y{number}", user_data=UserData(anonymous_id="f" * 32)))
    await world.settle()
    listed = ledger.visitor_events(world.store, "shop", VISITOR, limit=3)
    assert [one.row.event_id for one in listed if one.row is not None] == ["e4", "e3", "e2"]
    assert len(ledger.visitor_events(world.store, "shop", "f" * 32)) == 5
    assert ledger.visitor_events(world.store, "shop", "0" * 32) == []


def test_a_damaged_event_is_an_error_by_name_and_a_gap_in_a_list(fast_path: Path) -> None:
    store = Store(fast_path, budget_bytes=8 << 20)
    key = keys.event("shop", "a", "page_viewed")
    InlineWriter(store).submit(lambda write: write.put("event", key, b"\x01damaged"))
    InlineWriter(store).submit(lambda write: write.put("site_event", keys.site_event("shop", 1, 0, 1), key))
    with pytest.raises(Unreadable):
        ledger.find_events(store, "shop", "a")
    assert [one.row for one in ledger.site_events(store, "shop", 0, 10)] == [None]
    store.close()


# --- books ---------------------------------------------------------------------------------------------------------


def test_the_books_are_read_by_hour_and_balance(world: World) -> None:
    rows = {one.destination: one.counts for one in books.hours(world.store, "shop", 0, 2 * START_MS)}
    assert rows[""] == {"accepted": 4, "processed": 3, "merged": 1, "held": 0}
    assert rows["one"] == {"processed": 3, "queued": 0, "delivered": 3}
    assert rows["two"] == {"processed": 3, "queued": 0, "failed": 3}
    assert rows["off"] == {"processed": 3, "not_routed:no_route": 3}
    assert books.hours(world.store, "shop", START_MS + HOUR_MS, 2 * START_MS) == []
    assert books.difference(world.store) == 0


def putting(database: str, key: bytes, value: bytes) -> Apply:
    return lambda write: write.put(database, key, value)


def deleting(database: str, *doomed: bytes) -> Apply:
    def delete(write: WriteTxn) -> None:
        for key in doomed:
            write.delete(database, key)

    return delete


def row(hour: int, accepted: int, processed: int) -> tuple[bytes, bytes]:
    counts = {"accepted": accepted, "processed": processed}
    return keys.books("shop", hour * HOUR_MS), BOOKS.encode(BooksRow(site="shop", counts=counts))


@given(old=st.integers(0, 2000), recent=st.integers(2001, 2047))
def test_the_difference_shows_recent_hours_at_once_and_old_ones_in_their_turn(old: int, recent: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        store = Store(Path(folder) / "store", budget_bytes=8 << 20)
        writer = InlineWriter(store)
        for hour in (0, 1000, 2047):
            writer.submit(putting("books", *row(hour, 5, 5)))
        writer.submit(putting("books", *row(recent, 5, 3)))
        assert books.difference(store) == 2
        writer.submit(putting("books", *row(old, 4, 7)))
        seen = set()
        for _ in range(books.SLICES):
            seen.add(books.difference(store))
            writer.submit(putting("config", b"tick", b""))
        assert seen <= {2, 5}
        assert 5 in seen
        store.close()


@given(
    counts=st.dictionaries(
        st.sampled_from(["queued", "delivered", "failed", "dropped:x", "not_routed:y"]), st.integers(0, 99)
    )
)
def test_a_row_balances_only_if_its_columns_add_up(counts: dict[str, int]) -> None:
    total = sum(counts.values())
    assert books.imbalance("one", {**counts, "processed": total}) == 0
    assert books.imbalance("one", {**counts, "processed": total + 3}) == 3


# --- mailbox, outbox, versions -------------------------------------------------------------------------------------


def test_messages_are_read_on_from_a_cursor_in_their_order(store: Store) -> None:
    InlineWriter(store).submit(mailbox.append([(3, b"a"), (3, b"b"), (2, b"x"), (3, b"c")]))
    with store.read() as txn:
        assert [one.raw for one in mailbox.next_messages(txn, store, 3, 0, 10)] == [b"a", b"b", b"c"]
        assert [one.raw for one in mailbox.next_messages(txn, store, 3, 1, 1)] == [b"b"]
        assert [one.record for one in mailbox.next_messages(txn, store, 2, 0, 9)] == [None]
        assert mailbox.next_messages(txn, store, 3, 3, 10) == []
    assert mailbox.depth(store, {3: 1, 2: 0}) == 3
    InlineWriter(store).submit(deleting("log", keys.log(2, 1), *(keys.log(3, number) for number in (1, 2, 3))))


def test_a_shard_that_was_emptied_goes_on_counting(store: Store) -> None:
    writer = InlineWriter(store)
    writer.submit(mailbox.append([(0, b"a"), (0, b"b")]))
    writer.submit(lambda write: write.put("cursor", keys.shard(0), keys.u64(2)))
    writer.submit(deleting("log", keys.log(0, 1), keys.log(0, 2)))
    writer.submit(mailbox.append([(0, b"c")]))
    with store.read() as txn:
        assert [one.sequence for one in mailbox.next_messages(txn, store, 0, 2, 10)] == [3]
    writer.submit(deleting("log", keys.log(0, 3)))


def test_a_row_put_before_the_place_of_the_last_scan_is_found_at_once(world: World) -> None:
    """Two commits of one millisecond: the second one's shard sorts before the first one's."""
    destination = keys.destination("shop", "x")
    event_key = keys.event("shop", "view", "page_viewed")
    value = OUTBOX.encode(OutboxRow(event_key))
    later, earlier = keys.outbox(destination, 0, 50, 9, 1), keys.outbox(destination, 0, 50, 1, 1)
    writer = InlineWriter(world.store)
    writer.submit(putting("outbox", later, value))
    first = outbox.due(world.store, destination, 0, b"", 100, 10, set())
    writer.submit(putting("outbox", earlier, value))
    second = outbox.due(world.store, destination, 0, first.resume, 100, 10, {later})
    assert [row.outbox_key for row in first.rows] == [later]
    assert [row.outbox_key for row in second.rows] == [earlier]
    writer.submit(deleting("outbox", later, earlier))


async def test_a_version_is_written_only_when_something_changed(store: Store) -> None:
    writer = InlineWriter(store)
    assert versions.latest(store) is None
    told = [
        await versions.publish(store, writer, at_ms=at_ms, fingerprint=fingerprint, summary=f"{at_ms}")
        for at_ms, fingerprint in ((1, "a"), (2, "a"), (3, "b"), (4, "a"))
    ]
    assert [one.version for one in told] == [1, 1, 2, 3]
    assert [(one.version, one.since_ms) for one in versions.history(store)] == [(1, 1), (2, 3), (3, 4)]
    latest = versions.latest(store)
    assert latest is not None
    assert latest.version == 3


async def test_the_oldest_versions_go_when_there_are_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "KEPT", 3)
    for number in range(5):
        await versions.publish(store, InlineWriter(store), at_ms=number, fingerprint=str(number), summary="{}")
    assert [one.version for one in versions.history(store)] == [3, 4, 5]
