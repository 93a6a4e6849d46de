"""The consistency check finds each thing that can be wrong, by its name, and nothing in a store that is sound."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from store import keys
from store.check import check
from store.records import (
    BOOKS,
    DELIVERY,
    EVENT,
    LINK,
    OUTBOX,
    REPLAY,
    BooksRow,
    DeliveryRow,
    LinkRow,
    OutboxRow,
    ReplayRow,
)
from store.writer import WriteTxn
from tests.support.making import START_MS, event, purchase, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import SHARDS, World

HOUR = keys.books("shop", START_MS)
ONE, TWO = keys.destination("shop", "one"), keys.destination("shop", "two")
PAGE_VIEW = keys.event("shop", "viewed", "page_viewed")
WAITING = keys.event("shop", "p", "purchase_placed")


async def fill(world: World) -> None:
    """Something of everything: delivered, failed, waiting, held, merged, duplicate, not routed."""
    world.take(event("viewed"), event("cart", "cart_viewed"), purchase("p"), purchase("q", "shopify_webhook"))
    assert await world.run_for(30)
    world.take(purchase("held", order_id="o-2"), purchase("late", "server"), event("viewed"))
    await world.settle()


@pytest.fixture
def world(fast_path: Path) -> Iterator[World]:
    destinations = (Single(id="one"), Single(id="two"))
    made = World(fast_path, snapshot(site(*destinations)), {"two": FakeSender(play=lambda _: "retry")})
    trio.run(fill, made, clock=trio.testing.MockClock(autojump_threshold=0))
    yield made
    made.close()


def change(world: World, apply: Callable[[WriteTxn], object]) -> tuple[str, ...]:
    """What the check says after that."""
    with world.store.env.begin(write=True) as txn:
        write = WriteTxn(world.store, txn)
        apply(write)
        write.finish()
    return check(world.store, SHARDS).problems


def test_a_sound_store_has_no_problems(world: World) -> None:
    report = check(world.store, SHARDS)
    assert report.problems == ()
    assert report.moving == 0
    assert report.counted["messages"] == 7
    assert report.counted["hours_recounted"] == report.counted["hours"] > 0


def any_key(world: World, database: str, start: bytes = b"") -> bytes:
    return next(key for key, _ in world.rows(database) if key.startswith(start))


def column(world: World, destination_key: bytes, name: str, by: int) -> Callable[[WriteTxn], object]:
    key = HOUR[:12] + destination_key
    row = BOOKS.decode(dict(world.rows("books"))[key])
    counts = {**row.counts, name: row.counts.get(name, 0) + by}
    changed = BooksRow(site=row.site, destination=row.destination, counts=counts)
    return lambda write: write.put("books", key, BOOKS.encode(changed))


def deliver(world: World, status: str) -> Callable[[WriteTxn], object]:
    row = DeliveryRow(status=status, destination="one")  # type: ignore[arg-type]
    return lambda write: write.put("delivery", keys.delivery(PAGE_VIEW, ONE), DELIVERY.encode(row))


TEA = LINK.encode(LinkRow(site="shop", slug="tea", target="https://shop.example.com/"))
JOB = REPLAY.encode(ReplayRow(number=1, site="shop", destination="one", since_ms=0, until_ms=1, statuses=("dropped",)))

FAULTS: dict[str, tuple[Callable[[World], Callable[[WriteTxn], object]], str]] = {
    "books out of balance": (lambda world: column(world, bytes(8), "accepted", 1), "out of balance by 1"),
    "books that say less than the rows": (lambda world: column(world, ONE, "delivered", -1), "they say"),
    "books with a reason nothing has": (lambda world: column(world, TWO, "dropped:too_old", 1), "the rows"),
    "books of an hour gone": (lambda _: lambda write: write.delete("books", HOUR[:12] + ONE), "they say {}"),
    "a depth too high": (lambda _: lambda write: write.change_depth(TWO, 1), "depth of"),
    "a depth of nothing": (lambda _: lambda write: write.change_depth(b"12345678", 1), "there are 0"),
    "a delivery in no place": (
        lambda world: lambda write: write.delete("outbox", any_key(world, "outbox", TWO)),
        "should wait, and is in the outbox 0 times",
    ),
    "a delivery in two places": (
        lambda _: lambda write: write.put("outbox", keys.outbox(TWO, 0, 5, 0, 1), OUTBOX.encode(OutboxRow(PAGE_VIEW))),
        "is in the outbox 2 times",
    ),
    "a delivered one that waits": (
        lambda _: lambda write: write.put("outbox", keys.outbox(ONE, 0, 5, 0, 1), OUTBOX.encode(OutboxRow(PAGE_VIEW))),
        "should not wait, and is in the outbox 1 times",
    ),
    "a delivery that lost its end": (lambda world: deliver(world, "queued"), "should wait"),
    "an outbox row without its event": (
        lambda _: lambda write: write.put("outbox", keys.outbox(ONE, 0, 5, 0, 1), OUTBOX.encode(OutboxRow(bytes(29)))),
        "outbox",
    ),
    "a delivery without its event": (
        lambda _: (
            lambda write: write.put(
                "delivery", bytes(29) + ONE, DELIVERY.encode(DeliveryRow(status="dropped", destination="one"))
            )
        ),
        "its event is gone",
    ),
    "a delivery nobody routed": (
        lambda _: (
            lambda write: write.put(
                "delivery",
                keys.delivery(PAGE_VIEW, keys.destination("shop", "x")),
                DELIVERY.encode(DeliveryRow(status="dropped", destination="x")),
            )
        ),
        "was not routed there",
    ),
    "an event gone": (lambda _: lambda write: write.delete("event", PAGE_VIEW), "is gone"),
    "an event without its message": (
        lambda world: lambda write: write.delete("log", log_of(world, PAGE_VIEW)),
        "its message",
    ),
    "a message nothing leads to": (
        lambda world: lambda write: write.delete("site_event", any_key(world, "site_event")),
        "does not show it",
    ),
    "a message before the last missing": (
        lambda _: lambda write: write.put("log", keys.log(1, 900), b"x"),
        "the message before it is missing",
    ),
    "a shard too many": (lambda _: lambda write: write.append_log(SHARDS, b"x"), "but there are 4 shards"),
    "a state without its alarm": (
        lambda world: lambda write: write.delete("alarm", any_key(world, "alarm")),
        "its alarm at",
    ),
    "an alarm without its state": (
        lambda world: lambda write: write.delete("state", any_key(world, "alarm")[8:]),
        "its actor",
    ),
    "an alarm of another time": (
        lambda world: lambda write: write.put("alarm", keys.alarm(7, any_key(world, "alarm")[8:]), b""),
        "waits for",
    ),
    "a replay that runs and is not marked": (
        lambda _: lambda write: write.put("replay", keys.replay(1), JOB),
        "is not marked",
    ),
    "a replay under another number": (
        lambda _: lambda write: write.put("replay", keys.replay(2), JOB),
        "calls itself job 1",
    ),
    "a mark without its replay": (
        lambda _: lambda write: write.put("replay", keys.running_replay(3), b""),
        "no such job",
    ),
    "a link under another key": (
        lambda _: lambda write: write.put("link", keys.link("shop", "other"), TEA),
        "calls itself shop/tea",
    ),
    "a visitor's row without its event": (
        lambda _: lambda write: write.put("visitor_event", keys.visitor_event("shop", "v", START_MS, bytes(29)), b""),
        "visitor_event",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(world: World, fault: str) -> None:
    make, words = FAULTS[fault]
    problems = change(world, make(world))
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize("database", ["event", "delivery", "outbox", "state", "books", "log"])
def test_a_flipped_bit_is_found(world: World, database: str) -> None:
    start = {"log": log_of(world, PAGE_VIEW)}.get(database, b"")
    key = any_key(world, database, start)
    raw = bytearray(dict(world.rows(database))[key])
    raw[20] ^= 1
    problems = change(world, lambda write: write.put(database, key, bytes(raw)))
    assert any("unreadable" in problem for problem in problems), problems


def log_of(world: World, event_key: bytes) -> bytes:
    row = EVENT.decode(dict(world.rows("event"))[event_key])
    return keys.log(row.shard, row.sequence)


async def test_a_store_that_is_written_to_meanwhile_has_no_problems(make_world: Callable[..., World]) -> None:
    world = make_world(snapshot(site(Single(id="one"), Single(id="two"))))
    world.take(*(event(f"old{number}") for number in range(3_000)))
    await world.settle()
    reports = []
    async with world.running(), trio.open_nursery() as nursery:

        async def look() -> None:
            for _ in range(4):
                reports.append(await trio.to_thread.run_sync(world.check))
            nursery.cancel_scope.cancel()

        nursery.start_soon(look)
        for number in range(100_000):
            world.take(event(f"e{number}"), purchase(f"p{number}", order_id=f"o{number}"), event(f"e{number // 2}"))
            await trio.sleep(0.001)
    assert [report.problems for report in reports] == [()] * 4
    assert reports[-1].counted["event"] > reports[0].counted["event"] > 0
