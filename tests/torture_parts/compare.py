"""What was acknowledged against what the platforms got and what the store holds."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import lmdb
import msgspec
import trio
from msgspec import Struct

from store import keys
from store.check import check
from store.env import Store
from store.errors import Unreadable
from store.mailbox import next_messages
from store.records import DELIVERY, EVENT
from tests.torture_parts.harness import Platforms, run_child

SHARDS = 16


class Held(Struct, frozen=True, kw_only=True):
    """What a store holds: ids of events, processed or in the mailbox; ids whose delivery still waits; faults."""

    ids: frozenset[str]
    waiting: frozenset[str]
    problems: tuple[str, ...]


class Compared(Struct, frozen=True, kw_only=True):
    acknowledged: int
    lost: int  # acknowledged, and the store does not know them
    undelivered: int  # acknowledged, neither delivered nor waiting for a retry
    waiting: int
    extra_webhook: int  # deliveries beyond the first of an event
    extra_meta: int
    problems: tuple[str, ...]

    def missed(self) -> list[str]:
        found = [
            f"{name}: {count}" for name, count in (("lost", self.lost), ("undelivered", self.undelivered)) if count
        ]
        return found + [f"store: {problem}" for problem in self.problems[:5]]


async def wait_drained(
    acked: Collection[str], platforms: Platforms, within_s: float, *, has_meta: bool = True
) -> float:
    """Seconds until the platforms had every acknowledged event, at most `within_s`."""
    began_s = time.monotonic()
    ids = set(acked)
    with trio.move_on_after(within_s):
        while True:
            if platforms.webhook().keys() >= ids and (not has_meta or platforms.meta().keys() >= ids):
                break
            await trio.sleep(0.05)
    return round(time.monotonic() - began_s, 2)


async def compare(acked: Iterable[str], platforms: Platforms, store: Path, *, has_meta: bool = True) -> Compared:
    """The store is read by a process of its own; nobody else may write to it meanwhile."""
    ids = set(acked)
    held = await hold(store)
    got = platforms.webhook().keys() & platforms.meta().keys() if has_meta else platforms.webhook().keys()
    return Compared(
        acknowledged=len(ids),
        lost=len(ids - held.ids),
        undelivered=len(ids - got - held.waiting),
        waiting=len(ids & held.waiting),
        extra_webhook=_extra(platforms.webhook()),
        extra_meta=_extra(platforms.meta()),
        problems=(*held.problems, *platforms.refused()[:5]),
    )


async def hold(store: Path) -> Held:
    code, output = await run_child([sys.executable, "-m", __name__, str(store)])
    if code != 0:
        return Held(ids=frozenset(), waiting=frozenset(), problems=(f"reading {store} ended with {code}",))
    return msgspec.json.decode(output, type=Held)


def read(path: Path) -> Held:
    """Raises StoreError."""
    store = Store(path, is_readonly=True)
    try:
        return read_open(store)
    finally:
        store.close()


def read_open(store: Store) -> Held:
    shards = store.shards() or SHARDS
    problems = check(store, shards).problems
    with store.read() as txn:
        names, problems = _events(store, txn, problems)
        ids = {event_id for found in names.values() for event_id in found} | set(_mailbox(store, txn, shards))
        waiting = {names[key][0] for key in _waiting(store, txn) if key in names}
    return Held(ids=frozenset(ids), waiting=frozenset(waiting), problems=problems)


def _events(
    store: Store, txn: lmdb.Transaction, problems: tuple[str, ...]
) -> tuple[dict[bytes, tuple[str, ...]], tuple[str, ...]]:
    """Ids of each event and its copies, by the event's key."""
    names: dict[bytes, tuple[str, ...]] = {}
    for key, raw in txn.cursor(db=store.dbs["event"]):
        try:
            row = EVENT.decode(bytes(raw))
        except Unreadable as error:
            problems = (*problems, f"event {bytes(key).hex()}: {error}")
            continue
        names[bytes(key)] = (row.event_id, *(copy.event_id for copy in row.copies))
    return names, problems


def _mailbox(store: Store, txn: lmdb.Transaction, shards: int) -> Iterator[str]:
    """Ids of what no turn has taken yet."""
    for shard in range(shards):
        cursor = txn.get(keys.shard(shard), db=store.dbs["cursor"])
        after = keys.read_u64(bytes(cursor)) if cursor is not None else 0
        for logged in next_messages(txn, store, shard, after, sys.maxsize):
            if logged.record is not None:
                yield msgspec.msgpack.decode(logged.record.body, type=_Named).event_id


def _waiting(store: Store, txn: lmdb.Transaction) -> Iterator[bytes]:
    """Keys of events with a delivery that was tried and waits for its next attempt."""
    for key, raw in txn.cursor(db=store.dbs["delivery"]):
        try:
            if DELIVERY.decode(bytes(raw)).status in ("queued", "failed"):
                yield bytes(key)[:-8]
        except Unreadable:
            continue


class _Named(Struct, frozen=True):
    event_id: str


def _extra(counted: Counter[str]) -> int:
    return sum(count - 1 for count in counted.values())


if __name__ == "__main__":
    print(msgspec.json.encode(read(Path(sys.argv[1]))).decode())
