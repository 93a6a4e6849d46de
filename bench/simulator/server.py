"""The simulated platforms' HTTP server: reads requests, plays faults, answers for the platform.

Bare sockets with httptools, as it shares a core with a load generator. `/{platform}/…` goes to that platform,
`/_control/…` (control.py) steers it from another process. One instance lives as long as its `serve`.

    simulator = Simulator([MetaSim()])
    await nursery.start(simulator.serve)         # or: async with simulator.running():
    simulator.url("meta")                        # http://127.0.0.1:…/meta
    simulator.fail("meta", Fault(kind="status", status=503, share=0.5))
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from random import Random
from urllib.parse import parse_qsl, unquote

import httptools
import trio
from msgspec import Struct

from bench.simulator.base import Accepted, Fault, Platform, SimRequest, SimResponse
from bench.simulator.control import control
from bench.simulator.faults import Faults, play

RECEIVE_BYTES = 262_144
KEEP = 100_000  # accepted events kept of each platform, unless told otherwise
KEEP_REFUSED = 1_000
REASONS: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}


class Counts(Struct, frozen=True, kw_only=True):
    """Since the start, also of what is no longer kept."""

    requests: int
    accepted: int
    refused: int


class Simulator:
    def __init__(
        self,
        platforms: Iterable[Platform],
        *,
        random: Random | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        keep: int = KEEP,
    ) -> None:
        self._mounts = {platform.name: _Mount(platform, keep) for platform in platforms}
        self._faults = Faults(random or Random(0))
        self._now_ms = now_ms
        self._address = ""

    async def serve(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves until cancelled. `started` carries the address."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        self._address = f"http://{host}:{listeners[0].socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._connection, listeners)
            task_status.started(self._address)

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["Simulator"]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.serve, port)
            yield self
            nursery.cancel_scope.cancel()

    @property
    def address(self) -> str:
        return self._address

    def url(self, name: str) -> str:
        """What a destination's `base_url` is set to."""
        return f"{self._address}/{self._mount(name).platform.name}"

    def names(self) -> list[str]:
        return list(self._mounts)

    def platform(self, name: str) -> Platform:
        return self._mount(name).platform

    def accepted(self, name: str, since: int = 0) -> list[Accepted]:
        """What is kept of what the platform took, from the `since`th on, counted from the start."""
        mount = self._mount(name)
        return mount.platform.accepted[max(since - mount.forgotten, 0) :]

    def refused(self, name: str) -> list[str]:
        return self._mount(name).platform.refused

    def requests(self, name: str) -> int:
        """How many requests arrived, those that met a fault among them."""
        return self._mount(name).requests

    def counts(self, name: str) -> Counts:
        mount = self._mount(name)
        return Counts(
            requests=mount.requests,
            accepted=mount.forgotten + len(mount.platform.accepted),
            refused=mount.forgotten_refused + len(mount.platform.refused),
        )

    def fail(self, name: str, fault: Fault) -> None:
        """The platform misbehaves from now on; a fault told before is replaced."""
        self._faults.set(self._mount(name).platform.name, fault)

    def heal(self, name: str) -> None:
        self._faults.clear(self._mount(name).platform.name)

    def _mount(self, name: str) -> "_Mount":
        if name not in self._mounts:
            raise LookupError(f"no platform {name!r} is simulated; there are {', '.join(self._mounts)}")
        return self._mounts[name]

    async def _connection(self, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await self._requests(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client went away

    async def _requests(self, stream: trio.SocketStream) -> None:
        reader = _Reader(self._now_ms)
        parser = httptools.HttpRequestParser(reader)
        reader.parser = parser
        while data := await stream.receive_some(RECEIVE_BYTES):
            try:
                parser.feed_data(data)
            except httptools.HttpParserError:
                await stream.send_all(_wire(SimResponse(status=400), is_last=True))
                return
            while reader.ready:
                request, is_last = reader.ready.popleft()
                if not await self._respond(stream, request, is_last) or is_last:
                    return

    async def _respond(self, stream: trio.SocketStream, request: SimRequest, is_last: bool) -> bool:
        """Whether the connection lives on."""
        name, _, path = request.path.removeprefix("/").partition("/")
        if name == "_control":
            await stream.send_all(_wire(control(self, request.method, path, request.query, request.body), is_last))
            return True
        mount = self._mounts.get(name)
        if mount is None:
            await stream.send_all(_wire(SimResponse(status=404), is_last))
            return True
        mount.requests += 1
        fault = self._faults.draw(name)
        if fault is None:
            await stream.send_all(_wire(mount.answer(request, path), is_last))
            return True
        return await play(fault, stream, mount.platform, lambda: _wire(mount.answer(request, path), is_last))


class _Mount:
    """One platform and what is counted of it."""

    def __init__(self, platform: Platform, keep: int) -> None:
        self.platform = platform
        self.requests = 0
        self.forgotten = 0
        self.forgotten_refused = 0
        self._keep = keep

    def answer(self, request: SimRequest, path: str) -> SimResponse:
        response = self.platform.answer(
            SimRequest(
                method=request.method,
                path="/" + path,
                query=request.query,
                headers=request.headers,
                body=request.body,
                at_ms=request.at_ms,
            )
        )
        self.forgotten += _forget(self.platform.accepted, self._keep)
        self.forgotten_refused += _forget(self.platform.refused, KEEP_REFUSED)
        return response


def _forget(kept: list[Accepted] | list[str], keep: int) -> int:
    """Cuts the list to its bound, only when a tenth beyond it: cutting the head moves all that stays."""
    excess = len(kept) - keep
    if excess <= keep // 10:
        return 0
    del kept[:excess]
    return excess


class _Reader:
    """httptools' callbacks: gathers requests until they are whole."""

    parser: httptools.HttpRequestParser

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.ready: deque[tuple[SimRequest, bool]] = deque()
        self._now_ms = now_ms

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        request = SimRequest(
            method=self.parser.get_method().decode("latin-1"),
            path=unquote(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=self._headers,
            body=b"".join(self._body),
            at_ms=self._now_ms(),
        )
        self.ready.append((request, not self.parser.should_keep_alive()))


def _wire(response: SimResponse, is_last: bool) -> bytes:
    """The answer as it goes over the wire. 204 has neither body nor length (RFC 9110, section 8.6)."""
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if response.status != 204:
        lines.append(f"content-length: {len(response.body)}")
    if is_last:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
