"""What every bench is given: where, for how long, on which cores; and how it runs a load and reports."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from msgspec import Struct

from bench import load
from bench.load_plan import Figures, Plan
from bench.machine import Cores, Machine, read_machine, share_cores
from bench.report import Goal, Report, Section


class Setting(Struct, frozen=True, kw_only=True):
    """`directory` is on the disk that is measured, and goes away with the bench."""

    directory: Path
    cores: Cores
    machine: Machine
    random: Random
    tell: Callable[[str], None]  # progress, for people
    is_quick: bool
    given_s: float | None  # how long one measurement takes, where the caller said so
    began_at: str
    started_s: float

    def seconds(self, usual: float) -> float:
        """How long one measurement takes."""
        if self.given_s is not None:
            return self.given_s
        return 1.0 if self.is_quick else usual

    def start(self, plan: Plan) -> load.Load:
        return load.start(plan, self.cores, self.directory, self.random)

    def run(self, plan: Plan) -> Figures:
        """The whole load. Raises BenchFailed where any request failed."""
        return load.checked(self.start(plan).wait())

    def run_other(self, plan: Plan) -> Figures:
        """A load on what the gateway is compared with, whose failed requests are not ours: they count as not made."""
        return self.start(plan).wait()

    def report(self, bench: str, method: Iterable[str], sections: Iterable[Section], goals: Iterable[Goal]) -> Report:
        return Report(
            bench=bench,
            machine=self.machine,
            cores=self.cores,
            began_at=self.began_at,
            took_s=round(time.monotonic() - self.started_s, 1),
            load=load.told(),
            method=tuple(method),
            sections=tuple(sections),
            goals=tuple(goals),
        )


@contextmanager
def open_setting(out: Path, *, seconds: float | None, is_quick: bool, tell: Callable[[str], None]) -> Iterator[Setting]:
    """The data lie under `out`, never under the system's folder for temporary files: that may be in memory, where a
    sync costs nothing. The bench itself runs on the load's cores from here on.
    """
    with TemporaryDirectory(prefix="data-", dir=out) as name:
        directory = Path(name).resolve()
        yield Setting(
            directory=directory,
            cores=share_cores(),
            machine=read_machine(directory),
            random=Random(),
            tell=tell,
            is_quick=is_quick,
            given_s=seconds,
            began_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            started_s=time.monotonic(),
        )
