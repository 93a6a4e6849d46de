"""F12: descriptors run out: 500 clients against a limit of 256.

The bar: no exit, at most one log line a minute, the reserve stays free, service is normal at most 6 s after.
"""

import json
import sys
from contextlib import AsyncExitStack, suppress

import trio

from gateway.door import DoorBounds
from tests.torture_parts.door_process import Process, open_process

NORMAL_AGAIN_S = 6.0


async def run(full: bool) -> dict[str, object]:
    clients, limit, reserve = (500, 256, 64) if full else (120, 64, 24)
    bounds = DoorBounds(reserve_descriptors=reserve, keep_alive_s=5.0 if full else 0.6)
    missed: list[str] = []
    async with open_process(bounds, limit) as process:
        before = await process.books()
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(await _connect(process.port)) for _ in range(clients)]
            refused = await _count_refused(streams)
            normal_s = await _wait_normal(process)
        after = await process.books()
        _, code = await process.stop()
    if not refused:
        missed.append("nobody was refused: the limit was not reached")
    if normal_s > NORMAL_AGAIN_S:
        missed.append(f"normal only after {normal_s} s")
    if len(after.log_lines) > 1 or code != 0 or after.contained:
        missed.append(f"exit code {code}, log lines {after.log_lines}")
    return {
        "clients": clients,
        "descriptor_limit": limit,
        "refused": refused,
        "normal_after_s": normal_s,
        "log_lines": after.log_lines,
        "descriptors_left_over": after.descriptors - before.descriptors,
        "exit_code": code,
        "missed": missed,
    }


async def _connect(port: int) -> trio.SocketStream:
    sock = trio.socket.socket()
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def _count_refused(streams: list[trio.SocketStream]) -> int:
    """How many are told at once that there is no room."""
    refused = 0
    for stream in streams:
        with trio.move_on_after(0.01), suppress(trio.BrokenResourceError):
            refused += b" 503 " in await stream.receive_some(64)
    return refused


async def _wait_normal(process: Process) -> float:
    """Seconds until a new client is served: silent ones have been closed by then."""
    begun = trio.current_time()
    with trio.move_on_after(NORMAL_AGAIN_S + 1):
        while True:
            with suppress(OSError, trio.BrokenResourceError):
                await process.books()
                break
            await trio.sleep(0.05)
    return round(trio.current_time() - begun, 2)


if __name__ == "__main__":
    figures = trio.run(run, "--full" in sys.argv)
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["missed"] else 0)
