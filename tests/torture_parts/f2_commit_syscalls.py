"""The worker is killed right at the Nth system call of a commit, for each call that a commit makes (RELIABILITY F2).

Bars: nothing acknowledged is lost or undelivered, the store's check is clean, at every point. The kill strikes before
the call takes effect, so each N is a store that is torn at another place.
"""

import random
from pathlib import Path

from tests.torture_parts import compare
from tests.torture_parts.harness import Platforms, Setup, folder, free_port, platforms, running
from tests.torture_parts.load import loading
from tests.torture_parts.tracing import attached, need_strace

CALLS = ("pwrite64", "writev", "fdatasync")  # what this LMDB makes; runs of pages go by lseek and writev
MOST = 100
FAR_S = 60.0


async def run(full: bool) -> dict[str, object]:
    need_strace()
    chance = random.Random(2)
    points = [(call, n) for call in CALLS for n in (range(1, MOST + 1) if full else [chance.randint(1, 60)])]
    missed: list[str] = []
    acknowledged = struck = 0
    for call, n in points:
        with folder() as directory:
            async with platforms() as held:
                compared = await _strike(directory, held, call, n)
        if compared is None:
            continue
        struck += 1
        acknowledged += compared.acknowledged
        missed += [f"{call} {n}: {fault}" for fault in compared.missed()]
    if struck < len(points):
        missed.append(f"only {struck} of {len(points)} points were reached")
    return {"points": len(points), "struck": struck, "acknowledged": acknowledged, "missed": missed}


async def _strike(directory: Path, held: Platforms, call: str, n: int) -> compare.Compared | None:
    """None where the worker did not make the call so often."""
    setup = Setup(directory=directory, platforms=held, port=free_port())
    async with running(setup) as gateway, loading(setup.port, "strike", 4, pause_s=0.0) as load:
        options = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}")
        async with attached(gateway.worker_pid, directory / "trace", options):
            try:
                await gateway.wait(lambda: bool(gateway.codes()), "the kill", FAR_S)
            except AssertionError:
                return None
        await gateway.wait_ready(2)
        await load.end()
        await compare.wait_drained(load.acked, held, 60)
        await gateway.stop()
    return await compare.compare(load.acked, held, setup.store)
