"""Replay jobs: rows that outlive processes, and the writes that begin, move on and end them.

A job's cursor and what it queued are one commit, and a step whose job was moved on or ended by another process changes
nothing: no delivery is queued twice, none is skipped, wherever a process ends.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from store import keys
from store.books import column_of
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import DELIVERY, OUTBOX, REPLAY, DeliveryRow, OutboxRow, ReplayRow
from store.writer import WriteTxn

NAME: Final = "replay"
KEPT: Final = 500  # jobs on record; the oldest that are over go first


class Move(Struct, frozen=True, kw_only=True):
    """One delivery that is queued again. `before` and `raw`: its row as it was read."""

    event_key: bytes
    destination_key: bytes
    outbox_key: bytes
    old_outbox_key: bytes | None  # where it waited for its next attempt
    received_at_ms: int
    raw: bytes
    before: DeliveryRow
    row: DeliveryRow


def get(store: Store, number: int) -> ReplayRow | None:
    """Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], keys.replay(number)) if number >= 0 else None
    return REPLAY.decode(raw) if raw is not None else None


def running(store: Store) -> list[ReplayRow]:
    """Jobs that are not over, the oldest first; without those that cannot be read: the consistency check names them."""
    found: list[ReplayRow] = []
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.set_range(keys.RUNNING_REPLAYS)
        while is_there and (key := bytes(cursor.key())).startswith(keys.RUNNING_REPLAYS):
            row = _decode(fetch(txn, store.dbs[NAME], keys.replay(keys.read_replay(key))))
            found += [row] if row is not None and row.state == "running" else []
            is_there = cursor.next()
    return found


def cancelled(store: Store, numbers: Collection[int]) -> frozenset[int]:
    """Those of these jobs that were cancelled."""
    if not numbers:
        return frozenset()
    with store.read() as txn:
        rows = [_decode(fetch(txn, store.dbs[NAME], keys.replay(number))) for number in numbers]
    return frozenset(row.number for row in rows if row is not None and row.state == "cancelled")


def recent(store: Store, most: int) -> list[ReplayRow]:
    """The latest jobs, the newest first; without those that cannot be read."""
    found: list[ReplayRow] = []
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.prev() if cursor.set_range(keys.RUNNING_REPLAYS) else cursor.last()
        while is_there and len(found) < most and bytes(cursor.key()).startswith(keys.REPLAYS):
            row = _decode(bytes(cursor.value()))
            found += [row] if row is not None else []
            is_there = cursor.prev()
    return found


class Start:
    """The write that makes a job, with the next number; not while one runs for the same destination: `busy` is that
    one's number then. After the commit `row` is the job."""

    def __init__(self, wanted: ReplayRow) -> None:
        self._wanted = wanted
        self.row: ReplayRow | None = None
        self.busy: int | None = None

    def __call__(self, write: WriteTxn) -> None:
        self.row, self.busy = None, None
        numbers = _numbers(write, keys.REPLAYS)
        for number in _numbers(write, keys.RUNNING_REPLAYS):
            other = _decode(write.get(NAME, keys.replay(number)))
            if other is not None and (other.site, other.destination) == (self._wanted.site, self._wanted.destination):
                self.busy = number
                return
        _forget(write, numbers)
        self.row = msgspec.structs.replace(self._wanted, number=max(numbers, default=0) + 1)
        write.put(NAME, keys.replay(self.row.number), REPLAY.encode(self.row))
        write.put(NAME, keys.running_replay(self.row.number), b"")


class Cancel:
    """The write that calls a job off, also one that is done: what it has queued and has not gone out is taken back when
    its turn comes. After the commit `row` is the job as it is now; None where there is none."""

    def __init__(self, number: int, at_ms: int, words: str) -> None:
        self._number = number
        self._at_ms = at_ms
        self._words = words
        self.row: ReplayRow | None = None

    def __call__(self, write: WriteTxn) -> None:
        self.row = _decode(write.get(NAME, keys.replay(self._number))) if self._number > 0 else None
        if self.row is None or self.row.state == "cancelled":
            return
        self.row = msgspec.structs.replace(self.row, state="cancelled", words=self._words, ended_at_ms=self._at_ms)
        write.put(NAME, keys.replay(self._number), REPLAY.encode(self.row))
        write.delete(NAME, keys.running_replay(self._number))


class Step:
    """The write that moves a job on from `before` to `after`, together with what it queues. After the commit `moved`
    are the deliveries that were queued; those that something else has changed since stay as they are. `is_stale`: the
    job is not where it was read any more, and nothing was done."""

    def __init__(self, before: ReplayRow, after: ReplayRow, moves: Sequence[Move]) -> None:
        self.after = after
        self.is_stale = False
        self.moved: list[Move] = []
        self._before = before
        self._wanted = after
        self._moves = moves

    def __call__(self, write: WriteTxn) -> None:
        self.moved = []
        key = keys.replay(self._before.number)
        now = _decode(write.get(NAME, key))
        self.is_stale = now is None or now.state != "running" or now.cursor != self._before.cursor
        if self.is_stale:
            return
        self.moved = [move for move in self._moves if _is_unchanged(write, move)]
        for move in self.moved:
            _queue(write, self._wanted, move)
        self.after = self._counted()
        write.put(NAME, key, REPLAY.encode(self.after))
        if self.after.state != "running":
            write.delete(NAME, keys.running_replay(self.after.number))

    def _counted(self) -> ReplayRow:
        stayed = len(self._moves) - len(self.moved)
        if not stayed:
            return self._wanted
        counts = dict(self._wanted.counts)
        counts["queued"] = counts.get("queued", 0) - stayed
        counts["in_queue"] = counts.get("in_queue", 0) + stayed
        return msgspec.structs.replace(self._wanted, counts=counts)


def _is_unchanged(write: WriteTxn, move: Move) -> bool:
    if write.get("delivery", keys.delivery(move.event_key, move.destination_key)) != move.raw:
        return False
    return move.old_outbox_key is None or write.get("outbox", move.old_outbox_key) is not None


def _queue(write: WriteTxn, job: ReplayRow, move: Move) -> None:
    write.put("delivery", keys.delivery(move.event_key, move.destination_key), DELIVERY.encode(move.row))
    if move.old_outbox_key is not None:
        write.delete("outbox", move.old_outbox_key)
    else:
        write.change_depth(move.destination_key, 1)
    write.put("outbox", move.outbox_key, OUTBOX.encode(OutboxRow(move.event_key)))
    write.count(job.site, job.destination, move.received_at_ms, {column_of(move.before): -1, "queued": 1})


def _numbers(write: WriteTxn, prefix: bytes) -> list[int]:
    found: list[int] = []
    with write.cursor(NAME) as cursor:
        is_there = cursor.set_range(prefix)
        while is_there and (key := bytes(cursor.key())).startswith(prefix):
            found.append(keys.read_replay(key))
            is_there = cursor.next()
    return found


def _forget(write: WriteTxn, numbers: list[int]) -> None:
    """Makes room for one more."""
    for number in numbers[: max(0, len(numbers) - KEPT + 1)]:
        if write.get(NAME, keys.running_replay(number)) is None:
            write.delete(NAME, keys.replay(number))


def _decode(raw: bytes | None) -> ReplayRow | None:
    try:
        return REPLAY.decode(raw) if raw is not None else None
    except Unreadable:
        return None
