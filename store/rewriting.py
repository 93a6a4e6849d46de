"""Rows that are read, changed in memory and written in one commit, if none of them has changed meanwhile.

Who plans reads through a `Draft`, which sees what the plan itself has changed; the `Rewrite` that it makes names every
row together with the bytes it was read as.
"""

import lmdb
from msgspec import Struct

from store.env import Store, fetch
from store.writer import WriteTxn

Place = tuple[str, bytes]  # database, key


class Counted(Struct, frozen=True):
    """A change of the books of the hour in which an event arrived."""

    site: str
    destination: str
    received_at_ms: int
    changes: dict[str, int]


class Rewrite(Struct, frozen=True, kw_only=True):
    """What one commit changes. `depths`: destination key -> change of its outbox."""

    read_as: dict[Place, bytes | None]
    puts: dict[Place, bytes | None]  # None deletes
    counted: list[Counted]
    depths: dict[bytes, int]

    def apply(self, write: WriteTxn) -> bool:
        """False, and nothing is changed, where a row is not as it was read."""
        if any(write.get(*place) != raw for place, raw in self.read_as.items()):
            return False
        for (database, key), raw in self.puts.items():
            if raw is None:
                write.delete(database, key)
            else:
                write.put(database, key, raw)
        for one in self.counted:
            write.count(one.site, one.destination, one.received_at_ms, one.changes)
        for destination_key, change in self.depths.items():
            write.change_depth(destination_key, change)
        return True


class Draft:
    """A plan in the making, over one read transaction."""

    def __init__(self, store: Store, txn: lmdb.Transaction) -> None:
        self._store = store
        self.txn = txn
        self._read_as: dict[Place, bytes | None] = {}
        self._puts: dict[Place, bytes | None] = {}
        self._counted: list[Counted] = []
        self._depths: dict[bytes, int] = {}

    def get(self, database: str, key: bytes) -> bytes | None:
        place = database, key
        if place in self._puts:
            return self._puts[place]
        raw = fetch(self.txn, self._store.dbs[database], key)
        self._read_as[place] = raw
        return raw

    def peek(self, database: str, key: bytes) -> bytes | None:
        """Without making the plan depend on it."""
        place = database, key
        return self._puts[place] if place in self._puts else fetch(self.txn, self._store.dbs[database], key)

    def planned(self, database: str, prefix: bytes) -> list[bytes]:
        """Keys under a prefix that the plan writes."""
        return [key for (own, key), raw in self._puts.items() if own == database and raw and key.startswith(prefix)]

    def put(self, database: str, key: bytes, raw: bytes) -> None:
        self.get(database, key)
        self._puts[database, key] = raw

    def delete(self, database: str, key: bytes) -> bool:
        """False where there is no such row."""
        if self.get(database, key) is None:
            return False
        self._puts[database, key] = None
        return True

    def count(self, site: str, destination: str, received_at_ms: int, changes: dict[str, int]) -> None:
        self._counted.append(Counted(site, destination, received_at_ms, changes))

    def change_depth(self, destination_key: bytes, change: int) -> None:
        self._depths[destination_key] = self._depths.get(destination_key, 0) + change

    def done(self) -> Rewrite:
        return Rewrite(read_as=self._read_as, puts=self._puts, counted=self._counted, depths=self._depths)
