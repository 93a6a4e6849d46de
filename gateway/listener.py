"""Accepts connections within bounds, keeps their time, ends them: the one listener before both doors."""

import errno
import resource
import socket
from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

import trio

from actors.observer import Observer
from gateway.answers import DateLine, encode_answer, no_room
from gateway.call import Handler
from gateway.client import LOOPBACK, Network, address_key, is_trusted
from gateway.door import DoorBounds, DoorLog, Share, log_nothing, share_nothing
from gateway.failures import FailureReport
from gateway.fast_lane import FastLane
from gateway.late_door import LateDoor, MakeApp
from gateway.wire import Wire

BACKLOG = 1024
ACCEPTS_A_TURN = 64
SWEEP_S = 0.5
PAUSE_WITHOUT_DESCRIPTORS_S = 0.2
LOG_AGAIN_S = 60.0
# What accept() reports of the system, not of one connection: accept(2), "Error handling".
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def open_listening_socket(host: str, port: int) -> socket.socket:
    """A bound, listening TCP socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


async def serve_doors(
    sockets: Sequence[socket.socket],
    handler: Handler,
    make_app: MakeApp,
    *,
    bounds: DoorBounds | None = None,
    trusted: Sequence[Network] = (),
    observer: Observer | None = None,
    log: DoorLog = log_nothing,
    share: Share = share_nothing,
    is_fast_lane_on: bool = True,
    task_status: trio.TaskStatus["Listener"] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves both doors on listening sockets (own or inherited) until it is cancelled or closed.

    Then requests that are under way have `drain_s` to end: cancelling does not cut them.
    """
    bounds = bounds or DoorBounds()
    report = FailureReport(observer=observer or Observer(), log=log)
    # Shielded: the other door is closed after the last request, not by the order to stop.
    door, life = LateDoor(), trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(door.hold_open, make_app, bounds, report, share, life)
        lane = FastLane(
            handler=handler,
            other_door=door,
            bounds=bounds,
            report=report,
            date=DateLine(),
            share=share,
            is_on=is_fast_lane_on,
        )
        listener = Listener(sockets, lane, bounds, (*LOOPBACK, *trusted), report)
        try:
            await listener.serve(task_status=task_status)
        finally:
            life.cancel()


class Listener:
    """Holds all connections. `exempt` networks are not bounded by address; the table of wires is by `connections`."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        lane: FastLane,
        bounds: DoorBounds,
        exempt: Sequence[Network],
        report: FailureReport,
    ) -> None:
        self._sockets = sockets
        self._lane = lane
        self._bounds = bounds
        self._exempt = exempt
        self._report = report
        self._wires: set[Wire] = set()
        self._by_address: Counter[str] = Counter()
        self._accepting = trio.CancelScope()
        self._closing = trio.Event()
        self._descriptors = _descriptors(bounds.reserve_descriptors)
        self._logged_at = -LOG_AGAIN_S

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(sock.getsockname()[1] for sock in self._sockets)

    def connections(self) -> int:
        return len(self._wires)

    def close(self) -> None:
        """Stops accepting; `serve` returns when what is under way has ended, at the latest after `drain_s`."""
        self._accepting.cancel()

    async def serve(self, *, task_status: trio.TaskStatus["Listener"] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as outer:
            connections: trio.Nursery = await outer.start(self._hold_connections)
            try:
                with self._accepting:
                    async with trio.open_nursery() as nursery:
                        for sock in self._sockets:
                            self._prepare(sock)
                            nursery.start_soon(self._accept_from, sock, connections)
                        task_status.started(self)
            finally:
                self._begin_closing(connections)

    async def _hold_connections(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """The nursery of all connections: shielded, so that a request under way outlives the order to stop."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as keeper:
                keeper.start_soon(self._sweep)
                async with trio.open_nursery() as connections:
                    task_status.started(connections)
                    await self._closing.wait()
                keeper.cancel_scope.cancel()

    async def _sweep(self) -> None:
        """Interrupts every wait that is overdue. One timer for all connections: a cancel scope in each costs more."""
        shortest = min(self._bounds.head_s, self._bounds.keep_alive_s, self._bounds.send_s, self._bounds.drain_send_s)
        while True:
            now = trio.current_time()
            for wire in self._wires:
                wire.expire_if_due(now)
            await trio.sleep(min(SWEEP_S, shortest / 4))

    def _begin_closing(self, connections: trio.Nursery) -> None:
        connections.cancel_scope.deadline = trio.current_time() + self._bounds.drain_s
        self._closing.set()
        for sock in self._sockets:
            sock.close()
        for wire in self._wires:
            wire.begin_closing(self._bounds.drain_send_s)

    def _prepare(self, sock: socket.socket) -> None:
        """Accepted sockets inherit these options on Linux, which spares three calls for each."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._bounds.user_timeout_ms)

    async def _accept_from(self, sock: socket.socket, connections: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(sock)
            for _ in range(ACCEPTS_A_TURN):
                try:
                    accepted, address = sock.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno not in NO_DESCRIPTORS:
                        continue  # of one connection, gone before it was taken
                    self._say_no_descriptors()
                    await trio.sleep(PAUSE_WITHOUT_DESCRIPTORS_S)
                    break
                self._take(accepted, address, connections)

    def _take(self, sock: socket.socket, address: Sequence[Any], connections: trio.Nursery) -> None:
        sock.setblocking(False)
        peer, port = address[:2]
        wire = Wire(sock, peer, port, address_key(peer), self._bounds.send_s)
        refusal = self._no_room_for(wire)
        if refusal is not None:
            self._report.observer.connection_failed(refusal)
            wire.send_or_drop(encode_answer(no_room("too many connections"), self._lane.date.line(), is_last=True))
            wire.close()
            return
        self._wires.add(wire)
        self._by_address[wire.address] += 1
        self._report.observer.connections(len(self._wires))
        connections.start_soon(self._hold, wire)

    def _no_room_for(self, wire: Wire) -> str | None:
        """A code if the connection is one too many.

        The system gives the lowest free descriptor, so a descriptor's number tells how many are taken.
        """
        if wire.sock.fileno() >= self._descriptors:
            self._say_no_descriptors()
            return "no_descriptors"
        if len(self._wires) >= self._bounds.connections:
            return "too_many"
        if self._by_address[wire.address] < self._bounds.connections_per_address:
            return None
        return None if is_trusted(wire.peer, self._exempt) else "too_many_of_address"

    async def _hold(self, wire: Wire) -> None:
        """One connection from first to last. Whatever fails in it ends here; only cancellation passes."""
        try:
            await self._lane.serve(wire)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self._report.observer.connection_failed("lost")  # the peer is gone, or was too slow to be answered
        except* Exception as failures:  # noqa: BLE001 - the boundary of a connection: counted, logged once
            self._report.contained("listener", failures)
        finally:
            self._release(wire)

    def _release(self, wire: Wire) -> None:
        wire.close()
        self._wires.discard(wire)
        self._by_address[wire.address] -= 1
        if not self._by_address[wire.address]:
            del self._by_address[wire.address]
        self._report.observer.connections(len(self._wires))

    def _say_no_descriptors(self) -> None:
        now = trio.current_time()
        if now - self._logged_at >= LOG_AGAIN_S:
            self._logged_at = now
            self._report.log("no_descriptors", open_connections=len(self._wires))


def _descriptors(reserve: int) -> float:
    """How many connections and other files may use; a reserve larger than half of the limit would leave too little."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return inf if limit == resource.RLIM_INFINITY else max(limit - reserve, limit // 2)
