"""The whole gateway on virtual time: many seeds, each with crashes, moods of platforms and jumps of the clock."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from bench.simulator import all_platforms
from tests.simulation.families import Families
from tests.simulation.invariants import lines
from tests.simulation.plan import plan_of
from tests.simulation.shops import PLATFORMS
from tests.simulation.world import simulate

SEEDS = 208
GROUPS = 26
RICH_SEED = 9  # has much to search for


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_seed_keeps_the_promises(group: int) -> None:
    """Seed by seed: `python -m tests.simulation --seeds 17 --trace` tells what one that fails did."""
    size = SEEDS // GROUPS
    failed = [outcome for seed in range(group * size, (group + 1) * size) if (outcome := simulate(seed)).problems]
    told = [f"python -m tests.simulation --seeds {one.seed} --trace\n{lines(one.problems, 5)}" for one in failed]
    assert not failed, "\n".join(told)


def test_the_same_seed_tells_the_same_story() -> None:
    assert simulate(3).trace == simulate(3).trace


def test_a_story_is_the_same_in_a_process_of_its_own() -> None:
    """Neither hash randomisation nor addresses in memory may be part of it."""
    code = "from tests.simulation.world import simulate; print(simulate(13).digest)"
    env = {**os.environ, "PYTHONHASHSEED": "4711"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True).stdout
    assert told.strip() == simulate(13).digest


def test_the_seeds_hold_what_they_are_there_for() -> None:
    plans = [plan_of(seed) for seed in range(SEEDS)]
    assert sum(plan.span_s >= 30 * 86_400 for plan in plans) >= 4
    assert {crash.kind for plan in plans for crash in plan.crashes} == {
        "at_time", "before_commit", "after_commit", "stop",
    }  # fmt: skip
    assert {0, 1} <= {bool(plan.jumps) for plan in plans} & {plan.is_calm for plan in plans}
    assert max(plan.journeys for plan in plans) >= 250


def test_every_platform_has_its_turn_in_many_seeds() -> None:
    turns = Counter(one for seed in range(SEEDS) for _, one in plan_of(seed).places)
    assert turns.keys() == set(PLATFORMS)
    assert {sim.name for sim in all_platforms()} <= turns.keys()
    assert min(turns.values()) >= 50


def test_seeds_hold_batches_that_bad_events_spoil() -> None:
    assert simulate(RICH_SEED).spoiled > 5


@pytest.mark.parametrize(("parts", "problems"), [(4, 0), (5, 1)])
def test_a_search_for_a_bad_event_that_costs_too_much_is_told(parts: int, problems: int) -> None:
    families = Families()
    for _ in range(1 + parts):  # one bad event of four may cost 2·1·2 requests more
        families.saw(["a", "b", "c", "d"], [False, True, False, False], taken=[])
    assert len(list(families.problems())) == problems
