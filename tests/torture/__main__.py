"""Runs the fault scripts and prints what each measured: `python -m tests.torture [names] [--short] [--out FILE]`.

Without names, all of them. The full forms take hours; the short ones are those of `make test`. Exits 1 where a bar is
missed. A part that this machine lacks the means for is skipped, with the reason.
"""

import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec
import trio
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from gateway.logs import configure_logs
from tests.torture_parts.harness import Skip

# short name -> module of tests/torture_parts
PARTS: Mapping[str, str] = {
    "f1": "f1_kill",
    "f2": "f2_commit_syscalls",
    "f3": "f3_power_cut",
    "f4": "f4_disk_errors",
    "f5": "f5_disk_full",
    "f6": "f6_map_full",
    "f8": "f8_clock",
    "f9": "f9_destinations",
    "f12": "f12_descriptors",
    "f13": "f13_shutdown",
    "f14": "f14_stop_cont",
    "f15": "f15_damaged",
    "f16": "f16_crashing_tasks",
    "f17": "f17_slow",
    "f20": "f20_simulation",
    "b1": "b1_json",
    "b4": "b4_sockets",
    "b5": "b5_bombs",
    "b6": "b6_headers",
    "year": "year",
}
OUT = Path("bench-results/torture.json")

Run = Callable[[bool], Awaitable[dict[str, Any]]]


class Result(Struct, frozen=True, kw_only=True):
    """`missed`: the bars that were not reached. A part that raised has missed them all."""

    part: str
    took_s: float
    figures: dict[str, Any]
    missed: list[str]
    skipped: str = ""


class Report(Struct, frozen=True, kw_only=True):
    at: str
    machine: str
    is_full: bool
    results: list[Result]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(PARTS)))
@click.option("--full/--short", default=True, show_default=True, help="The long forms, or those of `make test`.")
@click.option("--out", default=OUT, show_default=True, type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(names: tuple[str, ...], full: bool, out: Path) -> None:
    """Does the gateway harm and tells how it bore it. Example: python -m tests.torture f1 f3 --short"""
    console = Console(soft_wrap=not sys.stdout.isatty())
    with open(os.devnull, "w") as nowhere:
        configure_logs(stream=nowhere)  # of parts that run pieces of the gateway in this process
        results = [_run(console, name, full) for name in names or PARTS]
    report = Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine(), is_full=full, results=results
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    console.print(_table(results))
    console.print(f"{machine()}; figures in {out}")
    sys.exit(1 if any(result.missed for result in results) else 0)


def machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{model.partition(':')[2].strip()}, {cores} cores, Linux {platform.release()}, Python {python}"


def _run(console: Console, name: str, full: bool) -> Result:
    part = PARTS[name]
    console.print(f"{part} …")
    began_s = time.monotonic()
    run: Run = import_module(f"tests.torture_parts.{part}").run
    figures: dict[str, Any] = {}
    skipped = ""
    try:
        figures = trio.run(run, full)
        missed = [str(one) for one in figures.pop("missed")]
    except* Skip as skips:
        skipped, missed = str(_first(skips)), []
    except* Exception as failures:  # noqa: BLE001 - one part that breaks must not keep the others from running
        missed = [f"{type(_first(failures)).__name__}: {_first(failures)}"]
    took_s = round(time.monotonic() - began_s, 1)
    return Result(part=part, took_s=took_s, figures=figures, missed=missed, skipped=skipped)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _table(results: list[Result]) -> Table:
    table = Table("part", "s", "figures", "bars")
    for result in results:
        figures = "\n".join(f"{name}: {value}" for name, value in result.figures.items())
        bars = f"skipped: {result.skipped}" if result.skipped else "\n".join(result.missed) or "all reached"
        table.add_row(result.part, f"{result.took_s:g}", figures, bars)
    return table


if __name__ == "__main__":
    main()
