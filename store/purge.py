"""What retention deletes: plans, made in one short read each, of rows to delete in one commit.

A plan names each row together with the bytes it was judged by; a row that another commit has changed since stays, and
with it all that belongs to it. An event goes with its deliveries, its messages and its index rows; one whose delivery
is still queued or failed, or which waits for its twin, stays until that is over.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import lmdb
import msgspec
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.identifiers import identity_rows
from store.identity_records import IDENTIFIER
from store.records import DEAD, DELIVERY, EVENT, LOG, SET_ASIDE, SIGHTING, STATE, EventHead, EventRow, LogRecord
from store.writer import Apply, WriteTxn

EVENTS_A_COMMIT: Final = 250  # a commit of 250 events takes about 10 ms: others wait for the writer meanwhile
LEAST_A_COMMIT: Final = 4
BYTES_AN_EVENT: Final = 8 * 4096  # of pages that deleting one may copy: pages that changed are written anew
EXAMINED_A_STEP: Final = 1_000
DAY_MS: Final = 24 * keys.HOUR_MS
EVIDENCE_MS: Final = 730 * DAY_MS  # of what visitors said about consent: longer than the events that rest on it
IP_KIND, SITE_KIND, IDENTITY_KIND, CONSENT_KIND = 2, 4, 5, 7  # numbers of the actors that have rules of their own here

_heads = msgspec.msgpack.Decoder(EventHead)

Row = tuple[str, bytes]  # database, key


class Doomed(Struct, frozen=True):
    """Rows that go together, if `guard` still has these bytes (None: nothing can have changed). `puts`: rows that are
    written then."""

    rows: list[Row]
    guard: tuple[str, bytes, bytes] | None = None
    puts: tuple[tuple[str, bytes, bytes], ...] = ()
    is_exact: bool = False  # the guard's row has to be there still


class Plan(Struct, frozen=True):
    """What one step deletes, and the key after which the next step goes on (empty: the end was reached)."""

    doomed: list[Doomed]
    after: bytes


def rows_a_commit(store: Store) -> int:
    """How many events, or rows that stand alone, may go at once: fewer where little room is left to copy pages to."""
    usage = store.usage()
    free_bytes = usage.capacity_bytes - usage.used_bytes
    return max(LEAST_A_COMMIT, min(EVENTS_A_COMMIT, free_bytes // BYTES_AN_EVENT))


def apply(plan: Plan) -> Apply:
    """The write that deletes what is planned."""

    def delete(write: WriteTxn) -> None:
        for doomed in plan.doomed:
            if not _has_changed(doomed, write):
                for database, key in doomed.rows:
                    write.delete(database, key)
                for database, key, raw in doomed.puts:
                    write.put(database, key, raw)

    return delete


def _has_changed(doomed: Doomed, write: WriteTxn) -> bool:
    """A row that is gone went with another message of the same event."""
    if doomed.guard is None:
        return False
    database, key, judged_by = doomed.guard
    found = write.get(database, key)
    return found != judged_by and (found is not None or doomed.is_exact)


def events(store: Store, site: bytes, cutoff_ms: int, after: bytes) -> Plan:
    """Messages of a site (its digest) that arrived before the cutoff, with all that hangs on them."""
    found: list[Doomed] = []
    most = rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs["site_event"]) as cursor:
        last = b""
        for examined, (key, event_key) in enumerate(rows_from(cursor, site, after)):
            if keys.read_site_event(key)[0] >= cutoff_ms:
                return Plan(found, b"")
            if len(found) >= most or examined >= EXAMINED_A_STEP:
                return Plan(found, last)
            last = key
            doomed = _message(txn, store, key, event_key, cutoff_ms)
            if doomed is not None:
                found.append(doomed)
    return Plan(found, b"")


def _message(txn: lmdb.Transaction, store: Store, key: bytes, event_key: bytes, cutoff_ms: int) -> Doomed | None:
    """One message; its event too, unless another message is of the same event and stays: the first, where the clock was
    set back before a copy came."""
    raw = fetch(txn, store.dbs["event"], event_key)
    row = _event(raw)
    if row is not None and (row.status == "held" or max(row.received_at_ms, row.last_copy_at_ms) >= cutoff_ms):
        return None
    deliveries = list(_prefixed(txn, store, "delivery", event_key))
    if _is_pending(row, event_key, dict(deliveries)):
        return None
    received_at_ms, shard, sequence = keys.read_site_event(key)
    rows: list[Row] = [("site_event", key), ("log", keys.log(shard, sequence))]
    rows += _index_rows(txn, store, shard, sequence, received_at_ms, event_key)
    if raw is None:
        return Doomed(rows)
    rows += [("event", event_key), *(("delivery", delivery_key) for delivery_key, _ in deliveries)]
    return Doomed(rows, ("event", event_key, raw))


def _event(raw: bytes | None) -> EventRow | None:
    try:
        return EVENT.decode(raw) if raw is not None else None
    except Unreadable:
        return None


def _is_pending(row: EventRow | None, event_key: bytes, deliveries: dict[bytes, bytes]) -> bool:
    """Whether a delivery is still to be made: one that was never tried is in the outbox only."""
    if row is not None:
        wanted = {keys.delivery(event_key, keys.destination(row.site, one)) for one in row.routed}
        if not wanted <= deliveries.keys():
            return True
    return any(_is_open(raw) for raw in deliveries.values())


def _is_open(raw: bytes) -> bool:
    try:
        return DELIVERY.decode(raw).status in ("queued", "failed")
    except Unreadable:
        return False


def _index_rows(
    txn: lmdb.Transaction, store: Store, shard: int, sequence: int, received_at_ms: int, event_key: bytes
) -> list[Row]:
    """The message's rows by visitor and by order, found from its body."""
    head = head_at(txn, store, shard, sequence)
    if head is None:
        return []
    rows: list[Row] = []
    if (visitor_id := head.user_data.anonymous_id) is not None:
        rows.append(("visitor_event", keys.visitor_event(head.site, visitor_id, received_at_ms, event_key)))
    if (order_id := head.custom_data.order_id) is not None:
        rows.append(("order_event", keys.order_event(head.site, order_id, received_at_ms, event_key)))
    return rows


