"""What a bench found: records with their machine, as a table for people and as JSON for scripts."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.machine import Cores, Machine

MOST_COLUMNS: Final = 8


class Goal(Struct, frozen=True, kw_only=True):
    """A figure that was set as a goal before; `goal` in words."""

    what: str
    figure: float
    goal: str
    is_met: bool


class Section(Struct, frozen=True, kw_only=True):
    """Rows of one record type: its field names, with their units, are the columns."""

    title: str
    rows: Sequence[Struct]


class Report(Struct, frozen=True, kw_only=True):
    bench: str
    machine: Machine
    cores: Cores
    began_at: str  # RFC 3339
    took_s: float
    load: str  # with what
    method: Sequence[str]
    sections: Sequence[Section]
    goals: Sequence[Goal]


def write(report: Report, directory: Path) -> Path:
    """The JSON file; an older one of the same bench is replaced."""
    path = directory / f"{report.bench}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return path


def show(report: Report, console: Console) -> None:
    console.rule(report.bench)
    console.print(f"{report.machine.told()}\n{report.cores.told()}; {report.load}", highlight=False)
    for line in report.method:
        console.print(f"· {line}", highlight=False)
    for section in report.sections:
        console.print(_table(section))
    for goal in report.goals:
        mark = "[green]met[/]" if goal.is_met else "[red]short[/]"
        console.print(f"{mark}  {goal.what}: {_text(goal.figure)} (goal: {goal.goal})", highlight=False)


def _table(section: Section) -> Table:
    """One line for a row; where that would be too wide for a terminal, one line for a field."""
    names = section.rows[0].__struct_fields__
    lines = [[name, *(_text(getattr(row, name)) for row in section.rows)] for name in names]
    if len(names) <= MOST_COLUMNS or len(section.rows) >= len(names):
        lines = [list(line) for line in zip(*lines, strict=True)]
    table = Table(*lines[0], title=section.title, title_justify="left")
    for column in table.columns:
        column.justify = "right"
    for line in lines[1:]:
        table.add_row(*line)
    return table


def spread_of(values: Iterable[float]) -> float:
    """How far apart the lowest and the highest are, as a share of the median: how noisy the machine was."""
    ordered = sorted(values)
    return (ordered[-1] - ordered[0]) / statistics.median(ordered)


def _text(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"
