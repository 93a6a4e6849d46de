"""The stored part of the configuration: versions of one document, the newest of which is in force.

`switch` writes the next version in one commit, made from the one that the write transaction itself finds: processes
that change it at once come one after the other. A version that cannot be read is passed over, and set aside by the
next switch.
"""

from collections.abc import Callable
from typing import TypeVar

import lmdb
import msgspec
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import StoreError, Unreadable
from store.records import SEALING_KEY, STORED_CONFIG, SealingKey, StoredConfig
from store.writer import Apply, Writer, WriteTxn

NAME = "config"
KEPT = 100  # versions
_END = keys.STORED_CONFIG[:-1] + b"\x01"  # after every key of a version

T = TypeVar("T")
Rows = list[tuple[bytes, bytes]]
Change = Callable[[StoredConfig], StoredConfig]


class Found(Struct, frozen=True, kw_only=True):
    """The version in force; `unreadable` newer ones are passed over. `number`: of the newest, readable or not."""

    config: StoredConfig = StoredConfig()
    number: int = 0
    unreadable: int = 0


class Switching(Struct, frozen=True, kw_only=True):
    """A version that is to be written. `older`: earlier ones that change with it; `rows`: those there are."""

    made: StoredConfig
    older: list[tuple[bytes, StoredConfig]]
    rows: Rows


def number(store: Store) -> int:
    """The number of the newest version: one step of one cursor, cheap enough to be asked a few times a second."""
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.prev() if cursor.set_range(_END) else cursor.last()
        key = bytes(cursor.key()) if is_there else b""
    return _number(key)


def latest(store: Store) -> Found:
    """The version in force: the newest that can be read."""
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        return _newest(cursor)


def history(store: Store) -> list[StoredConfig]:
    """The versions that can be read, the newest first."""
    return [config for _, config in reversed(_readable(_rows_of(store)))]


async def switch(writer: Writer, change: Change, *, at_ms: int, words: str, is_for_all: bool = False) -> StoredConfig:
    """The version that `change` makes of the one in force, on disk. What `change` raises is raised, and nothing kept.

    `change` is run in the writing thread, and again where another write spoiled its group. `is_for_all`: it is made of
    each older version too, in the same commit, under its own number. `words`: what was done; empty: `change` says it.
    """

    def plan(write: WriteTxn) -> Switching:
        return plan_switch(write, change, at_ms=at_ms, words=words, is_for_all=is_for_all)

    return (await in_one_commit(writer, plan, put_switch)).made


async def in_one_commit(writer: Writer, plan: Callable[[WriteTxn], T], put: Callable[[WriteTxn, T], None]) -> T:
    """What `plan` made of that which the write transaction itself finds; `put` has written it. What `plan` raises is
    raised, and nothing is kept."""
    outcome: list[T | Exception] = []

    def apply(write: WriteTxn) -> None:
        outcome.clear()
        try:
            planned = plan(write)
        except (lmdb.Error, StoreError):
            raise
        except Exception as error:  # noqa: BLE001  raised to the caller below: it says nothing about the write
            outcome.append(error)
            return
        put(write, planned)
        outcome.append(planned)

    await writer.submit(apply).wait()
    (told,) = outcome
    if isinstance(told, Exception):
        raise told
    return told


def plan_switch(write: WriteTxn, change: Change, *, at_ms: int, words: str, is_for_all: bool = False) -> Switching:
    """As `switch`, to be written with `put_switch` in the same transaction."""
    with write.cursor(NAME) as cursor:
        found, rows = _newest(cursor), _rows(cursor)
    changed = change(msgspec.structs.replace(found.config, version=found.number))
    made = msgspec.structs.replace(changed, version=found.number + 1, at_ms=at_ms, change=words or changed.change)
    older = [(key, change(one)) for key, one in _readable(rows)] if is_for_all else []
    return Switching(made=made, older=older, rows=rows)


def put_switch(write: WriteTxn, planned: Switching) -> None:
    made = planned.made
    for key, config in (*planned.older, (keys.stored_config(made.version), made)):
        write.put(NAME, key, STORED_CONFIG.encode(config))
    _tidy(write, planned.rows, made.at_ms)


def sealing_key(store: Store) -> bytes | None:
    """The id of the secret key that the gateway seals with; None where it was not told."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], keys.SEALING_KEY)
    try:
        return SEALING_KEY.decode(raw).key_id if raw is not None else None
    except Unreadable:
        return None


def put_sealing_key(key_id: bytes) -> Apply:
    def apply(write: WriteTxn) -> None:
        write.put(NAME, keys.SEALING_KEY, SEALING_KEY.encode(SealingKey(key_id=key_id)))

    return apply


def _tidy(write: WriteTxn, rows: Rows, at_ms: int) -> None:
    """Sets aside what cannot be read, and lets the oldest go."""
    for key, raw in rows:
        if _read(raw) is None:
            write.set_aside(NAME, key, raw, at_ms)
            write.delete(NAME, key)
    for key, _ in rows[: max(0, len(rows) + 1 - KEPT)]:
        write.delete(NAME, key)


def _rows_of(store: Store) -> Rows:
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        return _rows(cursor)


def _rows(cursor: lmdb.Cursor) -> Rows:
    """All versions, the oldest first."""
    found: Rows = []
    is_there = cursor.set_range(keys.STORED_CONFIG)
    while is_there and bytes(cursor.key()).startswith(keys.STORED_CONFIG):
        found.append((bytes(cursor.key()), bytes(cursor.value())))
        is_there = cursor.next()
    return found


def _newest(cursor: lmdb.Cursor) -> Found:
    is_there = cursor.prev() if cursor.set_range(_END) else cursor.last()
    newest, unreadable = 0, 0
    while is_there and (key := bytes(cursor.key())).startswith(keys.STORED_CONFIG):
        newest = newest or _number(key)
        if (config := _read(bytes(cursor.value()))) is not None:
            return Found(config=config, number=newest, unreadable=unreadable)
        unreadable += 1
        is_there = cursor.prev()
    return Found(number=newest, unreadable=unreadable)


def _readable(rows: Rows) -> list[tuple[bytes, StoredConfig]]:
    return [(key, config) for key, raw in rows if (config := _read(raw)) is not None]


def _read(raw: bytes) -> StoredConfig | None:
    try:
        return STORED_CONFIG.decode(raw)
    except Unreadable:
        return None


def _number(key: bytes) -> int:
    return keys.read_stored_config(key) if key.startswith(keys.STORED_CONFIG) else 0