def head_at(txn: lmdb.Transaction, store: Store, shard: int, sequence: int) -> EventHead | None:
    """The names in a message of the log; None where it is gone or cannot be read."""
    raw = fetch(txn, store.dbs["log"], keys.log(shard, sequence))
    record = read_log(raw) if raw is not None else None
    return read_head(record.body) if record is not None else None


def read_log(raw: bytes) -> LogRecord | None:
    try:
        return LOG.decode(raw)
    except Unreadable:
        return None


def read_head(body: bytes) -> EventHead | None:
    try:
        return _heads.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


# --- rows that stand alone -----------------------------------------------------------------------------------------


def sightings(store: Store, now_ms: int, after: bytes) -> Plan:
    """Dedup rows whose window is over."""
    return _sweep(store, "dedup", after, lambda _, raw: SIGHTING.decode(raw).until_ms < now_ms)


def states(store: Store, now_ms: int, retention_ms: Callable[[str], int], after: bytes) -> Plan:
    """States of visitors, orders and addresses that nothing has touched for so long, and that have no alarm."""

    def is_old(key: bytes, raw: bytes) -> bool:
        if key[0] in (SITE_KIND, IDENTITY_KIND):
            return False
        row = STATE.decode(raw)
        kept_ms = DAY_MS if key[0] == IP_KIND else retention_ms(row.actor_key.split("\x1f", 1)[0])
        kept_ms = max(kept_ms, EVIDENCE_MS) if key[0] == CONSENT_KIND else kept_ms
        return row.alarm_at_ms is None and row.touched_at_ms + kept_ms < now_ms

    return _sweep(store, "state", after, is_old)


def identities(store: Store, now_ms: int, retention_ms: Callable[[str], int], after: bytes) -> Plan:
    """Identities that no event has touched for so long, each with all that the index has of it."""
    found: list[Doomed] = []
    most = rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs["state"]) as cursor:
        for examined, (key, raw) in enumerate(rows_from(cursor, bytes((IDENTITY_KIND,)), after)):
            if len(found) >= most or examined >= EXAMINED_A_STEP:
                return Plan(found, after)
            after = key
            try:
                row = STATE.decode(raw)
                if row.touched_at_ms + retention_ms(row.actor_key.split("\x1f", 1)[0]) < now_ms:
                    rows: list[Row] = [("state", key), *(("identifier", one) for one in identity_rows(row))]
                    found.append(Doomed(rows, ("state", key, raw), is_exact=True))
            except Unreadable:
                continue
    return Plan(found, b"")


def identifiers(store: Store, now_ms: int, after: bytes) -> Plan:
    """Rows that lead an order and the like to its identity, past their time; the others go with their identity."""
    return _sweep(store, "identifier", after, lambda _, raw: 0 < IDENTIFIER.decode(raw).until_ms < now_ms)


