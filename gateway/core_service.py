"""The core of a process: the runtime and a dispatcher for each destination, kept running, with their metrics.

    mailbox ──▶ Core ──▶ outbox ──▶ Dispatcher (one per destination) ──▶ platform
                  │  after each commit: wakes those that got something

`publish` switches to another snapshot: destinations whose settings changed get a new dispatcher, which begins unpaused.
The test twin of a destination (actors/twins.py) gets one with its first delivery: most are never asked for anything.
"""

import time
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import msgspec
import structlog
import trio
from msgspec import Struct

from actors.destinations.base import Destination
from actors.dispatcher import Dispatcher, Hub
from actors.event import Event, Plaintext
from actors.observer import Observer
from actors.runtime import IDLE_S, Core
from actors.sender import Sender
from actors.snapshot import Snapshot
from actors.supervision import keep_running
from actors.taking import RESCAN_S
from actors.twins import twin_of
from gateway.erasing import Hands, Privacy
from gateway.reattributing import Reattributing
from gateway.removed import LOOK_S, Removed
from gateway.replaying import POLL_S, Replaying
from gateway.sealing import Sealer
from store import keys
from store.env import Store
from store.mailbox import oldest_waiting_ms
from store.retention import LONGEST_MS
from store.writer import Writer

MAILBOX_MOST: Final = 1_000_000  # messages that wait; past it the edge answers 503
WATCH_S: Final = 2.0
STOP_S: Final = 8.0  # how long requests under way may take when a dispatcher stops

log = structlog.get_logger()


class CoreSettings(Struct, frozen=True, kw_only=True):
    shards: int = 16
    outbox_limit: int = 1_000_000
    linger_s: float = 0.05
    mailbox_most: int = MAILBOX_MOST
    idle_s: float = IDLE_S
    rescan_s: float = RESCAN_S
    watch_s: float = WATCH_S
    replay_poll_s: float = POLL_S
    removed_look_s: float = LOOK_S


class _Running(Struct):
    """A dispatcher and the scope that ends it. It begins when the one before it has ended: two at one outbox would
    send and book the same deliveries. While the lock is held nobody takes the outbox over."""

    dispatcher: Dispatcher
    scope: trio.CancelScope
    ended: trio.Event
    after: trio.Event | None = None
    lock: trio.Lock = msgspec.field(default_factory=trio.Lock)


class _Configured(Container[bytes]):
    """The destinations whose outbox stays: those that run or can, and those that are held."""

    def __init__(self, running: Mapping[bytes, _Running], twins: Container[bytes], core: Core) -> None:
        self._running = running
        self._twins = twins
        self._core = core

    def __contains__(self, key: object) -> bool:
        held = self._core.snapshot.held
        return key in self._running or key in self._twins or key in {keys.destination(site, one) for site, one in held}


