"""One bounded, durable queue per destination, ordered by lane and due time; each row names one delivery."""

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import body_at, record_at
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
    received_at_ms: int  # by the event, else by its message


class Scan(Struct, frozen=True):
    """Rows that are due, where the next scan begins, and when the next row of the lane is due (None: no more rows)."""

    rows: list[Due]
    resume: bytes
    next_due_ms: int | None


def due(
    store: Store, destination_key: bytes, lane: int, resume: bytes, now_ms: int, most: int, skip: set[bytes]
) -> Scan:
    """Up to `most` due rows of a lane from `resume` on (empty: from its beginning), without those in `skip`.

    The next scan begins with the last due time again: a later commit of the same millisecond may put rows before the
    last one, in the order of their shards.
    """
    rows: list[Due] = []
    prefix = keys.outbox_lane(destination_key, lane)
    with store.read() as txn, txn.cursor(db=store.dbs["outbox"]) as cursor:
        is_there = cursor.set_range(resume or prefix)
        while is_there and (key := bytes(cursor.key())).startswith(prefix):
            due_ms = keys.read_outbox(key)[2]
            if due_ms > now_ms or len(rows) >= most:
                return Scan(rows, resume, due_ms)
            resume = keys.outbox(destination_key, lane, due_ms, 0, 0)
            if key not in skip:
                rows.append(_read(txn, store, key, lane, due_ms, bytes(cursor.value())))
            is_there = cursor.next()
    return Scan(rows, resume, None)


def strays(
    store: Store, destination_key: bytes, lane: int, now_ms: int, farthest_ms: int, most: int, skip: set[bytes]
) -> list[Due]:
    """Rows due later than anything is ever put off: the clock was ahead when they were written. They are due now."""
    prefix = keys.outbox_lane(destination_key, lane)
    rows: list[Due] = []
    with store.read() as txn, txn.cursor(db=store.dbs["outbox"]) as cursor:
        is_there = cursor.set_range(keys.outbox(destination_key, lane, now_ms + farthest_ms, 0, 0))
        while is_there and (key := bytes(cursor.key())).startswith(prefix) and len(rows) < most:
            if key not in skip:
                rows.append(_read(txn, store, key, lane, keys.read_outbox(key)[2], bytes(cursor.value())))
            is_there = cursor.next()
    return rows


def place_of(
    txn: lmdb.Transaction, store: Store, destination_key: bytes, event: EventRow, row: DeliveryRow | None
) -> bytes | None:
    """Where a delivery waits. One that was never tried is looked for from its event's arrival on: the outbox is in the
    order in which events were taken, so it is near."""
    if row is not None and row.next_at_ms is not None:
        lane = keys.REPLAY_LANE if row.replays else keys.RETRY_LANE
        key = keys.outbox(destination_key, lane, row.next_at_ms, event.shard, event.sequence)
        if fetch(txn, store.dbs["outbox"], key) is not None:
            return key
    for from_ms in (event.received_at_ms, 0):
        for lane in keys.LANES:
            if (found := _find(txn, store, destination_key, lane, from_ms, event)) is not None:
                return found
    return None


def waiting_of(store: Store, destination_key: bytes, site: str, visitor: str, most: int) -> list[Due]:
    """What waits for a destination of the newest `most` events of a visitor."""
    prefix = keys.visitor_prefix(site, visitor)
    found: list[Due] = []
    with store.read() as txn, txn.cursor(db=store.dbs["visitor_event"]) as cursor:
        is_there = cursor.set_range(prefix + b"\xff" * 8) or cursor.last()
        if is_there and not bytes(cursor.key()).startswith(prefix):
            is_there = cursor.prev()
        while is_there and (key := bytes(cursor.key())).startswith(prefix) and most > 0:
            most -= 1
            if (place := _waiting(txn, store, destination_key, keys.read_visitor_event(key))) is not None:
                lane, due_ms = keys.read_outbox(place)[1:3]
                found.append(_read(txn, store, place, lane, due_ms, fetch(txn, store.dbs["outbox"], place) or b""))
            is_there = cursor.prev()
    return found


def _waiting(txn: lmdb.Transaction, store: Store, destination_key: bytes, event_key: bytes) -> bytes | None:
    """Where a delivery of the event waits, if it does."""
    event, _ = read_event(txn, store, event_key)
    if event is None or all(keys.destination(event.site, one) != destination_key for one in event.routed):
        return None
    raw = fetch(txn, store.dbs["delivery"], keys.delivery(event_key, destination_key))
    try:
        row = DELIVERY.decode(raw) if raw is not None else None
    except Unreadable:
        return None
    is_open = row is None or row.status in ("queued", "failed")
    return place_of(txn, store, destination_key, event, row) if is_open else None


def _find(
    txn: lmdb.Transaction, store: Store, destination_key: bytes, lane: int, from_ms: int, event: EventRow
) -> bytes | None:
    prefix, at = keys.outbox_lane(destination_key, lane), (event.shard, event.sequence)
    with txn.cursor(db=store.dbs["outbox"]) as cursor:
        is_there = cursor.set_range(keys.outbox(destination_key, lane, from_ms, 0, 0))
        while is_there and (key := bytes(cursor.key())).startswith(prefix):
            if keys.read_outbox(key)[3:] == at:
                return key
            is_there = cursor.next()
    return None


def oldest_due_ms(store: Store, destination_key: bytes) -> int | None:
    """The earliest due time of live traffic: what is replayed may wait behind it for long."""
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
        return _unreadable(txn, store, key, lane, due_ms)
    event, body = read_event(txn, store, event_key)
    raw_delivery = fetch(txn, store.dbs["delivery"], keys.delivery(event_key, destination_key))
    try:
        delivery = DELIVERY.decode(raw_delivery) if raw_delivery is not None else None
    except Unreadable:
        delivery = None
    return Due(
        outbox_key=key, lane=lane, due_ms=due_ms, event_key=event_key, event=event, body=body, delivery=delivery,
        received_at_ms=event.received_at_ms if event is not None else _arrival(txn, store, key, due_ms),
    )  # fmt: skip


def _unreadable(txn: lmdb.Transaction, store: Store, key: bytes, lane: int, due_ms: int) -> Due:
    return Due(
        outbox_key=key, lane=lane, due_ms=due_ms, event_key=b"", event=None, body=None, delivery=None,
        received_at_ms=_arrival(txn, store, key, due_ms),
    )  # fmt: skip


def _arrival(txn: lmdb.Transaction, store: Store, key: bytes, due_ms: int) -> int:
    """When a delivery's event arrived, by its message; where that is lost too, about when it was due."""
    _, _, _, shard, sequence = keys.read_outbox(key)
    record = record_at(txn, store.dbs, shard, sequence)
    return record.received_at_ms if record is not None else due_ms


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
