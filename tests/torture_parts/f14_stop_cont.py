"""The process is frozen for a while, and may have little memory (RELIABILITY F14).

SIGSTOP to the whole tree, SIGCONT, under load; private memory bounded to 512 MB as the service manager would. Bars: it
goes on by itself within 2 s, what was acknowledged is there and delivered, no process ends.
"""

import os
import signal
import time

import trio

from tests.torture_parts import compare
from tests.torture_parts.harness import Setup, bar_s, folder, free_port, platforms, running
from tests.torture_parts.load import loading

MEMORY_KIB = 512 * 1024
LIMIT = ("sh", "-c", f'ulimit -d {MEMORY_KIB} && exec "$@"', "sh")
AGAIN_S = 2.0


async def run(full: bool) -> dict[str, object]:
    frozen_s = (5.0, 30.0, 120.0) if full else (1.0,)
    again_s: list[float] = []
    async with platforms() as held:
        with folder() as directory:
            setup = Setup(directory=directory, platforms=held, port=free_port(), prefix=LIMIT)
            async with running(setup) as gateway:
                pids = (gateway.supervisor_pid, gateway.worker_pid)
                async with loading(setup.port, "frozen", 8, pause_s=0.005) as load:
                    for pause_s in frozen_s:
                        await trio.sleep(0.5)
                        _signal(pids, signal.SIGSTOP)
                        await trio.sleep(pause_s)
                        _signal(pids, signal.SIGCONT)
                        again_s.append(await load.wait_ack(time.time()))
                    await trio.sleep(0.5)
                await compare.wait_drained(load.acked, held, 60)
                memory = (await gateway.metrics())["process_resident_memory_bytes"]
                codes = gateway.codes()
                code = await gateway.stop()
            compared = await compare.compare(load.acked, held, setup.store)
    missed = compared.missed()
    missed += [f"ended with {codes} and {code}"] if codes or code else []
    missed += [f"goes on after {max(again_s):.1f} s"] if max(again_s) > bar_s(AGAIN_S, full) else []
    return {
        "frozen_s": list(frozen_s),
        "acknowledged": compared.acknowledged,
        "lost": compared.lost,
        "undelivered": compared.undelivered,
        "extra_deliveries": compared.extra_webhook,
        "goes_on_after_s": round(max(again_s), 2),
        "resident_bytes": int(memory),
        "missed": missed,
    }


def _signal(pids: tuple[int, ...], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)
