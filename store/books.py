"""The books: for each site, destination and hour of arrival, how many events are where; they must always balance.

Site (destination ""): accepted = processed + held + merged + duplicates + dead. Each destination: processed = queued +
delivered + failed + dropped (by reason) + not routed (by reason). Rows are written by the commits they count
(`writer.WriteTxn.count`); here they are read.

Test events are in none of these: they have rows of their own, the site's under `TEST_EVENTS` in place of a destination,
a destination's under the id of its twin (actors/twins.py).
"""

from collections.abc import Iterable, Iterator
from typing import Final

import lmdb
import msgspec
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import BOOKS, LOG, BooksRow, DeliveryRow, EventHead

TEST_EVENTS: Final = "~test"  # no destination has this id
RECENT_HOURS: Final = 48  # looked at each time
SLICES: Final = 24  # of the older hours, one is looked at each time
SITE_COLUMNS: Final = ("processed", "held", "merged", "duplicates", "dead")
DELIVERY_COLUMNS: Final = ("queued", "delivered", "failed")
PREFIXES: Final = ("dropped:", "not_routed:")

_head_decoder: Final = msgspec.msgpack.Decoder(EventHead)


class Hour(Struct, frozen=True, kw_only=True):
    """The books of one site, hour and destination (empty: the site itself). `counts` by column."""

    site: str
    destination: str
    hour_ms: int
    counts: dict[str, int]
    samples: dict[str, list[tuple[int, int]]] = {}  # column -> places in the log


def imbalance(destination: str, counts: dict[str, int]) -> int:
    """How many events came in that no column accounts for; below zero: too many columns have them."""
    if destination in ("", TEST_EVENTS):
        return counts.get("accepted", 0) - sum(counts.get(column, 0) for column in SITE_COLUMNS)
    ended = sum(count for column, count in counts.items() if column in DELIVERY_COLUMNS or column.startswith(PREFIXES))
    return counts.get("processed", 0) - ended


def site_key(site: str, source: str) -> bytes:
    """In a key of the books, what stands for the site itself."""
    return keys.destination(site, TEST_EVENTS) if source == "test" else bytes(keys.DIGEST_BYTES)


def column_of(row: DeliveryRow | None) -> str:
    """The column of the books that a delivery is in; one without a row was never tried."""
    if row is None:
        return "queued"
    return f"dropped:{row.reason}" if row.status == "dropped" else row.status


def difference(store: Store) -> int:
    """Events that the books cannot account for, in the last two days and in a slice of the hours before; always 0.

    Which slice follows the store's last commit, so that all are seen in time. A row that cannot be read counts as one.
    """
    turn = store.env.info()["last_txnid"] % SLICES
    total = 0
    with store.read() as txn, txn.cursor(db=store.dbs["books"]) as cursor:
        for site in _sites(cursor):
            for raw in _recent(cursor, site, turn):
                total += _imbalance_of(raw)
    return total


def hours(store: Store, site: str, since_ms: int, until_ms: int, limit: int = 10_000) -> list[Hour]:
    """The books of a site's hours that begin in [since, until), in order, at most `limit` rows. Raises Unreadable."""
    found: list[Hour] = []
    with store.read() as txn, txn.cursor(db=store.dbs["books"]) as cursor:
        if not cursor.set_range(keys.books(site, since_ms)):
            return found
        for key, raw in cursor:
            site_digest, hour, _ = keys.read_books(bytes(key))
            if site_digest != keys.digest8(site) or hour * keys.HOUR_MS >= until_ms or len(found) >= limit:
                break
            row = BOOKS.decode(bytes(raw))
            found.append(
                Hour(
                    site=row.site,
                    destination=row.destination,
                    hour_ms=hour * keys.HOUR_MS,
                    counts=row.counts,
                    samples=row.samples,
                )
            )
    return found


def sampled(store: Store, places: Iterable[tuple[int, int]]) -> list[str]:
    """The ids of the events there; without those that are gone, erased or cannot be read."""
    found: list[str] = []
    with store.read() as txn:
        for shard, sequence in places:
            raw = fetch(txn, store.dbs["log"], keys.log(shard, sequence))
            try:
                head = _head_decoder.decode(LOG.decode(raw).body) if raw is not None else None
            except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
                continue
            found += [head.event_id] if head is not None and head.event_id else []
    return list(dict.fromkeys(found))


def names_of(store: Store, destination_key: bytes) -> tuple[str, str] | None:
    """The site and id of a destination that may no longer be configured; None where no row of the books tells it."""
    with store.read() as txn, txn.cursor(db=store.dbs["books"]) as cursor:
        for key, raw in cursor.iterprev():
            if bytes(key).endswith(destination_key) and (row := read_row(bytes(raw))) is not None:
                return row.site, row.destination
    return None


def read_row(raw: bytes) -> BooksRow | None:
    """None where it cannot be read."""
    try:
        return BOOKS.decode(raw)
    except Unreadable:
        return None


def _imbalance_of(raw: bytes) -> int:
    row = read_row(raw)
    return 1 if row is None else abs(imbalance(row.destination, row.counts))


def _sites(cursor: lmdb.Cursor) -> Iterator[bytes]:
    """Digests of the sites that have books: one seek each."""
    is_there = cursor.first()
    while is_there:
        site = bytes(cursor.key())[:8]
        yield site
        is_there = cursor.set_range(site + b"\xff" * 12)


def _recent(cursor: lmdb.Cursor, site: bytes, turn: int) -> Iterator[bytes]:
    """The rows of a site's newest hours, and those of every 24th hour before."""
    newest = _newest_hour(cursor, site)
    oldest = _hour_at(cursor, site, 0)
    if newest is None or oldest is None:
        return
    recent = newest - RECENT_HOURS + 1
    first = oldest + (turn - oldest) % SLICES
    for hour in (*range(first, recent, SLICES), *range(max(oldest, recent), newest + 1)):
        yield from _rows_of(cursor, site + hour.to_bytes(4, "big"))


def _rows_of(cursor: lmdb.Cursor, prefix: bytes) -> Iterator[bytes]:
    is_there = cursor.set_range(prefix)
    while is_there and bytes(cursor.key()).startswith(prefix):
        yield bytes(cursor.value())
        is_there = cursor.next()


def _newest_hour(cursor: lmdb.Cursor, site: bytes) -> int | None:
    found = cursor.prev() if cursor.set_range(site + b"\xff" * 12) else cursor.last()
    return keys.read_books(bytes(cursor.key()))[1] if found and bytes(cursor.key()).startswith(site) else None


def _hour_at(cursor: lmdb.Cursor, site: bytes, hour: int) -> int | None:
    """The first hour with books from that one on."""
    if not cursor.set_range(site + hour.to_bytes(4, "big")) or not bytes(cursor.key()).startswith(site):
        return None
    return keys.read_books(bytes(cursor.key()))[1]
