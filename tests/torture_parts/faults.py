"""Servers that misbehave, each in its own way, on bare sockets."""

import gzip
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

import trio

Handler = Callable[[trio.SocketStream], Awaitable[None]]

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ZEROS = bytes(65_536)
BOMB = gzip.compress(bytes(50_000_000))  # 49 KB


async def read_request(stream: trio.SocketStream) -> bytes:
    """The next request's bytes, head and body; nothing when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some(65_536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = sum(lengths) - len(body)
    while left > 0 and (part := await stream.receive_some(65_536)):
        left -= len(part)
    return data


def answers(*pieces: bytes) -> Handler:
    """Reads requests and gives each the same bytes; keeps the connection open."""

    async def handler(stream: trio.SocketStream) -> None:
        while await read_request(stream):
            for piece in pieces:
                await stream.send_all(piece)

    return handler


def hangs_after(start: bytes) -> Handler:
    async def handler(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(start)
        await trio.sleep_forever()

    return handler


def closes_after(start: bytes) -> Handler:
    async def handler(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(start)

    return handler


def repeats(start: bytes, piece: bytes, every_s: float = 0.0) -> Handler:
    """Sends the piece again and again, for ever."""

    async def handler(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(start)
        while True:
            await stream.send_all(piece)
            await trio.sleep(every_s)

    return handler


def replies(data: bytes) -> Handler:
    """To whatever comes first, request or not, and closes."""

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(data)

    return handler


async def resets(stream: trio.SocketStream) -> None:
    await stream.receive_some(65_536)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def never_reads(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


GARBAGE = random.Random(1).randbytes(1_000)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
OPEN_HEAD = b"HTTP/1.1 200 OK\r\n"
GZIP_HEAD = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB)
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"

# name -> (what the server does, what the attempt ends as: a failure's kind or an answer's status)
FAULTS: dict[str, tuple[Handler, str | int]] = {
    "hang after accept": (never_reads, "timeout"),
    "hang mid-header": (hangs_after(b"HTTP/1.1 200 OK\r\ncontent-"), "timeout"),
    "hang mid-body": (hangs_after(HEAD + b"half"), "timeout"),
    "500": (answers(b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops"), 500),
    "429 with Retry-After": (answers(b"HTTP/1.1 429 No\r\nretry-after: 315360000\r\ncontent-length: 0\r\n\r\n"), 429),
    "429 without": (answers(b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n"), 429),
    "200 with an error body": (answers(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"error":1}'), 200),
    "307 to a private address": (answers(REDIRECT), 307),
    "garbage bytes": (closes_after(GARBAGE + b"\r\n\r\n"), "protocol"),
    "garbage without a line end": (closes_after(GARBAGE.replace(b"\n", b"")), "reset"),
    "another protocol": (closes_after(b"220 mail.example ESMTP\r\n\r\n"), "protocol"),
    "early close": (closes_after(b""), "reset"),
    "close mid-header": (closes_after(b"HTTP/1.1 200 OK\r\nx"), "reset"),
    "close mid-body": (closes_after(HEAD + b"half"), "reset"),
    "reset": (resets, "reset"),
    "1 B/s header": (repeats(OPEN_HEAD, b"x", 1.0), "timeout"),
    "1 B/s body": (repeats(HEAD, b"x", 1.0), "timeout"),
    "endless body": (repeats(b"HTTP/1.1 200 OK\r\n\r\n", ZEROS), 200),
    "endless small chunks": (
        repeats(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 500),
        200,
    ),
    "gzip bomb": (answers(GZIP_HEAD + BOMB), 200),
    "endless 100s": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "too_large"),
    "1 interim answer a second": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 1.0), "timeout"),
    "10 MB header": (repeats(OPEN_HEAD + b"x: ", b"x" * 65_536), "too_large"),
    "endless headers": (repeats(OPEN_HEAD, b"a:b\r\n" * 1_000), "too_large"),
    "upgrade nobody asked for": (
        closes_after(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        "protocol",
    ),
}


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """The port of a server on loopback, each of whose connections is given to the handler."""

    async def handle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await handler(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        try:
            yield listeners[0].socket.getsockname()[1]
        finally:
            nursery.cancel_scope.cancel()


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of a listener whose backlog is full: the system drops what asks for a connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
