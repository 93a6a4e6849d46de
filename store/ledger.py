"""The ledger: what happened to each event and each delivery, and why. Reading only; each question is one range scan.

Everything is read in one short transaction and copied out. A damaged row raises Unreadable where it was asked for by
name; in a list it stands without its record.
"""

from typing import Final

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import body_at
from store.records import DELIVERY, EVENT, DeliveryRow, EventRow

FOUND_MOST: Final = 1_000  # events of one id or one order
LISTED_MOST: Final = 1_000  # rows of a list in one transaction


class Found(Struct, frozen=True, kw_only=True):
    """One event. `body` is msgpack of the merged event, or of the one in the log; None where retention took it."""

    key: bytes
    row: EventRow
    body: bytes | None


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one destination. `row` is None while it waits for its first attempt."""

    destination: str
    row: DeliveryRow | None
    due_ms: int | None  # when it is tried again; None where nothing was tried yet, or nothing will be


class Listed(Struct, frozen=True, kw_only=True):
    """One message in a list. `place` is what the next page goes on after; `row` None: gone, or it cannot be read."""

    place: bytes
    received_at_ms: int
    key: bytes
    row: EventRow | None


def find_events(store: Store, site: str, event_id: str) -> list[Found]:
    """All events of a site with this id, by name. Raises Unreadable."""
    prefix = keys.event_prefix(site, event_id)
    with store.read() as txn:
        found = _scan(txn, store, "event", prefix, b"", FOUND_MOST)
        return [_found(txn, store, key, raw) for key, raw in found]


def find_order(store: Store, site: str, order_id: str) -> list[Found]:
    """All events of a site with this order id, the oldest first; copies of one id once. Raises Unreadable."""
    with store.read() as txn:
        rows = _scan(txn, store, "order_event", keys.order_prefix(site, order_id), b"", FOUND_MOST)
        event_keys = dict.fromkeys(key[-keys.EVENT_KEY_BYTES :] for key, _ in rows)
        pairs = [(key, fetch(txn, store.dbs["event"], key)) for key in event_keys]
        return [_found(txn, store, key, raw) for key, raw in pairs if raw is not None]


def event(store: Store, key: bytes) -> Found | None:
    """None where it is gone. Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["event"], key)
        return _found(txn, store, key, raw) if raw is not None else None


def deliveries_of(store: Store, event_key: bytes) -> list[Delivery]:
    """The deliveries of an event, in the order of its destinations; those never tried too. Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["event"], event_key)
        row = EVENT.decode(raw) if raw is not None else None
        stored = dict(_scan(txn, store, "delivery", event_key, b"", FOUND_MOST))
    rows = {key: DELIVERY.decode(value) for key, value in stored.items()}
    wanted = {keys.delivery(event_key, keys.destination(row.site, one)): one for one in row.routed} if row else {}
    names = {**wanted, **{key: row.destination for key, row in rows.items()}}
    return [_delivery(name, rows.get(key)) for key, name in names.items()]


def site_events(
    store: Store, site: str, since_ms: int, until_ms: int, limit: int = LISTED_MOST, after: bytes = b""
) -> list[Listed]:
    """Messages of a site that arrived in [since, until), the oldest first; `after` is the last page's last `place`."""
    prefix = keys.digest8(site)
    start = after + b"\x00" if after else keys.site_events_from(site, since_ms)
    with store.read() as txn:
        rows = _scan(txn, store, "site_event", prefix, start, min(limit, LISTED_MOST))
        times = [keys.read_site_event(key)[0] for key, _ in rows]
        return [
            Listed(place=key, received_at_ms=at_ms, key=event_key, row=_row(txn, store, event_key))
            for (key, event_key), at_ms in zip(rows, times, strict=True)
            if at_ms < until_ms
        ]


def latest_events(store: Store, site: str, since_ms: int, before: bytes, limit: int) -> list[Listed]:
    """Messages of a site that arrived since then, the newest first; `before`: the last page's last `place`, or a place
    that no message has. Empty: from the newest on."""
    prefix, found = keys.digest8(site), list[Listed]()
    with store.read() as txn, txn.cursor(db=store.dbs["site_event"]) as cursor:
        is_there = cursor.prev() if cursor.set_range(before or prefix + b"\xff" * 18) else cursor.last()
        while is_there and len(found) < min(limit, LISTED_MOST) and (key := bytes(cursor.key())).startswith(prefix):
            at_ms, event_key = keys.read_site_event(key)[0], bytes(cursor.value())
            if at_ms < since_ms:
                break
            found.append(Listed(place=key, received_at_ms=at_ms, key=event_key, row=_row(txn, store, event_key)))
            is_there = cursor.prev()
    return found


def visitor_events(store: Store, site: str, visitor_id: str, limit: int = 100) -> list[Listed]:
    """A visitor's latest events, the newest first."""
    prefix = keys.visitor_prefix(site, visitor_id)
    found: list[Listed] = []
    with store.read() as txn, txn.cursor(db=store.dbs["visitor_event"]) as cursor:
        is_there = cursor.prev() if cursor.set_range(prefix + b"\xff" * 8) else cursor.last()
        while is_there and len(found) < min(limit, LISTED_MOST) and (key := bytes(cursor.key())).startswith(prefix):
            event_key = key[-keys.EVENT_KEY_BYTES :]
            at_ms = keys.read_u64(key[len(prefix) : len(prefix) + 8])
            found.append(Listed(place=key, received_at_ms=at_ms, key=event_key, row=_row(txn, store, event_key)))
            is_there = cursor.prev()
    return found


def waiting(store: Store, most: int) -> list[bytes] | None:
    """The outbox rows of all destinations, undecoded, in one short read; None where more than `most` wait."""
    with store.read() as txn, txn.cursor(db=store.dbs["outbox"]) as cursor:
        if txn.stat(store.dbs["outbox"])["entries"] > most:
            return None
        return [bytes(value) for value in cursor.iternext(keys=False, values=True)]


def _scan(
    txn: lmdb.Transaction, store: Store, database: str, prefix: bytes, start: bytes, most: int
) -> list[tuple[bytes, bytes]]:
    rows: list[tuple[bytes, bytes]] = []
    with txn.cursor(db=store.dbs[database]) as cursor:
        is_there = cursor.set_range(start or prefix)
        while is_there and len(rows) < most and bytes(cursor.key()).startswith(prefix):
            rows.append((bytes(cursor.key()), bytes(cursor.value())))
            is_there = cursor.next()
    return rows


def _found(txn: lmdb.Transaction, store: Store, key: bytes, raw: bytes) -> Found:
    row = EVENT.decode(raw)
    return Found(key=key, row=row, body=row.body or body_at(txn, store.dbs, row.shard, row.sequence))


def _row(txn: lmdb.Transaction, store: Store, key: bytes) -> EventRow | None:
    raw = fetch(txn, store.dbs["event"], key)
    try:
        return EVENT.decode(raw) if raw is not None else None
    except Unreadable:
        return None


def _delivery(destination: str, row: DeliveryRow | None) -> Delivery:
    return Delivery(destination=destination, row=row, due_ms=row.next_at_ms if row is not None else None)
