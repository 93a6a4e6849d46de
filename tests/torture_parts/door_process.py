"""Both doors in a process of their own, for proofs that end processes, take descriptors or fill sockets.

As a script it says its port and serves until SIGTERM. `POST /i` answers with the process's books.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import trio
from quart import Blueprint, Response

from actors.observer import Observer
from gateway.app import create_app
from gateway.call import Answer, Call
from gateway.door import DoorBounds, Ready
from gateway.listener import Listener, open_listening_socket, serve_doors

EXPORT_PIECES = 1000
PIECE = bytes(64 * 1024)
ASK = b"POST /i HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


class Books(msgspec.Struct, frozen=True, kw_only=True):
    descriptors: int
    tasks: int
    handled: int
    contained: int  # failures that a door had to contain: each is a defect
    answered_500: int
    log_lines: list[str]


class Counting(Observer):
    """Handles, counts and keeps the log's action words."""

    def __init__(self) -> None:
        self.handled = 0
        self.answered_500 = 0
        self.lines: list[str] = []

    def answered(self, door: str, status: int) -> None:
        self.answered_500 += status == 500

    def log(self, action: str, **fields: object) -> None:
        self.lines.append(action)

    async def handle(self, call: Call) -> Answer:
        self.handled += 1
        return Answer(status=200, body=msgspec.json.encode(self.books()))

    def books(self) -> Books:
        return Books(
            descriptors=len(os.listdir("/proc/self/fd")),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            handled=self.handled,
            contained=self.lines.count("connection_failure_contained"),
            answered_500=self.answered_500,
            log_lines=self.lines[-20:],
        )


class Process(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    process: trio.Process

    async def books(self) -> Books:
        """Asked over a connection of its own; waits for a turn if there is no room."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(ASK.replace(b"Host", b"Connection: close\r\nHost"))
            reply = b"".join([part async for part in stream])
        head, _, body = reply.partition(b"\r\n\r\n")
        if b" 200 " not in head:
            raise OSError(head[:40])
        return msgspec.json.decode(body, type=Books)

    async def stop(self) -> tuple[float, int]:
        """SIGTERM; seconds until it had ended, and its exit code."""
        begun = trio.current_time()
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(30):
            code = await self.process.wait()
        return round(trio.current_time() - begun, 2), code


@asynccontextmanager
async def open_process(bounds: DoorBounds, descriptors: int = 0) -> AsyncIterator[Process]:
    """Started, both doors open, and ended in any case."""
    command = [sys.executable, "-m", "tests.torture_parts.door_process", msgspec.json.encode(bounds).decode()]
    process = await trio.lowlevel.open_process([*command, str(descriptors)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with trio.fail_after(30):
            port = int(await process.stdout.receive_some(16))
            await _open_other_door(port)
        yield Process(port=port, process=process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await process.stdout.aclose()


async def _open_other_door(port: int) -> None:
    """It is opened late, or by the first request for it."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        async for _ in stream:
            pass


def exports() -> Blueprint:
    """A route with an answer larger than any socket buffer."""
    blueprint = Blueprint("exports", __name__)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(EXPORT_PIECES):
            yield PIECE

    async def export() -> Response:
        return Response(pieces())

    blueprint.add_url_rule("/export", "export", export)
    return blueprint


async def main(bounds: DoorBounds) -> None:
    counting = Counting()
    app = create_app(
        handler=counting, ready=Ready, bounds=bounds, blueprints=[exports()], observer=counting, log=counting.log
    )
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_doors, bounds=bounds, observer=counting, log=counting.log)
            listener: Listener = await nursery.start(
                serve, [open_listening_socket("127.0.0.1", 0)], counting, lambda: app
            )
            print(listener.ports[0], flush=True)
            async for _ in signals:
                listener.close()
                break


if __name__ == "__main__":
    if int(sys.argv[2]):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
    trio.run(main, msgspec.json.decode(sys.argv[1], type=DoorBounds))
