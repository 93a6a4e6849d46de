"""Carries out replay jobs in the core, one small commit after the other, behind live traffic.

A job waits while its destination's outbox is more than half full: a replay must not make live events be dropped there.
It waits, too, while the store takes no events: what room is left is for what was accepted.
What it queues of deliveries that wait for their next attempt is claimed from the dispatcher until the commit is over,
and no dispatcher takes that outbox over meanwhile (`held`).
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec
import structlog
import trio

from actors.dispatcher import Dispatcher, Hub
from actors.replaying import LOOKED_AT, look
from actors.runtime import Core
from store import keys, replays
from store.records import ReplayRow
from store.replays import Cancel, Step
from store.writer import commit

POLL_S: Final = 0.5  # how soon a job that another process made is taken up
STEP_S: Final = 0.02  # between two commits: the writer and the loop belong to others
WAITS: Final = "waits: the outbox of its destination is more than half full"
NO_ROOM: Final = "waits: the store has no room"
PAUSED: Final = "waits: its destination is being set up"
HELD: Final = "waits: its destination is not in force; the log of the gateway says why"
REMOVED: Final = "the destination was taken out of the configuration"

Held = Callable[[bytes], AbstractAsyncContextManager[Dispatcher | None]]

log = structlog.get_logger()


class Replaying:
    """`run` never returns. `held`: the dispatcher of an outbox, which nobody replaces meanwhile; None: not now."""

    def __init__(self, core: Core, hub: Hub, held: Held, *, outbox_limit: int, poll_s: float = POLL_S) -> None:
        self._core = core
        self._hub = hub
        self._held = held
        self._room = max(1, outbox_limit // 2)
        self._poll_s = poll_s

    async def run(self) -> None:
        while True:
            jobs = replays.running(self._hub.store)
            self._hub.observer.replays_running(len(jobs))
            is_busy = [await self._step(job) for job in jobs]
            await trio.sleep(STEP_S if any(is_busy) else self._poll_s)

    async def _step(self, job: ReplayRow) -> bool:
        """One part of one job; False where it has to wait."""
        snapshot = self._core.snapshot
        site, destination = snapshot.sites.get(job.site), snapshot.destination(job.site, job.destination)
        if (job.site, job.destination) in snapshot.held:
            await self._say(job, HELD)
            return False
        if site is None or destination is None:
            await commit(self._hub.writer, Cancel(job.number, self._hub.now_ms(), REMOVED))
            return True
        if not self._hub.writer.has_room:
            await self._say(job, NO_ROOM)
            return False
        key = keys.destination(job.site, job.destination)
        most = min(LOOKED_AT, self._room - self._core.depths.get(key, 0))
        if most <= 0:
            await self._say(job, WAITS)
            return False
        async with self._held(key) as dispatcher:
            if dispatcher is None:
                await self._say(job, PAUSED)
                return False
            await self._queue(job, dispatcher, most)
        return True

    async def _queue(self, job: ReplayRow, dispatcher: Dispatcher, most: int) -> None:
        """Reads, claims and hands over without a checkpoint in between; what is claimed is released with the commit."""
        claimed: list[bytes] = []

        def claim(outbox_key: bytes) -> bool:
            is_free = dispatcher.claim(outbox_key)
            claimed.extend([outbox_key] if is_free else [])
            return is_free

        site = self._core.snapshot.sites[job.site]
        try:
            part = look(self._hub.store, job, site, dispatcher.destination, self._hub.now_ms(), most=most, claim=claim)
            step = Step(job, part.after, [one.move for one in part.chosen if one.move is not None])
            self._hub.at_point("before_replay")
            with trio.CancelScope(shield=True):
                await commit(self._hub.writer, step)
            self._hub.at_point("after_replay")
        finally:
            for outbox_key in claimed:
                dispatcher.release(outbox_key)
        self._tell(job, step, Counter(one.outcome for one in part.chosen))
        if step.moved:
            self._hub.on_settled(dispatcher.key, sum(move.old_outbox_key is None for move in step.moved))
            dispatcher.wake()

    def _tell(self, job: ReplayRow, step: Step, outcomes: Counter[str]) -> None:
        if step.is_stale:
            return
        outcomes["queued"] = len(step.moved)
        for outcome, count in outcomes.items():
            if count:
                self._hub.observer.replayed(job.site, job.destination, outcome, count)
        if step.after.state == "done":
            counts = step.after.counts
            log.info("replay_done", job=job.number, site=job.site, destination=job.destination, deliveries=counts)

    async def _say(self, job: ReplayRow, words: str) -> None:
        """What the job waits for, on record; once."""
        if job.words != words:
            await commit(self._hub.writer, Step(job, msgspec.structs.replace(job, words=words), []))
