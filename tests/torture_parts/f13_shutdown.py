"""F13: SIGTERM while clients do not read: the process ends in time, and what was acknowledged was handled.

The bars: with 100 clients that do not read, exit within 10 s, code 0. The doors alone, with answers that never end; and
the whole gateway, while others send events: nothing acknowledged is lost.
"""

import json
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from gateway.door import DoorBounds
from tests.torture_parts import compare
from tests.torture_parts.door_process import ASK, Books, Process, open_process
from tests.torture_parts.harness import Setup, bar_s, folder, free_port, platforms, running
from tests.torture_parts.load import loading, request

LOUD = request(b'{"events":[' + b",".join([b"{}"] * 1_000) + b"]}")  # each answered with a fault: 186 KB in all
LOUD_TIMES = 40  # more than the 4 MiB that Linux keeps of what a peer does not read
STILL_S = 0.5
EXIT_S = 10.0
EXPORT = b"GET /export HTTP/1.1\r\nHost: a\r\n\r\n"


async def run(full: bool) -> dict[str, object]:
    clients = 100 if full else 8
    bounds = DoorBounds() if full else DoorBounds(drain_s=1.0, drain_send_s=0.3)
    missed: list[str] = []
    async with open_process(bounds) as process, AsyncExitStack() as stack:
        for number in range(clients):
            stream = await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", process.port))
            await stream.send_all(EXPORT if number % 2 else ASK * 2000)
        acknowledged = await _acknowledged(process)
        took_s, code = await process.stop()
    if took_s > bar_s(EXIT_S, full) or code != 0:
        missed.append(f"ended after {took_s} s with code {code}")
    if acknowledged < 1:
        missed.append("nothing was acknowledged beside the clients that do not read")
    figures = {"clients": clients, "acknowledged": acknowledged, "exit_s": took_s, "exit_code": code}
    whole = await _whole_gateway(24 if full else 3, bar_s(EXIT_S, full), missed)
    return {**figures, "whole_gateway": whole, "missed": missed}


async def _whole_gateway(clients: int, exit_s: float, missed: list[str]) -> dict[str, object]:
    async with platforms() as held:
        with folder() as directory:
            setup = Setup(directory=directory, platforms=held, port=free_port())
            async with running(setup) as gateway, loading(setup.port, "term", 4) as load:
                async with AsyncExitStack() as stack:
                    for _ in range(clients):
                        stream = await stack.enter_async_context(await _deaf(setup.port))
                        await stream.send_all(LOUD * LOUD_TIMES)
                    await load.wait_acks(200)
                    waiting_bytes = await _wait_full(setup.port)
                    begun = trio.current_time()
                    code = await gateway.stop()
                    took_s = round(trio.current_time() - begun, 2)
                codes = gateway.codes()
            compared = await compare.compare(load.acked, held, setup.store)
    missed += [f"whole gateway: ended after {took_s} s with {code}"] if took_s > exit_s or code or codes else []
    missed += [f"whole gateway: lost {compared.lost}"] if compared.lost else []
    missed += [f"whole gateway: store: {problem}" for problem in compared.problems[:3]]
    figures = {"clients": clients, "bytes_nobody_read": waiting_bytes, "exit_s": took_s}
    return {**figures, "acknowledged": compared.acknowledged, "lost": compared.lost}


async def _wait_full(port: int) -> int:
    """Until no more goes into the sockets of those who do not read; the bytes that are in them."""
    with trio.fail_after(60):
        before = 0
        while not (now := _unsent(port)) or now != before:
            before = now
            await trio.sleep(STILL_S)
    return now


def _unsent(port: int) -> int:
    """Bytes that the server has sent and whose peers have not taken them, where those are many (proc_net_tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queued = [int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(f":{port:04X}")]
    return sum(one for one in queued if one > len(LOUD))


async def _deaf(port: int) -> trio.SocketStream:
    """A connection that takes a few kilobytes and no more."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def _acknowledged(process: Process) -> int:
    """Events handled while the others do not read: served all the same."""
    books: Books | None = None
    for _ in range(20):
        books = await process.books()
    return books.handled if books else 0


if __name__ == "__main__":
    figures = trio.run(run, "--full" in sys.argv)
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["missed"] else 0)
