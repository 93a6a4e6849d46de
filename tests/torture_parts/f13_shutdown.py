"""F13: SIGTERM while clients do not read: the process ends in time, and what was acknowledged was handled.

The bar: with 100 clients that do not read, exit within 10 s, code 0.
"""

import json
import sys
from contextlib import AsyncExitStack

import trio

from gateway.door import DoorBounds
from tests.torture_parts.door_process import ASK, Books, Process, open_process

EXPORT = b"GET /export HTTP/1.1\r\nHost: a\r\n\r\n"


async def run(full: bool) -> dict[str, object]:
    clients, bar_s = (100, 10.0) if full else (8, 3.0)
    bounds = DoorBounds() if full else DoorBounds(drain_s=1.0, drain_send_s=0.3)
    missed: list[str] = []
    async with open_process(bounds) as process, AsyncExitStack() as stack:
        for number in range(clients):
            stream = await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", process.port))
            await stream.send_all(EXPORT if number % 2 else ASK * 2000)
        acknowledged = await _acknowledged(process)
        took_s, code = await process.stop()
    if took_s > bar_s or code != 0:
        missed.append(f"ended after {took_s} s with code {code}")
    if acknowledged < 1:
        missed.append("nothing was acknowledged beside the clients that do not read")
    return {"clients": clients, "acknowledged": acknowledged, "exit_s": took_s, "exit_code": code, "missed": missed}


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
