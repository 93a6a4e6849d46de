"""A small world: a store, its core and dispatchers on virtual time, platforms that play their part; and crashes.

Virtual time and the wall clock go together; `clock.jump_ms` sets the wall clock wrong.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import trio
from msgspec import Struct

from actors.actor import Actor
from actors.dispatcher import Dispatcher, Hub
from actors.event import Event, is_test
from actors.observer import Observer
from actors.runtime import KINDS, Core
from actors.snapshot import Snapshot
from actors.warm import WarmActors
from gateway.erasing import Hands, Privacy
from gateway.replaying import Replaying
from store import keys
from store.check import Report, check
from store.env import Store, Usage, fetch
from store.errors import StoreBroken
from store.mailbox import append
from store.records import DELIVERY, EVENT, LOG, DeliveryRow, EventRow, LogRecord
from store.writer import Apply, InlineWriter, Ticket
from tests.support.making import START_MS
from tests.support.platform import FakeSender

SHARDS = 4
BUDGET = 256 << 20
SELDOM_S = 300.0  # how often what idles looks round unasked: days of virtual time stay cheap


class Clock:
    """Wall time that follows trio's, until it is set."""

    def __init__(self) -> None:
        self.jump_ms = 0

    def now_ms(self) -> int:
        return START_MS + int(trio.current_time() * 1000) + self.jump_ms


class Crash(StoreBroken):
    """The process ends here."""


class CrashingWriter:
    """Commits like the inline writer; ends before or after the commit that `crash_at` counts down to."""

    def __init__(self, store: Store) -> None:
        self._inner = InlineWriter(store)
        self.commits_left: int | None = None
        self.is_after_commit = False
        self.is_full = False

    @property
    def has_room(self) -> bool:
        return self._inner.has_room and not self.is_full

    @property
    def usage(self) -> Usage:
        return self._inner.usage

    def crash_at(self, commits: int, *, is_after_commit: bool) -> None:
        self.commits_left, self.is_after_commit = commits, is_after_commit

    def submit(self, apply: Apply) -> Ticket:
        if self.commits_left is not None:
            if self.commits_left == 0:
                if self.is_after_commit:
                    self._inner.submit(apply)
                raise Crash
            self.commits_left -= 1
        return self._inner.submit(apply)


