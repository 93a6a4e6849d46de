"""One worker process: wires its parts, serves, stops them in reverse. Which parts it has is its role.

    role "all"                    role "edge"  (server.edges of them)      role "core"
    ┌──────────────────────────┐  ┌──────────────────────────┐             ┌──────────────────────────┐
    │ doors ▶ collector        │  │ doors ▶ collector        │             │                          │
    │            │ append      │  │            │ append      │  ─ wake ─▶  │ core, dispatchers        │
    │ writer ◀───┴─── core,    │  │ writer ◀───┘             │  (a pipe)   │ writer, retention        │
    │       dispatchers, …     │  │                          │             │                          │
    └──────────────────────────┘  └──────────────────────────┘             └──────────────────────────┘

The supervisor (supervisor.py) starts workers, hands them the listening socket, and starts anew what ends. A stop is:
accept no more, answer what is under way, let requests to platforms end, commit, close the store.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Literal

import structlog
import trio
from msgspec import Struct

from actors.destinations.base import Destination
from actors.sender import Sender
from actors.snapshot import Snapshot
from actors.supervision import keep_running
from actors.tls import Contexts, ca_file_fault
from actors.transport import Transport
from gateway import cors
from gateway.api.parts import parts_of
from gateway.call import Answer, Call
from gateway.clock import wall_ms, watch_lag
from gateway.collector import Collector
from gateway.config import Config
from gateway.core_service import CoreService, CoreSettings
from gateway.core_watch import CoreWatch, tell_alive
from gateway.door import DoorBounds, Ready
from gateway.edge import Edge
from gateway.errors import AddressError
from gateway.listener import Listener, serve_doors
from gateway.metrics import PrometheusObserver
from gateway.metrics_server import serve_metrics
from gateway.publishing import Published, Publisher
from gateway.sealing import Sealer
from gateway.settings import ServerSettings
from gateway.sources.segment_answers import as_clients_read
from gateway.stall import keep_armed
from gateway.upkeep import upkeep, watch_room
from store.env import Store
from store.writer import ThreadWriter

if TYPE_CHECKING:
    from gateway.app import WebApplication

Role = Literal["all", "edge", "core"]
SHUTTING_DOWN: Final = "the gateway is shutting down"
STOP_S: Final = 10.0  # from the order to stop to the end, at most
SWITCH_S: Final = 0.0005  # how long a thread keeps the interpreter: the writer must not wait 5 ms for it after a commit
COLLECT_AFTER: Final = (100_000, 20, 50)  # a batch makes many objects that live long enough: 14 % of a turn otherwise

log = structlog.get_logger()


class Process(Struct, frozen=True, kw_only=True):
    """What a worker is started with. Descriptors are inherited from the supervisor."""

    role: Role
    config_path: Path | None
    sockets: Sequence[socket.socket] = ()
    wake_in: int | None = None  # the core reads a byte for each commit of an edge
    wake_out: int | None = None  # an edge writes it
    lifeline: int | None = None  # ends with the supervisor
    accepted: int | None = None  # the configuration in force
    metrics_offset: int = 0  # each process has a metrics page of its own, on a port of its own


class Worker:
    """One worker process."""

    def __init__(self, process: Process, config: Config, env: Mapping[str, str]) -> None:
        self._process = process
        self._config = config
        self._env = env
        self._observer = PrometheusObserver()
        self._stop = trio.Event()
        self._doors_closed = trio.Event()
        self._listener: Listener | None = None
        self._core: CoreService | None = None
        self._edge: Edge | None = None
        self._silence: CoreWatch | None = None  # of an edge: what it knows of the core beside it

    async def run(self, on_ready: Callable[[Listener | None], None] = lambda _: None) -> None:
        """Serves until told to stop. Raises StoreError, StoreBroken, BadSecretKey or OSError where it cannot go on."""
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        server = self._config.server
        store = Store(Path(server.data_dir), budget_bytes=server.disk_budget)
        store.fix_shards(server.shards)
        writer = ThreadWriter(store, self._observer)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(writer.run)
                try:
                    await self._serve(store, writer, on_ready)
                finally:
                    writer.close()  # else it would hold up the end of a worker that fails, too
        finally:
            store.close()

    async def _serve(self, store: Store, writer: ThreadWriter, on_ready: Callable[[Listener | None], None]) -> None:
        async with trio.open_nursery() as parts:
            parts.start_soon(keep_armed)
            await self._start(parts, store, writer)
            on_ready(self._listener)
            log.info("ready", role=self._process.role, pid=os.getpid())
            await self._stop.wait()
            await self._stop_parts()
            parts.cancel_scope.cancel()

    def stop(self) -> None:
        self._stop.set()

    # --- starting ---

    async def _start(self, nursery: trio.Nursery, store: Store, writer: ThreadWriter) -> None:
        process, server = self._process, self._config.server
        publisher = Publisher(
            store=store,
            writer=writer,
            config=self._config,
            config_path=process.config_path,
            env=self._env,
            observer=self._observer,
            accepted=process.accepted,
            publish=self._publish,
        )
        published = await publisher.begin()
        snapshot, sealers = published.snapshot, published.sealers
        nursery.start_soon(self._signals, publisher)
        if process.lifeline is not None:
            nursery.start_soon(self._hold_lifeline, process.lifeline)
        if process.role != "edge":
            self._core = self._make_core(store, writer, snapshot, sealers)
            await nursery.start(self._core.run)
            if process.wake_in is not None:
                nursery.start_soon(_woken, process.wake_in, self._core.wake)
            nursery.start_soon(tell_alive, Path(server.data_dir), self._core.is_alive)
            nursery.start_soon(
                keep_running, "upkeep", partial(upkeep, store, writer, self._core, self._observer), _count_nothing
            )
        if process.role == "edge":
            self._silence = CoreWatch(store, Path(server.data_dir), server.shards)
            nursery.start_soon(self._silence.run)
        if process.role != "core":
            self._edge = self._make_edge(store, writer, snapshot, sealers)
            self._edge.senders, self._edge.tags = published.senders, published.tags
            self._listener = await nursery.start(self._serve_doors, server)
            nursery.start_soon(
                keep_running, "refusals", partial(self._edge.refusals.run, self._edge.writer), _count_nothing
            )
        nursery.start_soon(keep_running, "stored configuration", publisher.watch, _count_nothing)
        nursery.start_soon(watch_lag, self._observer.loop_lag)
        nursery.start_soon(keep_running, "room", partial(watch_room, writer, self._observer), _count_nothing)
        await self._start_metrics(nursery, server)

    def _make_core(
        self, store: Store, writer: ThreadWriter, snapshot: Snapshot, sealers: Mapping[str, Sealer]
    ) -> CoreService:
        contexts = Contexts()
        contexts.of(None)  # made before anything is sent: it takes 20 ms
        return CoreService(
            store,
            writer,
            snapshot,
            now_ms=wall_ms,
            random=SystemRandom(),
            observer=self._observer,
            make_sender=partial(_sender, contexts),
            sealers=sealers,
            settings=CoreSettings(shards=self._config.server.shards, outbox_limit=self._config.server.outbox_limit),
        )

    def _make_edge(self, store: Store, writer: ThreadWriter, snapshot: Snapshot, sealers: Mapping[str, Sealer]) -> Edge:
        server = self._config.server
        core = self._core
        return Edge(
            store=store,
            writer=writer,
            snapshot=snapshot,
            observer=self._observer,
            now_ms=wall_ms,
            make_id=lambda: os.urandom(16).hex(),
            shards=server.shards,
            id_key=store.id_key(),
            trusted_proxies=server.trusted_networks(),
            country_header=server.country_header,
            sealers=sealers,
            refuses=self._refuses,
            log=log.warning,
            on_append=core.wake if core is not None else partial(_wake, self._process.wake_out),
        )

    async def _serve_doors(
        self, server: ServerSettings, task_status: trio.TaskStatus[Listener] = trio.TASK_STATUS_IGNORED
    ) -> None:
        assert self._edge is not None
        process = self._process
        collector = Collector(self._edge)
        bounds = DoorBounds(
            connections=server.max_connections,
            connections_per_address=server.max_connections_per_address,
            keep_alive_s=server.keep_alive_s,
        )
        edge = self._edge
        parts = parts_of(edge, server, self._env, process.config_path, process.accepted)

        def make_app() -> "WebApplication":
            # A quarter of a second to load: the fast lane does not wait for it.
            from gateway.api.application import create_api
            from gateway.app import create_app
            from gateway.sdk_server import read_bundle, sdk_pages
            from gateway.tag_server import tag_pages

            app = create_app(
                handler=collector, ready=self._ready, bounds=bounds, api=create_api(parts), observer=self._observer,
                log=log.warning, share=self._share,
                blueprints=[sdk_pages(server.sdk_path, read_bundle()), tag_pages(server.tag_path, edge)],
            )  # fmt: skip
            gc.freeze()
            return app

        try:
            await serve_doors(
                self._process.sockets,
                collector,
                make_app,
                bounds=bounds,
                trusted=server.trusted_networks(),
                observer=self._observer,
                log=log.warning,
                share=self._share,
                task_status=task_status,
            )
        finally:
            self._doors_closed.set()

    async def _start_metrics(self, nursery: trio.Nursery, server: ServerSettings) -> None:
        bind = server.metrics_bind
        if not bind:
            return
        own = type(bind)(f"{bind.rpartition(':')[0]}:{bind.port + self._process.metrics_offset if bind.port else 0}")
        try:
            port = await nursery.start(serve_metrics, own, self._observer.registry, self._observer)
        except* OSError as failed:
            raise AddressError(f"binding {own} for the metrics page: {failed.exceptions[0]}") from failed
        log.info("metrics", bound=f"{own.host}:{port}")

    # --- while it runs ---

    def _refuses(self) -> str | None:
        if self._stop.is_set():
            return SHUTTING_DOWN
        if self._core is not None:
            return self._core.refuses()
        return self._silence.refuses() if self._silence is not None else None

    def _share(self, call: Call, answer: Answer) -> Answer:
        assert self._edge is not None
        return cors.with_headers(self._edge.snapshot, call, as_clients_read(call, answer))

    def _ready(self) -> Ready | str:
        assert self._edge is not None
        reason = self._refuses()
        if reason is None and not self._edge.writer.has_room:
            reason = "the store has no room"
        if reason is None and not self._is_core_alive():
            reason = "the core does not run"
        return Ready() if reason is None else reason

    def _is_core_alive(self) -> bool:
        if self._core is not None:
            return self._core.is_alive()
        return self._silence is not None and self._silence.is_core_alive

    async def _signals(self, publisher: Publisher) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            async for number in received:
                if number == signal.SIGHUP:
                    await publisher.reload()
                else:
                    self.stop()

    def _publish(self, published: Published) -> None:
        if self._core is not None:
            self._core.publish(published.snapshot, published.sealers)
        if self._edge is not None:
            self._edge.snapshot, self._edge.sealers = published.snapshot, published.sealers
            self._edge.senders, self._edge.tags = published.senders, published.tags
        log.info("config_published", version=published.snapshot.version)

    async def _hold_lifeline(self, descriptor: int) -> None:
        """The supervisor's end of the pipe closes when it dies, however it dies."""
        async with trio.lowlevel.FdStream(descriptor) as stream:
            await stream.receive_some(1)
        self.stop()

    # --- stopping ---

    async def _stop_parts(self) -> None:
        log.info("stopping", role=self._process.role)
        with trio.move_on_after(STOP_S) as scope:
            if self._listener is not None:
                self._listener.close()
                await self._doors_closed.wait()
            if self._edge is not None:
                await self._edge.refusals.write(self._edge.writer)
            if self._core is not None:
                await self._core.stop()
        if scope.cancelled_caught:
            log.warning("stop_was_cut")


def _sender(contexts: Contexts, destination: Destination) -> Sender:
    if destination.ca_file is not None and (fault := ca_file_fault(destination.ca_file)):
        log.warning("ca_file_not_read", destination=destination.id, reason=fault)  # it was right when configured
    return Transport.for_destination(destination, partial(contexts.of, destination.ca_file))


async def _woken(descriptor: int, wake: Callable[[], None]) -> None:
    """A byte for each commit of an edge; many at once are one."""
    async with trio.lowlevel.FdStream(descriptor) as stream:
        while await stream.receive_some(4096):
            wake()


def _wake(descriptor: int | None) -> None:
    """A full pipe needs no further byte: the core has not read those before."""
    if descriptor is not None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(descriptor, b"\x00")


def _count_nothing(_: str) -> None:
    """What crashed is in the log."""
