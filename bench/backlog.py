"""What a running gateway still has to do, and how long deliveries took: read from its store, as any process may.

Reading the store costs the gateway nothing, while its metrics page takes some of the core it is measured on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.runtime import read_depths
from bench.errors import BenchFailed
from store.env import Store
from store.mailbox import depth, read_cursors
from store.records import DELIVERY, DeliveryRow

LOOK_S: Final = 0.05
STILL_S: Final = 20.0  # a backlog that has not shrunk for so long never will
ROWS_A_LOOK: Final = 5_000  # a long reader would keep the pages that the gateway frees meanwhile


class Depth(Struct, frozen=True, kw_only=True):
    messages: int  # in the mailbox
    deliveries: int  # in all outboxes

    @property
    def is_empty(self) -> bool:
        return self.messages == 0 and self.deliveries == 0


class Backlog:
    def __init__(self, store: Store, shards: int) -> None:
        self._store = store
        self._shards = shards

    def depth(self) -> Depth:
        messages = depth(self._store, read_cursors(self._store, self._shards))
        return Depth(messages=messages, deliveries=sum(read_depths(self._store).values()))

    def processed(self) -> int:
        """Messages that turns have taken, since the store was made."""
        return sum(read_cursors(self._store, self._shards).values())

    def wait_empty(self) -> float:
        """When nothing was left, by time.perf_counter. Raises BenchFailed where it does not get less."""
        least, since = None, time.perf_counter()
        while not (now := self.depth()).is_empty:
            left = now.messages + now.deliveries
            if least is None or left < least:
                least, since = left, time.perf_counter()
            if time.perf_counter() - since > STILL_S:
                raise BenchFailed(f"{now.messages} messages and {now.deliveries} deliveries stay where they are")
            time.sleep(LOOK_S)
        return time.perf_counter()

    def latencies_ms(self, from_ms: int, until_ms: int, destination: str | None = None) -> list[int]:
        """From arrival to the platform's yes, of the deliveries settled in that time; ascending."""
        rows = (row for row in self._deliveries() if row.settled_at_ms and from_ms <= row.settled_at_ms < until_ms)
        own = (row for row in rows if destination in (None, row.destination))
        return sorted(row.latency_ms for row in own if row.latency_ms is not None)

    def _deliveries(self) -> Iterator[DeliveryRow]:
        last = b""
        while raws := self._raws_after(last):
            last = raws[-1][0]
            yield from (DELIVERY.decode(value) for _, value in raws)

    def _raws_after(self, last: bytes) -> list[tuple[bytes, bytes]]:
        with self._store.read() as txn, txn.cursor(db=self._store.dbs["delivery"]) as cursor:
            if not cursor.set_range(last + b"\x00" if last else b"\x00"):
                return []
            found = ((bytes(key), bytes(value)) for key, value in cursor)
            return [row for row, _ in zip(found, range(ROWS_A_LOOK), strict=False)]


@contextmanager
def open_backlog(data_dir: Path) -> Iterator[Backlog]:
    """Of a gateway that has started once."""
    store = Store(data_dir, is_readonly=True)
    try:
        shards = store.shards()
        if shards is None:
            raise BenchFailed(f"{data_dir} was never served")
        yield Backlog(store, shards)
    finally:
        store.close()