class Counting(Observer):
    """Keeps what was told that tests ask about."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def __getattribute__(self, name: str) -> Any:
        """Every method that an observer has is answered by one that keeps what it is told."""
        if name not in vars(Observer) or name.startswith("_"):
            return super().__getattribute__(name)

        def tell(*values: Any, **labels: Any) -> None:
            self.told.append((name, {**{str(index): value for index, value in enumerate(values)}, **labels}))

        return tell

    def count_of(self, name: str) -> int:
        return sum(1 for told, _ in self.told if told == name)


class Delivery(Struct, frozen=True):
    """Where a delivery is, as a test wants to see it."""

    status: str
    row: DeliveryRow | None


class World:
    """One data directory and the process that serves it; `restart` begins another process on the same directory."""

    def __init__(
        self,
        path: Path,
        snapshot: Snapshot,
        senders: Mapping[str, FakeSender] | None = None,
        *,
        seed: int = 1,
        outbox_limit: int = 1_000,
        kinds: Mapping[str, type[Actor[Any]]] = KINDS,
        actors_kept: int = 50_000,
        has_replays: bool = False,
        has_privacy: bool = False,
    ) -> None:
        self.path = path
        self.snapshot = snapshot
        self.senders = dict(senders or {})
        self.clock = Clock()
        self.points: list[str] = []
        self.at_point: Callable[[str], None] = self.points.append
        self._seed = seed
        self._outbox_limit = outbox_limit
        self._kinds = kinds
        self._actors_kept = actors_kept
        self.has_replays = has_replays  # looked for twice a second, which makes days of virtual time dear
        self.has_privacy = has_privacy  # exports and erasures, looked for as often
        self.dispatchers: dict[str, Dispatcher] = {}
        self._open()

    def _open(self) -> None:
        self.store = Store(self.path, budget_bytes=BUDGET)
        self.writer = CrashingWriter(self.store)
        self.observer = Counting()
        self.core = Core(
            self.store, self.writer, self.snapshot, now_ms=self.clock.now_ms, random=Random(self._seed),
            observer=self.observer, shards=SHARDS, outbox_limit=self._outbox_limit, on_commit=self._wake,
            on_denial=self._tell_denial,
            kinds=self._kinds, idle_s=SELDOM_S, stopwatch=lambda: 0.0,
        )  # fmt: skip
        self.core._warm = WarmActors(self.store, self._kinds, actors_kept=self._actors_kept)

    def restart(self, snapshot: Snapshot | None = None) -> None:
        """What was in memory is gone."""
        self.store.close()
        self.snapshot = snapshot or self.snapshot
        self._open()

    def close(self) -> None:
        self.store.close()

    def check(self) -> Report:
        return check(self.store, SHARDS)

    # --- what happens ---

    def take(self, *events: Event, caller: str = "") -> None:
        """Events that arrive now and are acknowledged."""
        self.submit(
            *(msgspec.structs.replace(one, received_at_ms=self.clock.now_ms()) for one in events), caller=caller
        )
        self.core.wake()

    def submit(self, *events: Event, caller: str = "") -> None:
        """Events that arrived when they say."""
        InlineWriter(self.store).submit(append([_entry(one, caller) for one in events]))

    async def settle(self) -> None:
        """Runs all turns that are due."""
        while await self.core.step():
            pass

    def _wake(self, queued: Mapping[bytes, int]) -> None:
        for dispatcher in self.dispatchers.values():
            dispatcher.wake()

    def _tell_denial(self, site: str, visitor: str) -> None:
        for dispatcher in self.dispatchers.values():
            dispatcher.withdraw(visitor)

    @asynccontextmanager
    async def running(self, *only: str) -> AsyncIterator[None]:
        """The core and a dispatcher for each destination (or those named), until the block ends or one crashes."""
        hub = Hub(
            store=self.store, writer=self.writer, now_ms=self.clock.now_ms, random=Random(self._seed),
            observer=self.observer, on_settled=self.core.settle, at_point=lambda name: self.at_point(name),
            stopwatch=trio.current_time, rescan_s=SELDOM_S,
            retention_ms=lambda name: self.snapshot.sites[name].retention_ms,
        )  # fmt: skip
        self.dispatchers = {
            destination.id: Dispatcher(site.id, destination, self._sender(destination.id), hub)
            for site, destination in self.snapshot.destinations()
            if not only or destination.id in only
        }
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.core.run)
            if self.has_replays:
                nursery.start_soon(Replaying(self.core, hub, self._held, outbox_limit=self._outbox_limit).run)
            if self.has_privacy:
                nursery.start_soon(Privacy(self._hands()).run)
            for dispatcher in self.dispatchers.values():
                nursery.start_soon(dispatcher.run)
            yield
            nursery.cancel_scope.cancel()

    def _hands(self) -> Hands:
        def of(key: bytes) -> Dispatcher | None:
            return next((one for one in self.dispatchers.values() if one.key == key), None)

        def recall(key: bytes, outbox_key: bytes) -> bool:
            return (found := of(key)) is None or found.recall(outbox_key)

        def release(key: bytes, outbox_key: bytes) -> None:
            if (found := of(key)) is not None:
                found.release(outbox_key)

        return Hands(
            store=self.store, writer=self.writer, now_ms=self.clock.now_ms, cursors=self.core.cursors,
            at_rest=self.core.at_rest, forget=self.core.forget,
            recall=recall, release=release, settled=self.core.settle,
            open_plaintext=lambda *_: None,
        )  # fmt: skip

    @asynccontextmanager
    async def _held(self, key: bytes) -> AsyncIterator[Dispatcher | None]:
        yield next((one for one in self.dispatchers.values() if one.key == key), None)

    def _sender(self, destination: str) -> FakeSender:
        return self.senders.setdefault(destination, FakeSender())

    async def run_for(self, seconds: float, *only: str) -> bool:
        """False where the process crashed meanwhile."""
        is_crashed = False
        try:
            async with self.running(*only):
                await trio.sleep(seconds)
        except* Crash:
            is_crashed = True
        return not is_crashed

    # --- what came of it ---

    def events(self) -> dict[str, EventRow]:
        """All events, by id (of several under one id, the last)."""
        with self.store.read() as txn, txn.cursor(db=self.store.dbs["event"]) as cursor:
            rows = [EVENT.decode(bytes(raw)) for _, raw in cursor]
        return {row.event_id: row for row in rows}

    def delivery(self, event_id: str, destination: str, name: str = "page_viewed", site: str = "shop") -> Delivery:
        """Its status; `queued` for one that was never tried, `none` for one that does not exist."""
        key = keys.event(site, event_id, name)
        with self.store.read() as txn:
            raw = fetch(txn, self.store.dbs["delivery"], keys.delivery(key, keys.destination(site, destination)))
            event = fetch(txn, self.store.dbs["event"], key)
        row = DELIVERY.decode(raw) if raw is not None else None
        is_routed = event is not None and destination in EVENT.decode(event).routed
        return Delivery(row.status if row is not None else "queued" if is_routed else "none", row)

    def rows(self, database: str) -> list[tuple[bytes, bytes]]:
        with self.store.read() as txn, txn.cursor(db=self.store.dbs[database]) as cursor:
            return [(bytes(key), bytes(value)) for key, value in cursor]


def _entry(event: Event, caller: str) -> tuple[int, bytes]:
    """As the edge does: one visitor's events share a shard, and a test event is nobody's."""
    visitor = event.user_data.anonymous_id if not is_test(event) else None
    actor_key = f"{event.site}\x1f{visitor}" if visitor else ""
    record = LogRecord(
        kind="visitor",
        actor_key=actor_key,
        received_at_ms=event.received_at_ms,
        body=msgspec.msgpack.encode(event),
        caller=caller,
    )
    return keys.shard_of(actor_key or f"{event.site}\x1f{event.event_id}", SHARDS), LOG.encode(record)


def problems(worlds: Sequence[World]) -> list[str]:
    return [problem for world in worlds for problem in world.check().problems]
