"""The machine that the figures are of, and how the processes of a bench share its cores.

The gateway (or what it is compared with) has one core to itself; load generator, simulated platforms and the bench have
the others. On a machine with one core all share it, and the report says so.
"""

import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

SYNCS: Final = 50
SYNCED_BYTES: Final = 4_096  # a page of the store
LOOK_S: Final = 0.5


class Cores(Struct, frozen=True, kw_only=True):
    """By number, as the system counts them."""

    server: frozenset[int]
    load: frozenset[int]

    def told(self) -> str:
        server, load = (", ".join(map(str, sorted(cores))) for cores in (self.server, self.load))
        if self.server == self.load:
            return f"core {server}: everything"
        return f"core {server}: the gateway, or what it is compared with; core {load}: load, platforms, bench"


class Machine(Struct, frozen=True, kw_only=True):
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    filesystem: str  # of the data directory
    sync_ms: float  # median of one page written and synced to that filesystem
    busy_before: float  # share of all cores that others used before the bench began

    def told(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB; {self.kernel}; Python {self.python}; data on "
            f"{self.filesystem}, a page synced in {self.sync_ms:.2f} ms; {self.busy_before:.0%} busy before the start"
        )


def share_cores() -> Cores:
    free = sorted(os.sched_getaffinity(0))
    return Cores(server=frozenset(free[:1]), load=frozenset(free[1:] or free[:1]))


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Processes that are started within run on these cores for good; this thread only for so long."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def read_machine(directory: Path) -> Machine:
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        filesystem=_filesystem(directory),
        sync_ms=_sync_ms(directory),
        busy_before=_busy(),
    )


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _filesystem(directory: Path) -> str:
    """Type of the filesystem whose mount point is the longest that the directory is under."""
    place = directory.resolve()
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines())
    under = [(len(fields[1]), fields[2]) for fields in mounts if place.is_relative_to(fields[1])]
    return max(under, default=(0, "unknown"))[1]


def _sync_ms(directory: Path) -> float:
    path = directory / "sync"
    took: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.write(os.urandom(SYNCED_BYTES))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return statistics.median(took)


def _busy() -> float:
    before, idle_before = _jiffies()
    time.sleep(LOOK_S)
    after, idle_after = _jiffies()
    return 1 - (idle_after - idle_before) / max(1, after - before)


def _jiffies() -> tuple[int, int]:
    """All, and idle (with waiting for the disk): the first line of proc_stat(5)."""
    fields = [int(field) for field in Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]
