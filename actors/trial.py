"""What would become of an event: its turns on a batch that is never committed, over the store as it is.

The very turns of the core run here, with actors of their own in memory; what they write is read back and thrown away.
A purchase that would wait for its twin is told as if none came. An event of the ledger has had its turns: it is routed
again with what was known of it then.

    try_event(store, snapshot, event, now_ms)     an event as the edge would hand it over
    try_again(store, snapshot, row, body, now_ms) one of the ledger
"""

import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.actor import Arrived, Message, Position, Processing, Ref
from actors.batch import Batch
from actors.event import Consent, Event, is_test
from actors.facts import Facts
from actors.processing import Processor, asking_of
from actors.routing import Asking, facts_then
from actors.runtime import KINDS
from actors.snapshot import Site, Snapshot
from actors.warm import WarmActors
from store.env import Store
from store.records import EventRow

NOWHERE: Final = Position(0, 0)  # no message of any log: sequences begin at 1

_event_decoder = msgspec.msgpack.Decoder(Event)


class Tried(Struct, frozen=True, kw_only=True):
    """`event`: as it was routed, merged with its copies; `row`: what would be recorded of it. `processing`: all that
    was known when it was routed; None where it was not: it is a copy of another event."""

    event: Event
    row: EventRow | None
    processing: Processing | None = None
    facts: Facts | None = None  # what its routes were asked with; None: its site has none


class Failed(Struct, frozen=True):
    """A turn raised: the event would be a dead letter. `error`: the kind, never the text, which may hold values."""

    error: str


def try_event(store: Store, snapshot: Snapshot, event: Event, now_ms: int, *, seed: int = 0) -> Tried | Failed:
    visitor = event.user_data.anonymous_id if not is_test(event) else None  # as the edge does
    ref = Ref("visitor", f"{event.site}\x1f{visitor}" if visitor else "")

    def run(batch: _TrialBatch) -> None:
        batch.take(ref, Arrived(event=event, at=NOWHERE))
        batch.end_waiting()

    return _tried(store, snapshot, event, now_ms, seed, run)


def try_again(store: Store, snapshot: Snapshot, row: EventRow, body: bytes, now_ms: int) -> Tried | Failed:
    try:
        event = _event_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Failed(type(error).__name__)
    processing = processing_of(row, event)
    return _tried(store, snapshot, event, now_ms, 0, lambda batch: batch.route_again(processing, row))


def processing_of(row: EventRow, event: Event) -> Processing:
    """What was known of an event of the ledger when it was routed, as far as its row tells."""
    return Processing(
        event=event,
        at=Position(row.shard, row.sequence),
        session_id=row.session_id,
        consent=msgspec.convert(row.consent, Consent),
        consent_from=row.consent_from,
        consent_version=row.consent_version,
        order=row.order,
        copies=row.copies,
        fields_from=row.fields_from,
        is_merged=row.body is not None,
        identity=row.identity,
        added=row.added,
        added_from=row.added_from,
    )


def asked_of(tried: Tried, site: Site) -> Asking | None:
    """The question that routing answered; None where the event is a copy of another one and nothing was asked."""
    if tried.processing is None:
        return None
    asking = asking_of(tried.processing, site)
    if tried.facts is not None:
        asking.facts = tried.facts
    return asking


def _tried(
    store: Store, snapshot: Snapshot, event: Event, now_ms: int, seed: int, run: Callable[["_TrialBatch"], None]
) -> Tried | Failed:
    with store.read() as txn:
        batch = _TrialBatch(store, txn, WarmActors(store, KINDS), snapshot, now_ms, seed)
        try:
            run(batch)
        except Exception as error:  # noqa: BLE001  whatever a turn raises would be a dead letter
            return Failed(type(error).__name__)
        routed = batch.routed()
        if routed is None:
            return Tried(event=event, row=batch.writes.known.event(batch.key_of(event)))
        key = batch.key_of(routed.event)
        row, facts = batch.writes.known.event(key), batch.facts()
        return Tried(event=routed.event, row=row, processing=routed, facts=facts)


class _Recording(Processor):
    """Remembers what was routed, and what was asked. `then`: the row of an event of the ledger."""

    last: Processing | None = None
    facts: Facts | None = None
    then: EventRow | None = None

    def route(self, processing: Processing) -> None:
        super().route(processing)
        if not processing.released:  # others may have waited for what this one's visitor says
            self.last = processing

    def _asking(self, processing: Processing, key: bytes, site: Site) -> Asking:
        asking = super()._asking(processing, key, site)
        if self.then is not None:
            known = facts_then(self.then, processing.event, site)
            credited = known.attribution or asking.facts.attribution
            asking.facts = msgspec.structs.replace(known, attribution=credited)
        self.facts = asking.facts
        return asking


class _TrialBatch(Batch):
    """Runs the turns of one message to their end, as the core does (runtime.py), and is never frozen."""

    def __init__(self, store: Store, txn: Any, warm: WarmActors, snapshot: Snapshot, now_ms: int, seed: int) -> None:
        super().__init__(
            store, txn, warm, snapshot, {}, now_ms=now_ms, seed=seed, outbox_limit=sys.maxsize, id_key=store.id_key()
        )
        self._recording = _Recording(self.writes, snapshot, {}, now_ms=now_ms, outbox_limit=sys.maxsize)
        self._processor = self._recording

    def take(self, ref: Ref, message: Message) -> None:
        self.actor(ref).actor.receive(message, self)
        self._drain()

    def end_waiting(self) -> None:
        """The order that opened wakes: no twin came."""
        for warm in self.touched():
            if warm.ref.kind == "order" and warm.alarm_at_ms is not None:
                self.now_ms = warm.alarm_at_ms
                self.actor(warm.ref).alarm_at_ms = None
                warm.actor.alarm(self)
                self._drain()

    def route_again(self, processing: Processing, row: EventRow) -> None:
        self._recording.then = row
        self._recording.route(processing)

    def facts(self) -> Facts | None:
        return self._recording.facts

    def routed(self) -> Processing | None:
        return self._recording.last

    def _drain(self) -> None:
        waiting = deque(self.sent)
        self.sent.clear()
        while waiting:
            ref, message = waiting.popleft()
            self.actor(ref).actor.receive(message, self)
            waiting.extend(self.sent)
            self.sent.clear()
