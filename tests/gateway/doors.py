"""Both doors on a free port, a handler that echoes, and a raw client: what the tests of the doors share."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import trio
from hypercorn.typing import ASGIFramework

from actors.observer import Observer
from gateway.app import create_app
from gateway.call import Answer, Call
from gateway.door import DoorBounds, Ready, Share, share_nothing
from gateway.listener import Listener, open_listening_socket, serve_doors

GIVE_UP_S = 30.0  # what is sure to come is waited for so long, on a machine however slow
LONG = DoorBounds(linger_s=0.3)
PATIENT = DoorBounds(linger_s=0.3, keep_alive_s=10 * GIVE_UP_S)  # what ends here does not end for being idle
SHORT = DoorBounds(
    head_s=0.2, body_s=0.3, keep_alive_s=0.2, send_s=0.3, app_read_s=0.5, linger_s=0.1, drain_s=0.8, drain_send_s=0.2
)


class Echo:
    """Answers with what it was given; keeps it; waits for `gate` after it has kept it, as the collector does."""

    def __init__(self, answer: Callable[[Call], Answer] | None = None) -> None:
        self.calls: list[Call] = []
        self.gate = trio.Event()
        self.gate.set()
        self._answer = answer or echo

    async def handle(self, call: Call) -> Answer:
        self.calls.append(call)
        await self.gate.wait()
        return self._answer(call)


def echo(call: Call) -> Answer:
    if call.method == "OPTIONS":
        return Answer(status=204, headers=(("access-control-allow-origin", "https://shop.example.com"),))
    if call.method != "POST":
        return Answer(status=405, headers=(("allow", "POST, OPTIONS"),))
    seen = {"path": call.path, "query": call.query, "peer": call.peer, "body": call.body.decode("latin-1")}
    headers = (("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
    return Answer(status=200, headers=headers, body=msgspec.json.encode(seen))


class Heard(Observer):
    """What the doors told: (door, status) of each answer, codes of failed connections, and the log's lines."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self.lines: list[tuple[str, dict[str, object]]] = []

    def answered(self, door: str, status: int) -> None:
        self.answers.append((door, status))

    def connection_failed(self, kind: str) -> None:
        self.failures.append(kind)

    def log(self, action: str, **fields: object) -> None:
        self.lines.append((action, fields))


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    listener: Listener
    handler: Echo
    heard: Heard
    nursery: Any

    async def connect(self) -> "Client":
        return Client(await trio.open_tcp_stream("127.0.0.1", self.port))

    async def ask(self, raw: bytes) -> "Reply":
        """One request on a connection of its own."""
        async with await self.connect() as client:
            await client.send(raw)
            return await client.reply()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def comparable(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Without what may differ between two equal answers."""
        kept = [pair for pair in self.headers if pair[0] not in ("date", "connection")]
        return self.status, sorted(kept), self.body


class Client:
    """A raw HTTP/1.1 client: sends any bytes, reads replies that have a Content-Length."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stream.aclose()

    async def send(self, raw: bytes) -> None:
        await self.stream.send_all(raw)

    async def reply(self, *, has_body: bool = True) -> Reply:
        with trio.fail_after(GIVE_UP_S):
            while b"\r\n\r\n" not in self._buffer:
                await self._more()
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
            length = int(dict(headers).get("content-length", "0")) if has_body else 0
            while len(self._buffer) < length:
                await self._more()
            body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Reply(status=int(lines[0].split()[1]), headers=headers, body=body)

    async def wait_end(self, within_s: float = GIVE_UP_S) -> bytes:
        """What still came until the server closed."""
        rest = self._buffer
        with trio.fail_after(within_s):
            try:
                while data := await self.stream.receive_some():
                    rest += data
            except trio.BrokenResourceError:
                pass  # reset: closed all the same
        return rest

    async def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.stream.socket.close()
        await trio.lowlevel.checkpoint()

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError("the server closed before a whole reply")
        self._buffer += data


@asynccontextmanager
async def open_doors(
    *,
    bounds: DoorBounds = LONG,
    handler: Echo | None = None,
    is_fast_lane_on: bool = True,
    app: ASGIFramework | None = None,
    ready: Callable[[], Ready | str] = Ready,
    share: Share = share_nothing,
    sock: socket.socket | None = None,
) -> AsyncIterator[Doors]:
    handler, heard = handler or Echo(), Heard()
    web = app or create_app(handler=handler, ready=ready, bounds=bounds, observer=heard, log=heard.log, share=share)
    sock = sock or open_listening_socket("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_doors,
            bounds=bounds,
            observer=heard,
            log=heard.log,
            share=share,
            is_fast_lane_on=is_fast_lane_on,
        )
        listener: Listener = await nursery.start(serve, [sock], handler, lambda: web)
        yield Doors(port=listener.ports[0], listener=listener, handler=handler, heard=heard, nursery=nursery)
        handler.gate.set()
        listener.close()


def request(
    method: str, target: str, body: bytes | None = None, *headers: str, is_chunked: bool = False, last: bool = False
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway.test", *headers]
    lines += ["Connection: close"] if last else []
    if is_chunked:
        lines.append("Transfer-Encoding: chunked")
        data = body or b""
        framed = (f"{len(data):x}\r\n".encode() + data + b"\r\n" if data else b"") + b"0\r\n\r\n"
    else:
        lines += [] if body is None else [f"Content-Length: {len(body)}"]
        framed = body or b""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + framed


async def wait_until(condition: Callable[[], bool], within_s: float = GIVE_UP_S) -> None:
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in real sockets, not at an event
            await trio.sleep(0.005)
