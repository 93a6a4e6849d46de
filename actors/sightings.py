"""Which events a batch of turns knows: their rows, and the index of keys that two copies of an event share.

Reads see the store as it was when the batch began and, over it, what earlier turns of the batch wrote.
"""

import lmdb

from actors import dedup
from actors.event import Event
from actors.snapshot import Snapshot
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import body_at
from store.records import EVENT, SIGHTING, EventRow, Sighting

LAST_GENERATION = 255


class Sightings:
    """`events` holds the rows that the batch wrote; it may be written to. `unreadable`: rows that cannot be read, by
    database and key.

    It knows no way back to its batch: in a ring of references the transaction would keep its place among the store's
    readers until the garbage collector came by, and there are but 510."""

    def __init__(self, store: Store, txn: lmdb.Transaction, snapshot: Snapshot) -> None:
        self.events: dict[bytes, EventRow] = {}
        self.unreadable: dict[tuple[str, bytes], bytes] = {}
        self._dbs = store.dbs
        self._txn = txn
        self._snapshot = snapshot
        self._sightings: dict[bytes, Sighting] = {}
        self._keys: dict[tuple[str, str, str, int], bytes] = {}  # site, id, name, arrival -> key of the row

    def event(self, key: bytes) -> EventRow | None:
        row = self.events.get(key)
        if row is not None:
            return row
        raw = fetch(self._txn, self._dbs["event"], key)
        if raw is None:
            return None
        try:
            return EVENT.decode(raw)
        except Unreadable:
            self.unreadable["event", key] = raw
            return None

    def key_of(self, event: Event) -> bytes:
        """Counts up past rows of the same id whose window is over: those are other events."""
        name = (event.site, event.event_id, event.event_name, event.received_at_ms)
        key = self._keys.get(name)
        if key is None:
            self._keys[name] = key = self._find_key(event)
        return key

    def first_of(self, event: Event) -> tuple[str, str, Sighting] | None:
        """The first event this one is a copy of: (key, value, where)."""
        if not event.is_id_made:
            key = self.key_of(event)
            row = self.event(key)
            if row is not None:
                found = Sighting(event_key=row.merged_into or key, until_ms=0, order=row.order)
                return "event_id", event.event_id, found
        for kind, value in dedup.keys_of(event):
            sighting = self._sighting(keys.dedup(event.site, event.event_name, kind, value))
            if sighting is not None and event.received_at_ms < sighting.until_ms:
                return kind, value, sighting
        return None

    def remember(self, event: Event, order: str | None) -> None:
        """From now on events that share one of this event's keys are copies of it."""
        for kind, value in dedup.keys_of(event):
            key = keys.dedup(event.site, event.event_name, kind, value)
            known = self._sighting(key)
            if known is None or event.received_at_ms >= known.until_ms:
                until_ms = event.received_at_ms + self._remembered_ms(event)
                self._sightings[key] = Sighting(event_key=self.key_of(event), until_ms=until_ms, order=order)

    def body_of(self, row: EventRow) -> bytes | None:
        """msgpack of the event that a row is about."""
        return row.body or body_at(self._txn, self._dbs, row.shard, row.sequence)

    def message_at(self, shard: int, sequence: int) -> bytes | None:
        """msgpack of the event that a message brought."""
        return body_at(self._txn, self._dbs, shard, sequence)

    def puts(self) -> list[tuple[str, bytes, bytes | None]]:
        """All that the batch wrote, encoded."""
        rows: list[tuple[str, bytes, bytes | None]] = [
            ("event", key, EVENT.encode(row)) for key, row in self.events.items()
        ]
        return rows + [("dedup", key, SIGHTING.encode(row)) for key, row in self._sightings.items()]

    def _find_key(self, event: Event) -> bytes:
        window_ms = self._window_ms(event.site)
        key = keys.event(event.site, event.event_id, event.event_name)
        for generation in range(1, LAST_GENERATION + 1):
            row = self.event(key)
            if row is None or event.received_at_ms < row.received_at_ms + window_ms:
                return key
            key = keys.event(event.site, event.event_id, event.event_name, generation)
        return key

    def _sighting(self, key: bytes) -> Sighting | None:
        found = self._sightings.get(key)
        if found is not None:
            return found
        raw = fetch(self._txn, self._dbs["dedup"], key)
        try:
            return SIGHTING.decode(raw) if raw is not None else None
        except Unreadable:
            self.unreadable["dedup", key] = raw or b""
            return None

    def _window_ms(self, site: str) -> int:
        rules = self._snapshot.sites.get(site)
        return rules.dedup_window_ms if rules is not None else keys.HOUR_MS * 24

    def _remembered_ms(self, event: Event) -> int:
        rules = self._snapshot.sites.get(event.site)
        if rules is not None and dedup.lives_as_long_as_its_record(event):
            return rules.retention_ms
        return self._window_ms(event.site)