def verdicts(store: Store, now_ms: int, after: bytes) -> Plan:
    """Verdicts that are over, and those that a clock set ahead put far into the future: none lasts a day. A
    damaged one is none."""
    return _sweep(store, "verdict", after, lambda _, raw: abs(keys.number_or(raw, 0) - now_ms) > DAY_MS)


def hours(store: Store, cutoffs: Mapping[bytes, int], after: bytes) -> Plan:
    """Books of hours that ended before the site's cutoff."""

    def is_old(key: bytes, _: bytes) -> bool:
        site, hour, _ = keys.read_books(key)
        return (hour + 1) * keys.HOUR_MS <= cutoffs.get(site, 0)

    return _sweep(store, "books", after, is_old)


def traffic(store: Store, cutoffs: Mapping[bytes, int], after: bytes) -> Plan:
    """Traffic counters of hours that ended before the site's cutoff."""

    def is_old(key: bytes, _: bytes) -> bool:
        site, hour = keys.read_traffic(key)
        return (hour + 1) * keys.HOUR_MS <= cutoffs.get(site, 0)

    return _sweep(store, "traffic", after, is_old)


def dead_letters(store: Store, cutoff_ms: int, after: bytes) -> Plan:
    """Dead letters from before the cutoff, each with its message, which no index leads to."""
    found: list[Doomed] = []
    most = rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs["dead"]) as cursor:
        for key, raw in rows_from(cursor, b"", after):
            if keys.read_u64(key[:8]) >= cutoff_ms:
                break
            if len(found) >= most:
                return Plan(found, after)
            after = key
            rows: list[Row] = [("dead", key), *_lost_message(txn, store, raw)]
            found.append(Doomed(rows))
    return Plan(found, b"")


def set_aside(store: Store, cutoff_ms: int, after: bytes) -> Plan:
    """What was set aside before the cutoff, each with the message of the log it was. What does not tell its time goes
    too: nobody can read it, and it may be personal data."""
    found: list[Doomed] = []
    last = b""
    most = rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs["quarantine"]) as cursor:
        for examined, (key, raw) in enumerate(rows_from(cursor, b"", after)):
            if len(found) >= most or examined >= EXAMINED_A_STEP:
                return Plan(found, last)
            last = key
            if _set_aside_at_ms(raw) < cutoff_ms:
                database, own = keys.read_quarantine(key)
                rows: list[Row] = [("quarantine", key), *([("log", own)] if database == "log" else [])]
                found.append(Doomed(rows, ("quarantine", key, raw)))
    return Plan(found, b"")


def _set_aside_at_ms(raw: bytes) -> int:
    try:
        return SET_ASIDE.decode(raw).at_ms
    except Unreadable:
        return 0


def _lost_message(txn: lmdb.Transaction, store: Store, raw: bytes) -> list[Row]:
    try:
        letter = DEAD.decode(raw)
    except Unreadable:
        return []
    if letter.shard is None or letter.sequence is None:
        return []
    key = keys.log(letter.shard, letter.sequence)
    raw_log = fetch(txn, store.dbs["log"], key)
    record = read_log(raw_log) if raw_log is not None else None
    head = read_head(record.body) if record is not None else None
    if record is None or head is None:  # an index row, if there was one, is older than this letter and gone by now
        return [("log", key)]
    indexed = keys.site_event(head.site, record.received_at_ms, letter.shard, letter.sequence)
    return [] if fetch(txn, store.dbs["site_event"], indexed) is not None else [("log", key)]


def _sweep(store: Store, database: str, after: bytes, is_old: Callable[[bytes, bytes], bool]) -> Plan:
    """One step of a round through a database: the rows to delete among the next thousand."""
    found: list[Doomed] = []
    last = b""
    most = rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs[database]) as cursor:
        for examined, (key, raw) in enumerate(rows_from(cursor, b"", after)):
            if len(found) >= most or examined >= EXAMINED_A_STEP:
                return Plan(found, last)
            last = key
            try:
                if is_old(key, raw):
                    found.append(Doomed([(database, key)], (database, key, raw)))
            except Unreadable:  # the consistency check reports it; whoever needs the row sets it aside
                continue
    return Plan(found, b"")


def rows_from(cursor: lmdb.Cursor, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = after + b"\x00" if after else prefix
    is_there = cursor.set_range(start) if start else cursor.first()
    while is_there and bytes(cursor.key()).startswith(prefix):
        yield bytes(cursor.key()), bytes(cursor.value())
        is_there = cursor.next()


def _prefixed(txn: lmdb.Transaction, store: Store, database: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with txn.cursor(db=store.dbs[database]) as cursor:
        yield from rows_from(cursor, prefix, b"")
