"""F17: clients that are slow with their headers, their body or their reading, 1,000 of each.

The bar: the p99 of others is at most twice the normal one; all slow clients are closed within their limits.
"""

import json
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from gateway.door import DoorBounds
from tests.torture_parts.door_process import ASK, Process, open_process
from tests.torture_parts.harness import bar_s

HEAD = b"POST /i HTTP/1.1\r\nHost: a\r\n"
EXPORT = b"GET /export HTTP/1.1\r\nHost: a\r\n\r\n"
DRIP_S = 1.0
SLACK_S = 2.0
NOISE_MS = 5.0  # below this a p99 of loopback says more about the machine than about the server
MANNERS = ("headers", "body", "reading")


async def run(full: bool) -> dict[str, object]:
    clients = 1000 if full else 20
    if full:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    bounds = DoorBounds() if full else DoorBounds(head_s=0.4, body_s=0.6, send_s=0.6, keep_alive_s=0.4)
    limits = {"headers": bounds.head_s, "body": bounds.body_s, "reading": bounds.send_s}
    missed: list[str] = []
    rows: dict[str, object] = {}
    async with open_process(bounds) as process:
        for manner in MANNERS:
            rows[manner] = await _play(process, manner, clients, missed, limits[manner], full)
        after = await process.books()
        _, code = await process.stop()
    if code != 0 or after.contained or after.answered_500:
        missed.append(f"exit code {code}, books {after}")
    return {"clients": clients, **rows, "exit_code": code, "missed": missed}


async def _play(
    process: Process, manner: str, clients: int, missed: list[str], limit_s: float, full: bool
) -> dict[str, object]:
    slow: Callable[[trio.SocketStream], Awaitable[None]] = {
        "headers": _drip_head,
        "body": _drip_body,
        "reading": _read_nothing,
    }[manner]
    samples = 2000 if full else 200
    alone = await _p99_ms(process, samples)
    lasted: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(_last, process.port, slow, lasted)
        await trio.sleep(3.0 if full else 0.1)  # until their sockets are full: taking 64 MiB each is load, not slowness
        beside = await _p99_ms(process, samples)
    if full and beside > max(2 * alone, NOISE_MS):
        missed.append(f"slow {manner}: p99 of others {beside} ms, alone {alone} ms")
    if max(lasted) > limit_s + bar_s(SLACK_S, full):
        missed.append(f"slow {manner}: closed only after {max(lasted)} s")
    return {"clients": clients, "closed_after_s": round(max(lasted), 2), "p99_ms": {"alone": alone, "beside": beside}}


async def _last(port: int, slow: Callable[[trio.SocketStream], Awaitable[None]], lasted: list[float]) -> None:
    sock = trio.socket.socket()
    await sock.connect(("127.0.0.1", port))
    async with trio.SocketStream(sock) as stream:
        begun = trio.current_time()
        with suppress(trio.BrokenResourceError), trio.move_on_after(60):
            await slow(stream)
        lasted.append(trio.current_time() - begun)


async def _drip_head(stream: trio.SocketStream) -> None:
    await stream.send_all(HEAD)
    await _drip(stream, b"X-A: b\r\n")


async def _drip_body(stream: trio.SocketStream) -> None:
    await stream.send_all(HEAD + b"Content-Length: 60000\r\n\r\n")
    await _drip(stream, b"a")


async def _drip(stream: trio.SocketStream, piece: bytes) -> None:
    """Until the server ends the stream or refuses to take more."""
    while True:
        with trio.move_on_after(DRIP_S):
            while await stream.receive_some():
                pass
            return
        await stream.send_all(piece)


async def _read_nothing(stream: trio.SocketStream) -> None:
    """Asks for much, reads nothing, until the connection is gone: a reset shows when sending."""
    await stream.send_all(EXPORT)
    while True:
        await trio.sleep(0.1)
        await stream.send_all(b"\r\n")


async def _p99_ms(process: Process, samples: int) -> float:
    times: list[float] = []
    async with await trio.open_tcp_stream("127.0.0.1", process.port) as stream:
        for _ in range(samples):
            begun = trio.current_time()
            await stream.send_all(ASK)
            await stream.receive_some()
            times.append((trio.current_time() - begun) * 1000)
    return round(sorted(times)[int(samples * 0.99)], 2)


if __name__ == "__main__":
    figures = trio.run(run, "--full" in sys.argv)
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["missed"] else 0)
