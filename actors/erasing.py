"""Takes a person out of the store: plans what one small commit rewrites, deletes and cancels.

What stays stays without the person, so that the books balance and a late copy is still known for one: an event's row
and its message, blank but for its name, time, source and amounts; its deliveries with their outcomes; the keys by which
copies meet. Planning again what was erased already changes nothing, so a job that a crash has ended goes on anywhere.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from actors import dedup
from actors import person as persons
from actors.erasing_journeys import erase_conversion, erase_event
from actors.event import CustomData, Event
from actors.finding import LOOKED_AT, consent_key, decode_event, event_of, visitor_key
from actors.holds import HELD
from actors.identifying import leads_in
from actors.ip import Ip
from actors.order import Order
from actors.person import holds, may_hold
from actors.person_identities import Found, found
from store import keys
from store.books import column_of
from store.env import Store
from store.errors import Unreadable
from store.messages import Message, read_on, rows_after
from store.outbox import place_of
from store.records import (
    DELIVERY,
    EVENT,
    LOG,
    SIGHTING,
    STATE,
    AttemptRow,
    Copy,
    DeliveryRow,
    EventRow,
    LogRecord,
    PrivacyRow,
    StateRow,
)
from store.rewriting import Draft, Rewrite

ERASED_AT_ONCE: Final = 25  # messages of the person in one commit
SAME_ID: Final = 10  # events that share an id and differ in their names, looked at
REASON: Final = "erased"
FACTS: Final = ("value", "currency", "shipping", "tax", "discount", "num_items", "customer_type")
WAITING: Final = ("queued", "failed")

Recall = Callable[[bytes, bytes], bool]  # destination key, key in the outbox; False: its request is under way


class Part(Struct, frozen=True, kw_only=True):
    """`after`: the job once this part is committed; `forget`: states whose actors must not stay warm; `settled`:
    destination key -> deliveries that left its outbox."""

    after: PrivacyRow
    rewrite: Rewrite
    forget: list[bytes]
    settled: dict[bytes, int]


class Eraser:
    """Plans into one draft. `pending`: messages that have to wait, for their twin or for an answer."""

    def __init__(self, draft: Draft, store: Store, job: PrivacyRow, recall: Recall, now_ms: int) -> None:
        self.draft = draft
        self.counts: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.settled: Counter[bytes] = Counter()
        self.forget: list[bytes] = []
        self.pending = 0
        self.person = persons.decode(job.person)
        self._needles = self.person.needles()
        self.store = store
        self.now_ms = now_ms
        self._site = job.site
        self._recall = recall

    def holds(self, raw: bytes | None) -> bool:
        """Whether a row may be the person's, by its bytes."""
        return bool(self.person.sources) or holds(self._needles, raw)

    def may_hold(self, raw: bytes | None) -> bool:
        """The same, where a yes is looked into."""
        return bool(self.person.sources) or may_hold(self._needles, raw)

    def is_erased(self, site: str, event_id: str) -> bool:
        """Whether this was the id of an event that was erased."""
        found = rows_after(self.draft.txn, self.store, "event", keys.event_prefix(site, event_id), b"", SAME_ID)
        rows = [self._event(key) for key, _ in found]
        return any(row is not None and row.erased_at_ms for row in rows)

    def message(self, message: Message) -> bool:
        """Takes the person out of one message and all that hangs on it; False where it is not the person's."""
        own = self._event(message.event_key)
        main_key = own.merged_into or message.event_key if own is not None else message.event_key
        main = self._event(main_key) or own
        event = event_of(message.raw)
        is_main = main is not None and self._is_whole(main)
        if not is_main and not (event is not None and self.may_hold(message.raw) and self.person.has(event)):
            return False
        if any(row is not None and row.status == "held" for row in (own, main)):
            self.pending += 1
            return True
        if is_main and main is not None and not self._end_deliveries(main_key, main):
            self.pending += 1
            return True
        for key, row in {main_key: main, message.event_key: own}.items():
            if row is not None:
                is_all = is_main or key != main_key
                self._blank_row(key, row, None if is_all else message.log_key)
        if event is not None:
            erase_event(self, event, message.event_key)
        if is_main:
            erase_conversion(self, main_key)
        self.log(message.log_key, message.raw, message.event_key)
        return True

    def _is_whole(self, main: EventRow) -> bool:
        """Whether the one event that the messages make up is the person's, or was."""
        if main.erased_at_ms:
            return True
        body = main.body
        if body is None:
            event = event_of(self.draft.peek("log", keys.log(main.shard, main.sequence)))
        else:
            event = decode_event(body) if self.may_hold(body) else None
        return event is not None and self.person.has(event)

    # --- rows of an event ---

    def _blank_row(self, key: bytes, row: EventRow, only_copy: bytes | None) -> None:
        """`only_copy`: the event is somebody else's, and this copy of it alone goes."""
        copies = tuple(
            _blank_copy(one) if only_copy in (None, keys.log(one.shard, one.sequence)) else one for one in row.copies
        )
        if only_copy is not None:
            if copies != row.copies:
                self.draft.put("event", key, EVENT.encode(msgspec.structs.replace(row, copies=copies)))
            return
        if row.order is not None:
            self.state(keys.state(Order.number, row.order))
        if row.erased_at_ms:
            return
        blank = msgspec.structs.replace(
            row, event_id="", body=None, order=None, copies=copies, session_id=None, visitor_id=None, identity="",
            added={}, added_from={}, not_routed=self._without_holds(row), erased_at_ms=self.now_ms,
        )  # fmt: skip
        self.draft.put("event", key, EVENT.encode(blank))
        self.counts["events"] += 1

    def _without_holds(self, row: EventRow) -> dict[str, str]:
        """What waited for its visitor's choice waits no more."""
        for destination, reason in row.not_routed.items():
            if reason == HELD:
                changes = {f"not_routed:{HELD}": -1, f"not_routed:{REASON}": 1}
                self.draft.count(self._site, destination, row.received_at_ms, changes)
        return {one: REASON if reason == HELD else reason for one, reason in row.not_routed.items()}

    def log(self, log_key: bytes, raw: bytes | None, event_key: bytes | None) -> None:
        """A message, with the rows that lead to it by person. `event_key` None: no index leads to it."""
        event = event_of(raw)
        if raw is None or event is None or not event.event_id:
            return
        record = LOG.decode(raw)
        if event_key is not None:
            self._index(event, event_key)
        for kind, value in dedup.keys_of(event):
            self._sighting(keys.dedup(event.site, event.event_name, kind, value))
        for name, value in leads_in(event.custom_data):
            self.identifier(event.site, name, value)
        if record.caller.startswith("ip:"):
            self.state(keys.state(Ip.number, f"{event.site}\x1f{record.caller}"))
        if self.person.sources and event.user_data.anonymous_id is not None:
            self.state(visitor_key(event.site, event.user_data.anonymous_id))
            self.state(consent_key(event.site, event.user_data.anonymous_id))
        if self.person.sources:
            for one in list(found(self.draft.txn, self.store, event.site, persons.named_in(event))):
                if self.draft.peek("state", one.key) is not None:
                    self.identity(one)
        blank = LogRecord(
            kind=record.kind, actor_key="", received_at_ms=record.received_at_ms,
            body=msgspec.msgpack.encode(without_person(event)),
        )  # fmt: skip
        self.draft.put("log", log_key, LOG.encode(blank))
        self.counts["messages"] += 1

    def _index(self, event: Event, event_key: bytes) -> None:
        received_at_ms, visitor_id, order_id = (
            event.received_at_ms, event.user_data.anonymous_id, event.custom_data.order_id,
        )  # fmt: skip
        if visitor_id is not None:
            key = keys.visitor_event(event.site, visitor_id, received_at_ms, event_key)
            self.counts["index_rows"] += self.draft.delete("visitor_event", key)
        if order_id is not None:
            key = keys.order_event(event.site, order_id, received_at_ms, event_key)
            self.counts["index_rows"] += self.draft.delete("order_event", key)

    def _sighting(self, key: bytes) -> None:
        """The first sight of an order stays, under its digest: a late copy is still a copy."""
        raw = self.draft.get("dedup", key)
        try:
            row = SIGHTING.decode(raw) if raw is not None else None
        except Unreadable:
            self.counts["sightings"] += self.draft.delete("dedup", key)
            return
        if row is not None and row.order is not None:
            self.draft.put("dedup", key, SIGHTING.encode(msgspec.structs.replace(row, order=None)))
            self.counts["sightings"] += 1

    def identifier(self, site: str, kind: str, value: str) -> None:
        """What leads from an identifier to its identity."""
        self.counts["identifiers"] += self.draft.delete("identifier", keys.identifier(site, kind, value))

    def identity(self, one: Found) -> None:
        """All that is known of a person, and what leads there."""
        for key in one.state.rows:
            self.counts["identifiers"] += self.draft.delete("identifier", key)
        self.state(one.key)
        self.counts["identities"] += 1

    def rewrite_state(self, key: bytes, row: StateRow, data: bytes) -> None:
        """An actor's memory without the person."""
        self.forget.append(key)
        self.draft.put("state", key, STATE.encode(msgspec.structs.replace(row, data=data)))
        self.counts["states"] += 1

    def state(self, key: bytes) -> None:
        """An actor's memory and its alarm."""
        raw = self.draft.get("state", key)
        self.forget.append(key)
        if raw is None:
            return
        try:
            alarm_at_ms = STATE.decode(raw).alarm_at_ms
        except Unreadable:
            alarm_at_ms = None
        if alarm_at_ms is not None:
            self.draft.delete("alarm", keys.alarm(alarm_at_ms, key))
        self.draft.delete("state", key)
        self.counts["states"] += 1

    # --- deliveries ---

    def _end_deliveries(self, event_key: bytes, event: EventRow) -> bool:
        """Cancels what waits, and blanks what is over; False where a request is under way: nothing is changed then."""
        if event.erased_at_ms:
            return True
        rows = {one: self._delivery(event_key, one) for one in event.routed}
        waits = [one for one, row in rows.items() if row is None or row.status in WAITING]
        places: dict[str, bytes] = {}
        for one in waits:
            key = keys.destination(self._site, one)
            place = place_of(self.draft.txn, self.store, key, event, rows[one])
            if place is not None and self.draft.peek("outbox", place) is not None:
                if not self._recall(key, place):
                    return False
                places[one] = place
        for one, row in rows.items():
            if one in waits:
                self._cancel(event_key, event, one, row, places.get(one))
            elif row is not None:
                self._blank_delivery(event_key, one, row)
        return True

    def _cancel(
        self, event_key: bytes, event: EventRow, destination: str, row: DeliveryRow | None, place: bytes | None
    ) -> None:
        key = keys.destination(self._site, destination)
        if place is not None:
            self.draft.delete("outbox", place)
            self.draft.change_depth(key, -1)
            self.settled[key] += 1
        before = row or DeliveryRow(status="queued", destination=destination)
        after = msgspec.structs.replace(
            _blank(before), status="dropped", reason=REASON, next_at_ms=None, settled_at_ms=self.now_ms
        )
        self.draft.put("delivery", keys.delivery(event_key, key), DELIVERY.encode(after))
        changes = {column_of(row): -1, f"dropped:{REASON}": 1}
        self.draft.count(self._site, destination, event.received_at_ms, changes)
        self.counts["cancelled"] += 1
        self.delivered[destination] += _was_given(before)

    def _blank_delivery(self, event_key: bytes, destination: str, row: DeliveryRow) -> None:
        key = keys.delivery(event_key, keys.destination(self._site, destination))
        self.draft.put("delivery", key, DELIVERY.encode(_blank(row)))
        self.counts["deliveries"] += 1
        self.delivered[destination] += _was_given(row)

    def _delivery(self, event_key: bytes, destination: str) -> DeliveryRow | None:
        raw = self.draft.get("delivery", keys.delivery(event_key, keys.destination(self._site, destination)))
        try:
            return DELIVERY.decode(raw) if raw is not None else None
        except Unreadable:
            return DeliveryRow(status="dropped", destination=destination, reason="unreadable", words=" ")

    def _event(self, key: bytes) -> EventRow | None:
        raw = self.draft.get("event", key) if key else None
        try:
            return EVENT.decode(raw) if raw is not None else None
        except Unreadable:
            return None


