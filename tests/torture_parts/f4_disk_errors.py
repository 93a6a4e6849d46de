"""The disk reports an error in the middle of a commit (RELIABILITY F4).

Bars: after the failing call nothing is acknowledged by that worker; it ends with the code for a broken store within
2 s; the next one opens the store cleanly and goes on; nothing acknowledged is lost.
"""

import re
import time
from pathlib import Path

from msgspec import Struct

from gateway.exit_codes import BROKEN
from tests.torture_parts import compare
from tests.torture_parts.harness import Gateway, Platforms, Setup, bar_s, folder, free_port, platforms, running
from tests.torture_parts.load import Load, loading
from tests.torture_parts.tracing import attached, need_strace

EXIT_S = 2.0
FAULTS = (("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("writev", "EIO"), ("writev", "ENOSPC"))
SHORT = (("fdatasync", 7, "EIO"), ("pwrite64", 23, "ENOSPC"))
INJECTED = re.compile(r"^\d+ +(\d+\.\d+) .*\(INJECTED\)", re.MULTILINE)


class Outcome(Struct, frozen=True, kw_only=True):
    exit_s: float
    missed: list[str]


async def run(full: bool) -> dict[str, object]:
    """In full, each error at the first twelve calls and then further apart: data pages, meta page and sync are hit."""
    need_strace()
    numbers = (*range(1, 13), 20, 33, 54, 87)
    points = [(call, n, error) for call, error in FAULTS for n in numbers] if full else SHORT
    missed: list[str] = []
    exits_s: list[float] = []
    for call, n, error in points:
        with folder() as directory:
            async with platforms() as held:
                outcome = await _fail(directory, held, call, n, error, bar_s(EXIT_S, full))
        exits_s.append(outcome.exit_s)
        missed += [f"{call} {n} {error}: {fault}" for fault in outcome.missed]
    return {"points": len(points), "longest_exit_s": round(max(exits_s), 2), "missed": missed}


async def _fail(directory: Path, held: Platforms, call: str, n: int, error: str, exit_s: float) -> Outcome:
    setup = Setup(directory=directory, platforms=held, port=free_port())
    async with running(setup) as gateway, loading(setup.port, "error", 4, pause_s=0.0) as load:
        trace = directory / "trace"
        options = ("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={n}")
        async with attached(gateway.worker_pid, trace, options):
            await gateway.wait(lambda: bool(gateway.codes()), "the end of the worker")
            ended_at_s = time.time()
        await gateway.wait_ready(2)
        await load.wait_ack(ended_at_s)
        await load.end()
        await compare.wait_drained(load.acked, held, 60)
        missed = _judge(gateway, load, failed_at_s := _injected_at_s(trace), ended_at_s, exit_s)
        code = await gateway.stop()
    missed += [f"exit code {code}"] if code else []
    missed += (await compare.compare(load.acked, held, setup.store)).missed()
    return Outcome(exit_s=ended_at_s - failed_at_s, missed=missed)


def _judge(gateway: Gateway, load: Load, failed_at_s: float, ended_at_s: float, exit_s: float) -> list[str]:
    late = [ack for ack in load.acked.values() if ack.sent_at_s > failed_at_s and ack.acked_at_s < ended_at_s]
    missed = [f"{len(late)} events sent after the error were acknowledged by the worker that met it"] if late else []
    missed += [f"ended with {gateway.codes()}, not {BROKEN}"] if gateway.codes() != [BROKEN] else []
    missed += [f"ended after {ended_at_s - failed_at_s:.2f} s"] if ended_at_s - failed_at_s > exit_s else []
    return missed + [f"no line of the log: {line}" for line in gateway.noise[:3]]


def _injected_at_s(trace: Path) -> float:
    found = INJECTED.search(trace.read_text())
    assert found is not None, "strace injected nothing"
    return float(found[1])
