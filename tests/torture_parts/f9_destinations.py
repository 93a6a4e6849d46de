"""Destinations, resolvers and networks that fail (RELIABILITY F9, F10, F11): each attempt ends in time and memory, and
the engine makes of it what it should (f9_engine.py).

    python -m tests.torture_parts.f9_destinations [--full]

The full form has the real bounds (15 s an attempt, 5 s to connect), the short one a fiftieth of them.
"""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Sequence

import trio
from msgspec import Struct

from actors.addresses import rules
from actors.destinations.base import Request, Response
from actors.dialing import Lookup, look_up
from actors.tls import client_tls
from actors.transport import Failure, Transport
from tests.torture_parts import f9_engine, faults
from tests.torture_parts.harness import bar_s

OPEN = rules(allow_private=True)
MEMORY_BYTES = 1 << 20  # an attempt may take at most
HUNG_LOOKUPS = 100
SCHEDULING_S = 0.5  # what a busy machine may add to a bound; in the short form more
SLEEPER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    try:
        while peer.recv(65536):
            peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")
    except OSError:
        pass  # the client gave up while we were stopped
"""


PATIENT_S = 5.0
FULL_S = 5.0  # bounds from here on are the real ones
STOPPED_S = 2.0  # time enough for an answer of a peer that goes on


class Bounds(Struct, frozen=True, kw_only=True):
    attempt_s: float
    connect_s: float


class Ended(Struct, frozen=True, kw_only=True):
    """How an attempt ended, and after how long."""

    outcome: str | int
    took_s: float


async def run(full: bool) -> dict[str, object]:
    """The figures; `missed` names each bar that was not reached."""
    bounds = Bounds(attempt_s=15.0, connect_s=5.0) if full else Bounds(attempt_s=0.3, connect_s=0.15)
    tls = client_tls()
    missed: list[str] = []
    ended = await _all_faults(tls, bounds)
    for name, (_, expected) in faults.FAULTS.items():
        bound_s = bounds.attempt_s if expected == "timeout" else max(bounds.attempt_s, PATIENT_S)
        _expect(missed, name, ended[name], expected, bound_s)
    memory = {name: await _memory(tls, bounds, handler) for name, (handler, _) in faults.FAULTS.items()}
    missed += [f"{name}: {used} bytes" for name, used in memory.items() if used > MEMORY_BYTES]
    hole = await _black_hole(tls, bounds)
    _expect(missed, "SYN black hole", hole, "timeout", bounds.connect_s)
    calm = Bounds(attempt_s=max(bounds.attempt_s, STOPPED_S), connect_s=PATIENT_S)
    stopped = await _stopped_peer(tls, calm)
    _expect(missed, "stopped peer", stopped[1], "timeout", calm.attempt_s)
    _expect(missed, "peer that goes on", stopped[2], 200, calm.attempt_s)
    lookups = await _hung_lookups(tls, bounds, missed)
    engine, missed_by_engine = await f9_engine.run(full)
    return {
        "bounds_s": [bounds.attempt_s, bounds.connect_s],
        "attempts": {name: [end.outcome, round(end.took_s, 3)] for name, end in ended.items()},
        "longest_attempt_s": round(max(end.took_s for end in ended.values()), 3),
        "most_memory_bytes": max(memory.values()),
        "black_hole_s": round(hole.took_s, 3),
        "stopped_peer": [[end.outcome, round(end.took_s, 3)] for end in stopped],
        "hung_lookups": lookups,
        "engine": engine,
        "missed": [*missed, *missed_by_engine],
    }


def _expect(missed: list[str], name: str, end: Ended, outcome: str | int, bound_s: float) -> None:
    if end.outcome != outcome:
        missed.append(f"{name}: ended as {end.outcome}, not {outcome}")
    if end.took_s > bound_s + bar_s(SCHEDULING_S, bound_s >= FULL_S):
        missed.append(f"{name}: took {end.took_s:.2f} s")


def _transport(tls: ssl.SSLContext, bounds: Bounds, lookup: Lookup = look_up) -> Transport:
    return Transport(tls, allowed=OPEN, attempt_s=bounds.attempt_s, connect_s=bounds.connect_s, lookup=lookup)


async def _timed(transport: Transport, url: str) -> Ended:
    began = time.perf_counter()
    result: Response | Failure = await transport.send(Request(url=url, body=b"{}"))
    outcome = result.kind if isinstance(result, Failure) else result.status
    return Ended(outcome=outcome, took_s=time.perf_counter() - began)


async def _fault(tls: ssl.SSLContext, bounds: Bounds, handler: faults.Handler) -> Ended:
    async with faults.serving(handler) as port, _transport(tls, bounds) as transport:
        return await _timed(transport, f"http://127.0.0.1:{port}/")


async def _all_faults(tls: ssl.SSLContext, bounds: Bounds) -> dict[str, Ended]:
    """Each fault beside all others: one that took the loop's time would show in the rest."""
    ended: dict[str, Ended] = {}

    # Only what ends by the bound is given the short one: on a busy machine the rest may take its time.
    patient = Bounds(attempt_s=max(bounds.attempt_s, PATIENT_S), connect_s=bounds.connect_s)

    async def one(name: str, handler: faults.Handler, expected: str | int) -> None:
        ended[name] = await _fault(tls, bounds if expected == "timeout" else patient, handler)

    async with trio.open_nursery() as nursery:
        for name, (handler, expected) in faults.FAULTS.items():
            nursery.start_soon(one, name, handler, expected)
    return ended


