"""`gateway traffic`: how much came in, what became of it, and who it came from."""

import time
from pathlib import Path
from typing import get_args

import click
import msgspec
from rich.table import Table

from gateway.commands.reading import (
    Moment,
    chosen_sites,
    console,
    end,
    json_option,
    open_store,
    since_ms,
    site_option,
    store_options,
    visible,
)
from gateway.commands.traffic_read import By, CountLine, DestinationLine, PeriodLine, TrafficReading, TrafficReport
from store.errors import Unreadable


@click.command()
@click.option("--by", type=click.Choice(get_args(By)), default="total", show_default=True, help="What is told apart.")
@click.option(
    "--since", type=Moment(), default="24h", show_default=True, help="Hours of arrival since: 24h, 30d, RFC 3339."
)
@site_option
@json_option
@store_options
def traffic(
    by: By, since: int, site: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """Show counters of events, copies, refusals, visitors, visits, conversions and deliveries, by hour of arrival.

    received = accepted + refused; accepted = processed + held + duplicates + merged + lost; at each destination
    processed = delivered + queued + failed + dropped + not routed. A visitor counts once a day (UTC). Refusals are
    written every ten seconds. With --json one report a site, one a line.

    \b
    Examples:
      gateway traffic --since 7d --by day
      gateway traffic --by refusal
      gateway traffic --by conversion --since 30d --json
    """
    now_ms = time.time_ns() // 1_000_000
    with open_store(config_path, data_dir) as store:
        for one in chosen_sites(store, site):
            reading = TrafficReading(store, one, since_ms(since, now_ms), now_ms, by)
            try:
                for _ in reading.steps():
                    pass
            except Unreadable as error:
                end(f"counters of site {one} cannot be read: {error}; see gateway check-store")
            if as_json:
                click.echo(msgspec.json.encode(reading.report()))
            else:
                _show(reading.report())


def _show(report: TrafficReport) -> None:
    out = console()
    out.print(f"site {report.site}, since {report.since[:16].replace('T', ' ')} UTC", style="bold")
    is_empty = not (report.periods or report.counts or report.destinations)
    if is_empty:
        out.print("nothing was counted in this time")
    if report.periods:
        out.print(_total(report.periods[0]) if report.by == "total" else _periods(report.periods))
    if report.counts:
        out.print(_counts(report.counts))
    if report.destinations:
        out.print(_destinations(report.destinations))
        for line in report.destinations if report.by == "destination" else ():
            for reason, ids in line.samples.items():
                out.print(f"{line.destination}, {reason}: {', '.join(map(visible, ids))}", style="dim", markup=False)
    if report.partial_hours:
        out.print(f"{report.partial_hours} hours began before they were counted", style="dim")


def _total(one: PeriodLine) -> Table:
    table = _table("", right=("",))
    table.show_header = False
    for name in PeriodLine.__struct_fields__[1:]:
        table.add_row(name.replace("_", " "), str(getattr(one, name)))
    return table


def _periods(lines: tuple[PeriodLine, ...]) -> Table:
    names = PeriodLine.__struct_fields__[1:]
    table = _table("since", right=tuple(name.replace("_", " ") for name in names))
    for line in lines:
        table.add_row(line.since[5:16].replace("T", " "), *(str(getattr(line, name)) for name in names))
    return table


def _counts(lines: tuple[CountLine, ...]) -> Table:
    names = [
        name
        for name in ("event_name", "source", "consent", "key", "reason", "currency")
        if any(getattr(line, name) for line in lines)
    ]
    table = _table("", *(name.replace("_", " ") for name in names), right=("count", "value"))
    for line in lines:
        told = (visible(getattr(line, name)) for name in names)
        table.add_row(line.kind, *told, str(line.count), str(line.amount) if line.amount is not None else "")
    return table


def _destinations(lines: tuple[DestinationLine, ...]) -> Table:
    right = ("processed", "delivered", "queued", "failed", "dropped", "not routed")
    table = _table("destination", right=right)
    table.add_column("reasons", overflow="fold")
    for line in lines:
        figures = (line.processed, line.delivered, line.queued, line.failed, line.dropped, line.not_routed)
        reasons = ", ".join(f"{name.partition(':')[2]} {count}" for name, count in line.reasons.items())
        table.add_row(line.destination, *map(str, figures), reasons)
    return table


def _table(*left: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right")
    return table
