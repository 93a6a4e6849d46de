"""The simulation, seed by seed (RELIABILITY F20): crashes, platforms that fail, a clock that jumps, on virtual time.

The bar: every seed keeps every promise (tests/simulation/invariants.py). In full 10,000 seeds, one in fifty of which
lasts for thirty days; `make test` has its own 208 (tests/simulation/test_simulation.py), so this short form is for
whoever asks for it.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import trio
from msgspec import Struct

from tests.simulation.invariants import lines
from tests.simulation.plan import DAY_S, plan_of
from tests.simulation.world import simulate

SEEDS = 10_000
FEW_SEEDS = 20
LONG_S = 30 * DAY_S


class Told(Struct, frozen=True, kw_only=True):
    """What one seed came to."""

    seed: int
    events: int
    lives: int
    span_s: float
    problems: list[str]


async def run(full: bool) -> dict[str, object]:
    seeds = SEEDS if full else FEW_SEEDS
    told = await trio.to_thread.run_sync(_all, seeds)
    failed = [one for one in told if one.problems]
    return {
        "seeds": seeds,
        "seeds_of_30_days": sum(one.span_s >= LONG_S for one in told),
        "events": sum(one.events for one in told),
        "lives": sum(one.lives for one in told),
        "failed": [one.seed for one in failed],
        "missed": [f"seed {one.seed}: {lines(one.problems, 3)}" for one in failed[:5]],
    }


def _all(seeds: int) -> list[Told]:
    """In processes of their own, one a core: a seed draws the order of Trio's tasks, which is one for a process."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as processes:
        return list(processes.map(_tell, range(seeds), chunksize=10))


def _tell(seed: int) -> Told:
    outcome = simulate(seed)
    span_s = plan_of(seed).span_s
    return Told(seed=seed, events=outcome.events, lives=outcome.lives, span_s=span_s, problems=outcome.problems)
