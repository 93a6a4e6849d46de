"""One delivery in a dispatcher's hand, and what is written when its attempt is over."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Struct

from actors.content import read_content, with_content
from actors.destinations.base import Again, Delivered, Drop, Pause, Payload, Refresh, Retry, Split, Verdict
from actors.enrichment import overlaid
from actors.event import Consent, Event
from actors.observer import Reason
from actors.pacing import OUTAGE_MOST_MS, elapsed_ms, next_attempt_ms
from store import keys
from store.outbox import Due
from store.records import DELIVERY, OUTBOX, AttemptRow, DeliveryRow, EventRow, MatchRow, OutboxRow
from store.writer import Apply, WriteTxn

ATTEMPTS_KEPT = 30
RETRIED = {keys.NEW_LANE: keys.RETRY_LANE, keys.RETRY_LANE: keys.RETRY_LANE, keys.REPLAY_LANE: keys.REPLAY_LANE}
AGAIN_MOST = 20  # a batch whose innocents were refused so often is halved: naming the bad one by one ends nowhere

_event_decoder = msgspec.msgpack.Decoder(Event)


class Work:
    """A delivery that was taken from the outbox and is not settled yet."""

    __slots__ = (
        "again", "attempts", "consent", "content", "decided", "delivery_id", "due", "first_ms", "good_until_s", "match",
        "payload", "received_at_ms", "refreshes", "replays", "status", "taken_at_s", "tries",
    )  # fmt: skip

    def __init__(self, due: Due, event: EventRow, payload: Payload) -> None:
        row = due.delivery
        self.due = due
        self.payload = payload
        self.received_at_ms = event.received_at_ms
        self.status: Literal["queued", "failed"] = "failed" if row is not None and row.status == "failed" else "queued"
        self.attempts: list[AttemptRow] = list(row.attempts) if row is not None else []
        self.tries = row.tries if row is not None else 0
        self.match = row.match if row is not None else None
        self.content = row.content if row is not None else None
        self.decided = row.decided if row is not None else None
        counted = [attempt.at_ms for attempt in self.attempts if attempt.counts][-self.tries :] if self.tries else []
        self.first_ms = counted[0] if counted else 0  # of this schedule: attempts before a replay are not of it
        self.replays = row.replays if row is not None else ()
        self.again = 0
        self.refreshes = 0
        self.consent = Consent()  # that it was encoded under
        self.taken_at_s = 0.0  # when that was looked up
        self.good_until_s = math.inf  # after that it may be too old for its platform
        self.delivery_id = delivery_id(due.event_key, due.outbox_key[:8])

    @property
    def sent_match(self) -> MatchRow | None:
        """The estimate for what was sent: for nothing, where there was no attempt."""
        return self.match if self.attempts else None

    @property
    def is_fenced(self) -> bool:
        """Whether it is replayed, and nobody insisted on sending it past its platform's deduplication window."""
        return self.due.lane == keys.REPLAY_LANE and bool(self.replays) and not self.replays[-1].is_past_window


class Settled(Struct, frozen=True, kw_only=True):
    """What one delivery became. `due_ms`: when it is tried again; None where it is over or stays where it is."""

    work: Work
    row: DeliveryRow
    due_ms: int | None = None
    is_over: bool = True  # it leaves its place in the outbox
    reason: Reason = "none"


def delivery_id(event_key: bytes, destination_key: bytes) -> str:
    """Stable over all attempts; letters and digits only."""
    return keys.digest16(event_key.hex(), destination_key.hex()).hex()


def work_of(due: Due, site: str) -> Work:
    """The delivery in hand; where its event cannot be read, with what is known of it."""
    blank = EventRow(
        site=site, event_id="", event_name="", source="", received_at_ms=due.received_at_ms, shard=0, sequence=0,
        status="processed",
    )  # fmt: skip
    return Work(due, due.event or blank, Payload(b""))


def event_to_send(row: EventRow, body: bytes, content: bytes | None = None) -> Event | None:
    """The event as a destination gets it: with the consent that was decided on and the gateway's own visit, and then
    as its route's transformation left it. None where any of it cannot be read."""
    try:
        event = _event_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    event = as_sent(event, msgspec.convert(row.consent, Consent), row.session_id, row.added)
    if content is None:
        return event
    changes = read_content(content)
    return with_content(event, changes) if changes is not None else None


def as_sent(event: Event, consent: Consent, session_id: str | None, added: Mapping[str, Any]) -> Event:
    """The event as it goes out by a route that transforms nothing."""
    if consent != event.consent:
        event = msgspec.structs.replace(event, consent=consent)
    known = dict(added) if session_id is None else {**added, "session_id": session_id}
    return overlaid(event, known) if known else event


def outcome_of(verdict: Verdict) -> Literal["delivered", "retry", "drop", "split", "pause", "refresh", "again"]:
    match verdict:
        case Delivered():
            return "delivered"
        case Retry():
            return "retry"
        case Drop():
            return "drop"
        case Split():
            return "split"
        case Pause():
            return "pause"
        case Refresh():
            return "refresh"
        case Again():
            return "again"


def words_of(verdict: Verdict) -> str:
    return verdict.note if isinstance(verdict, Delivered) else verdict.reason


def settle(
    work: Work, verdict: Delivered | Retry | Drop, destination: str, now_ms: int, reason: Reason, random: Random
) -> Settled:
    """The delivery's row after its last attempt was added to `work.attempts`."""
    attempts = tuple(work.attempts[-ATTEMPTS_KEPT:])
    words = attempts[-1].words if attempts else words_of(verdict)
    match verdict:
        case Delivered():
            row = DeliveryRow(
                status="delivered", destination=destination, attempts=attempts, tries=work.tries, words=words,
                replays=work.replays, content=work.content, decided=work.decided, settled_at_ms=now_ms,
                latency_ms=max(0, now_ms - work.received_at_ms), match=work.sent_match,
            )  # fmt: skip
            return Settled(work=work, row=row)
        case Drop():
            return dropped(work, destination, reason, words, now_ms)
        case Retry():
            return _again(work, verdict, destination, words, now_ms, reason, random)


