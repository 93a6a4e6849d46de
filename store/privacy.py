"""Jobs that export or erase a person: rows that outlive processes, and the writes that begin, move on and end them.

A job's place and all that a step of it changes are one commit. A step whose job has moved meanwhile, or one of whose
rows was changed by another commit since it was read, changes nothing: it is planned again.
"""

from typing import Final

import msgspec

from store import keys, receipts
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import PRIVACY, PrivacyRow
from store.rewriting import Rewrite
from store.writer import WriteTxn

NAME: Final = "privacy"
KEPT: Final = 1_000  # jobs on record; the oldest that are over go first, receipts stay


def get(store: Store, number: int) -> PrivacyRow | None:
    """Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], keys.privacy_job(number)) if number >= 0 else None
    return PRIVACY.decode(raw) if raw is not None else None


def running(store: Store) -> list[PrivacyRow]:
    """Jobs that are not over, the oldest first; without those that cannot be read: the consistency check names them."""
    found: list[PrivacyRow] = []
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.set_range(keys.RUNNING_JOBS)
        while is_there and (key := bytes(cursor.key())).startswith(keys.RUNNING_JOBS):
            row = _decode(fetch(txn, store.dbs[NAME], keys.privacy_job(keys.read_numbered(key))))
            found += [row] if row is not None and row.phase != "done" else []
            is_there = cursor.next()
    return found


def recent(store: Store, most: int) -> list[PrivacyRow]:
    """The latest jobs, the newest first; without those that cannot be read."""
    found: list[PrivacyRow] = []
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.prev() if cursor.set_range(keys.RUNNING_JOBS) else cursor.last()
        while is_there and len(found) < most and bytes(cursor.key()).startswith(keys.JOBS):
            row = _decode(bytes(cursor.value()))
            found += [row] if row is not None else []
            is_there = cursor.prev()
    return found


class Start:
    """The write that makes a job, with the next number. After the commit `row` is the job; one that the same cause has
    made before is that one, and no second is made."""

    def __init__(self, wanted: PrivacyRow) -> None:
        self._wanted = wanted
        self.row: PrivacyRow | None = None

    def __call__(self, write: WriteTxn) -> None:
        rows = _rows(write)
        self.row = next((row for row in rows.values() if row is not None and self._is_same(row)), None)
        if self.row is not None:
            return
        for number in list(rows)[: max(0, len(rows) - KEPT + 1)]:
            if write.get(NAME, keys.running_privacy_job(number)) is None:
                write.delete(NAME, keys.privacy_job(number))
        self.row = msgspec.structs.replace(self._wanted, number=max(rows, default=0) + 1)
        write.put(NAME, keys.privacy_job(self.row.number), PRIVACY.encode(self.row))
        write.put(NAME, keys.running_privacy_job(self.row.number), b"")

    def _is_same(self, row: PrivacyRow) -> bool:
        return bool(row.cause) and (row.cause, row.site) == (self._wanted.cause, self._wanted.site)


class Step:
    """The write that moves a job on from `before` to `after`, together with what it changes; one that ends an erasure
    writes its receipt. `is_stale`: nothing was done."""

    def __init__(
        self, before: PrivacyRow, after: PrivacyRow, rewrite: Rewrite | None = None, close: receipts.Close | None = None
    ) -> None:
        self.is_stale = False
        self._before = before
        self._after = after
        self._rewrite = rewrite
        self._close = close

    def __call__(self, write: WriteTxn) -> None:
        key = keys.privacy_job(self._before.number)
        self.is_stale = _decode(write.get(NAME, key)) != self._before or not self._change(write)
        if self.is_stale:
            return
        write.put(NAME, key, PRIVACY.encode(self._after))
        if self._after.phase == "done":
            write.delete(NAME, keys.running_privacy_job(self._after.number))
        if self._close is not None:
            self._close(write)

    def _change(self, write: WriteTxn) -> bool:
        return self._rewrite is None or self._rewrite.apply(write)


def _rows(write: WriteTxn) -> dict[int, PrivacyRow | None]:
    found: dict[int, PrivacyRow | None] = {}
    with write.cursor(NAME) as cursor:
        is_there = cursor.set_range(keys.JOBS)
        while is_there and (key := bytes(cursor.key())).startswith(keys.JOBS):
            found[keys.read_numbered(key)] = _decode(bytes(cursor.value()))
            is_there = cursor.next()
    return found


def _decode(raw: bytes | None) -> PrivacyRow | None:
    try:
        return PRIVACY.decode(raw) if raw is not None else None
    except Unreadable:
        return None
