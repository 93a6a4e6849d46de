"""Reads what the store has of an event: its rows, its body, its deliveries, and the event that stands for a copy."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from actors.event import Event
from gateway.commands.story import Facts
from store import journeys, keys, ledger, versions
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import body_at
from store.records import OUTBOX, DeliveryRow, EventRow

FOLLOWED = 4  # a copy of a copy; more would be a loop
PAGE = 500
WINDOW_MS = 1_000  # the newest events are looked for in a window this long, then in one twice as long before it
WINDOW_MOST = 10_000  # messages in a window; past it the next one is shorter
AHEAD_MS = 60_000  # an edge's clock may be so far ahead of this one
WAITING_MOST = 20_000  # deliveries that wait; past it they are looked for among all events
SEEN = 100_000  # events remembered, so that each is shown once however many copies it has


class EventFacts(Struct, frozen=True, kw_only=True):
    """An event that went to routing, with its deliveries; None: nothing was sent yet."""

    key: bytes
    row: EventRow
    deliveries: Mapping[str, DeliveryRow | None]


class Place(Struct, frozen=True, order=True):
    """Where a message is, in order of arrival."""

    received_at_ms: int
    shard: int
    sequence: int


def place_of(row: EventRow) -> Place:
    return Place(row.received_at_ms, row.shard, row.sequence)


def facts_of(store: Store, key: bytes) -> Facts | None:
    """None where nothing is at this key."""
    found = ledger.event(store, key)
    if found is None:
        return None
    row = found.row
    deliveries = ledger.deliveries_of(store, key)
    return Facts(
        row=row,
        event=decode_event(found.body),
        first=body_of(store, row.shard, row.sequence),
        deliveries={one.destination: one.row for one in deliveries},
        conversion=tuple(journeys.versions(store, key)),
        routes_version=_routes_version(store, row),
    )


def _routes_version(store: Store, row: EventRow) -> int:
    found = versions.version(store, row.version) if row.version else None
    return found.routes.get(row.site, 0) if found is not None else 0


def followed(store: Store, key: bytes) -> bytes:
    """The key of the event that stands for this one: itself, or the one it was merged into or is a duplicate of."""
    for _ in range(FOLLOWED):
        found = ledger.event(store, key)
        if found is None or found.row.merged_into is None:
            break
        key = found.row.merged_into
    return key


def newest_events(
    store: Store, sites: Sequence[str], from_ms: int, now_ms: int, report: Callable[[str], None]
) -> Iterator[EventFacts]:
    """Events that went to routing and arrived since `from_ms`, of all sites, the newest first, each once.

    `report` is told of an event that cannot be read.
    """
    seen: OrderedDict[bytes, None] = OrderedDict()
    for _, key in newest_messages(store, sites, from_ms, now_ms):
        if key in seen:
            continue
        seen[key] = None
        if len(seen) > SEEN:
            seen.popitem(last=False)
        try:
            found = ledger.event(store, key)
            facts = event_facts(store, key, found.row) if found is not None else None
        except Unreadable as error:
            report(f"the event at {key.hex()} cannot be read: {error}; see gateway check-store")
            continue
        if facts is not None and facts.row.status == "processed":
            yield facts


def waiting_events(
    store: Store, sites: Sequence[str], from_ms: int, now_ms: int, report: Callable[[str], None]
) -> Iterator[EventFacts]:
    """As `newest_events`, but of those alone that wait for a delivery, or for its next attempt, if they are few.

    They are found in the outbox, however many days they are old; where many wait, the newest are found soon as well.
    """
    rows = ledger.waiting(store, WAITING_MOST)
    if rows is None:
        yield from newest_events(store, sites, from_ms, now_ms, report)
        return
    found: dict[bytes, EventRow] = {}
    for raw in rows:
        try:
            key = OUTBOX.decode(raw).event_key
            event = ledger.event(store, key) if key not in found else None
        except Unreadable as error:
            report(f"a delivery that waits cannot be read: {error}; see gateway check-store")
            continue
        if event is not None and event.row.site in sites and event.row.received_at_ms >= from_ms:
            found[key] = event.row
    for key, row in sorted(found.items(), key=lambda one: place_of(one[1]), reverse=True):
        yield event_facts(store, key, row)


def event_facts(store: Store, key: bytes, row: EventRow) -> EventFacts:
    return EventFacts(
        key=key, row=row, deliveries={one.destination: one.row for one in ledger.deliveries_of(store, key)}
    )


def newest_messages(store: Store, sites: Sequence[str], from_ms: int, now_ms: int) -> Iterator[tuple[Place, bytes]]:
    """Every message that arrived since `from_ms`, copies among them, with its event's key; the newest first.

    Looks back window by window, so that a few of the newest cost little however much there is.
    """
    until_ms, span_ms = now_ms + AHEAD_MS, AHEAD_MS + WINDOW_MS
    while until_ms > from_ms:
        since_ms = max(from_ms, until_ms - span_ms)
        found = [one for site in sites for one in _window(store, site, since_ms, until_ms)]
        yield from sorted(found, reverse=True)
        until_ms = since_ms
        span_ms = max(WINDOW_MS, span_ms // 2) if len(found) > WINDOW_MOST else span_ms * 2


def _window(store: Store, site: str, since_ms: int, until_ms: int) -> Iterator[tuple[Place, bytes]]:
    after = b""
    while page := ledger.site_events(store, site, since_ms, until_ms, PAGE, after):
        yield from ((Place(*keys.read_site_event(one.place)), one.key) for one in page)
        after = page[-1].place


def key_at(store: Store, event: Event, shard: int, sequence: int) -> bytes | None:
    """The key of the event that the message at this place became; None where its turn failed."""
    with store.read() as txn:
        place = keys.site_event(event.site, event.received_at_ms, shard, sequence)
        return fetch(txn, store.dbs["site_event"], place)


def body_of(store: Store, shard: int, sequence: int) -> Event | None:
    """The event as it arrived at this place; None where retention took it."""
    with store.read() as txn:
        return decode_event(body_at(txn, store.dbs, shard, sequence))


def decode_event(body: bytes | None) -> Event | None:
    try:
        return msgspec.msgpack.decode(body, type=Event) if body is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
