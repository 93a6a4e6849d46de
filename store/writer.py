"""The one writing thread: takes all that waits, commits it in one synced transaction, then reports to each waiter.

A write transaction belongs to the thread that began it (one begun in a thread and committed in another leaves the
writer lock held for ever), so begin, puts and commit happen in one function of one dedicated thread. Work comes as
functions of a `WriteTxn`; a function that raises is undone alone: the transaction is aborted and the others are run
again without it.

An error of a commit that is not known to be harmless breaks the writer for good: after a failed fsync the next commit
can succeed quietly although pages are missing, so the process has to stop and open the store again.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import lmdb
import trio

from store import keys
from store.env import DAMAGE, Store, Usage, fetch
from store.errors import StoreBroken, StoreDamaged, StoreError, StoreFull, Unreadable
from store.records import BOOKS, SET_ASIDE, BooksRow, SetAside

T = TypeVar("T")

QUEUE_LIMIT = 20_000  # jobs waiting at most; past it the caller is told that there is no room
ROOM_EVERY_S = 0.05
FULL_AGAIN_S = 1.0
BUSY_FROM = 8  # writes in a group from which the next group is given a little time to gather:
GATHER_S = 0.0025  # a commit costs its pages and its sync, whether for 8 writes or for 80

# Errors of a put that leave the environment sound once the transaction is aborted (py-lmdb's own classes).
HARMLESS = (lmdb.MapFullError, lmdb.BadValsizeError, lmdb.KeyExistsError, lmdb.ReadersFullError)

Samples = dict[str, list[tuple[int, int]]]  # column of the books -> shard and sequence of messages
SAMPLES_KEPT = 10  # of a column, destination and hour


class WriteTxn:
    """A write transaction as jobs see it, with what is worth computing once per commit."""

    def __init__(self, store: Store, txn: lmdb.Transaction) -> None:
        self._dbs = store.dbs
        self._txn = txn
        self._tails: dict[int, int] = {}
        self._books: dict[bytes, tuple[str, str, dict[str, int], Samples]] = {}
        self._depths: dict[bytes, int] = {}

    def get(self, db: str, key: bytes) -> bytes | None:
        return fetch(self._txn, self._dbs[db], key)

    def put(self, db: str, key: bytes, value: bytes) -> None:
        self._txn.put(key, value, db=self._dbs[db])

    def delete(self, db: str, key: bytes) -> bool:
        return self._txn.delete(key, db=self._dbs[db])

    def set_aside(self, db: str, key: bytes, raw: bytes, at_ms: int) -> None:
        """Keeps a row that cannot be read where nothing stumbles over it again."""
        self.put("quarantine", keys.quarantine(db, key), SET_ASIDE.encode(SetAside(at_ms=at_ms, raw=raw)))

    def cursor(self, db: str) -> lmdb.Cursor:
        return self._txn.cursor(db=self._dbs[db])

    def append_log(self, shard: int, value: bytes) -> int:
        """Puts a message at the end of a shard; its sequence number."""
        tail = self._tails.get(shard)
        if tail is None:
            tail = log_tail(self._txn, self._dbs, shard)
        self._tails[shard] = tail + 1
        self._txn.put(keys.log(shard, tail + 1), value, db=self._dbs["log"], append=False)
        return tail + 1

    def count(
        self,
        site: str,
        destination: str,
        received_at_ms: int,
        changes: dict[str, int],
        samples: Samples | None = None,
    ) -> None:
        """Adds to the books of the hour in which the event arrived; written once per commit. `samples`: where some of
        the messages are that were counted, by column; the first of the hour are kept."""
        destination_key = keys.destination(site, destination) if destination else bytes(8)
        key = keys.books(site, received_at_ms, destination_key)
        _, _, counts, places = self._books.setdefault(key, (site, destination, {}, {}))
        for name, change in changes.items():
            counts[name] = counts.get(name, 0) + change
        for name, some in (samples or {}).items():
            places[name] = [*places.get(name, ()), *some]

    def change_depth(self, destination_key: bytes, change: int) -> None:
        """Deliveries in a destination's outbox, kept beside them."""
        self._depths[destination_key] = self._depths.get(destination_key, 0) + change

    def finish(self) -> None:
        """Writes what was added up. Called by the writer before it commits."""
        for key, (site, destination, changes, samples) in self._books.items():
            raw = self.get("books", key)
            row = self._books_row(key, raw, site, destination)
            for name, change in changes.items():
                row.counts[name] = row.counts.get(name, 0) + change
            for name, some in samples.items():
                row.samples[name] = [*row.samples.get(name, ()), *some][:SAMPLES_KEPT]
            self.put("books", key, BOOKS.encode(row))
        for key, change in self._depths.items():
            self.put("depth", key, keys.u64(self._depth(key, change)))

    def _depth(self, key: bytes, change: int) -> int:
        """The depth after the change; of a row that cannot be read, the deliveries counted, which is slow but right."""
        raw = self.get("depth", key)
        if raw is None or len(raw) == keys.U64_BYTES:
            return keys.number_or(raw, 0) + change
        return count_outbox(self._txn, self._dbs, key)

    def _books_row(self, key: bytes, raw: bytes | None, site: str, destination: str) -> BooksRow:
        """A row that cannot be read is set aside: counting must not stop what it counts."""
        try:
            if raw is not None:
                return BOOKS.decode(raw)
        except Unreadable:
            self.set_aside("books", key, raw or b"", keys.read_books(key)[1] * keys.HOUR_MS)
        return BooksRow(site=site, destination=destination)


