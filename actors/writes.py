"""What a batch of turns writes about events: their rows, their indexes, the books, and what the observer is told."""

from typing import Any

import lmdb
import msgspec
from msgspec import Struct

from actors.actor import Message, Position, Ref
from actors.event import Event, is_test
from actors.journeys import Journeys
from actors.sightings import Sightings
from actors.snapshot import Snapshot
from actors.tally import Tally
from actors.traffic import Traffic
from store import keys
from store.env import Store
from store.records import EventRow

Put = tuple[str, bytes, bytes | None]  # database, key, value; None deletes


class Counted(Struct, frozen=True):
    """Something for the observer, told after the commit."""

    what: str
    labels: dict[str, str]


class Writes:
    """Gathered in memory, committed with the batch. `known`: the events' rows; `journeys`: touchpoints and
    conversions; `puts`: all other rows, in order."""

    def __init__(self, store: Store, txn: lmdb.Transaction, snapshot: Snapshot, *, now_ms: int) -> None:
        self.known = Sightings(store, txn, snapshot)
        self.journeys = Journeys(store, txn, snapshot, now_ms=now_ms)
        self.tally = Tally()
        self.traffic = Traffic()
        self.puts: list[Put] = []
        self.sent: list[tuple[Ref, Message]] = []  # messages to actors, taken in the same commit
        self.queued: dict[bytes, int] = {}  # destination key -> deliveries put into its outbox
        self.counted: list[Counted] = []
        self.covered: dict[tuple[str, str, str, int], int] = {}  # site, source, name, identifiers -> events

    def count(self, what: str, **labels: str) -> None:
        """Tells the observer, after the commit."""
        self.counted.append(Counted(what, labels))

    def event(self, event: Event, at: Position, key: bytes, **fields: Any) -> None:
        """The event's row."""
        self.known.events[key] = EventRow(
            site=event.site,
            event_id=event.event_id,
            event_name=event.event_name,
            source=event.source,
            received_at_ms=event.received_at_ms,
            shard=at.shard,
            sequence=at.sequence,
            visitor_id=event.user_data.anonymous_id,
            **fields,
        )

    def further_message(self, key: bytes, event: Event) -> None:
        """A further message is of the event that has this key."""
        row = self.known.event(key)
        if row is not None:
            last_ms = max(row.last_copy_at_ms, event.received_at_ms)
            self.known.events[key] = msgspec.structs.replace(row, last_copy_at_ms=last_ms)

    def index(self, event: Event, at: Position, key: bytes) -> None:
        """By time of the site, by visitor and by order; a test event is of no visitor's and of no order's story."""
        received = event.received_at_ms
        self.puts.append(("site_event", keys.site_event(event.site, received, at.shard, at.sequence), key))
        if is_test(event):
            return
        if event.user_data.anonymous_id is not None:
            visitor_key = keys.visitor_event(event.site, event.user_data.anonymous_id, received, key)
            self.puts.append(("visitor_event", visitor_key, b""))
        if event.custom_data.order_id is not None:
            order_key = keys.order_event(event.site, event.custom_data.order_id, received, key)
            self.puts.append(("order_event", order_key, b""))
