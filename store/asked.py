"""The deliveries that a replay job asks for, read a bounded part of the site's messages at a time."""

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.outbox import read_event
from store.records import DELIVERY, DeliveryRow, EventRow, ReplayRow


class Asked(Struct, frozen=True, kw_only=True):
    """One delivery of an event that arrived in the time asked for: in a status asked for, or in the queue."""

    key: bytes
    event: EventRow
    body: bytes | None  # None: not asked for, gone or damaged
    raw: bytes | None  # its row as it stands there; None: it was never tried
    row: DeliveryRow | None
    old_outbox_key: bytes | None  # where a failed one waits for its next attempt


class Page(Struct, frozen=True, kw_only=True):
    """`messages`: how many were looked at; `cursor`: the last of them; `unreadable`: keys of events that cannot be
    read, or whose delivery cannot."""

    messages: int
    cursor: bytes
    asked: list[Asked]
    unreadable: list[bytes]


def read_asked(store: Store, job: ReplayRow, most: int) -> Page:
    """The next `most` messages of the job's site and time; fewer: there are no more."""
    prefix = keys.digest8(job.site)
    place = job.cursor
    asked: list[Asked] = []
    unreadable: list[bytes] = []
    messages = 0
    with store.read() as txn, txn.cursor(db=store.dbs["site_event"]) as cursor:
        start = place + b"\x00" if place else keys.site_events_from(job.site, job.since_ms)
        is_there = cursor.set_range(start)
        while is_there and messages < most and (key := bytes(cursor.key())).startswith(prefix):
            if keys.read_site_event(key)[0] >= job.until_ms:
                break
            place, messages = key, messages + 1
            try:
                one = _of_message(txn, store, job, key, bytes(cursor.value()))
                asked += [one] if one is not None else []
            except Unreadable:
                unreadable.append(bytes(cursor.value()))
            is_there = cursor.next()
    return Page(messages=messages, cursor=place, asked=asked, unreadable=unreadable)


def _of_message(txn: lmdb.Transaction, store: Store, job: ReplayRow, place: bytes, event_key: bytes) -> Asked | None:
    """The delivery that hangs on this message; None where it hangs on another one of the same event, or there is none
    that is asked for. Raises Unreadable."""
    row, body = read_event(txn, store, event_key)
    if row is not None and row.merged_into is not None:
        event_key = row.merged_into
        row, body = read_event(txn, store, event_key)
    if row is None:
        raise Unreadable("the event is gone or damaged")
    if (row.shard, row.sequence) != keys.read_site_event(place)[1:] or row.status != "processed" or row.erased_at_ms:
        return None
    if job.destination not in row.routed or job.event_name not in ("", row.event_name):
        return None
    destination_key = keys.destination(job.site, job.destination)
    raw = fetch(txn, store.dbs["delivery"], keys.delivery(event_key, destination_key))
    delivery = DELIVERY.decode(raw) if raw is not None else None
    is_wanted = delivery is not None and delivery.status in job.statuses
    if not is_wanted and delivery is not None and delivery.status != "queued":
        return None
    return Asked(
        key=event_key,
        event=row,
        body=body if is_wanted else None,
        raw=raw,
        row=delivery,
        old_outbox_key=_place(txn, store, row, delivery, destination_key),
    )


def _place(
    txn: lmdb.Transaction, store: Store, event: EventRow, row: DeliveryRow | None, destination_key: bytes
) -> bytes | None:
    """Where a failed delivery waits for its next attempt; None for others, and where it is there no more."""
    if row is None or row.status != "failed" or row.next_at_ms is None:
        return None
    lane = keys.REPLAY_LANE if row.replays else keys.RETRY_LANE
    key = keys.outbox(destination_key, lane, row.next_at_ms, event.shard, event.sequence)
    return key if fetch(txn, store.dbs["outbox"], key) is not None else None
