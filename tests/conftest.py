"""Fixtures of the tests that use a store: on a memory file system where there is one, checked when the test ends.

What a terminal or a CI machine says about itself, and how fast it is, is no part of any test.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from store.check import check
from store.env import Store
from tests.support.world import BUDGET, SHARDS, World, problems

MEMORY = Path("/dev/shm")
# How long an example takes says more about the machine than about what is tested.
settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
for variable in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(variable, None)  # of the commands that tests start, too


@pytest.fixture
def fast_path() -> Iterator[Path]:
    """A folder where a sync costs nothing: for tests of what is committed, not of whether the disk has it."""
    parent = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > BUDGET else None
    with tempfile.TemporaryDirectory(dir=parent, prefix="gateway-test-") as folder:
        yield Path(folder) / "store"


@pytest.fixture
def store(fast_path: Path) -> Iterator[Store]:
    """An open store; consistent when the test ends."""
    opened = Store(fast_path, budget_bytes=BUDGET)
    yield opened
    try:
        assert check(opened, SHARDS).problems == ()
    finally:
        opened.close()


@pytest.fixture
def make_world(fast_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds that share nothing; all of them are consistent when the test ends."""
    worlds: list[World] = []

    def make(*arguments: object, **settings: object) -> World:
        worlds.append(World(fast_path / str(len(worlds)), *arguments, **settings))  # type: ignore[arg-type]
        return worlds[-1]

    yield make
    try:
        assert problems(worlds) == []
    finally:
        for world in worlds:
            world.close()
