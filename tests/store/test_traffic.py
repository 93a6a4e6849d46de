"""Rows of the traffic counters: bounded, set aside where unreadable, held to the books, taken by retention."""

from decimal import Decimal

from store import keys, purge, traffic
from store.check_traffic import check_traffic
from store.env import Store
from store.findings import Findings
from store.records import BOOKS, TRAFFIC, BooksRow
from store.traffic import Changes, add
from store.writer import InlineWriter, WriteTxn
from tests.support.making import DAY_MS, HOUR_MS, START_MS


def changes(**counts: int) -> Changes:
    made = Changes()
    for kind, count in counts.items():
        made.add((kind, "x"), count)
    return made


def write(store: Store, made: Changes, at_ms: int = START_MS) -> None:
    InlineWriter(store).submit(lambda txn: add(txn, "shop", at_ms, made))


def found_in(store: Store) -> list[str]:
    findings = Findings()
    check_traffic(store, findings)
    return list(findings.told())


def clear(store: Store) -> None:
    """What a test broke on purpose is not left for the check at its end."""

    def apply(txn: WriteTxn) -> None:
        for name in ("traffic", "books"):
            with txn.cursor(name) as cursor:
                found = [bytes(key) for key in cursor.iternext(values=False)]
            for key in found:
                txn.delete(name, key)

    InlineWriter(store).submit(apply)


def test_counts_of_one_hour_add_up(store: Store) -> None:
    write(store, changes(refused=2))
    write(store, changes(refused=1, visits=4), START_MS + 60_000)
    write(store, changes(refused=1), START_MS + HOUR_MS)
    assert [hour.counts for hour in traffic.hours(store, "shop", 0, 1 << 60)] == [
        {"refused:x": 3, "visits:x": 4},
        {"refused:x": 1},
    ]
    assert [hour.counts for hour in traffic.hours(store, "shop", START_MS + HOUR_MS, 1 << 60)] == [{"refused:x": 1}]
    assert traffic.hours(store, "other", 0, 1 << 60) == []


def test_past_the_bound_of_columns_sums_stay_right_and_no_amount_is_mixed(store: Store) -> None:
    many = Changes()
    for number in range(traffic.COLUMNS_MOST):
        many.add(("events", f"n-{number}"))
    write(store, many)
    more = Changes()
    more.add(("events", "new"), 5)
    more.add(("conversions", "purchase_placed", "EUR"))
    more.add_amount(("conversions", "purchase_placed", "EUR"), Decimal(10))
    write(store, more)
    [hour] = traffic.hours(store, "shop", 0, 1 << 60)
    assert traffic.total(hour.counts, "events") == traffic.COLUMNS_MOST + 5
    assert (hour.counts["conversions"], hour.amounts) == (1, {})
    clear(store)


def test_a_row_that_cannot_be_read_is_set_aside_and_counting_goes_on(store: Store) -> None:
    write(store, changes(refused=2))
    key = keys.traffic("shop", START_MS)
    InlineWriter(store).submit(lambda txn: txn.put("traffic", key, b"damaged"))
    write(store, changes(refused=1))
    assert [hour.counts for hour in traffic.hours(store, "shop", 0, 1 << 60)] == [{"refused:x": 1}]
    with store.read() as txn:
        assert txn.get(keys.quarantine("traffic", key), db=store.dbs["quarantine"]) is not None


def test_the_check_says_where_the_counters_differ_from_the_books(store: Store) -> None:
    write(store, changes(accepted=2, events=2))
    [problem, _] = found_in(store)
    assert "2 accepted, the books have 0 accepted" in problem
    clear(store)


def test_an_hour_that_began_before_it_was_counted_is_not_compared(store: Store) -> None:
    """As the store of a release before these counters has it, in the hour of its upgrade."""
    books = BooksRow(site="shop", counts={"accepted": 7, "processed": 7})
    InlineWriter(store).submit(lambda txn: txn.put("books", keys.books("shop", START_MS), BOOKS.encode(books)))
    write(store, changes(accepted=2, events=2))
    [hour] = traffic.hours(store, "shop", 0, 1 << 60)
    assert hour.is_partial
    assert found_in(store) == []
    clear(store)


def test_retention_takes_hours_that_ended_before_the_cutoff(store: Store) -> None:
    write(store, changes(refused=1))
    write(store, changes(refused=1), START_MS + DAY_MS)
    plan = purge.traffic(store, {keys.digest8("shop"): START_MS + DAY_MS}, b"")
    InlineWriter(store).submit(purge.apply(plan))
    [kept] = traffic.hours(store, "shop", 0, 1 << 60)
    assert kept.hour_ms > START_MS
    assert TRAFFIC.decode(_raw(store, keys.traffic("shop", START_MS + DAY_MS))).site == "shop"


def _raw(store: Store, key: bytes) -> bytes:
    with store.read() as txn:
        return bytes(txn.get(key, db=store.dbs["traffic"]) or b"")