def count_outbox(txn: lmdb.Transaction, dbs: Any, destination_key: bytes) -> int:
    """The deliveries in one outbox, row by row."""
    counted = 0
    with txn.cursor(db=dbs["outbox"]) as cursor:
        is_there = cursor.set_range(destination_key)
        while is_there and bytes(cursor.key()).startswith(destination_key):
            counted += 1
            is_there = cursor.next()
    return counted


def log_tail(txn: lmdb.Transaction, dbs: Any, shard: int) -> int:
    """The last sequence number of a shard, also when retention has taken its messages away."""
    with txn.cursor(db=dbs["log"]) as cursor:
        found = cursor.prev() if cursor.set_range(keys.shard(shard + 1)) else cursor.last()
        last = keys.read_log(bytes(cursor.key())) if found else (-1, 0)
    raw = fetch(txn, dbs["cursor"], keys.shard(shard))
    return max(last[1] if last[0] == shard else 0, keys.read_u64(raw) if raw else 0)


Apply = Callable[[WriteTxn], None]


class Ticket:
    """A write on its way. `await ticket.wait()` returns when it is on disk, or raises why it is not."""

    __slots__ = ("apply", "error", "is_done", "task")

    def __init__(self, apply: Apply) -> None:
        self.apply = apply
        self.error: StoreError | None = None
        self.is_done = False
        self.task: trio.lowlevel.Task | None = None

    async def wait(self) -> None:
        """A cancelled wait does not undo the write."""
        if not self.is_done:
            self.task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget)
        if self.error is not None:
            raise self.error

    def _forget(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def settle(self) -> None:
        self.is_done = True
        if self.task is not None:
            trio.lowlevel.reschedule(self.task)
            self.task = None


async def commit(writer: "Writer", apply: Apply) -> None:
    """For writes whose effects have happened or must happen: while there is no room, waits and tries again."""
    while True:
        try:
            await writer.submit(apply).wait()
        except StoreFull:
            await trio.sleep(FULL_AGAIN_S)
        else:
            return


async def commit_in_parts(writer: "Writer", rows: Sequence[T], write_of: Callable[[Sequence[T]], Apply]) -> None:
    """The same for rows that do not need each other: one commit where there is room, else in halves, as small as it
    takes. Each commit copies the pages it touches, so a store that is nearly full still has room for a few rows."""
    waiting = [rows]
    while waiting:
        part = waiting.pop()
        try:
            await writer.submit(write_of(part)).wait()
        except StoreFull:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]] if middle else [part]
            if not middle:
                await trio.sleep(FULL_AGAIN_S)


class CommitObserver(Protocol):
    """Who is told about each commit, in the loop."""

    def commit_done(self, duration_s: float, group: int) -> None: ...

    def store_bytes(self, used: int, budget: int) -> None: ...


class Writer(Protocol):
    """What the parts that write know of the writer."""

    def submit(self, apply: Apply) -> Ticket:
        """Hands a write over without a checkpoint. Raises StoreFull or StoreBroken at once where there is no chance."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether the edge may take more."""
        ...

    @property
    def usage(self) -> Usage: ...


