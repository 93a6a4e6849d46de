"""Takes what is due out of one destination's outbox, ready to be sent: read, checked for age, encoded.

What is taken stays in the outbox until it is settled; it is remembered so that it is not taken twice.
"""

import math
import traceback
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.consent import stricter
from actors.content import read_content, without_removed
from actors.destinations.base import Destination, Drop, Payload
from actors.event import Consent, Event
from actors.match_quality import estimate
from actors.observer import Observer
from actors.pacing import MOST_MS, age_s
from actors.redaction import Redactor
from actors.withdrawal import Said, said
from actors.work import Settled, Work, dropped, event_to_send, left_out, taken_back, work_of
from store import keys
from store.env import Store
from store.outbox import Due, due, strays, waiting_of
from store.records import DecidedRow, EventRow
from store.replays import cancelled
from store.retention import read_clock

IN_HAND: Final = 4_000  # deliveries taken and not settled, at most: half of them new, half of them retried
REPLAYS_IN_HAND: Final = 1_000  # and so many that are replayed
MOST: Final = {keys.NEW_LANE: IN_HAND // 2, keys.RETRY_LANE: IN_HAND // 2, keys.REPLAY_LANE: REPLAYS_IN_HAND}
FETCH: Final = 256  # rows read in one step
WITHDRAWN_MOST: Final = 500  # events of a visitor that takes consent back, the newest; others are met when due
FARTHEST_MS: Final = MOST_MS + 3_600_000  # no delivery is put off for longer
STALE_S: Final = 1.0  # what was taken longer ago is asked again whether its visitor still allows it
EXPIRY_S: Final = 60.0  # how often deliveries are looked for that have outlived their events' retention
RESCAN_S: Final = 10.0  # the lanes are read from their beginning so often, should the clock have gone back

OpenPlaintext = Callable[[Event, tuple[str, ...]], Event]

log = structlog.get_logger()


class Taken(Struct, frozen=True, kw_only=True):
    """`works` can be sent; `settled` never can. `next_due_ms`: when the next row is due that is not yet."""

    works: list[Work]
    settled: list[Settled]
    next_due_ms: int | None

    @property
    def is_empty(self) -> bool:
        return not self.works and not self.settled


class Taker:
    """Reads each lane by itself, so that new deliveries are not stuck behind a long line of retries or replays."""

    def __init__(
        self,
        site: str,
        destination: Destination,
        store: Store,
        now_ms: Callable[[], int],
        observer: Observer,
        redact: Redactor,
        open_plaintext: OpenPlaintext | None,
        rescan_s: float = RESCAN_S,
    ) -> None:
        self._in_hand: dict[int, set[bytes]] = {lane: set() for lane in keys.LANES}
        self._recalled: set[bytes] = set()  # of what is in hand: what must not be sent
        self._under_way: set[bytes] = set()  # and what is being sent
        self._site = site
        self._destination = destination
        self._key = keys.destination(site, destination.id)
        self._store = store
        self._now_ms = now_ms
        self._observer = observer
        self._redact = redact
        self._open = open_plaintext if destination.opens_plaintext() else None
        self._resume = dict.fromkeys(keys.LANES, b"")
        self._rescan_s = rescan_s
        self._rescan_at_s = self._expiry_at_s = -math.inf

    @property
    def is_full(self) -> bool:
        return all(self._most(lane) == 0 for lane in self._in_hand)

    def take(self) -> Taken:
        """What is due now, up to `FETCH` of each lane."""
        now_s, now_ms = trio.current_time(), self._now_ms()
        rows: list[Due] = []
        if now_s >= self._rescan_at_s:
            self._resume = dict.fromkeys(self._resume, b"")
            self._rescan_at_s = now_s + self._rescan_s
            rows = [row for lane in self._resume for row in self._strays(lane, now_ms)]
        times: list[int] = []
        for lane, resume in self._resume.items():
            if (most := self._most(lane)) == 0:
                continue
            scan = due(self._store, self._key, lane, resume, now_ms, most, self._in_hand[lane])
            self._resume[lane] = scan.resume
            times += [scan.next_due_ms] if scan.next_due_ms is not None else []
            rows += self._hold(lane, scan.rows)
        consents = self._stated([row.event for row in rows if row.event is not None])
        called_off = cancelled(self._store, {job for row in rows if (job := replayed_by(row)) is not None})
        taken = [self._called_off(row, called_off) or self._encode(row, now_ms, consents) for row in rows]
        return Taken(
            works=[one for one in taken if isinstance(one, Work)],
            settled=[one for one in taken if isinstance(one, Settled)],
            next_due_ms=min(times, default=None),
        )

    def expired(self, retention_ms: int) -> list[Settled]:
        """Deliveries, none of them in hand, whose events are past their time: retention waits for them alone. By the
        purge clock, so that a wall clock set wrong drops nothing."""
        now_s = trio.current_time()
        clock_ms = read_clock(self._store) if now_s >= self._expiry_at_s else None
        if clock_ms is None:
            return []
        cutoff_ms = clock_ms - retention_ms
        scans = [due(self._store, self._key, lane, b"", cutoff_ms, FETCH, held) for lane, held in self._in_hand.items()]
        rows = [row for scan in scans for row in scan.rows if row.received_at_ms <= cutoff_ms]
        self._expiry_at_s = now_s if rows else now_s + EXPIRY_S
        words, now_ms = "the event is older than its site keeps events", self._now_ms()
        works = [work_of(row, self._site) for row in rows]
        return [dropped(work, self._destination.id, "too_old", words, now_ms) for work in works]

    def withdrawn(self, visitor: str) -> list[Settled]:
        """Deliveries of a visitor's events that wait and may not be sent any more, since the visitor has denied what
        they need. What is in hand is asked again before it is sent."""
        now_ms, settled = self._now_ms(), list[Settled]()
        rows = waiting_of(self._store, self._key, self._site, visitor, WITHDRAWN_MOST)
        consents = self._stated([row.event for row in rows if row.event is not None])
        for row in rows:
            if row.event is None or not self.claim(row.outbox_key):
                continue
            one = self._encode(row, now_ms, consents)
            if isinstance(one, Settled) and one.row.reason == "consent_withdrawn":
                settled.append(one)
            else:
                self.release(row.outbox_key)
        return settled

    def _strays(self, lane: int, now_ms: int) -> list[Due]:
        held = self._in_hand[lane]
        return self._hold(lane, strays(self._store, self._key, lane, now_ms, FARTHEST_MS, self._most(lane), held))

    def _hold(self, lane: int, rows: list[Due]) -> list[Due]:
        self._in_hand[lane].update(row.outbox_key for row in rows)
        return rows

    def _most(self, lane: int) -> int:
        return max(0, min(FETCH, MOST[lane] - len(self._in_hand[lane])))

    def claim(self, outbox_key: bytes) -> bool:
        """Keeps a delivery from being taken until it is released; False where it is in hand."""
        held = self._in_hand[keys.read_outbox(outbox_key)[1]]
        if outbox_key in held:
            return False
        held.add(outbox_key)
        return True

    def release(self, outbox_key: bytes) -> None:
        """What was in hand when it was recalled is so again."""
        if outbox_key in self._recalled:
            self._recalled.discard(outbox_key)
        else:
            self._in_hand[keys.read_outbox(outbox_key)[1]].discard(outbox_key)

    def let_go(self, work: Work) -> None:
        """The delivery is settled, or waits in the outbox again."""
        self._in_hand[work.due.lane].discard(work.due.outbox_key)
        self._recalled.discard(work.due.outbox_key)

    def recall(self, outbox_key: bytes) -> bool:
        """Keeps a delivery from being sent, in hand or not, until it is released; False: its request is under way."""
        if outbox_key in self._under_way:
            return False
        if not self.claim(outbox_key):
            self._recalled.add(outbox_key)
        return True

    def begin(self, lot: Sequence[Work]) -> list[Work]:
        """Those of a lot that go out now; what was recalled meanwhile is let go of."""
        going = [work for work in lot if work.due.outbox_key not in self._recalled]
        for work in lot if len(going) < len(lot) else ():
            if work.due.outbox_key in self._recalled:
                self.let_go(work)
        self._under_way.update(work.due.outbox_key for work in going)
        return going

    def ended(self, lot: Sequence[Work]) -> None:
        """The request is over, whatever came of it."""
        self._under_way.difference_update(work.due.outbox_key for work in lot)

    def outdated(self, works: Sequence[Work]) -> list[Work]:
        """Those that have waited here for a while, and have grown too old, or whose visitors have denied something."""
        now_s = trio.current_time()
        waited = [work for work in works if now_s - work.taken_at_s > STALE_S]
        consents = self._stated([work.due.event for work in waited if work.due.event is not None])
        for work in waited:
            work.taken_at_s = now_s
        return [
            work
            for work in waited
            if now_s > work.good_until_s or _stricter(work.due.event, work.consent, consents) != work.consent
        ]

    def again(self, work: Work) -> Work | Settled:
        """The delivery as it is to be sent now, or why it no longer may be."""
        event = work.due.event
        return self._encode(work.due, self._now_ms(), self._stated([event] if event is not None else []), work)

    def _stated(self, events: Sequence[EventRow]) -> Said:
        return said(self._store, self._site, events)

    def _encode(self, row: Due, now_ms: int, consents: Said, work: Work | None = None) -> Work | Settled:
        """The delivery ready to send, or why it never can be. `work`: what it is in hand as already."""
        event = self._event(row)
        if row.event is None or event is None:
            return self._unreadable(row, now_ms)
        work = work or Work(row, row.event, Payload(b""))
        work.taken_at_s = trio.current_time()
        work.consent = _stricter(row.event, event.consent, consents)
        if work.consent != event.consent:
            was_denied, event = self._denied(row, event), msgspec.structs.replace(event, consent=work.consent)
            if (purpose := self._denied(row, event)) is not None and was_denied is None:
                words = f"the visitor has withdrawn consent ({purpose})"
                return dropped(work, self._destination.id, "consent_withdrawn", words, now_ms)
        if (late := self._late(work, event, now_ms)) is not None:
            return late
        payload = self._payload(event, row.event, work.content)
        if isinstance(payload, Drop):
            return dropped(work, self._destination.id, "not_encodable", self._redact(payload.reason), now_ms)
        work.payload = payload
        work.match = estimate(event, payload.carries, self._destination)
        return work

    def _event(self, row: Due) -> Event | None:
        """As it goes out. What its route made of it is with the delivery: without that it is not sent at all."""
        if row.event is None or row.body is None:
            return None
        content = row.delivery.content if row.delivery is not None else None
        decided = self._decided(row)
        if content is None and decided is not None and decided.has_content:
            return None
        return event_to_send(row.event, row.body, content)

    def _denied(self, row: Due, event: Event) -> str | None:
        """A purpose that the destination needs, or the route that decided, and the event denies."""
        decided = self._decided(row)
        asked = decided.consent if decided is not None else ()
        more = (purpose for purpose in asked if getattr(event.consent, purpose, None) == "denied")
        return self._destination.denied(event) or next(more, None)

    def _decided(self, row: Due) -> DecidedRow | None:
        """By which route it goes, where it is not the default one."""
        replayed = row.delivery.decided if row.delivery is not None else None
        return replayed or (row.event.decided.get(self._destination.id) if row.event is not None else None)

    def _called_off(self, row: Due, jobs: Collection[int]) -> Settled | None:
        """What becomes of a delivery whose replay was cancelled before it went out."""
        if replayed_by(row) not in jobs or row.event is None:
            return None
        return taken_back(work_of(row, self._site), self._destination.id)

    def _late(self, work: Work, event: Event, now_ms: int) -> Settled | None:
        """Why the delivery comes too late, where it does: a replayed one also past the platform's own window."""
        old_s, most_s = age_s(event.occurred_at_ms, work.received_at_ms, now_ms), self._destination.max_age_s(event)
        window_s = self._destination.deduplicates_for_s(event) if work.is_fenced else None
        bounds_s = [bound_s for bound_s in (most_s, window_s) if bound_s is not None]
        work.good_until_s = trio.current_time() + min(bounds_s) - old_s if bounds_s else math.inf
        if most_s is not None and old_s > most_s:
            words = f"the event is {old_s} s old; {self._destination.platform} takes at most {most_s} s"
            return dropped(work, self._destination.id, "too_old", words, now_ms)
        if window_s is not None and old_s > window_s:
            words = (
                f"the event is {old_s} s old; {self._destination.platform} drops a second copy for {window_s} s only"
            )
            return left_out(work, self._destination.id, words, now_ms)
        return None

    def _payload(self, event: Event, row: EventRow, content: bytes | None) -> Payload | Drop:
        try:
            return self._destination.encode(self._opened(event, row, content))
        except Exception as error:  # noqa: BLE001  an adapter's bug concerns its event alone
            adapter_failed(self._site, self._destination.id, "encode", error)
            return Drop(f"the adapter failed: {type(error).__name__}")

    def _opened(self, event: Event, row: EventRow, content: bytes | None) -> Event:
        """With its plaintext, for a destination that needs it; the sealed value may be that of any copy."""
        if self._open is None or event.user_data.sealed is None:
            return event
        opened = self._open(event, (event.event_id, row.event_id, *(copy.event_id for copy in row.copies)))
        changes = read_content(content) if content is not None else None
        return without_removed(opened, changes) if changes is not None else opened

    def _unreadable(self, row: Due, now_ms: int) -> Settled:
        """The row of the outbox, of the event or its body is damaged or gone: nothing can be sent."""
        self._observer.unreadable_row("event" if row.event is None else "log")
        work = work_of(row, self._site)
        return dropped(work, self._destination.id, "unreadable", "the stored event cannot be read", now_ms)


def replayed_by(row: Due) -> int | None:
    """The replay job that this delivery is in the queue for."""
    is_replay = row.lane == keys.REPLAY_LANE and row.delivery is not None and bool(row.delivery.replays)
    return row.delivery.replays[-1].job if is_replay and row.delivery is not None else None


def _stricter(row: EventRow | None, own: Consent, consents: Said) -> Consent:
    return stricter(own, consents.of(row)) if row is not None else own


def adapter_failed(site: str, destination: str, step: str, error: Exception) -> None:
    """One line with the place, never with the error's text: it may hold values of the event."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.name}:{frame.lineno}"
    log.error("adapter_failed", site=site, destination=destination, step=step, error=type(error).__name__, place=place)
