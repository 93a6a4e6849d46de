"""Events that the edge did not take, on their way to the traffic counters of their site and hour.

They have no commit of their own: they are summed here and written every `EVERY_S` seconds, and at the end of the
process. A crash loses what was not written yet, a few seconds of it; nothing was promised to their senders. Refusals
whose key names no site are no site's: they are in the metrics alone. Bounded by what is configured: sites, sources and
reasons are few.
"""

from collections import Counter
from functools import partial
from typing import Final

import trio

from store import keys, traffic
from store.errors import StoreBroken, StoreError
from store.traffic import Changes
from store.writer import Writer, WriteTxn

EVERY_S: Final = 10.0

Place = tuple[str, int]  # site, hour since 1970


class Refusals:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int, str, str]] = Counter()  # site, hour, source, reason

    def add(self, site: str, source: str, reason: str, count: int, at_ms: int) -> None:
        if site:
            self._counts[site, at_ms // keys.HOUR_MS, source, reason] += count

    async def run(self, writer: Writer) -> None:
        while True:
            await trio.sleep(EVERY_S)
            await self.write(writer)

    async def write(self, writer: Writer) -> None:
        """What could not be written waits for the next time; a broken store alone ends what counts."""
        taken, self._counts = self._counts, Counter()
        if not taken:
            return
        try:
            await writer.submit(partial(_add, taken)).wait()
        except StoreBroken:
            raise
        except StoreError:
            self._counts.update(taken)


def _add(taken: Counter[tuple[str, int, str, str]], write: WriteTxn) -> None:
    hours: dict[Place, Changes] = {}
    for (site, hour, source, reason), count in taken.items():
        hours.setdefault((site, hour), Changes()).add(("refused", source, reason), count)
    for (site, hour), changes in hours.items():
        traffic.add(write, site, hour * keys.HOUR_MS, changes)
