"""The writing thread: commits together what waits, undoes alone what raises, tells everybody when it breaks."""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import lmdb
import pytest
import trio
import trio.testing

from actors.observer import Observer
from store.env import Store, fetch
from store.errors import StoreBroken, StoreError, StoreFull
from store.writer import QUEUE_LIMIT, Apply, InlineWriter, ThreadWriter, Ticket, WriteTxn, commit, commit_in_parts
from tests.support.writing import writing


class Groups(Observer):
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def commit_done(self, duration_s: float, group: int) -> None:
        self.sizes.append(group)


def holding(go: threading.Event) -> Apply:
    """Keeps the writer busy until then."""

    def hold(_: WriteTxn) -> None:
        assert go.wait(10)

    return hold


class Put:
    """Writes a row, or raises."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error

    def __call__(self, write: WriteTxn) -> None:
        write.put("config", self.name.encode(), b"1")
        if self.error is not None:
            raise self.error


class PutAll:
    """Writes several rows."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, write: WriteTxn) -> None:
        for name in self.names:
            write.put("config", name.encode(), b"1")


def has(store: Store, name: str) -> bool:
    with store.read() as txn:
        return fetch(txn, store.dbs["config"], name.encode()) is not None


async def test_what_waits_is_committed_together(store: Store) -> None:
    observer, go = Groups(), threading.Event()
    writer = ThreadWriter(store, observer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        first = writer.submit(holding(go))
        tickets = [writer.submit(Put(f"k{number}")) for number in range(50)]
        await trio.testing.wait_all_tasks_blocked()
        go.set()
        for ticket in (first, *tickets):
            await ticket.wait()
        writer.close()
    assert sum(observer.sizes) == 51
    assert len(observer.sizes) <= 3


async def test_a_job_that_raises_is_undone_alone(store: Store) -> None:
    go = threading.Event()
    async with writing(store) as writer:
        writer.submit(holding(go))
        tickets = [writer.submit(Put(f"k{n}", ValueError("bad") if n == 7 else None)) for n in range(20)]
        go.set()
        for number, ticket in enumerate(tickets):
            if number == 7:
                with pytest.raises(StoreError, match="bad"):
                    await ticket.wait()
            else:
                await ticket.wait()
    assert [has(store, f"k{n}") for n in range(20)] == [n != 7 for n in range(20)]


async def test_a_write_that_fills_the_map_sinks_none_beside_it(fast_path: Path) -> None:
    store, go = Store(fast_path, budget_bytes=2 << 20), threading.Event()
    async with writing(store) as writer:
        writer.submit(holding(go))
        small = [writer.submit(Put(f"k{number}")) for number in range(4)]
        fat = writer.submit(lambda write: write.put("config", b"fat", bytes(8 << 20)))
        after = writer.submit(Put("after"))
        go.set()
        with pytest.raises(StoreFull):
            await fat.wait()
        for ticket in (*small, after):
            await ticket.wait()
    assert not has(store, "fat")
    assert has(store, "after")
    store.close()


async def test_a_broken_writer_tells_everybody_and_takes_nothing_more(store: Store) -> None:
    def broken(_: WriteTxn) -> None:
        raise lmdb.DiskError("fdatasync: Input/output error")

    go = threading.Event()
    writer = ThreadWriter(store, Observer())
    with pytest.RaisesGroup(StoreBroken):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            tickets = [
                writer.submit(holding(go)),
                writer.submit(Put("a")),
                writer.submit(broken),
                writer.submit(Put("b")),
            ]
            go.set()
            for ticket in tickets[1:]:
                with pytest.raises(StoreBroken):
                    await ticket.wait()
    with pytest.raises(StoreBroken):
        writer.submit(Put("c"))
    assert not has(store, "b")


async def test_closing_commits_what_waits_and_ends(store: Store) -> None:
    go = threading.Event()
    writer = ThreadWriter(store, Observer())
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            writer.submit(holding(go))
            last = writer.submit(Put("last"))
            writer.close()
            go.set()
    assert last.is_done
    assert has(store, "last")


async def test_a_full_queue_is_refused_at_once(store: Store) -> None:
    writer = ThreadWriter(store, Observer())  # nobody runs it
    for _ in range(QUEUE_LIMIT):
        writer.submit(Put("a"))
    with pytest.raises(StoreFull):
        writer.submit(Put("a"))
    assert not writer.has_room


async def test_a_wait_that_is_cancelled_does_not_undo_the_write(store: Store) -> None:
    go = threading.Event()
    async with writing(store) as writer:
        writer.submit(holding(go))
        ticket = writer.submit(Put("kept"))
        with trio.move_on_after(0.01):
            await ticket.wait()
        assert not ticket.is_done
        go.set()
        await ticket.wait()
    assert has(store, "kept")


async def test_a_commit_that_must_happen_waits_for_room(store: Store, autojump_clock: trio.testing.MockClock) -> None:
    class Full(InlineWriter):
        left = 3

        def submit(self, apply: Apply) -> Ticket:
            if self.left:
                self.left -= 1
                raise StoreFull
            return super().submit(apply)

    await commit(Full(store), Put("a"))
    assert trio.current_time() == 3
    assert has(store, "a")


async def test_rows_for_which_there_is_no_room_together_are_committed_apart(store: Store) -> None:
    class Narrow(InlineWriter):
        sizes: ClassVar[list[int]] = []

        def submit(self, apply: Apply) -> Ticket:
            assert isinstance(apply, PutAll)
            self.sizes.append(len(apply.names))
            if len(apply.names) > 3:
                raise StoreFull
            return super().submit(apply)

    names = [f"k{number}" for number in range(10)]
    await commit_in_parts(Narrow(store), names, PutAll)
    assert all(has(store, name) for name in names)
    assert Narrow.sizes == [10, 5, 2, 3, 5, 2, 3]


async def test_a_row_for_which_there_is_no_room_alone_waits(
    store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    class Full(InlineWriter):
        def submit(self, apply: Apply) -> Ticket:
            if trio.current_time() < 3:
                raise StoreFull
            return super().submit(apply)

    await commit_in_parts(Full(store), ["a", "b"], PutAll)
    assert trio.current_time() == 3
    assert has(store, "a")
    assert has(store, "b")


async def test_a_look_at_a_disk_that_fails_ends_the_writer(fast_path: Path) -> None:
    store = Store(fast_path, budget_bytes=8 << 20)
    writer = ThreadWriter(store, Observer())
    shutil.rmtree(fast_path)  # what usage() looks at is gone
    with pytest.RaisesGroup(StoreBroken):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            with pytest.raises(StoreBroken):
                await writer.submit(Put("a")).wait()
    store.close()
