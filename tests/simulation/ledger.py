"""All that a store holds, read at once, so that rules can be asked of it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from actors.content import read_content, with_content
from actors.event import Consent, Event
from actors.holds import Hold
from actors.identities import Identity
from actors.identity_state import IdentityState
from actors.order import Order
from actors.site import Site, SiteState
from actors.snapshot import Snapshot
from actors.visitor import Visitor, VisitorState
from actors.work import as_sent
from store import keys
from store.env import Store
from store.journey_records import CONVERSION, TOUCH, ConversionRow, TouchRow
from store.outbox import read_event
from store.records import (
    BOOKS,
    DELIVERY,
    EVENT,
    LOG,
    OUTBOX,
    STATE,
    BooksRow,
    DeliveryRow,
    EventRow,
)
from tests.simulation.dedup_keys import expected_key


class Message(Struct, frozen=True, kw_only=True):
    """One row of the log."""

    shard: int
    sequence: int
    event: Event
    is_consumed: bool


class Ledger(Struct, frozen=True, kw_only=True):
    messages: list[Message]
    events: dict[bytes, EventRow]
    raw: dict[bytes, Event]  # with their copies merged, as routes see them
    bodies: dict[bytes, Event]  # as destinations get them where no route changes them
    deliveries: dict[tuple[bytes, bytes], DeliveryRow]  # event, destination
    outbox: dict[tuple[bytes, bytes], list[bytes]]  # event, destination -> keys of rows
    depths: dict[bytes, int]
    books: list[BooksRow]
    tallies: dict[str, tuple[int, int]]  # site -> events, copies
    touches: dict[bytes, TouchRow]
    conversions: dict[bytes, ConversionRow]  # by event
    versions: dict[bytes, list[ConversionRow]]  # by event, the earlier ones, in order
    holds: Counter[bytes]  # event -> in how many entries of visitors it waits for a choice
    orders_waiting: int
    set_aside: int  # dead letters and rows that could not be read

    def sent(self, event_key: bytes, site: str, destination: str) -> Event:
        """The event as one destination gets it."""
        row = self.deliveries.get((event_key, keys.destination(site, destination)))
        changes = read_content(row.content) if row is not None and row.content is not None else None
        event = self.bodies[event_key]
        return with_content(event, changes) if changes is not None else event


def read(store: Store, shards: int) -> Ledger:
    with store.read() as txn:
        tables = {name: list(_rows(txn, store, name)) for name in store.dbs}
    cursors = {int.from_bytes(key, "big"): keys.read_u64(value) for key, value in tables["cursor"]}
    events = {key: EVENT.decode(raw) for key, raw in tables["event"]}
    outbox: dict[tuple[bytes, bytes], list[bytes]] = {}
    for key, raw in tables["outbox"]:
        outbox.setdefault((OUTBOX.decode(raw).event_key, key[:8]), []).append(key)
    split = keys.EVENT_KEY_BYTES
    merged = _bodies(store, events)
    return Ledger(
        messages=list(_messages(tables["log"], cursors)),
        events=events,
        raw=merged,
        bodies={key: as_decided(events[key], event) for key, event in merged.items()},
        deliveries={(key[:split], key[split:]): DELIVERY.decode(raw) for key, raw in tables["delivery"]},
        outbox=outbox,
        depths={key: keys.read_u64(value) for key, value in tables["depth"]},
        books=[BOOKS.decode(raw) for _, raw in tables["books"]],
        tallies=dict(_tallies(tables["state"])),
        touches={key: TOUCH.decode(raw) for key, raw in tables["touch"] if key.startswith(keys.TOUCHES)},
        conversions={
            key[1:]: CONVERSION.decode(raw) for key, raw in tables["conversion"] if key.startswith(keys.CONVERSIONS)
        },
        versions=_versions(tables["conversion"]),
        holds=Counter(hold.event_key for hold in _holds(tables["state"])),
        orders_waiting=sum(keys.read_alarm(key)[1][0] == Order.number for key, _ in tables["alarm"]),
        set_aside=len(tables["dead"]) + len(tables["quarantine"]),
    )


def merges(store: Store) -> list[tuple[str, str]]:
    """Of every identity those that can be undone: site, and id of the merge."""
    with store.read() as txn:
        rows = [(key, STATE.decode(raw)) for key, raw in _rows(txn, store, "state") if key[0] == Identity.number]
    states = [(row.actor_key, msgspec.msgpack.decode(row.data, type=IdentityState)) for _, row in rows]
    return [(key.partition("\x1f")[0], one.id) for key, state in states for one in state.merges]


def delivered_keys(ledger: Ledger, snapshot: Snapshot) -> dict[tuple[str, str], set[str]]:
    """Per site and destination the platform keys of what is settled as delivered."""
    found: dict[tuple[str, str], set[str]] = {}
    for (event_key, _), row in ledger.deliveries.items():
        event = ledger.sent(event_key, ledger.events[event_key].site, row.destination)
        destination = snapshot.destination(event.site, row.destination)
        assert destination is not None
        if row.status == "delivered":
            key = expected_key(destination, event_key, event)
            found.setdefault((event.site, row.destination), set()).add(key)
    return found


def waiting_keys(ledger: Ledger, snapshot: Snapshot) -> dict[tuple[str, str], Counter[str]]:
    """Per site and destination the platform keys of what is still in the outbox."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for event_key, destination_key in ledger.outbox:
        event = ledger.bodies[event_key]
        for one in snapshot.sites[event.site].destinations:
            if keys.destination(event.site, one.id) == destination_key:
                sent = ledger.sent(event_key, event.site, one.id)
                found.setdefault((event.site, one.id), Counter())[expected_key(one, event_key, sent)] += 1
    return found


