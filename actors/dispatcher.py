"""One destination: takes what is due, has the adapter encode and judge, sends, settles. Waits for nobody else.

What is taken stays in the outbox until it is settled, so a crash sends again what was under way and nothing else. Three
lines wait to be sent: parts of a refused batch first, then new and retried deliveries by turns. Nothing goes out
while the breaker is open, the platform asked for a pause, or its credentials are refused.
"""

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.batching import Lots
from actors.destinations.base import (
    Again,
    Attempt,
    Delivered,
    Destination,
    Drop,
    Pause,
    Refresh,
    Response,
    Retry,
    Split,
    Verdict,
)
from actors.gate import Gate, Heard
from actors.judging import Answer, alone, attempt_row, heeding, outcomes_of, quota_of, reason_of, verdicts_of
from actors.observer import Observer
from actors.redaction import Redactor, ids_of, secrets_of
from actors.sender import Sender
from actors.standing import Record
from actors.taking import RESCAN_S, OpenPlaintext, Taker, adapter_failed
from actors.tokens import AccessToken
from actors.work import (
    Settled,
    Settlement,
    Work,
    settle,
    waiting,
)
from store import keys, standing
from store.env import Store
from store.outbox import oldest_due_ms
from store.records import AttemptRow
from store.retention import LONGEST_MS
from store.writer import Writer, commit_in_parts

LINGER_S: Final = 0.05  # how long a batch that is not full waits for more
DENIALS_MOST: Final = 10_000  # visitors who took consent back, in hand at once
CLOSE_AFTER_S: Final = 5.0  # idle for so long, a transport would not use its connections again
PAYLOAD_KEPT_BYTES: Final = 65_536


class Hub(Struct, frozen=True, kw_only=True):
    """What every dispatcher of a core is given."""

    store: Store
    writer: Writer
    now_ms: Callable[[], int]
    random: Random
    observer: Observer
    on_settled: Callable[[bytes, int], None]  # destination key, change of its outbox's depth
    at_point: Callable[[str], None] = lambda _: None  # named points, where a crash test may stop the process
    retention_ms: Callable[[str], int] = lambda _: LONGEST_MS  # of a site
    rescan_s: float = RESCAN_S  # how often all lanes are read again, though nothing woke anybody
    stopwatch: Callable[[], float] = time.perf_counter