def erase(store: Store, job: PrivacyRow, recall: Recall, now_ms: int) -> Part:
    """The next part of the job's messages. Where the last one is reached and some had to wait, it begins again."""
    cursor, looked_at, is_over = job.cursor, 0, True
    with store.read() as txn:
        eraser = Eraser(Draft(store, txn), store, job, recall, now_ms)
        found = 0
        for message in read_on(txn, store, job.site, job.cursor, job.asked_at_ms):
            if looked_at >= LOOKED_AT or found >= ERASED_AT_ONCE:
                is_over = False
                break
            cursor, looked_at = message.place, looked_at + 1
            found += eraser.message(message)
        rewrite = eraser.draft.done()
    is_again = job.is_again or eraser.pending > 0
    after = msgspec.structs.replace(
        job,
        is_again=is_again and not is_over,
        passes=job.passes + is_over,
        phase="rest" if is_over and not is_again else "erase",
        cursor=b"" if is_over else cursor,
        words="waits: some of it waits for its twin or for a platform's answer" if is_over and is_again else "",
        looked_at=job.looked_at + looked_at,
        **summed(job, eraser),
    )
    return Part(after=after, rewrite=rewrite, forget=eraser.forget, settled=dict(eraser.settled))


def summed(job: PrivacyRow, eraser: Eraser) -> dict[str, dict[str, int]]:
    """What the job has counted, with this part."""
    counts, delivered = Counter(job.counts), Counter(job.delivered)
    counts.update(eraser.counts)
    delivered.update(eraser.delivered)
    return {
        "counts": {name: count for name, count in counts.items() if count},
        "delivered": {name: count for name, count in delivered.items() if count},
    }


def without_person(event: Event) -> Event:
    """What is left of an event: that it happened, when, where it came from, and its amounts."""
    facts = {name: getattr(event.custom_data, name) for name in FACTS}
    return Event(
        site=event.site, event_name=event.event_name, event_id="", occurred_at_ms=event.occurred_at_ms,
        received_at_ms=event.received_at_ms, source=event.source, action_source=event.action_source,
        custom_data=CustomData(**facts), is_internal=event.is_internal, is_id_made=True,
    )  # fmt: skip


def _blank(row: DeliveryRow) -> DeliveryRow:
    """What was sent when, and what came of it; no words and no request, which may name somebody."""
    return msgspec.structs.replace(
        row, words="", content=None, attempts=tuple(_blank_attempt(one) for one in row.attempts)
    )


def _blank_attempt(attempt: AttemptRow) -> AttemptRow:
    return msgspec.structs.replace(attempt, words="", request=None)


def _blank_copy(copy: Copy) -> Copy:
    return msgspec.structs.replace(copy, event_id="", value="")


def _was_given(row: DeliveryRow) -> bool:
    """Whether its platform may have the event."""
    return row.status == "delivered" or any(
        one.status is not None or one.outcome == "delivered" for one in row.attempts
    )