def dropped(work: Work, destination: str, reason: Reason, words: str, now_ms: int) -> Settled:
    row = DeliveryRow(
        status="dropped", destination=destination, attempts=tuple(work.attempts[-ATTEMPTS_KEPT:]), tries=work.tries,
        replays=work.replays, content=work.content, decided=work.decided, reason=reason, words=words,
        settled_at_ms=now_ms, match=work.sent_match,
    )  # fmt: skip
    return Settled(work=work, row=row, reason=reason)


def left_out(work: Work, destination: str, words: str, now_ms: int) -> Settled:
    """A replayed delivery whose turn came past its platform's deduplication window: what was delivered stays so."""
    if work.replays[-1].status == "delivered":
        return _as_before(work, destination, words, "past_window")
    return dropped(work, destination, "past_window", words, now_ms)


def taken_back(work: Work, destination: str) -> Settled | None:
    """A replayed delivery whose job was cancelled: over, as it was before. None where it was still to be tried then."""
    mark = work.replays[-1]
    if mark.status not in ("delivered", "dropped"):
        return None
    return _as_before(work, destination, f"its replay by job {mark.job} was cancelled", "none")


def _as_before(work: Work, destination: str, words: str, reason: Reason) -> Settled:
    mark = work.replays[-1]
    row = DeliveryRow(
        status=mark.status, destination=destination, attempts=tuple(work.attempts[-ATTEMPTS_KEPT:]), tries=work.tries,
        replays=work.replays, content=work.content, decided=work.decided, reason=mark.reason, words=words,
        settled_at_ms=mark.settled_at_ms, latency_ms=mark.latency_ms, match=work.sent_match,
    )  # fmt: skip
    return Settled(work=work, row=row, reason=reason)


def _again(
    work: Work, verdict: Retry, destination: str, words: str, now_ms: int, reason: Reason, random: Random
) -> Settled:
    """On the schedule, or over. An attempt that does not count (a probe) is followed by one at its old place; but not
    for ever, since what no platform will ever take may be all that a destination has to probe with."""
    if work.attempts and not work.attempts[-1].counts:
        if elapsed_ms(now_ms, work.received_at_ms) > OUTAGE_MOST_MS:
            return dropped(work, destination, "attempts_exhausted", words, now_ms)
        return Settled(work=work, row=_waiting(work, destination, words, None), is_over=False, reason=reason)
    due_ms = next_attempt_ms(now_ms, work.tries, work.first_ms or now_ms, verdict.after_s, random)
    if due_ms is None:
        return dropped(work, destination, "attempts_exhausted", words, now_ms)
    row = _waiting(work, destination, words, due_ms)
    return Settled(work=work, row=msgspec.structs.replace(row, status="failed"), due_ms=due_ms, reason=reason)


def waiting(work: Work, destination: str, words: str) -> Settled:
    """A delivery that keeps its place, with its attempts on record: its destination is paused."""
    return Settled(work=work, row=_waiting(work, destination, words, None), is_over=False, reason="paused")


def _waiting(work: Work, destination: str, words: str, due_ms: int | None) -> DeliveryRow:
    return DeliveryRow(
        status=work.status, destination=destination, attempts=tuple(work.attempts[-ATTEMPTS_KEPT:]), tries=work.tries,
        replays=work.replays, content=work.content, decided=work.decided, words=words, next_at_ms=due_ms,
        match=work.sent_match,
    )  # fmt: skip


class Settlement:
    """The writes that record what deliveries became: rows, outbox, books, depth, all at once. After a commit `gone`
    has those that were in the outbox no more, since their event was erased meanwhile: nothing is written of these."""

    def __init__(self, site: str) -> None:
        self.gone: list[Settled] = []
        self._site = site

    def of(self, settled: Sequence[Settled]) -> Apply:
        rows = [(one, DELIVERY.encode(one.row)) for one in settled]

        def apply(write: WriteTxn) -> None:
            for one, raw in rows:
                self._settle(write, one, raw)

        return apply

    def _settle(self, write: WriteTxn, one: Settled, raw: bytes) -> None:
        due = one.work.due
        is_there = write.delete("outbox", due.outbox_key) if one.is_over else _waits(write, due)
        if not is_there:
            self.gone.append(one)
            return
        destination_key, lane, _, shard, sequence = keys.read_outbox(due.outbox_key)
        if due.event_key:  # else the outbox row was damaged: nobody knows whose delivery it was
            write.put("delivery", keys.delivery(due.event_key, destination_key), raw)
        if not one.is_over:
            return
        if one.due_ms is not None:
            key = keys.outbox(destination_key, RETRIED[lane], one.due_ms, shard, sequence)
            write.put("outbox", key, OUTBOX.encode(OutboxRow(due.event_key)))
        else:
            write.change_depth(destination_key, -1)
        _book(write, self._site, one)


def _waits(write: WriteTxn, due: Due) -> bool:
    return write.get("outbox", due.outbox_key) is not None


def _book(write: WriteTxn, site: str, one: Settled) -> None:
    """Moves the delivery from its old column of the books to its new one."""
    changes: dict[str, int] = {one.work.status: -1}
    column = f"dropped:{one.row.reason}" if one.row.status == "dropped" else one.row.status
    changes[column] = changes.get(column, 0) + 1
    write.count(site, one.row.destination, one.work.received_at_ms, changes)
