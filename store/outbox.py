"""One bounded, durable queue per destination, ordered by lane and due time; each row names one delivery."""

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import body_at
from store.records import DELIVERY, EVENT, OUTBOX, DeliveryRow, EventRow


class Due(Struct, frozen=True, kw_only=True):
    """One delivery that is due, with what is known of it."""

    outbox_key: bytes
    lane: int
    due_ms: int
    event_key: bytes
    event: EventRow | None  # None: gone or unreadable
    body: bytes | None  # msgpack of the event
    delivery: DeliveryRow | None  # None: never tried


class Scan(Struct, frozen=True):
    """Rows that are due, where the scan ended, and when the next row of the lane is due (None: no more rows)."""

    rows: list[Due]
    last_key: bytes
    next_due_ms: int | None


def due(
    store: Store, destination_key: bytes, lane: int, after: bytes, now_ms: int, most: int, skip: set[bytes]
) -> Scan:
    """Up to `most` due rows of a lane that follow `after` (empty: from its beginning), without those in `skip`."""
    rows: list[Due] = []
    last = after
    prefix = keys.outbox_lane(destination_key, lane)
    with store.read() as txn, txn.cursor(db=store.dbs["outbox"]) as cursor:
        if not cursor.set_range(after + b"\x00" if after else prefix):
            return Scan(rows, last, None)
        for raw_key, raw in cursor:
            key = bytes(raw_key)
            if not key.startswith(prefix):
                break
            due_ms = keys.read_outbox(key)[2]
            if due_ms > now_ms or len(rows) >= most:
                return Scan(rows, last, due_ms)
            last = key
            if key not in skip:
                rows.append(_read(txn, store, key, lane, due_ms, bytes(raw)))
    return Scan(rows, last, None)


def oldest_due_ms(store: Store, destination_key: bytes) -> int | None:
    """The earliest due time in both lanes."""
    found: list[int] = []
    with store.read() as txn, txn.cursor(db=store.dbs["outbox"]) as cursor:
        for lane in (keys.NEW_LANE, keys.RETRY_LANE):
            prefix = keys.outbox_lane(destination_key, lane)
            if cursor.set_range(prefix) and bytes(cursor.key()).startswith(prefix):
                found.append(keys.read_outbox(bytes(cursor.key()))[2])
    return min(found, default=None)


def _read(txn: lmdb.Transaction, store: Store, key: bytes, lane: int, due_ms: int, raw: bytes) -> Due:
    destination_key = key[:8]
    try:
        event_key = OUTBOX.decode(raw).event_key
    except Unreadable:
        return Due(outbox_key=key, lane=lane, due_ms=due_ms, event_key=b"", event=None, body=None, delivery=None)
    event, body = read_event(txn, store, event_key)
    raw_delivery = fetch(txn, store.dbs["delivery"], keys.delivery(event_key, destination_key))
    try:
        delivery = DELIVERY.decode(raw_delivery) if raw_delivery is not None else None
    except Unreadable:
        delivery = None
    return Due(outbox_key=key, lane=lane, due_ms=due_ms, event_key=event_key, event=event, body=body, delivery=delivery)


def read_event(txn: lmdb.Transaction, store: Store, event_key: bytes) -> tuple[EventRow | None, bytes | None]:
    """An event's row and its body: the merged one, or the one in the log."""
    raw = fetch(txn, store.dbs["event"], event_key)
    try:
        row = EVENT.decode(raw) if raw is not None else None
    except Unreadable:
        row = None
    if row is None:
        return None, None
    return row, row.body or body_at(txn, store.dbs, row.shard, row.sequence)