class _Transactions:
    """Runs a group of jobs in one transaction: the part that both writers share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.usage: Usage = store.usage()

    def run(self, group: Sequence[Ticket]) -> None:
        """Commits the group; where a job spoils it, its halves apart, until the bad one stands alone.

        Raises StoreBroken, or StoreDamaged: nothing is sure.
        """
        try:
            self._commit(group)
        except Exception as error:
            if isinstance(error, DAMAGE):
                told = f"{error}; the file is damaged, restore a backup"
                raise StoreDamaged(f"committing {len(group)} writes: {told}") from error
            if isinstance(error, lmdb.Error) and not isinstance(error, HARMLESS):
                raise StoreBroken(f"committing {len(group)} writes: {error}") from error
            if len(group) == 1:
                group[0].error = _job_error(error)
                return
            middle = len(group) // 2
            self.run(group[:middle])
            self.run(group[middle:])

    def _commit(self, group: Sequence[Ticket]) -> None:
        with self._store.env.begin(write=True) as txn:
            write = WriteTxn(self._store, txn)
            for ticket in group:
                ticket.apply(write)
            write.finish()

    def look_for_room(self) -> None:
        self.usage = self._store.usage()


def _job_error(error: Exception) -> StoreError:
    if isinstance(error, lmdb.MapFullError):
        return StoreFull("the disk budget is used up")
    return StoreError(f"writing: {error!r}")


class ThreadWriter:
    """The writer of a running process. `run()` belongs in a nursery: it ends when the writer breaks or is closed."""

    def __init__(self, store: Store, observer: CommitObserver) -> None:
        self._transactions = _Transactions(store)
        self._observer = observer
        self._waiting: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._is_closed = False
        self._is_busy = False
        self._broken: StoreBroken | None = None
        self._ended = trio.Event()

    @property
    def has_room(self) -> bool:
        return self._transactions.usage.has_room and self._waiting.qsize() < QUEUE_LIMIT

    @property
    def usage(self) -> Usage:
        return self._transactions.usage

    def look_for_room(self) -> None:
        """Looks again at once: while nothing is committed, space may come from elsewhere."""
        self._transactions.look_for_room()

    def submit(self, apply: Apply) -> Ticket:
        if self._broken is not None or self._is_closed:
            raise self._broken or StoreBroken("the writer is closed")
        if self._waiting.qsize() >= QUEUE_LIMIT:
            raise StoreFull("too many writes are waiting")
        ticket = Ticket(apply)
        self._waiting.put(ticket)
        return ticket

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Raises StoreBroken when a commit failed; returns when closed and all that waited is on disk."""
        token = trio.lowlevel.current_trio_token()
        thread = threading.Thread(target=self._loop, args=(token,), name="store-writer", daemon=True)
        thread.start()
        task_status.started()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """Takes nothing more; what waits is still committed."""
        self._is_closed = True
        self._waiting.put(None)

    def _loop(self, token: trio.lowlevel.TrioToken) -> None:
        room_at = 0.0
        while (group := self._take()) is not None:
            started = time.perf_counter()
            try:
                self._transactions.run(group)
                now = time.perf_counter()
                if now >= room_at:
                    self._transactions.look_for_room()
                    room_at = now + ROOM_EVERY_S
            except BaseException as error:  # noqa: BLE001  whatever ends this thread must reach every waiter
                self._broken = error if isinstance(error, StoreBroken) else StoreBroken(f"writing: {error!r}")
                token.run_sync_soon(self._break, group)
                return
            token.run_sync_soon(self._settle, group, now - started)
        token.run_sync_soon(self._ended.set)

    def _take(self) -> list[Ticket] | None:
        """All that waits; None once the writer is closed and nothing is left."""
        first = self._waiting.get()
        group = [] if first is None else [first]
        if self._is_busy:
            time.sleep(GATHER_S)
        with contextlib.suppress(queue.Empty):
            while True:
                ticket = self._waiting.get_nowait()
                if ticket is None:
                    self._waiting.put(None)  # closed: said again once what came before is committed
                    break
                group.append(ticket)
        self._is_busy = len(group) >= BUSY_FROM
        return group or None

    def _settle(self, group: list[Ticket], duration_s: float) -> None:
        for ticket in group:
            ticket.settle()
        usage = self._transactions.usage
        self._observer.commit_done(duration_s, len(group))
        self._observer.store_bytes(usage.used_bytes, usage.capacity_bytes)

    def _break(self, group: list[Ticket]) -> None:
        """Tells everybody who waits that nothing is sure. Runs in the loop, so no `submit` can come between."""
        rest = [] if self._waiting.empty() else self._take() or []
        for ticket in (*group, *rest):
            ticket.error = self._broken
            ticket.settle()
        self._ended.set()


class InlineWriter:
    """Commits in the caller's own step: for one-shot commands, and for simulations on virtual time, where a task that
    waits for a thread would look idle to the clock."""

    def __init__(self, store: Store) -> None:
        self._transactions = _Transactions(store)

    @property
    def has_room(self) -> bool:
        return self._transactions.usage.has_room

    @property
    def usage(self) -> Usage:
        return self._transactions.usage

    def submit(self, apply: Apply) -> Ticket:
        ticket = Ticket(apply)
        self._transactions.run((ticket,))
        ticket.is_done = True
        return ticket
