"""F12: descriptors run out: 500 clients against a limit of 256.

The bars: no exit, at most one log line a minute, the reserve stays free, service is normal at most 6 s after, no
descriptor is left over. And with the whole gateway, whose writer and deliveries need descriptors of their own: while
the clients are there, events of connections that were there before are taken, and nothing is lost or undelivered.
"""

import json
import os
import sys
from contextlib import AsyncExitStack, suppress

import trio

from gateway.door import DoorBounds
from tests.torture_parts import compare
from tests.torture_parts.door_process import Process, open_process
from tests.torture_parts.harness import Gateway, Setup, bar_s, folder, free_port, platforms, running
from tests.torture_parts.load import Load, loading

NORMAL_AGAIN_S = 6.0
FEW = ("sh", "-c", 'ulimit -n "$0" && exec "$@"')
MORE_EVENTS = 50  # to be taken and delivered while descriptors are short


async def run(full: bool) -> dict[str, object]:
    clients, limit, reserve = (500, 256, 64) if full else (120, 64, 24)
    bounds = DoorBounds(reserve_descriptors=reserve, keep_alive_s=5.0 if full else 0.6)
    missed: list[str] = []
    async with open_process(bounds, limit) as process:
        before = await process.books()
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(await _connect(process.port)) for _ in range(clients)]
            spare = limit - len(os.listdir(f"/proc/{process.process.pid}/fd"))
            refused = await _count_refused(streams)
            normal_s = await _wait_normal(process, bar_s(NORMAL_AGAIN_S, full))
        after = await process.books()
        _, code = await process.stop()
    if spare < reserve:
        missed.append(f"{spare} descriptors were left, not {reserve}")
    if after.descriptors > before.descriptors:
        missed.append(f"{after.descriptors - before.descriptors} descriptors are left over")
    if not refused:
        missed.append("nobody was refused: the limit was not reached")
    if normal_s > bar_s(NORMAL_AGAIN_S, full):
        missed.append(f"normal only after {normal_s} s")
    if len(after.log_lines) > 1 or code != 0 or after.contained:
        missed.append(f"exit code {code}, log lines {after.log_lines}")
    whole = await _whole_gateway(clients, 256 if full else 128, missed)
    return {
        "clients": clients,
        "descriptor_limit": limit,
        "refused": refused,
        "normal_after_s": normal_s,
        "log_lines": after.log_lines,
        "descriptors_spare": spare,
        "descriptors_left_over": after.descriptors - before.descriptors,
        "exit_code": code,
        "whole_gateway": whole,
        "missed": missed,
    }


async def _whole_gateway(clients: int, limit: int, missed: list[str]) -> dict[str, int]:
    async with platforms() as held:
        with folder() as directory:
            setup = Setup(directory=directory, platforms=held, port=free_port(), prefix=(*FEW, str(limit)))
            async with running(setup) as gateway, loading(setup.port, "short", 2, pause_s=0.005) as load:
                await load.wait_acks(MORE_EVENTS)
                async with AsyncExitStack() as stack:
                    for _ in range(clients):
                        await stack.enter_async_context(await _connect(setup.port))
                    await gateway.wait(lambda: bool(gateway.said("no_descriptors")), "the end of the descriptors")
                    await _more(load)
                await load.end()
                await compare.wait_drained(load.acked, held, 60)
                missed += _of_gateway(gateway)
                missed += [f"whole gateway: exit code {code}"] if (code := await gateway.stop()) else []
            compared = await compare.compare(load.acked, held, setup.store)
    missed += [f"whole gateway: {fault}" for fault in compared.missed()]
    return {"descriptor_limit": limit, "acknowledged": compared.acknowledged, "lost": compared.lost}


async def _more(load: Load) -> None:
    """The connections that were there before go on: nothing of theirs broke, and more is taken."""
    broken = load.broken
    await load.wait_acks(len(load.acked) + MORE_EVENTS)
    assert load.broken == broken, "a connection that was there before is gone"


def _of_gateway(gateway: Gateway) -> list[str]:
    missed = [f"whole gateway: workers ended with {gateway.codes()}"] if gateway.codes() else []
    lines = len(gateway.said("no_descriptors"))
    missed += [f"whole gateway: {lines} lines of the log within a minute"] if lines > 1 else []
    return missed + [f"whole gateway: no line of the log: {line}" for line in gateway.noise[:2]]


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


async def _wait_normal(process: Process, most_s: float) -> float:
    """Seconds until a new client is served: silent ones have been closed by then."""
    begun = trio.current_time()
    with trio.move_on_after(most_s + 1):
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
