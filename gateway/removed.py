"""Ends what waits for a destination that was taken out of the configuration: dropped as `destination_deleted`.

Nobody would ever send it, and retention would keep its events for ever. Its row of `standing` goes too. Looks at the
start, after each publishing and now and then, since turns may have been planned with the configuration before. An
outbox is claimed in `retiring` meanwhile: a destination that comes back begins when the claim is given up.
"""

import contextlib
from collections.abc import Container
from typing import Final

import structlog
import trio

from actors.dispatcher import Hub
from actors.runtime import Core
from actors.work import Settlement, dropped, work_of
from store import keys, standing
from store.books import names_of
from store.errors import StoreFull
from store.outbox import Due, due
from store.writer import commit_in_parts

LOOK_S: Final = 30.0
STEP: Final = 200  # deliveries of a lane that are settled in one commit_in_parts
STEP_S: Final = 0.05  # between two commits: the writer and the loop belong to others
EVER_MS: Final = (1 << 63) - 1
WORDS: Final = "the destination was taken out of the configuration"

log = structlog.get_logger()


class Removed:
    """`run` never returns; `wake` says that another configuration was published."""

    def __init__(
        self,
        core: Core,
        hub: Hub,
        configured: Container[bytes],
        retiring: dict[bytes, trio.Event],
        look_s: float = LOOK_S,
    ) -> None:
        """`configured`: the keys of the destinations there are; `retiring`: whose dispatchers have not ended yet."""
        self._core = core
        self._hub = hub
        self._configured = configured
        self._retiring = retiring
        self._look_s = look_s
        self._published = trio.Event()

    def wake(self) -> None:
        self._published.set()

    async def run(self) -> None:
        while True:
            self._published = trio.Event()
            for key in [key for key, depth in self._core.depths.items() if depth > 0]:
                if key not in self._configured and key not in self._retiring:
                    await self._empty(key)
            await self._forget()
            with trio.move_on_after(self._look_s):
                await self._published.wait()

    async def _forget(self) -> None:
        """Nobody is to read on what a destination is doing that is there no more."""
        gone = [key for key in standing.strangers(self._hub.store, self._configured) if key not in self._retiring]
        if gone:
            with contextlib.suppress(StoreFull):  # then at the next look
                await self._hub.writer.submit(standing.forget(gone)).wait()

    async def _empty(self, key: bytes) -> None:
        ended = self._retiring[key] = trio.Event()
        try:
            names = names_of(self._hub.store, key)
            while key not in self._configured and names is not None and await self._step(key, *names):
                pass
        finally:
            ended.set()
            if self._retiring.get(key) is ended:
                del self._retiring[key]

    async def _step(self, key: bytes, site: str, destination: str) -> bool:
        """Settles some; False where there were none."""
        rows = self._rows(key)
        if not rows:
            return False
        now_ms = self._hub.now_ms()
        settled = [dropped(work_of(row, site), destination, "destination_deleted", WORDS, now_ms) for row in rows]
        with trio.CancelScope(shield=True):
            write = Settlement(site)
            await commit_in_parts(self._hub.writer, settled, write.of)
        settled = [one for one in settled if one not in write.gone]
        for one in settled:
            self._hub.observer.delivery(site, destination, "", one.row.status, one.reason)
        self._hub.on_settled(key, -len(settled))
        log.warning("removed_deliveries_dropped", site=site, destination=destination, deliveries=len(settled))
        await trio.sleep(STEP_S)
        return True

    def _rows(self, key: bytes) -> list[Due]:
        return [row for lane in keys.LANES for row in due(self._hub.store, key, lane, b"", EVER_MS, STEP, set()).rows]
