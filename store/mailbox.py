"""The mailbox: a log of messages in shards, and a cursor per shard that says how far it is processed.

The log is the raw ledger: a consumed message stays until retention takes it.
"""

from collections.abc import Mapping
from typing import Any

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import StoreError, Unreadable
from store.records import LOG, LogRecord
from store.writer import Apply, WriteTxn, log_tail


class Logged(Struct, frozen=True):
    """One message of the log; `record` is None where the row cannot be read, `raw` is what is there."""

    shard: int
    sequence: int
    raw: bytes
    record: LogRecord | None


def append(records: list[tuple[int, bytes]]) -> Apply:
    """A write that puts encoded messages at the end of their shards, in order."""

    def apply(write: WriteTxn) -> None:
        for shard, value in records:
            write.append_log(shard, value)

    return apply


def read_cursors(store: Store, shards: int) -> dict[int, int]:
    """How far each shard is processed: the sequence number of the last message whose effects are on disk.

    Raises StoreError where a cursor cannot be read: from another place events would be lost, or processed twice.
    """
    with store.read() as txn:
        raw = {shard: fetch(txn, store.dbs["cursor"], keys.shard(shard)) for shard in range(shards)}
    return {shard: _cursor(shard, value) for shard, value in raw.items()}


def _cursor(shard: int, raw: bytes | None) -> int:
    try:
        return keys.read_u64(raw) if raw is not None else 0
    except Unreadable as error:
        told = "what it has processed is not known; restore a backup"
        raise StoreError(f"reading the cursor of shard {shard}: {error}: {told}") from error


def next_messages(txn: lmdb.Transaction, store: Store, shard: int, after: int, most: int) -> list[Logged]:
    """The messages of a shard that follow `after`, in order."""
    found: list[Logged] = []
    with txn.cursor(db=store.dbs["log"]) as cursor:
        if not cursor.set_range(keys.log(shard, after + 1)):
            return found
        for key, raw in cursor:
            number, sequence = keys.read_log(bytes(key))
            if number != shard or len(found) >= most:
                break
            found.append(Logged(shard, sequence, bytes(raw), _read(bytes(raw))))
    return found


def depth(store: Store, cursors: Mapping[int, int]) -> int:
    """Messages that wait, in all shards."""
    with store.read() as txn:
        return sum(max(0, log_tail(txn, store.dbs, shard) - cursor) for shard, cursor in cursors.items())


def oldest_waiting_ms(store: Store, cursors: Mapping[int, int]) -> int | None:
    """When the oldest message that waits arrived; None where none waits."""
    with store.read() as txn:
        found = [next_messages(txn, store, shard, cursor, 1) for shard, cursor in cursors.items()]
    times = [logged.record.received_at_ms for one in found for logged in one if logged.record is not None]
    return min(times, default=None)


def body_at(txn: lmdb.Transaction, dbs: Any, shard: int, sequence: int) -> bytes | None:
    """The body of one message; None where retention took it or it cannot be read."""
    record = record_at(txn, dbs, shard, sequence)
    return record.body if record is not None else None


def record_at(txn: lmdb.Transaction, dbs: Any, shard: int, sequence: int) -> LogRecord | None:
    """One message; None where retention took it or it cannot be read."""
    raw = fetch(txn, dbs["log"], keys.log(shard, sequence))
    return _read(raw) if raw is not None else None


def _read(raw: bytes) -> LogRecord | None:
    try:
        return LOG.decode(raw)
    except Unreadable:
        return None