async def _memory(tls: ssl.SSLContext, bounds: Bounds, handler: faults.Handler) -> int:
    """The most bytes that an attempt, and the server beside it, held at once; a hung one holds no more later on."""
    short = Bounds(attempt_s=min(bounds.attempt_s, 2.0), connect_s=bounds.connect_s)
    tracemalloc.start()
    try:
        await _fault(tls, short, handler)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def _black_hole(tls: ssl.SSLContext, bounds: Bounds) -> Ended:
    with faults.black_hole() as port:
        async with _transport(tls, bounds) as transport:
            return await _timed(transport, f"http://127.0.0.1:{port}/")


async def _stopped_peer(tls: ssl.SSLContext, bounds: Bounds) -> Sequence[Ended]:
    """Before, while and after the peer's process is stopped: its kernel keeps the connection open all along."""
    peer = await trio.lowlevel.open_process([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
    assert peer.stdout is not None
    try:
        port = int(await peer.stdout.receive_some())
        url = f"http://127.0.0.1:{port}/"
        async with _transport(tls, bounds) as transport:
            before = await _timed(transport, url)
            os.kill(peer.pid, signal.SIGSTOP)
            stopped = await _timed(transport, url)
            os.kill(peer.pid, signal.SIGCONT)
            return before, stopped, await _timed(transport, url)
    finally:
        peer.kill()
        with trio.CancelScope(shield=True):
            await peer.stdout.aclose()
            await peer.wait()


async def _hung_lookups(tls: ssl.SSLContext, bounds: Bounds, missed: list[str]) -> dict[str, object]:
    """A healthy destination's answers while names of others hang: 100 look-ups over 13 destinations."""
    released = threading.Event()

    def hang(host: str) -> Sequence[str]:
        released.wait(60)
        return ["127.0.0.1"]

    ended: list[Ended] = []

    async def attempt(transport: Transport) -> None:
        ended.append(await _timed(transport, "http://hung.example/"))

    async with faults.serving(faults.answers(faults.PLAIN)) as port, _transport(tls, bounds) as healthy:
        url = f"http://127.0.0.1:{port}/"
        alone = await _latencies(healthy, url)
        try:
            async with trio.open_nursery() as nursery:
                destinations = [_transport(tls, bounds, hang) for _ in range(-(-HUNG_LOOKUPS // 8))]
                for number in range(HUNG_LOOKUPS):
                    nursery.start_soon(attempt, destinations[number // 8])
                await trio.sleep(0.05)
                beside = await _latencies(healthy, url)
                borrowed = trio.to_thread.current_default_thread_limiter().borrowed_tokens
        finally:
            released.set()
    for end in ended:
        _expect(missed, "hung look-up", end, "dns", bounds.connect_s)
    if borrowed:
        missed.append(f"hung look-ups hold {borrowed} threads of the default limiter")
    return {
        "ended": len(ended),
        "longest_s": round(max(end.took_s for end in ended), 3),
        "healthy_p99_ms": {"alone": alone, "beside": beside},
    }


async def _latencies(transport: Transport, url: str) -> float:
    """p99 in milliseconds of 300 requests, one after the other."""
    times = sorted([(await _timed(transport, url)).took_s for _ in range(300)])
    return round(times[296] * 1000, 2)


if __name__ == "__main__":
    figures = trio.run(run, "--full" in sys.argv)
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["missed"] else 0)
