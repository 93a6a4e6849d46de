"""One life of the gateway: its parts on virtual time, until it is stopped or dies in the midst of what it does.

A death drops all memory: every task is cancelled where it stands, and nothing is written from then on. What was
committed stays, whether or not anybody heard of it.
"""

from collections.abc import Callable
from random import Random
from typing import Final

import trio

from actors.destinations.base import Destination
from actors.observer import Observer
from actors.sender import Sender
from actors.snapshot import Snapshot
from gateway.call import Answer, Call
from gateway.collector import Collector
from gateway.core_service import CoreService, CoreSettings
from gateway.edge import Edge
from store.env import Store, Usage
from store.errors import StoreBroken, StoreError
from store.writer import Apply, InlineWriter, Ticket, WriteTxn
from tests.simulation.plan import Crash

SHARDS: Final = 4
COMMIT_S: Final = 0.004  # a commit takes so long at most


class MortalWriter:
    """Commits together what waits, after a while of virtual time; at a chosen commit the machine dies."""

    def __init__(self, store: Store, random: Random, crash: Crash | None, die: Callable[[str], None]) -> None:
        self.commits = 0
        self.crash = crash
        self._inline = InlineWriter(store)
        self._random = random
        self._die = die
        self._is_dead = False
        self._waiting: list[Ticket] = []
        self._work = trio.Event()

    @property
    def has_room(self) -> bool:
        return self._inline.has_room

    @property
    def usage(self) -> Usage:
        return self._inline.usage

    def submit(self, apply: Apply) -> Ticket:
        if self._is_dead:
            raise StoreBroken("the machine is dead")
        ticket = Ticket(apply)
        self._waiting.append(ticket)
        self._work.set()
        return ticket

    def end(self) -> None:
        """Whoever waits hears that nothing is sure."""
        self._is_dead = True
        for ticket in self._waiting:
            ticket.error = StoreBroken("the machine is dead")
            ticket.settle()
        self._waiting = []

    async def run(self) -> None:
        while True:
            await self._work.wait()
            await trio.sleep(self._random.uniform(0, COMMIT_S))
            self._work = trio.Event()
            group = list(self._waiting)
            if self._is_dead or not self._commit(group):
                return
            del self._waiting[: len(group)]
            for ticket in group:
                ticket.settle()

    def _commit(self, group: list[Ticket]) -> bool:
        """False where the machine died at it."""
        self.commits += 1
        crash = self.crash if self.crash is not None and self.crash.commits == self.commits else None
        if crash is not None and crash.kind == "before_commit":
            self._die("before_commit")
            return False

        def apply(write: WriteTxn) -> None:
            for ticket in group:
                ticket.apply(write)

        done = self._inline.submit(apply)
        for ticket in group:
            ticket.error = done.error
        if crash is not None and crash.kind == "after_commit":
            self._die("after_commit")
            return False
        return True


class Life:
    """`run` returns when it is over; `post` is a request of a client, who may never hear the answer."""

    def __init__(
        self,
        number: int,
        store: Store,
        snapshot: Snapshot,
        crash: Crash | None,
        *,
        random: Random,
        now_ms: Callable[[], int],
        make_id: Callable[[], str],
        make_sender: Callable[[Destination], Sender],
        observer: Observer,
        rescan_s: float,
        note: Callable[..., None],
    ) -> None:
        self.number = number
        self.began_s = trio.current_time()
        self.is_over = False
        self.is_dead = False
        self._note = note
        self._crash = crash
        self._is_spared = False
        self._scope = trio.CancelScope()
        self._calls: dict[int, trio.CancelScope] = {}
        self.writer = MortalWriter(store, random, crash, self.die)
        settings = CoreSettings(
            shards=SHARDS, idle_s=rescan_s, rescan_s=rescan_s, watch_s=rescan_s, replay_poll_s=rescan_s
        )
        self.service = CoreService(
            store, self.writer, snapshot, now_ms=now_ms, random=random, observer=observer, make_sender=make_sender,
            sealers={}, settings=settings, stopwatch=trio.current_time,
        )  # fmt: skip
        self.edge = Edge(
            store=store, writer=self.writer, snapshot=snapshot, observer=observer, now_ms=now_ms, make_id=make_id,
            shards=SHARDS, refuses=lambda: "stopping" if self.is_over else None, on_append=self.service.wake,
        )  # fmt: skip
        self._collector = Collector(self.edge)

    async def run(self, on_up: Callable[[], None]) -> None:
        """Raises whatever ends it that is not its own death."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.writer.run)
                    await nursery.start(self.service.run)
                    on_up()
                    await self._wait_end()
                    nursery.cancel_scope.cancel()
        except* StoreError:
            if not self.is_dead:
                raise
        finally:
            self.is_over = True
            self.writer.end()
            for scope in list(self._calls.values()):
                scope.cancel()

    def die(self, how: str) -> None:
        self._note("crash", how, self.writer.commits)
        self.is_over = self.is_dead = True
        self.writer.end()
        self._scope.cancel()

    def spare(self) -> None:
        """It does not die any more."""
        self._is_spared, self.writer.crash = True, None

    def publish(self, snapshot: Snapshot) -> None:
        self.service.publish(snapshot)
        self.edge.snapshot = snapshot

    async def post(self, call: Call) -> Answer | None:
        """None where the connection breaks before the answer."""
        scope = trio.CancelScope()
        self._calls[id(scope)] = scope
        answer = None
        with scope:
            answer = await self._collector.handle(call)
        del self._calls[id(scope)]
        return None if self.is_dead else answer

    async def _wait_end(self) -> None:
        crash = self._crash
        if crash is None or crash.kind in ("before_commit", "after_commit"):
            await trio.sleep_forever()
        await trio.sleep(crash.after_s)
        if self._is_spared:
            await trio.sleep_forever()
        if crash.kind == "at_time":
            self.die("at_time")
            return
        self._note("stop")
        self.is_over = True
        await self.service.stop()