def _rows(txn: Any, store: Store, name: str) -> Iterator[tuple[bytes, bytes]]:
    with txn.cursor(db=store.dbs[name]) as cursor:
        for key, value in cursor:
            yield bytes(key), bytes(value)


def _messages(rows: list[tuple[bytes, bytes]], cursors: dict[int, int]) -> Iterator[Message]:
    for key, raw in rows:
        shard, sequence = keys.read_log(key)
        record = LOG.decode(raw)
        event = msgspec.msgpack.decode(record.body, type=Event)
        is_consumed = sequence <= cursors.get(shard, 0)
        yield Message(shard=shard, sequence=sequence, event=event, is_consumed=is_consumed)


def _bodies(store: Store, events: dict[bytes, EventRow]) -> dict[bytes, Event]:
    bodies: dict[bytes, Event] = {}
    with store.read() as txn:
        for key in events:
            row, body = read_event(txn, store, key)
            assert row is not None, "an event's row that is gone"
            assert body is not None, "an event's row without its body"
            bodies[key] = msgspec.msgpack.decode(body, type=Event)
    return bodies


def as_decided(row: EventRow, event: Event) -> Event:
    return as_sent(event, msgspec.convert(row.consent, Consent), row.session_id, row.added)


def _versions(rows: list[tuple[bytes, bytes]]) -> dict[bytes, list[ConversionRow]]:
    found: dict[bytes, list[ConversionRow]] = {}
    for key, raw in rows:
        if key.startswith(keys.VERSIONS):
            found.setdefault(key[1 : 1 + keys.EVENT_KEY_BYTES], []).append(CONVERSION.decode(raw))
    return found


def _holds(rows: list[tuple[bytes, bytes]]) -> Iterator[Hold]:
    for key, raw in rows:
        if key[0] == Visitor.number:
            yield from msgspec.msgpack.decode(STATE.decode(raw).data, type=VisitorState).held


def _tallies(rows: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, tuple[int, int]]]:
    for key, raw in rows:
        if key[0] == Site.number:
            row = STATE.decode(raw)
            tallies = msgspec.msgpack.decode(row.data, type=SiteState).by_source.values()
            yield row.actor_key, (sum(one.events for one in tallies), sum(one.copies for one in tallies))
