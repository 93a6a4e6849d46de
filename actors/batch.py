"""A batch of turns and all that they change, to be committed at once: the view that a turn reads and asks through.

What is known of events is read through `actors/sightings.py`. Writes are only collected here; `freeze` encodes them
into one function for the writer.
"""

from collections.abc import Callable
from random import Random
from typing import Any, get_args

import lmdb
import msgspec
from msgspec import Struct

from actors.actor import Message, Position, Processing, Ref
from actors.coverage import coverage
from actors.event import Event
from actors.merging import conflicts
from actors.routing import NotRouted, decide
from actors.sightings import Sightings
from actors.snapshot import Snapshot
from actors.tally import Tally
from actors.warm import Warm, WarmActors
from store import keys
from store.env import Store
from store.errors import Unreadable
from store.records import (
    DEAD,
    DELIVERY,
    OUTBOX,
    SET_ASIDE,
    Copy,
    DeadLetter,
    DeliveryRow,
    EventRow,
    OutboxRow,
    SetAside,
    Sighting,
)
from store.writer import WriteTxn

COPIES_KEPT = 50
NOT_ROUTED = {reason: f"not_routed:{reason}" for reason in get_args(NotRouted)}

_event_encoder = msgspec.msgpack.Encoder()

Put = tuple[str, bytes, bytes | None]  # database, key, value; None deletes


