"""`kill -9` of the worker, and of the whole process tree, under load (RELIABILITY F1).

Bars: nothing acknowledged is lost or undelivered, nor does anything wait for a retry in the end; no more deliveries are
repeated than can be under way (8 requests to the webhook a kill); a killed worker serves again within a second.
"""

import os
import random
import signal
import time

import trio

from bench.simulator import Fault
from tests.torture_parts import compare
from tests.torture_parts.harness import Gateway, Platforms, Setup, folder, free_port, percentile, platforms, running
from tests.torture_parts.load import Load, loading

IN_FLIGHT = 8  # requests of one destination at once (DESIGN.md, "The dispatcher")
READY_S = 1.0


async def run(full: bool) -> dict[str, object]:
    """Each round kills the worker, which its supervisor starts again, and then the whole tree, which we start again."""
    rounds = 100 if full else 3
    worker_s: list[float] = []
    tree_s: list[float] = []
    chance = random.Random(1)
    async with platforms() as held:
        held.simulator.fail("webhook", Fault(kind="slow", delay_s=0.02))  # so that requests are under way at each kill
        with folder() as directory:
            setup = Setup(directory=directory, platforms=held, port=free_port())
            gateways: list[Gateway] = []
            async with loading(setup.port, "kill", 8, pause_s=0.01) as load:
                for _ in range(rounds):
                    began_s = time.time()
                    async with running(setup) as gateway:
                        gateways.append(gateway)
                        tree_s.append(await load.wait_ack(began_s))
                        worker_s.append(await _kill_worker(gateway, load, held, chance))
                        await trio.sleep(chance.uniform(0.2, 0.8))
            held.simulator.heal("webhook")
            async with running(setup) as gateway:
                drain_s = await compare.wait_drained(load.acked, held, 120)
                code = await gateway.stop()
            compared = await compare.compare(load.acked, held, setup.store)
    missed = compared.missed()
    kills = 2 * rounds
    missed += [f"{compared.waiting} deliveries still wait"] if compared.waiting else []
    missed += [f"repeats: {compared.extra_webhook}"] if compared.extra_webhook > IN_FLIGHT * kills else []
    missed += [f"worker ready after {max(worker_s):.2f} s"] if full and max(worker_s) > READY_S else []
    missed += [f"exit code {code}"] if code else []
    noise = sum(len(gateway.noise) for gateway in gateways)
    missed += [f"{noise} lines of the log are no JSON"] if noise else []
    return {
        "kills": kills,
        "acknowledged": compared.acknowledged,
        "lost": compared.lost,
        "undelivered": compared.undelivered,
        "extra_deliveries_a_kill": {
            "webhook": round(compared.extra_webhook / kills, 2),
            "meta, in batches": round(compared.extra_meta / kills, 2),
        },
        "worker_serves_again_s": {"p50": percentile(worker_s, 0.5), "max": round(max(worker_s), 2)},
        "tree_serves_s": {"p50": percentile(tree_s, 0.5), "max": round(max(tree_s), 2)},
        "drain_s": drain_s,
        "missed": missed,
    }


async def _kill_worker(gateway: Gateway, load: Load, held: Platforms, chance: random.Random) -> float:
    await trio.sleep(chance.uniform(0.2, 0.8))
    held.webhook(), held.meta()  # keeps the simulator's own lists short
    killed_s = time.time()
    os.kill(gateway.worker_pid, signal.SIGKILL)
    return await load.wait_ack(killed_s)
