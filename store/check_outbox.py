"""Each delivery is in exactly one place: waiting ones have one row in the outbox, ended ones none; depths are true.

Two passes over everything add up, per bucket of deliveries, the digests of those that should wait and of those that do.
Only buckets that differ are looked at row by row, so memory is bounded whatever the backlog. What differs on a live
store is judged only if its delivery stood still around the search.
"""

from collections import Counter
from typing import Final

import lmdb

from store import keys
from store.env import Store
from store.findings import Findings, decode, get, page, pages
from store.records import DELIVERY, EVENT, OUTBOX, DeliveryRow, EventRow

BUCKETS: Final = 1 << 14
SUSPECTS: Final = 100_000  # deliveries looked at one by one, at most
ONE_PAGE: Final = 50_000  # rows of the outbox that one transaction may count: 50 ms
EVENT_BYTES: Final = keys.EVENT_KEY_BYTES
WAITING: Final = ("queued", "failed")

Sums = Counter[int]  # bucket -> sum of digests: of two sets that are equal, equal


def check_outbox(store: Store, findings: Findings) -> None:
    difference: Sums = Counter()
    _add_expected(store, findings, difference)
    _subtract_found(store, findings, difference)
    buckets = {bucket for bucket, total in difference.items() if total}
    if buckets:
        _look_closer(store, buckets, findings)
    _check_depths(store, findings)


def _digest(delivery_key: bytes) -> int:
    """Of a delivery: event keys are digests already; the destination is mixed in."""
    digest = keys.digest16(delivery_key.hex())
    return int.from_bytes(digest[:8], "big") | 1


def _bucket(delivery_key: bytes) -> int:
    """Deliveries of one event fall into one bucket: bytes of its id's digest."""
    return int.from_bytes(delivery_key[8:12], "big") % BUCKETS


def _add_expected(store: Store, findings: Findings, sums: Sums) -> None:
    for txn, rows in pages(store, "event"):
        for event_key, raw in rows:
            for delivery_key in _expected(txn, store, event_key, decode(EVENT, raw)):
                sums[_bucket(delivery_key)] += _digest(delivery_key)
                findings.counted["waiting"] += 1
    for txn, rows in pages(store, "delivery"):
        for delivery_key, raw in rows:
            _check_delivery(txn, store, delivery_key, findings.read("delivery", DELIVERY, delivery_key, raw), findings)


def _expected(txn: lmdb.Transaction, store: Store, event_key: bytes, event: EventRow | None) -> list[bytes]:
    """The event's deliveries that should have a row in the outbox."""
    if event is None:
        return []
    delivery_keys = [keys.delivery(event_key, keys.destination(event.site, one)) for one in event.routed]
    return [key for key in delivery_keys if _is_waiting(decode(DELIVERY, get(txn, store, "delivery", key)))]


def _is_waiting(row: DeliveryRow | None) -> bool:
    return row is None or row.status in WAITING


def _check_delivery(
    txn: lmdb.Transaction, store: Store, delivery_key: bytes, row: DeliveryRow | None, findings: Findings
) -> None:
    event_key, destination_key = delivery_key[:EVENT_BYTES], delivery_key[EVENT_BYTES:]
    raw = get(txn, store, "event", event_key)
    event = decode(EVENT, raw)
    if raw is None:
        findings.add(f"delivery {delivery_key.hex()}: its event is gone")
    elif (
        row is not None and keys.destination(event.site if event else "", row.destination) != destination_key and event
    ):
        findings.add(f"delivery of event {event.event_id} to {row.destination}: stands under another destination's key")
    elif event is not None and row is not None and row.destination not in event.routed:
        findings.add(f"delivery of event {event.event_id} to {row.destination}: the event was not routed there")