class Counted(Struct, frozen=True):
    """Something for the observer, told after the commit."""

    what: str
    labels: dict[str, str]


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
    ) -> None:
        self.now_ms = now_ms
        self.random = Random(seed)
        self.snapshot = snapshot
        self._txn = txn
        self._warm = warm
        self._depths = depths
        self._outbox_limit = outbox_limit
        self._current: Warm | None = None
        self.sent: list[tuple[Ref, Message]] = []
        self._touched: dict[bytes, Warm] = {}
        self._known = Sightings(store, txn, snapshot)
        self._puts: list[Put] = []
        self._tally = Tally()
        self.queued: dict[bytes, int] = {}  # destination key -> deliveries put into its outbox
        self.counted: list[Counted] = []
        self.covered: dict[tuple[str, str, str, int], int] = {}  # site, source, name, identifiers -> events
        self.verdicts: dict[tuple[str, str], int | None] = {}
        self.turns = 0
        self.took: list[tuple[str, float]] = []  # kind of actor, seconds: of each turn

    # --- what the runtime does around a turn ---

    def actor(self, ref: Ref) -> Warm:
        """The actor, from memory or from the store, marked as changed."""
        try:
            found = self._warm.get(ref, self._txn)
        except Unreadable:
            found, raw = self._warm.blank(ref, self._txn)
            self.quarantine("state", found.state_key, raw)
        self._touched[found.state_key] = found
        self._current = found
        return found

    def touched(self) -> list[Warm]:
        return list(self._touched.values())

    def move_cursor(self, shard: int, sequence: int) -> None:
        self._puts.append(("cursor", keys.shard(shard), keys.u64(sequence)))

    def take_alarm(self, alarm_key: bytes) -> None:
        self._puts.append(("alarm", alarm_key, None))

    def dead_letter(self, letter: DeadLetter) -> None:
        # Two batches of one millisecond may count alike, and an actor without a memory has no key: the place in the log
        # tells such letters apart.
        place = f"{letter.shard}/{letter.sequence}/{self.turns}"
        key = keys.u64(letter.at_ms) + keys.digest16(letter.kind, letter.actor_key, letter.message, place)
        self._puts.append(("dead", key, DEAD.encode(letter)))
        self.count("dead_letter", kind=letter.kind)

    def alarm_letter(self, letter: DeadLetter, before_ms: int | None) -> None:
        """One letter for an alarm that raises the same again: it takes the place of the one of `before_ms`."""
        name = keys.digest16(letter.kind, letter.actor_key, letter.message, letter.error)
        if before_ms is not None:
            self._puts.append(("dead", keys.u64(before_ms) + name, None))
        self._puts.append(("dead", keys.u64(letter.at_ms) + name, DEAD.encode(letter)))
        self.count("dead_letter", kind=letter.kind)

    def quarantine(self, database: str, key: bytes, raw: bytes) -> None:
        """Sets a row aside that cannot be read."""
        row = SetAside(at_ms=self.now_ms, raw=raw)
        self._puts.append(("quarantine", keys.quarantine(database, key), SET_ASIDE.encode(row)))
        self.count("unreadable_row", database=database)

    def lost(self, event: Event) -> None:
        """An event whose turn raised: it is in the dead letters."""
        self._tally.site(event, dead=1)

    def accepted(self, event: Event) -> None:
        self._tally.site(event, accepted=1)

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
        self.counted.append(Counted(what, labels))

    def publish_verdict(self, site: str, caller: str, until_ms: int | None) -> None:
        self.verdicts[site, caller] = until_ms
        value = keys.u64(until_ms) if until_ms is not None else None
        self._puts.append(("verdict", keys.verdict(site, caller), value))

    def key_of(self, event: Event) -> bytes:
        return self._known.key_of(event)

    def sighting(self, event: Event) -> tuple[str, str, Sighting] | None:
        return self._known.first_of(event)

    def remember(self, event: Event, order: str | None) -> None:
        self._known.remember(event, order)

    def hold(self, event: Event, at: Position, order: str) -> None:
        self._put_event(event, at, self._known.key_of(event), status="held", order=order)
        self._index(event, at, self._known.key_of(event))
        self._tally.site(event, held=1)

    def merged(self, event: Event, at: Position, order: str, into: bytes) -> None:
        key = self._known.key_of(event)
        if key != into:
            self._put_event(event, at, key, status="merged", order=order, merged_into=into)
        else:
            self._note_message(key, event)
        self._index(event, at, key)
        self._tally.site(event, merged=1)

    def duplicate(self, event: Event, at: Position, of: bytes, key: str, value: str) -> None:
        own = self._known.key_of(event)
        if self._known.event(own) is None:
            self._put_event(event, at, own, status="duplicate", merged_into=of if of != own else None)
        else:
            self._note_message(own, event)
        first = self._known.event(of) if of != own else self._known.events[own]
        if first is not None and len(first.copies) < COPIES_KEPT:
            copy = Copy(
                event_id=event.event_id,
                source=event.source,
                received_at_ms=event.received_at_ms,
                shard=at.shard,
                sequence=at.sequence,
                key=key,
                value=value,
                conflicts=self._conflicts(first, event),
            )
            self._known.events[of] = msgspec.structs.replace(first, copies=(*first.copies, copy))
        self._index(event, at, own)
        self._tally.site(event, duplicates=1)
        self.count("event_duplicate", site=event.site, source=event.source, key=key)

    def process(self, processing: Processing) -> None:
        event = processing.event
        key = self._settle_copies(processing)
        covered = (event.site, event.source, event.event_name, coverage(event.user_data))
        self.covered[covered] = self.covered.get(covered, 0) + 1
        site = self.snapshot.sites.get(event.site)
        decisions = decide(event, processing.consent, site) if site is not None else []
        routed = tuple(decision.destination for decision in decisions if decision.reason is None)
        self._put_event(
            event,
            processing.at,
            key,
            status="processed",
            order=processing.order,
            body=_event_encoder.encode(event) if processing.is_merged else None,
            copies=processing.copies,
            fields_from=processing.fields_from,
            session_id=processing.session_id,
            consent=_choices(processing),
            consent_from=processing.consent_from,
            last_copy_at_ms=self._last_message_ms(processing, key),
            routed=routed,
            not_routed={d.destination: d.reason for d in decisions if d.reason is not None},
        )
        for decision in decisions:
            if decision.reason is None:
                self._enqueue(event, processing.at, key, decision.destination)
            else:
                self._tally.destination(event, decision.destination, NOT_ROUTED[decision.reason])
                self.count("not_routed", site=event.site, destination=decision.destination, reason=decision.reason)

    # --- helpers of process ---

    def _settle_copies(self, processing: Processing) -> bytes:
        """The key of the one event; the rows of its copies point to it, and the hour that held it lets it go."""
        event = processing.event
        key = self._known.key_of(event)
        others = {copy.event_id for copy in processing.copies if copy.is_merged}
        if processing.held_as is not None:
            others.add(processing.held_as)
            self._tally.site(event, held=-1, processed=1)
        else:
            self._index(event, processing.at, key)
            self._tally.site(event, processed=1)
        for event_id in others - {event.event_id}:
            other = self._known.key_of(msgspec.structs.replace(event, event_id=event_id))
            row = self._known.event(other)
            if row is not None:
                self._known.events[other] = msgspec.structs.replace(row, status="merged", merged_into=key)
        return key

    def _last_message_ms(self, processing: Processing, key: bytes) -> int:
        """An event that waited may have got further messages under the key that it keeps or takes over."""
        row = self._known.event(key) if processing.order is not None else None
        return max(row.last_copy_at_ms, row.received_at_ms) if row is not None else 0

    def _enqueue(self, event: Event, at: Position, key: bytes, destination: str) -> None:
        destination_key = keys.destination(event.site, destination)
        depth = self._depths.get(destination_key, 0) + self.queued.get(destination_key, 0)
        if depth >= self._outbox_limit:
            row = DeliveryRow(
                status="dropped", destination=destination, reason="outbox_full", settled_at_ms=self.now_ms,
                words=f"the outbox holds {depth} deliveries, its limit",
            )  # fmt: skip
            self._puts.append(("delivery", keys.delivery(key, destination_key), DELIVERY.encode(row)))
            self._tally.destination(event, destination, "dropped:outbox_full")
            self.count("outbox_full", site=event.site, destination=destination)
            found = self.snapshot.destination(event.site, destination)
            self.count(
                "delivery", site=event.site, destination=destination, platform=found.platform if found else "",
                outcome="dropped", reason="outbox_full",
            )  # fmt: skip
            return
        self.queued[destination_key] = self.queued.get(destination_key, 0) + 1
        outbox_key = keys.outbox(destination_key, keys.NEW_LANE, self.now_ms, at.shard, at.sequence)
        self._puts.append(("outbox", outbox_key, OUTBOX.encode(OutboxRow(key))))
        self._tally.destination(event, destination, "queued")

    def _note_message(self, key: bytes, event: Event) -> None:
        """A further message is of the event that has this key."""
        row = self._known.event(key)
        if row is not None:
            last_ms = max(row.last_copy_at_ms, event.received_at_ms)
            self._known.events[key] = msgspec.structs.replace(row, last_copy_at_ms=last_ms)

    def _put_event(self, event: Event, at: Position, key: bytes, **fields: Any) -> None:
        self._known.events[key] = EventRow(
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

    def _index(self, event: Event, at: Position, key: bytes) -> None:
        """By time of the site, by visitor and by order."""
        received = event.received_at_ms
        self._puts.append(("site_event", keys.site_event(event.site, received, at.shard, at.sequence), key))
        if event.user_data.anonymous_id is not None:
            visitor_key = keys.visitor_event(event.site, event.user_data.anonymous_id, received, key)
            self._puts.append(("visitor_event", visitor_key, b""))
        if event.custom_data.order_id is not None:
            order_key = keys.order_event(event.site, event.custom_data.order_id, received, key)
            self._puts.append(("order_event", order_key, b""))

    def _conflicts(self, first: EventRow, copy: Event) -> tuple[str, ...]:
        body = self._known.body_of(first)
        return conflicts(msgspec.msgpack.decode(body, type=Event), copy) if body is not None else ()

    # --- the end ---

    def freeze(self) -> Callable[[WriteTxn], None]:
        """All that the batch changes, encoded, as one function for the writer."""
        for (database, key), raw in self._known.unreadable.items():
            self.quarantine(database, key, raw)
        puts = self._puts
        puts += self._known.puts()
        for actor in self._touched.values():
            puts += actor.puts(self.now_ms)
        tally, queued = self._tally, self.queued

        def apply(write: WriteTxn) -> None:
            for database, key, value in puts:
                if value is None:
                    write.delete(database, key)
                else:
                    write.put(database, key, value)
            tally.write(write)
            for destination_key, change in queued.items():
                write.change_depth(destination_key, change)

        return apply


def _choices(processing: Processing) -> dict[str, str]:
    consent = processing.consent
    pairs = ((name, getattr(consent, name)) for name in consent.__struct_fields__)
    return {name: choice for name, choice in pairs if choice is not None}
