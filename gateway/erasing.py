"""Carries out exports and erasures in the core, one small commit after the other.

A step of an erasure is planned and committed while the core is at rest, so that no turn writes back what a warm actor
still knew; the deliveries it cancels are recalled from their dispatchers first, and one whose request is under way is
waited for. The same steps serve a command on the store of a stopped gateway, where nobody else writes.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.erasing import Part, Recall, erase
from actors.erasing_rest import erase_rest
from actors.finding import find, find_visitors
from gateway.exporting import Opened, write_export
from store import privacy
from store.env import Store
from store.mailbox import oldest_waiting_ms
from store.privacy import Step
from store.receipts import Close
from store.records import PrivacyRow, ReceiptRow
from store.writer import Writer, commit

POLL_S: Final = 0.5  # how soon a job that another process made is taken up
STEP_S: Final = 0.01  # between two steps: the writer and the loop belong to others
BEHIND: Final = "waits: the mailbox holds messages from before it"
NOT_OFFERED: Final = "{count} events were sent there; a deletion call is not offered: ask the platform"

log = structlog.get_logger()


class Hands(Struct, frozen=True, kw_only=True):
    """What a job needs of the process that carries it out. `recall` and `release`: of a delivery, by the key of its
    destination and its place in the outbox; `settled`: a destination's deliveries left its outbox."""

    store: Store
    writer: Writer
    now_ms: Callable[[], int]
    cursors: Callable[[], Mapping[int, int]]
    at_rest: Callable[[], AbstractAsyncContextManager[None]]
    forget: Callable[[Collection[bytes]], None]
    recall: Recall
    release: Callable[[bytes, bytes], None]
    settled: Callable[[bytes, int], None]
    open_plaintext: Opened


class Privacy:
    """`run` never returns; `work` returns once nothing can be done now."""

    def __init__(self, hands: Hands, poll_s: float = POLL_S) -> None:
        self._hands = hands
        self._poll_s = poll_s

    async def run(self) -> None:
        while True:
            await self.work()
            await trio.sleep(self._poll_s)

    async def work(self) -> None:
        """Every job as far as it comes."""
        for job in privacy.running(self._hands.store):
            await self._carry_out(job.number)

    async def _carry_out(self, number: int) -> None:
        is_on = True
        while is_on:
            is_on = await self._step(number)
            await trio.sleep(STEP_S)

    async def _step(self, number: int) -> bool:
        """One step of one job; False where it is over, or has to wait."""
        job = privacy.get(self._hands.store, number)
        if job is None or job.phase == "done":
            return False
        if job.phase == "find" and not job.cursor and not job.passes and self._is_behind(job):
            await self._commit(job, msgspec.structs.replace(job, words=BEHIND))
            return False
        match job.phase:
            case "find":
                return await self._commit(job, find(self._hands.store, job))
            case "states":
                return await self._commit(job, find_visitors(self._hands.store, job))
            case "write":
                return await self._export(job)
            case _:
                return await self._erase(job)

    def _is_behind(self, job: PrivacyRow) -> bool:
        oldest_ms = oldest_waiting_ms(self._hands.store, self._hands.cursors())
        return oldest_ms is not None and oldest_ms <= job.asked_at_ms

    async def _export(self, job: PrivacyRow) -> bool:
        """The file is written whole, or begun anew by the next process."""
        try:
            name, counts = await write_export(self._hands.store, job, self._hands.open_plaintext, self._hands.now_ms())
        except OSError as error:
            words = f"waits: its file cannot be written: {error.strerror}"
            await self._commit(job, msgspec.structs.replace(job, words=words))
            return False
        ended_ms = self._hands.now_ms()
        after = msgspec.structs.replace(
            job, phase="done", person=b"", file=name, counts=counts, words="", ended_at_ms=ended_ms
        )
        await self._commit(job, after)
        log.info("privacy_export_done", job=job.number, site=job.site, file=name, rows=counts)
        return False

    async def _erase(self, job: PrivacyRow) -> bool:
        """Reads, recalls, commits and forgets without a turn in between."""
        recalled: list[tuple[bytes, bytes]] = []

        def recall(destination_key: bytes, outbox_key: bytes) -> bool:
            is_free = self._hands.recall(destination_key, outbox_key)
            recalled.extend([(destination_key, outbox_key)] if is_free else [])
            return is_free

        async with self._hands.at_rest():
            cancelled: set[bytes] = set()
            try:
                part = self._plan(job, recall)
                after, close = self._closed(part.after) if part.after.phase == "done" else (part.after, None)
                step = Step(job, after, part.rewrite, close)
                with trio.CancelScope(shield=True):
                    await commit(self._hands.writer, step)
                if step.is_stale:
                    return True
                cancelled = {key for (database, key), raw in part.rewrite.puts.items() if database == "outbox"}
                self._hands.forget(part.forget)
            finally:
                for destination_key, outbox_key in recalled:
                    if outbox_key not in cancelled:
                        self._hands.release(destination_key, outbox_key)
        for destination_key, count in part.settled.items():
            self._hands.settled(destination_key, -count)
        return self._told(after)

    def _plan(self, job: PrivacyRow, recall: Recall) -> Part:
        if job.phase == "erase":
            return erase(self._hands.store, job, recall, self._hands.now_ms())
        return erase_rest(self._hands.store, job, self._hands.now_ms())

    def _told(self, after: PrivacyRow) -> bool:
        if after.phase == "done":
            log.info("privacy_erasure_done", job=after.number, site=after.site, rows=after.counts)
        return after.phase != "done" and not after.words

    def _closed(self, job: PrivacyRow) -> tuple[PrivacyRow, Close]:
        """The job at its end, which knows its person no more; and its receipt. Exports of the person go with it."""
        now_ms = self._hands.now_ms()
        counts = {**job.counts, **({"exports": gone} if (gone := _remove_exports(self._hands.store, job)) else {})}
        after = msgspec.structs.replace(job, counts=counts, person=b"", cursor=b"", ended_at_ms=now_ms)
        receipt = ReceiptRow(
            number=0, job=job.number, site=job.site, names=job.names, subject=job.subject, asked_by=job.asked_by,
            asked_at_ms=job.asked_at_ms, ended_at_ms=now_ms, looked_at=job.looked_at, counts=counts,
            platforms={name: NOT_OFFERED.format(count=count) for name, count in job.delivered.items()}, previous=b"",
        )  # fmt: skip
        return after, Close(receipt)

    async def _commit(self, job: PrivacyRow, after: PrivacyRow) -> bool:
        if after != job:
            await commit(self._hands.writer, Step(job, after))
        return True


def _remove_exports(store: Store, job: PrivacyRow) -> int:
    """Files about the same person that lie in the data directory still."""
    gone = 0
    for other in privacy.recent(store, privacy.KEPT):
        if other.file and other.site == job.site and set(other.subject) & set(job.subject):
            path = Path(store.path) / other.file
            gone += path.exists()
            path.unlink(missing_ok=True)
    return gone