class Dispatcher:
    """`run` never returns; `wake` says that there may be something due; `statistics` is for metrics."""

    def __init__(
        self,
        site: str,
        destination: Destination,
        sender: Sender,
        hub: Hub,
        *,
        open_plaintext: OpenPlaintext | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        self.site = site
        self.destination = destination
        self.key = keys.destination(site, destination.id)
        self._sender = sender
        self._hub = hub
        self._redact = Redactor(secrets_of(destination), ids_of(destination))
        self._gate = Gate(destination, hub.random, self._redact)
        self._taker = Taker(
            site, destination, hub.store, hub.now_ms, hub.observer, self._redact, open_plaintext, hub.rescan_s
        )
        linger_s = linger_s if destination.limits.events > 1 else 0.0
        self._lots = Lots(destination.limits, linger_s, lambda: max(1, self._gate.in_flight_most // 2))
        self._is_connected, self._sent_s = False, 0.0  # whether connections may be open, and when one was used last
        self._next_due_ms: int | None = None
        self._token = AccessToken(destination, sender, hub.now_ms)
        self._work = trio.Event()
        self._denials: dict[str, None] = {}
        self._is_stopping = False
        self._idle = trio.Event()
        self.has_run = False
        self._record = Record(self.key, hub.writer, hub.now_ms)
        self._log = structlog.get_logger().bind(site=site, destination=destination.id)

    def wake(self) -> None:
        self._work.set()

    def probe_now(self) -> None:
        """Another configuration was published: whoever did it may have mended what the destination is paused for."""
        self._gate.probe_now()
        self._work.set()

    @property
    def pause_reason(self) -> str | None:
        """The platform's words, where it refused the credentials."""
        return self._gate.words if self._gate.paused_for == "credentials" else None

    @property
    def is_limping(self) -> bool:
        """Whether it sends nothing but a probe now and then."""
        return self._gate.paused_for == "error_share" or self._gate.breaker.state != "closed"

    def withdraw(self, visitor: str) -> None:
        """This visitor allows less than before: what waits of theirs is looked at now, whatever is paused. Of too many
        at once the rest is looked at when it is due."""
        if len(self._denials) < DENIALS_MOST:
            self._denials[visitor] = None
            self._work.set()

    def claim(self, outbox_key: bytes) -> bool:
        """Keeps a delivery that waits from being sent until `release`; False where it is in hand already."""
        return self._taker.claim(outbox_key)

    def release(self, outbox_key: bytes) -> None:
        self._taker.release(outbox_key)

    def recall(self, outbox_key: bytes) -> bool:
        """Keeps a delivery from being sent, in hand or not, until `release`; False where its request is under way."""
        return self._taker.recall(outbox_key)

    @property
    def _keeps_payloads(self) -> bool:
        """Never what was opened from its seal, though the configuration check refuses the pair as well."""
        return self.destination.keep_payloads and not self.destination.opens_plaintext()

    @property
    def platform(self) -> str:
        return self.destination.platform

    async def stop(self) -> None:
        """Begins nothing more; returns when no request is under way."""
        self._is_stopping = True
        while self._gate.under_way:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            with trio.CancelScope(shield=True):  # waits for nothing
                await self._sender.aclose()

    async def _run(self) -> None:
        self.has_run = True
        before = standing.read(self._hub.store, self.key)
        if before is not None and before.cause == "error_share" and self.destination.pause_share > 0:
            self._gate.go_on_paused(trio.current_time(), before.words)
        self._tell()
        async with trio.open_nursery() as nursery:
            while True:
                self._record.keep(*self._gate.standing())
                self._work = trio.Event()
                is_busy = await self._fetch()
                while self._may_send() and (lot := self._lots.take(trio.current_time(), self._most())) is not None:
                    self._gate.begin(trio.current_time())
                    nursery.start_soon(self._send, lot, self._gate.breaker.is_probing)
                    is_busy = True
                    await trio.lowlevel.checkpoint()  # tasks begun together start in any order; requests keep theirs
                if is_busy:
                    await trio.lowlevel.checkpoint()
                    continue
                with trio.move_on_after(self._idle_s()):
                    await self._work.wait()
                if self._close_wait_s() == 0:
                    self._is_connected = False
                    await self._sender.close_idle()

    # --- taking ---

    async def _fetch(self) -> bool:
        """Takes what is due; True where there may be more to take at once."""
        if self._is_stopping:
            return False
        if self._denials:
            if withdrawn := self._taker.withdrawn(self._denials.popitem()[0]):
                await self._commit(withdrawn)
            return True
        if expired := self._taker.expired(self._hub.retention_ms(self.site)):
            await self._commit(expired)
            return True
        if self._gate.is_shut or self._taker.is_full:
            return False
        taken = self._taker.take()
        self._next_due_ms = taken.next_due_ms
        for work in taken.works:
            self._lots.add(work, trio.current_time())
        if taken.settled:
            await self._commit(taken.settled)
        return not taken.is_empty

    # --- sending ---

    def _may_send(self) -> bool:
        now_s = trio.current_time()
        if self._is_stopping or self._lots.is_empty or not self._lots.is_ready(now_s):
            return False
        return self._gate.may_send(now_s)

    async def _still_allowed(self, lot: Sequence[Work]) -> Sequence[Work]:
        """The lot, where nothing in it has grown too old since it was taken, or was denied. Else these are judged once
        more, and what is left of all goes back in its order: what arrived later does not go before it."""
        outdated = self._taker.outdated(lot)
        if not outdated:
            return lot
        again = [self._taker.again(work) if work in outdated else work for work in lot]
        self._lots.put_back([one for one in again if isinstance(one, Work)])
        if settled := [one for one in again if isinstance(one, Settled)]:
            await self._commit(settled)
        return ()

    def _most(self) -> int:
        """A probe carries one delivery."""
        return 1 if self._gate.breaker.is_probing else self.destination.limits.events

    async def _send(self, lot: Sequence[Work], is_probe: bool) -> None:
        try:
            if allowed := self._taker.begin(await self._still_allowed(lot)):
                await self._attempt(allowed, is_probe)
            elif is_probe:
                self._gate.breaker.not_sent()
        finally:
            self._taker.ended(lot)
            self._lots.ended(lot)
            self._gate.end()
            self._is_connected, self._sent_s = True, trio.current_time()
            self._work.set()
            self._idle.set()

    async def _attempt(self, lot: Sequence[Work], is_probe: bool) -> None:
        self._hub.at_point("before_request")
        started, sent_s = self._hub.stopwatch(), trio.current_time()
        at_ms = self._hub.now_ms()
        answer, token = await self._request(lot, at_ms)
        latency_s = self._hub.stopwatch() - started
        self._hub.at_point("after_answer")
        quota = quota_of(self.site, self.destination, answer, self._hub.now_ms())
        verdicts = heeding(verdicts_of(self.site, self.destination, answer, lot), quota)
        if any(isinstance(verdict, Refresh) for verdict in verdicts):
            self._token.forget(token)
        finals = [alone(work, verdict, len(lot)) for work, verdict in zip(lot, verdicts, strict=True)]
        self._judge(
            finals,
            Heard(
                sent_s=sent_s,
                latency_s=latency_s,
                has_answer=isinstance(answer, Response),
                is_probe=is_probe,
                quota=quota,
            ),
        )
        for work, verdict, final in zip(lot, verdicts, finals, strict=True):
            counts = isinstance(final, Delivered | Drop) or (isinstance(final, Retry) and not is_probe)
            self._note(work, attempt_row(verdict, answer, at_ms, latency_s, len(lot), counts))
        await self._settle(lot, finals, answer)
        outcomes = outcomes_of(verdicts, answer)
        self._hub.observer.attempt(self.site, self.destination.id, self.platform, outcomes, latency_s)

    async def _request(self, lot: Sequence[Work], at_ms: int) -> tuple[Answer, str | None]:
        """The answer, and the access token that was sent."""
        token = await self._token.get()
        if isinstance(token, Pause | Retry):
            return token, None
        self._redact.learn(token)
        attempt = Attempt(
            at_ms=at_ms,
            number=max(work.tries for work in lot) + 1,
            delivery_ids=tuple(work.delivery_id for work in lot),
            access_token=token,
        )
        try:
            request = self.destination.request([work.payload for work in lot], attempt)
        except Exception as error:  # noqa: BLE001  an adapter's bug must not stop its destination
            adapter_failed(self.site, self.destination.id, "request", error)
            return Retry(f"the adapter failed: {type(error).__name__}"), token
        return await self._sender.send(request), token

    # --- judging ---

    def _judge(self, finals: Sequence[Verdict], heard: Heard) -> None:
        """What the answer says about the platform; a pause that it brings is logged, and told at once."""
        was = self._gate.paused_for
        self._gate.judge(trio.current_time(), finals, heard)
        if self._gate.paused_for != was:
            self._tell()
            if self._gate.paused_for:
                self._log.error("destination_paused", cause=self._gate.paused_for, words=self._gate.words)
            else:
                self._log.info("destination_resumed", cause=was)
        if self._gate.is_shut:
            for work in self._lots.clear():  # retention may outlive them: they are not to be held here
                self._taker.let_go(work)
        self._hub.observer.breaker(self.site, self.destination.id, self._gate.breaker.state)

    def _tell(self) -> None:
        self._hub.observer.paused(self.site, self.destination.id, self._gate.paused_for)

    def tell_pace(self) -> None:
        """The bounds in force now, for metrics: they change with time alone, too."""
        rate = self._gate.requests_per_s(trio.current_time())
        self._hub.observer.pace(self.site, self.destination.id, rate, self._gate.in_flight_most)

    def _note(self, work: Work, attempt: AttemptRow) -> None:
        """Puts the attempt on record. A failed probe costs none: the breaker asked for it, not the schedule."""
        work.tries += attempt.counts
        if attempt.counts and not work.first_ms:
            work.first_ms = attempt.at_ms
        body = work.payload.body[:PAYLOAD_KEPT_BYTES] if self._keeps_payloads else None
        work.attempts.append(msgspec.structs.replace(attempt, words=self._redact(attempt.words), request=body))

    # --- settling ---

    async def _settle(self, lot: Sequence[Work], finals: Sequence[Verdict], answer: Answer) -> None:
        now_ms = self._hub.now_ms()
        settled: list[Settled] = []
        split: list[Work] = []
        again: list[Work] = []
        for work, verdict in zip(lot, finals, strict=True):
            match verdict:
                case Split():
                    split.append(work)
                case Again() | Refresh():
                    again.append(work)
                case Pause():
                    settled.append(waiting(work, self.destination.id, self._redact(verdict.reason)))
                case (Delivered() | Retry() | Drop()) as final:
                    reason = reason_of(final, answer)
                    settled.append(settle(work, final, self.destination.id, now_ms, reason, self._hub.random))
        self._lots.split(split)
        self._lots.add_first(again)
        if settled:
            await self._commit(settled)

    async def _commit(self, settled: Sequence[Settled]) -> None:
        """Only when it is on disk is anything counted, or forgotten. Shielded: whoever takes over this outbox must find
        there what is settled."""
        self._hub.at_point("before_settle")
        with trio.CancelScope(shield=True):
            write = Settlement(self.site)
            await commit_in_parts(self._hub.writer, settled, write.of)
        self._hub.at_point("after_settle")
        gone = 0
        for one in settled:
            self._taker.let_go(one.work)
            if one in write.gone:
                continue
            gone += one.is_over and one.due_ms is None
            latency_s = one.row.latency_ms / 1000 if one.row.latency_ms is not None else None
            self._hub.observer.delivery(
                self.site, self.destination.id, self.platform, one.row.status, one.reason, latency_s
            )
            if one.row.status == "delivered" and (match := one.row.match) is not None:
                self._hub.observer.match_quality(self.site, self.destination.id, self.platform, match.tenths / 10)
        self._hub.on_settled(self.key, -gone)

    def _idle_s(self) -> float:
        """How long there is nothing to do, unless somebody wakes us. Never 0 while what waits may not go out."""
        waits = [self._hub.rescan_s]
        if (close_s := self._close_wait_s()) is not None:
            waits.append(close_s)
        if not self._gate.is_shut and not self._is_stopping:
            if (send_s := self._send_wait_s()) is not None:
                waits.append(send_s)
            if self._next_due_ms is not None and not self._taker.is_full:
                waits.append(max(0.0, (self._next_due_ms - self._hub.now_ms()) / 1000))
        return min(waits)

    def _close_wait_s(self) -> float | None:
        """How long until connections that nothing uses are closed; None where there are none or a request uses one."""
        if self._gate.under_way or not self._is_connected:
            return None
        return max(0.0, self._sent_s + CLOSE_AFTER_S - trio.current_time())

    def _send_wait_s(self) -> float | None:
        """How long until the next request may go out; None where that is not a matter of time."""
        now_s = trio.current_time()
        linger_s, gate_s = self._lots.linger_s(now_s), self._gate.wait_s(now_s)
        return max(linger_s, gate_s) if linger_s is not None and gate_s is not None else None

    def oldest_due_age_s(self) -> float:
        """For how long the oldest delivery has been due; 0 where none is."""
        oldest_ms = oldest_due_ms(self._hub.store, self.key)
        return max(0.0, (self._hub.now_ms() - oldest_ms) / 1000) if oldest_ms is not None else 0.0
