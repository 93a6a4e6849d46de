"""A batch of turns and all that they change, to be committed at once: the view that a turn reads and asks through.

What is known of events is read through `actors/sightings.py`. Writes are only collected here; `freeze` encodes them
into one function for the writer.
"""

from collections.abc import Callable, Sequence
from random import Random

import lmdb
import msgspec

from actors.actor import Message, Position, Processing, Ref, VisitorView
from actors.consent import after_release, is_refused
from actors.event import Consent, Event
from actors.graph import DATABASE, Graph
from actors.holding import forget_message
from actors.holds import HELD
from actors.identities import identify
from actors.merging import conflicts
from actors.processing import Processor
from actors.snapshot import Snapshot
from actors.warm import Warm, WarmActors
from actors.writes import Writes
from store import keys, links
from store.env import Store
from store.errors import Unreadable
from store.journey_records import TouchRow
from store.records import COPIES_KEPT, DEAD, SET_ASIDE, Copy, DeadLetter, EventRow, LinkRow, SetAside, Sighting
from store.writer import WriteTxn


class Batch:
    """Implements `Turn` for one actor at a time (`current`)."""

    def __init__(
        self,
        store: Store,
        txn: lmdb.Transaction,
        warm: WarmActors,
        snapshot: Snapshot,
        depths: dict[bytes, int],
        *,
        now_ms: int,
        seed: int,
        outbox_limit: int,
        id_key: bytes,
    ) -> None:
        self.now_ms = now_ms
        self.random = Random(seed)
        self.snapshot = snapshot
        self.writes = Writes(store, txn, snapshot, now_ms=now_ms)
        self.graph = Graph(store, txn, id_key)
        self._known = self.writes.known
        self._tally = self.writes.tally
        self.traffic = self.writes.traffic
        self._processor = Processor(self.writes, snapshot, depths, now_ms=now_ms, outbox_limit=outbox_limit)
        self._store = store
        self._txn = txn
        self._warm = warm
        self._current: Warm | None = None
        self.sent = self.writes.sent
        self.denials: dict[tuple[str, str], None] = {}  # visitors who allow less than before
        self._touched: dict[bytes, Warm] = {}
        self.verdicts: dict[tuple[str, str], int | None] = {}
        self.turns = 0
        self.took: list[tuple[str, float]] = []  # kind of actor, seconds: of each turn

    # --- what the runtime does around a turn ---

    def actor(self, ref: Ref, *, is_asked: bool = False) -> Warm:
        """The actor, from memory or from the store, marked as changed unless it is only asked something."""
        try:
            found = self._warm.get(ref, self._txn)
        except Unreadable:
            found, raw = self._warm.blank(ref, self._txn)
            self.quarantine("state", found.state_key, raw)
        if not is_asked:
            self._touched[found.state_key] = found
        self._current = found
        return found

    def touched(self) -> list[Warm]:
        return list(self._touched.values())

    def move_cursor(self, shard: int, sequence: int) -> None:
        self.writes.puts.append(("cursor", keys.shard(shard), keys.u64(sequence)))

    def take_alarm(self, alarm_key: bytes) -> None:
        self.writes.puts.append(("alarm", alarm_key, None))

    def dead_letter(self, letter: DeadLetter) -> None:
        # Two batches of one millisecond may count alike, and an actor without a memory has no key: the place in the log
        # tells such letters apart.
        place = f"{letter.shard}/{letter.sequence}/{self.turns}"
        key = keys.u64(letter.at_ms) + keys.digest16(letter.kind, letter.actor_key, letter.message, place)
        self.writes.puts.append(("dead", key, DEAD.encode(letter)))
        self.count("dead_letter", kind=letter.kind)

    def alarm_letter(self, letter: DeadLetter, before_ms: int | None) -> None:
        """One letter for an alarm that raises the same again: it takes the place of the one of `before_ms`."""
        name = keys.digest16(letter.kind, letter.actor_key, letter.message, letter.error)
        if before_ms is not None:
            self.writes.puts.append(("dead", keys.u64(before_ms) + name, None))
        self.writes.puts.append(("dead", keys.u64(letter.at_ms) + name, DEAD.encode(letter)))
        self.count("dead_letter", kind=letter.kind)

    def quarantine(self, database: str, key: bytes, raw: bytes) -> None:
        """Sets a row aside that cannot be read."""
        row = SetAside(at_ms=self.now_ms, raw=raw)
        self.writes.puts.append(("quarantine", keys.quarantine(database, key), SET_ASIDE.encode(row)))
        self.count("unreadable_row", database=database)

    def lost(self, event: Event) -> None:
        """An event whose turn raised: it is in the dead letters."""
        self._tally.site(event, dead=1)

    def accepted(self, event: Event) -> None:
        self._tally.site(event, accepted=1)
        self.traffic.accepted(event)

    def told(self) -> list[tuple[Ref, Message]]:
        """What is sent once for the whole batch, at its end."""
        return self._tally.seen()

    # --- Turn ---

    def seen(self, event: Event, *, is_copy: bool = False) -> None:
        self._tally.see(event, is_copy)

    def send(self, ref: Ref, message: Message) -> None:
        self.sent.append((ref, message))

    def alarm_at(self, at_ms: int | None) -> None:
        assert self._current is not None, "an alarm belongs to the actor whose turn it is"
        self._current.alarm_at_ms = at_ms

    def count(self, what: str, **labels: str) -> None:
        self.writes.count(what, **labels)

    def publish_verdict(self, site: str, caller: str, until_ms: int | None) -> None:
        self.verdicts[site, caller] = until_ms
        value = keys.u64(until_ms) if until_ms is not None else None
        self.writes.puts.append(("verdict", keys.verdict(site, caller), value))

    def link(self, site: str, slug: str) -> LinkRow | None:
        return links.read_in(self._txn, self._store, site, slug)

    def key_of(self, event: Event) -> bytes:
        return self._known.key_of(event)

    def sighting(self, event: Event) -> tuple[str, str, Sighting] | None:
        return self._known.first_of(event)

    def remember(self, event: Event, order: str | None) -> None:
        self._known.remember(event, order)

    def hold(self, event: Event, at: Position, order: str) -> None:
        self.writes.event(event, at, self._known.key_of(event), status="held", order=order)
        self.writes.index(event, at, self._known.key_of(event))
        self._tally.site(event, held=1)

    def merged(self, event: Event, at: Position, order: str, into: bytes) -> None:
        key = self._known.key_of(event)
        if key != into:
            self.writes.event(event, at, key, status="merged", order=order, merged_into=into)
        else:
            self.writes.further_message(key, event)
        self.writes.index(event, at, key)
        self._tally.site(event, merged=1)

    def duplicate(self, event: Event, at: Position, of: bytes, key: str, value: str) -> None:
        own = self._known.key_of(event)
        if self._known.event(own) is None:
            self.writes.event(event, at, own, status="duplicate", merged_into=of if of != own else None)
        else:
            self.writes.further_message(own, event)
        first = self._known.event(of) if of != own else self._known.events[own]
        differs: tuple[str, ...] = ()
        if first is not None and len(first.copies) < COPIES_KEPT:
            differs = self._conflicts(first, event)
            copy = Copy(
                event_id=event.event_id,
                source=event.source,
                received_at_ms=event.received_at_ms,
                shard=at.shard,
                sequence=at.sequence,
                key=key,
                value=value,
                conflicts=differs,
            )
            self._known.events[of] = msgspec.structs.replace(first, copies=(*first.copies, copy))
        self.writes.index(event, at, own)
        self._tally.site(event, duplicates=1)
        self.traffic.copy(event, "duplicates", key, is_conflict=bool(differs))
        self.count("event_duplicate", site=event.site, source=event.source, key=key)

    def brought(self, digest: bytes) -> bool:
        return self.writes.journeys.brought(digest)

    def touch(self, row: TouchRow, *, is_full: bool) -> bytes:
        return self.writes.journeys.record(row, is_full=is_full)

    def mark(self, key: bytes, at_ms: int) -> None:
        self.writes.journeys.mark(key, at_ms)

    def release(self, key: bytes, consent: Consent, version: int, *, is_last: bool) -> None:
        row = self._known.event(key)
        body = self._known.body_of(row) if row is not None and not row.erased_at_ms else None
        if row is None or body is None or HELD not in row.not_routed.values():
            return
        decided = msgspec.convert(row.consent, Consent)
        processing = Processing(
            event=msgspec.msgpack.decode(body, type=Event),
            at=Position(row.shard, row.sequence),
            session_id=row.session_id,
            consent=after_release(decided, consent),
            consent_from=row.consent_from if decided == consent else "visitor",
            consent_version=version,
            order=row.order,
            copies=row.copies,
            visitor=VisitorView(is_joined=True),
            identity=row.identity,
            added=row.added,
            added_from=row.added_from,
            released=key,
            is_last=is_last,
        )
        self.process(processing)

    def forget_person(self, event: Event, at: Position) -> None:
        forget_message(event, at, self._known.key_of(event), self.writes)

    def withdrawn(self, site: str, visitor: str) -> None:
        self.denials[site, visitor] = None

    def identity_changed(self, site: str, identities: Sequence[str], visitors: Sequence[str]) -> None:
        self.writes.journeys.identity_changed(site, identities, visitors)

    def process(self, processing: Processing) -> None:
        if is_refused(processing.consent):  # nothing is kept of the person, so nobody is looked for
            self.route(processing)
        else:
            identify(processing, self)

    def route(self, processing: Processing) -> None:
        self._processor.route(processing)

    def _conflicts(self, first: EventRow, copy: Event) -> tuple[str, ...]:
        body = self._known.body_of(first)
        return conflicts(msgspec.msgpack.decode(body, type=Event), copy) if body is not None else ()

    # --- the end ---

    def freeze(self) -> Callable[[WriteTxn], None]:
        """All that the batch changes, encoded, as one function for the writer."""
        for (database, key), raw in {**self._known.unreadable, **self.writes.journeys.unreadable}.items():
            self.quarantine(database, key, raw)
        for key, raw in self.graph.unreadable.items():
            self.quarantine(DATABASE, key, raw)
        puts = self.writes.puts
        puts += self.graph.puts()
        puts += self._known.puts()
        puts += self.writes.journeys.puts()
        for actor in self._touched.values():
            puts += actor.puts(self.now_ms)
        tally, traffic, queued = self._tally, self.traffic, self.writes.queued

        def apply(write: WriteTxn) -> None:
            for database, key, value in puts:
                if value is None:
                    write.delete(database, key)
                else:
                    write.put(database, key, value)
            tally.write(write)
            traffic.write(write)
            for destination_key, change in queued.items():
                write.change_depth(destination_key, change)

        return apply


def _choices(processing: Processing) -> dict[str, str]:
    consent = processing.consent
    pairs = ((name, getattr(consent, name)) for name in consent.__struct_fields__)
    return {name: choice for name, choice in pairs if choice is not None}
