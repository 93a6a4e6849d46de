"""What the parts of the consistency check share: pages of rows, readers that report, and the list of problems."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeVar

import lmdb

from store.codec import Codec
from store.env import Store, fetch
from store.errors import StoreDamaged, Unreadable

PAGE: Final = 2_000  # rows in one read transaction: some 20 ms with what is looked up for them
PROBLEMS_KEPT: Final = 200

T = TypeVar("T")
Row = tuple[bytes, bytes]
Page = tuple[lmdb.Transaction, list[Row]]


class Findings:
    """Problems in the order in which they were found, and what was counted on the way."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._more = 0
        self.counted: Counter[str] = Counter()
        self.moving = 0

    def add(self, problem: str) -> None:
        if len(self._problems) < PROBLEMS_KEPT:
            self._problems.append(problem)
        else:
            self._more += 1

    def told(self) -> tuple[str, ...]:
        return (*self._problems, *([f"and {self._more} more"] if self._more else []))

    def read(self, database: str, codec: Codec[T], key: bytes, raw: bytes) -> T | None:
        """The record; one that cannot be read is a problem."""
        try:
            return codec.decode(raw)
        except Unreadable as error:
            self.add(f"{database} {key.hex()}: unreadable: {error}")
            return None


def pages(store: Store, database: str, prefix: bytes = b"", size: int = PAGE) -> Iterator[Page]:
    """All rows under a prefix in pages, each with the transaction it was read in, which ends before the next page."""
    after = b""
    while True:
        with store.read() as txn:
            rows = page(txn, store, database, prefix, after, size)
            if not rows:
                return
            if not after < rows[0][0] <= rows[-1][0]:  # a damaged tree: going on from there would never end
                raise StoreDamaged(f"reading {store.path}: the rows of {database} are not in order; restore a backup")
            yield txn, rows
        after = rows[-1][0]


def page(txn: lmdb.Transaction, store: Store, database: str, prefix: bytes, after: bytes, size: int) -> list[Row]:
    rows: list[Row] = []
    with txn.cursor(db=store.dbs[database]) as cursor:
        start = after + b"\x00" if after else prefix
        is_there = cursor.set_range(start) if start else cursor.first()
        while is_there and len(rows) < size and bytes(cursor.key()).startswith(prefix):
            rows.append((bytes(cursor.key()), bytes(cursor.value())))
            is_there = cursor.next()
    return rows


def decode(codec: Codec[T], raw: bytes | None) -> T | None:
    """None for a row that is gone, or unreadable: who lists unreadable rows reports it."""
    try:
        return codec.decode(raw) if raw is not None else None
    except Unreadable:
        return None


def get(txn: lmdb.Transaction, store: Store, database: str, key: bytes) -> bytes | None:
    return fetch(txn, store.dbs[database], key)
