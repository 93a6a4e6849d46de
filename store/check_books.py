"""The books: each row balances, and equals a recount from the rows themselves, hour by hour of each site.

An hour is recounted from its messages, in order of arrival. If its books changed meanwhile, the hour is counted again;
one that still changes is `moving`. Hours that retention has begun to take away are no longer recounted.

An event keeps evidence of so many copies and no more: of a further one the rows say that it is a copy, not whether it
was merged. Those are held against what the books have of both.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import lmdb

from store import keys
from store.books import column_of, imbalance, site_key
from store.check_log import DIGEST_BYTES, watermark
from store.env import Store
from store.findings import Findings, decode, get, page, pages
from store.purge import head_at
from store.records import BOOKS, COPIES_KEPT, DEAD, DELIVERY, EVENT, LOG, EventRow

HOUR_BYTES = 12  # site and hour, in front of the destination
TRIES = 2
COPY = "copy"  # merged or a duplicate

Tallies = dict[bytes, Counter[str]]  # key of a row of the books -> column -> count


def check_books(store: Store, findings: Findings) -> None:
    dead = _dead(store)
    for hour in sorted({*_hours(store, "books"), *_hours(store, "site_event"), *(key[:HOUR_BYTES] for key in dead)}):
        _check_hour(store, hour, dead, findings)


def _hours(store: Store, database: str) -> Iterator[bytes]:
    """Each site and hour that has rows there: one seek each."""
    prefix = b""
    while True:
        with store.read() as txn, txn.cursor(db=store.dbs[database]) as cursor:
            if not (cursor.set_range(prefix) if prefix else cursor.first()):
                return
            key = bytes(cursor.key())
        if database == "site_event":
            hour_number = keys.read_site_event(key)[0] // keys.HOUR_MS
            prefix = key[:DIGEST_BYTES] + keys.u64((hour_number + 1) * keys.HOUR_MS)
        else:
            hour_number = keys.read_books(key)[1]
            prefix = key[:HOUR_BYTES] + b"\xff" * 9
        yield key[:DIGEST_BYTES] + hour_number.to_bytes(4, "big")


def _dead(store: Store) -> Tallies:
    """Events lost to a turn that raised: they have no row by time, only their dead letter."""
    found: Tallies = {}
    seen: set[tuple[int, int]] = set()
    for txn, rows in pages(store, "dead"):
        for _, raw in rows:
            letter = decode(DEAD, raw)
            if letter is None or letter.shard is None or letter.sequence is None:
                continue
            record = decode(LOG, get(txn, store, "log", keys.log(letter.shard, letter.sequence)))
            head = head_at(txn, store, letter.shard, letter.sequence)
            if record is None or head is None or (letter.shard, letter.sequence) in seen:
                continue
            seen.add((letter.shard, letter.sequence))
            counts = found.setdefault(
                keys.books(head.site, record.received_at_ms, site_key(head.site, head.source)), Counter()
            )
            counts.update(accepted=1, dead=1)
    return found


def _check_hour(store: Store, hour: bytes, dead: Tallies, findings: Findings) -> None:
    for _ in range(TRIES):
        before = _stored(store, hour)
        counted = _recount(store, hour, dead)
        began_ms = int.from_bytes(hour[DIGEST_BYTES:], "big") * keys.HOUR_MS
        with store.read() as txn:
            is_kept = began_ms >= watermark(txn, store, hour[:DIGEST_BYTES])
        if _stored(store, hour) == before:
            _compare(before, counted if is_kept else None, findings)
            return
    findings.moving += 1


def _stored(store: Store, hour: bytes) -> dict[bytes, bytes]:
    """The rows of the hour's books: one of the site, and one of each destination."""
    with store.read() as txn:
        return dict(page(txn, store, "books", hour, b"", 100_000))