def _subtract_found(store: Store, findings: Findings, sums: Sums) -> None:
    for txn, rows in pages(store, "outbox"):
        for key, raw in rows:
            row = findings.read("outbox", OUTBOX, key, raw)
            if row is None:
                continue
            delivery_key = keys.delivery(row.event_key, key[:8])
            sums[_bucket(delivery_key)] -= _digest(delivery_key)
            if get(txn, store, "event", row.event_key) is None:
                findings.add(f"outbox {key.hex()}: its event {row.event_key.hex()} is gone")


# --- what differs --------------------------------------------------------------------------------------------------


def _look_closer(store: Store, buckets: set[int], findings: Findings) -> None:
    """Names the deliveries that are in two places or in none."""
    suspects = _suspects(store, buckets)
    places: Counter[bytes] = Counter()
    for _, rows in pages(store, "outbox"):
        for key, raw in rows:
            row = decode(OUTBOX, raw)
            delivery_key = keys.delivery(row.event_key, key[:8]) if row is not None else b""
            if delivery_key and _bucket(delivery_key) in buckets and len(suspects) < SUSPECTS:
                suspects.setdefault(delivery_key, _state(store, delivery_key))
                places[delivery_key] += 1
    if len(suspects) >= SUSPECTS:
        findings.moving += len(suspects)
        return
    for delivery_key, before in suspects.items():
        _judge(store, delivery_key, before, places[delivery_key], findings)


def _suspects(store: Store, buckets: set[int]) -> dict[bytes, bytes | None]:
    """All deliveries of the buckets that should wait, with their rows as they are now."""
    found: dict[bytes, bytes | None] = {}
    for txn, rows in pages(store, "event"):
        for event_key, raw in rows:
            if _bucket(event_key) in buckets and len(found) < SUSPECTS:
                for delivery_key in _expected(txn, store, event_key, decode(EVENT, raw)):
                    found[delivery_key] = get(txn, store, "delivery", delivery_key)
    return found


def _state(store: Store, delivery_key: bytes) -> bytes | None:
    with store.read() as txn:
        return get(txn, store, "delivery", delivery_key)


def _judge(store: Store, delivery_key: bytes, before: bytes | None, places: int, findings: Findings) -> None:
    """A delivery whose row is as it was before the search kept its place in the outbox all the time."""
    event_key, destination_key = delivery_key[:EVENT_BYTES], delivery_key[EVENT_BYTES:]
    with store.read() as txn:
        after = get(txn, store, "delivery", delivery_key)
        event = decode(EVENT, get(txn, store, "event", event_key))
    if after != before:
        findings.moving += 1
        return
    routed = {keys.destination(event.site, one): one for one in event.routed} if event is not None else {}
    is_waiting = destination_key in routed and _is_waiting(decode(DELIVERY, after))
    if places != int(is_waiting):
        name = f"{event.event_id} to {routed.get(destination_key)}" if event is not None else delivery_key.hex()
        wanted = "should wait" if is_waiting else "should not wait"
        findings.add(f"delivery of event {name}: {wanted}, and is in the outbox {places} times")


def _check_depths(store: Store, findings: Findings) -> None:
    """The number kept beside each outbox, against its rows: of one transaction, or of a store that stood still."""
    before = store.env.info()["last_txnid"]
    with store.read() as txn:
        depths = {key: keys.number_or(raw, -1) for key, raw in page(txn, store, "depth", b"", b"", SUSPECTS)}
        rows = page(txn, store, "outbox", b"", b"", ONE_PAGE)
    counted = Counter(key[:8] for key, _ in rows)
    if len(rows) == ONE_PAGE:
        counted = Counter(key[:8] for _, some in pages(store, "outbox", size=ONE_PAGE) for key, _ in some)
        if store.env.info()["last_txnid"] != before:
            findings.moving += 1
            return
    for destination_key in sorted({*depths, *counted}):
        depth, rows_there = depths.get(destination_key, 0), counted[destination_key]
        if depth != rows_there:
            findings.add(f"depth of {destination_key.hex()}: it says {depth}, there are {rows_there} deliveries")