class CoreService:
    """`run` serves until cancelled; `stop` lets requests under way end first."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        snapshot: Snapshot,
        *,
        now_ms: Callable[[], int],
        random: Random,
        observer: Observer,
        make_sender: Callable[[Destination], Sender],
        sealers: Mapping[str, Sealer],
        settings: CoreSettings,
        at_point: Callable[[str], None] = lambda _: None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._observer = observer
        self._make_sender = make_sender
        self._sealers = sealers
        self._settings = settings
        self._running: dict[bytes, _Running] = {}
        self._twins: dict[bytes, tuple[str, Destination]] = {}  # site and test twin of each that has one
        self._retiring: dict[bytes, trio.Event] = {}  # of each destination the last to be retired, until it has ended
        self._nursery: trio.Nursery | None = None
        self._waiting = 0
        self.core = Core(
            store, writer, snapshot, now_ms=now_ms, random=random, observer=observer, shards=settings.shards,
            outbox_limit=settings.outbox_limit, on_commit=self._wake_dispatchers, on_denial=self._tell_denial,
            idle_s=settings.idle_s, stopwatch=stopwatch,
        )  # fmt: skip
        self._hub = Hub(
            store=store, writer=writer, now_ms=now_ms, random=random, observer=observer,
            on_settled=self.core.settle, at_point=at_point, rescan_s=settings.rescan_s,
            stopwatch=stopwatch, retention_ms=self._retention_ms,
        )  # fmt: skip
        self._removed = Removed(
            self.core,
            self._hub,
            _Configured(self._running, self._twins, self.core),
            self._retiring,
            settings.removed_look_s,
        )
        self._privacy = Privacy(self._hands(), poll_s=settings.replay_poll_s)
        self._reattributing = Reattributing(self.core, store, writer, now_ms, settings.replay_poll_s)
        self._replaying = Replaying(
            self.core, self._hub, self._held, outbox_limit=settings.outbox_limit, poll_s=settings.replay_poll_s
        )

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.publish(self.core.snapshot)
            nursery.start_soon(keep_running, "core", self.core.run, self._observer.dead_letter)
            nursery.start_soon(self._watch)
            nursery.start_soon(keep_running, "removed", self._removed.run, self._observer.dead_letter)
            nursery.start_soon(keep_running, "replays", self._replaying.run, self._observer.dead_letter)
            nursery.start_soon(keep_running, "privacy", self._privacy.run, self._observer.dead_letter)
            nursery.start_soon(keep_running, "attribution", self._reattributing.run, self._observer.dead_letter)
            task_status.started()

    def wake(self) -> None:
        """There are new messages."""
        self.core.wake()

    def is_alive(self) -> bool:
        """Whether turns are run; not so while a core that crashed waits for its next start."""
        return self.core.is_running

    def refuses(self) -> str | None:
        """Why the edge should take nothing now."""
        if self._waiting < self._settings.mailbox_most:
            return None
        return "the mailbox is full; what it holds is being processed"

    def publish(self, snapshot: Snapshot, sealers: Mapping[str, Sealer] | None = None) -> None:
        """One atomic switch for the core; each destination that changed, or is paused, gets a new dispatcher."""
        self._sealers = sealers if sealers is not None else self._sealers
        self.core.snapshot = snapshot
        wanted = {(site.id, one.id): one for site, one in snapshot.destinations()}
        wanted |= self._twins_wanted(wanted)
        self._observer.destinations(wanted.keys())
        for key, running in list(self._running.items()):
            dispatcher = running.dispatcher
            is_same = wanted.get((dispatcher.site, dispatcher.destination.id)) == dispatcher.destination
            if not is_same or dispatcher.pause_reason is not None:
                del self._running[key]
                self._retiring[key] = running.ended
                self._start(self._retire, running)
            elif dispatcher.is_limping:
                dispatcher.probe_now()
        for (site_id, _), destination in wanted.items():
            self._begin(site_id, destination)
        self._removed.wake()

    def _begin(self, site_id: str, destination: Destination) -> None:
        """Starts its dispatcher, unless it runs."""
        dispatcher = self._dispatcher(site_id, destination)
        if dispatcher.key not in self._running:
            after = self._retiring.get(dispatcher.key)
            running = _Running(dispatcher, trio.CancelScope(), trio.Event(), after)
            self._running[dispatcher.key] = running
            self._start(self._dispatch, running)

    def _twins_wanted(self, live: Mapping[tuple[str, str], Destination]) -> dict[tuple[str, str], Destination]:
        """Of the test twins there are those that have something to do, or had."""
        twins = [(site, twin) for (site, _), one in live.items() if (twin := twin_of(one)) is not None]
        self._twins.clear()
        self._twins.update({keys.destination(site, twin.id): (site, twin) for site, twin in twins})
        wanted = [key for key in self._twins if key in self._running or self.core.depths.get(key, 0) > 0]
        return {(self._twins[key][0], self._twins[key][1].id): self._twins[key][1] for key in wanted}

    def _retention_ms(self, site: str) -> int:
        rules = self.core.snapshot.sites.get(site)
        return rules.retention_ms if rules is not None else LONGEST_MS

    async def stop(self) -> None:
        """Ends all dispatchers; what is under way may end within `STOP_S`."""
        async with trio.open_nursery() as nursery:
            for running in self._running.values():
                nursery.start_soon(self._retire, running)

    def dispatchers(self) -> list[Dispatcher]:
        return [running.dispatcher for running in self._running.values()]

    def _start(self, task: Callable[[_Running], Any], running: _Running) -> None:
        assert self._nursery is not None, "publishing needs a running service"
        self._nursery.start_soon(task, running)

    def _dispatcher(self, site_id: str, destination: Destination) -> Dispatcher:
        return Dispatcher(
            site_id,
            destination,
            self._make_sender(destination),
            self._hub,
            open_plaintext=self._opener(site_id),
            linger_s=self._settings.linger_s,
        )

    def _opener(self, site_id: str) -> Callable[[Event, tuple[str, ...]], Event]:
        sealer = self._sealers.get(site_id)

        def open_plaintext(event: Event, event_ids: tuple[str, ...]) -> Event:
            sealed = event.user_data.sealed
            plain = sealer.open(sealed, *event_ids) if sealer is not None and sealed is not None else None
            user_data = msgspec.structs.replace(event.user_data, plain=plain)
            return msgspec.structs.replace(event, user_data=user_data)

        return open_plaintext

    def _hands(self) -> Hands:
        """What exports and erasures need of this core."""

        def recall(key: bytes, outbox_key: bytes) -> bool:
            running = self._running.get(key)
            return running is None or running.dispatcher.recall(outbox_key)

        def release(key: bytes, outbox_key: bytes) -> None:
            if (running := self._running.get(key)) is not None:
                running.dispatcher.release(outbox_key)

        def open_plaintext(site: str, sealed: bytes, event_ids: tuple[str, ...]) -> Plaintext | None:
            sealer = self._sealers.get(site)
            return sealer.open(sealed, *event_ids) if sealer is not None else None

        return Hands(
            store=self._store, writer=self._hub.writer, now_ms=self._now_ms, cursors=self.core.cursors,
            at_rest=self.core.at_rest, forget=self.core.forget, recall=recall, release=release,
            settled=self.core.settle, open_plaintext=open_plaintext,
        )  # fmt: skip

    async def _dispatch(self, running: _Running) -> None:
        if running.after is not None:
            await running.after.wait()
        with running.scope:
            name = f"dispatcher {running.dispatcher.site}/{running.dispatcher.destination.id}"
            await keep_running(name, lambda: self._fresh(running), self._observer.dead_letter)
        async with running.lock:
            running.ended.set()
        if self._retiring.get(running.dispatcher.key) is running.ended:
            del self._retiring[running.dispatcher.key]

    async def _fresh(self, running: _Running) -> None:
        """Runs the dispatcher; one that crashed is replaced, since what it had in hand is still in the outbox."""
        async with running.lock:
            if running.dispatcher.has_run:
                running.dispatcher = self._dispatcher(running.dispatcher.site, running.dispatcher.destination)
        await running.dispatcher.run()

    @asynccontextmanager
    async def _held(self, key: bytes) -> AsyncIterator[Dispatcher | None]:
        """The dispatcher of an outbox, which nobody takes over meanwhile; None where one before it has not ended."""
        running = self._running.get(key)
        if running is None:
            yield None
            return
        async with running.lock:
            is_alone = running.after is None or running.after.is_set()
            yield running.dispatcher if is_alone and self._running.get(key) is running else None

    async def _retire(self, running: _Running) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_S):
            await running.dispatcher.stop()
        running.scope.cancel()

    def _wake_dispatchers(self, queued: Mapping[bytes, int]) -> None:
        for key in queued:
            running = self._running.get(key)
            if running is not None:
                running.dispatcher.wake()
            elif key in self._twins and self._nursery is not None:
                self._begin(*self._twins[key])
                self._observer.destinations([(one.site, one.destination.id) for one in self.dispatchers()])

    def _tell_denial(self, site: str, visitor: str) -> None:
        for dispatcher in self.dispatchers():
            if dispatcher.site == site:
                dispatcher.withdraw(visitor)

    async def _watch(self) -> None:
        """Looks now and then at what no commit tells: depths and ages."""
        while True:
            self._waiting = self.core.waiting()
            if self._waiting:  # a command put it there, which knows no way to wake the core
                self.core.wake()
            if self._waiting:  # a command put it there: no edge tells of that
                self.core.wake()
            oldest_ms = oldest_waiting_ms(self._store, self.core.cursors())
            age_s = max(0.0, (self._now_ms() - oldest_ms) / 1000) if oldest_ms is not None else 0.0
            self._observer.mailbox(self._waiting, age_s)
            for dispatcher in self.dispatchers():
                depth = self.core.depths.get(dispatcher.key, 0)
                age_s = dispatcher.oldest_due_age_s() if depth else 0.0
                self._observer.outbox(dispatcher.site, dispatcher.destination.id, depth, age_s)
                dispatcher.tell_pace()
            await trio.sleep(self._settings.watch_s)