def _compare(rows: dict[bytes, bytes], counted: Tallies | None, findings: Findings) -> None:
    stored: dict[bytes, dict[str, int]] = {}
    for key, raw in rows.items():
        row = findings.read("books", BOOKS, key, raw)
        if row is None:
            continue
        stored[key] = row.counts
        if difference := imbalance(row.destination, row.counts):
            findings.add(f"books {_name(key, row.site, row.destination)}: out of balance by {difference}: {row.counts}")
    findings.counted["hours"] += 1
    if counted is None:
        return
    findings.counted["hours_recounted"] += 1
    for key in sorted({*stored, *counted} - (rows.keys() - stored.keys())):
        written = {name: count for name, count in stored.get(key, {}).items() if count}
        found = {name: count for name, count in _told_apart(counted.get(key, Counter()), written).items() if count}
        if written != found:
            findings.add(f"books {_name(key)}: they say {written}, the rows {found}")


def _told_apart(found: Counter[str], written: Mapping[str, int]) -> Counter[str]:
    """The copies without evidence as what the books have them for, as far as that can be."""
    unclear = found[COPY]
    merged = min(max(written.get("merged", 0) - found["merged"], 0), unclear)
    told = found + Counter(merged=merged, duplicates=unclear - merged)
    del told[COPY]
    return told


def _name(key: bytes, site: str = "", destination: str = "") -> str:
    site_digest, hour, destination_key = keys.read_books(key)
    return f"{site or site_digest.hex()} hour {hour} {destination or destination_key.hex()}"


# --- the recount ---------------------------------------------------------------------------------------------------


def _recount(store: Store, hour: bytes, dead: Tallies) -> Tallies:
    """All that the rows say of the messages that arrived in this hour."""
    site, hour_number = hour[:DIGEST_BYTES], int.from_bytes(hour[DIGEST_BYTES:], "big")
    found: Tallies = {key: Counter(counts) for key, counts in dead.items() if key.startswith(hour)}
    after, end_ms = site + keys.u64(hour_number * keys.HOUR_MS), (hour_number + 1) * keys.HOUR_MS
    while True:
        with store.read() as txn:
            rows = page(txn, store, "site_event", site, after, 1_000)
            rows = [row for row in rows if keys.read_site_event(row[0])[0] < end_ms]
            for key, event_key in rows:
                _count_message(txn, store, hour, key, event_key, found)
        if not rows:
            return found
        after = rows[-1][0]


def _count_message(
    txn: lmdb.Transaction, store: Store, hour: bytes, key: bytes, event_key: bytes, found: Tallies
) -> None:
    _, shard, sequence = keys.read_site_event(key)
    own = decode(EVENT, get(txn, store, "event", event_key))
    if own is None:
        return
    main_key = own.merged_into or event_key
    main = decode(EVENT, get(txn, store, "event", main_key)) or own
    column = _column(own, main, (shard, sequence))
    found.setdefault(hour + site_key(own.site, own.source), Counter()).update({"accepted": 1, column: 1})
    if column == "processed":
        _count_deliveries(txn, store, hour, main_key, main, found)


def _column(own: EventRow, main: EventRow, place: tuple[int, int]) -> str:
    """Where the books have a message: the first of an event, or what became of a copy; COPY where that is not kept."""
    if (main.shard, main.sequence) == place and main.status in ("processed", "held"):
        return main.status
    if (own.shard, own.sequence) == place and own.status != "processed":
        return "duplicates" if own.status == "duplicate" else own.status
    for copy in (*main.copies, *own.copies):
        if (copy.shard, copy.sequence) == place:
            return "merged" if copy.is_merged else "duplicates"
    if max(len(main.copies), len(own.copies)) >= COPIES_KEPT:
        return COPY
    return "merged" if own.status in ("merged", "held") else "duplicates"


def _count_deliveries(
    txn: lmdb.Transaction, store: Store, hour: bytes, event_key: bytes, event: EventRow, found: Tallies
) -> None:
    for destination in event.routed:
        destination_key = keys.destination(event.site, destination)
        row = decode(DELIVERY, get(txn, store, "delivery", keys.delivery(event_key, destination_key)))
        counts = found.setdefault(hour + destination_key, Counter())
        counts.update({"processed": 1, column_of(row): 1})
    for destination, reason in event.not_routed.items():
        counts = found.setdefault(hour + keys.destination(event.site, destination), Counter())
        counts.update({"processed": 1, f"not_routed:{reason}": 1})
