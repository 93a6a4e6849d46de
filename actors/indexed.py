"""Rows and keys of one database within a batch of turns: the store's, and over them what the batch wrote."""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import lmdb

from store import keys
from store.codec import Codec
from store.env import Store, fetch
from store.errors import Unreadable

LOOKED_AT: Final = 400  # keys of one digest

Put = tuple[str, bytes, bytes | None]  # database, key, value; None deletes
T = TypeVar("T")


class Index:
    """Keys of one database under a prefix, in order: the store's, and over them the batch's."""

    def __init__(self, database: str, store: Store, txn: lmdb.Transaction) -> None:
        self._database = database
        self._db = store.dbs[database]
        self._txn = txn
        self._cursor: lmdb.Cursor | None = None  # one for all that is asked: to open one costs as much as a seek
        self._changed: dict[bytes, bool] = {}  # key -> whether it is there now
        self._under: dict[bytes, list[bytes]] = {}  # prefix of 17 bytes -> keys that the batch touched

    def set(self, key: bytes, *, is_there: bool) -> None:
        if key not in self._changed:
            self._under.setdefault(key[: 1 + keys.KEY_BYTES], []).append(key)
        self._changed[key] = is_there

    def since(self, start: bytes, most: int = LOOKED_AT) -> list[bytes]:
        """Keys with the digest that `start` has, not before it."""
        prefix, found = start[: 1 + keys.KEY_BYTES], list[bytes]()
        cursor = self._cursor = self._cursor or self._txn.cursor(db=self._db)
        is_there = cursor.set_range(start)
        while is_there and len(found) < most and (key := bytes(cursor.key())).startswith(prefix):
            if self._changed.get(key, True):
                found.append(key)
            is_there = cursor.next()
        own = [key for key in self._under.get(prefix, ()) if self._changed[key] and key >= start]
        return sorted({*found, *own}) if own else found

    def puts(self) -> Iterator[Put]:
        for key, is_there in self._changed.items():
            yield self._database, key, b"" if is_there else None


class Rows(Generic[T]):
    """`unreadable`: rows that cannot be read, by database and key."""

    def __init__(self, database: str, codec: Codec[T], store: Store, txn: lmdb.Transaction) -> None:
        self.unreadable: dict[tuple[str, bytes], bytes] = {}
        self._database = database
        self._codec = codec
        self._db = store.dbs[database]
        self._txn = txn
        self._changed: dict[bytes, T | None] = {}

    def get(self, key: bytes) -> T | None:
        if key in self._changed:
            return self._changed[key]
        raw = fetch(self._txn, self._db, key)
        try:
            return self._codec.decode(raw) if raw is not None else None
        except Unreadable:
            self.unreadable[self._database, key] = raw or b""
            return None

    def set(self, key: bytes, row: T | None) -> None:
        """None deletes it."""
        self._changed[key] = row

    def puts(self) -> Iterator[Put]:
        for key, row in self._changed.items():
            yield self._database, key, self._codec.encode(row) if row is not None else None
