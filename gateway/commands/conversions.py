"""`gateway conversions`: each conversion with its winner, its path, and what platforms got of it; the newest first."""

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import get_args

import click
import msgspec
from rich.table import Table

from gateway.commands.attribution_defaults import shown_for
from gateway.commands.conversion_lines import ConversionLine, Wanted, line_of
from gateway.commands.reading import (
    Moment,
    chosen_sites,
    console,
    json_option,
    open_store,
    platforms_of,
    since_ms,
    site_option,
    store_options,
    visible,
)
from store import journeys
from store.env import Store
from store.journey_records import MODELS, Gap, Model

GAPS = [gap for gap in get_args(Gap) if gap]
STEP = 200  # rows of one read


@click.command()
@click.option("--since", type=Moment(), default="7d", show_default=True, help="Conversions since: 24h, 30d, RFC 3339.")
@click.option("--gap", type=click.Choice(GAPS), help="Only those that nothing was credited with, for this reason.")
@click.option("--model", type=click.Choice(MODELS), help="Whose winner is shown. Default: the site's default model.")
@click.option("--conversion", default="", metavar="NAME", help="Conversions of this event name only.")
@site_option
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most so many.")
@json_option
@store_options
def conversions(
    since: int,
    gap: Gap | None,
    model: Model | None,
    conversion: str,
    site: str | None,
    limit: int,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """List conversions with the touchpoint that gets most credit, the path, and what platforms got, the newest first.

    accepted 4 of 5: so many of the destinations took it. A platform that has credit and did not take the conversion is
    marked, and one that took it and has no touchpoint in the path. With --json one object a line.

    \b
    Examples:
      gateway conversions --since 24h
      gateway conversions --gap no_identity --since 30d
      gateway conversions --model time_decay --json
    """
    now_ms = time.time_ns() // 1_000_000
    with open_store(config_path, data_dir) as store:
        sites = chosen_sites(store, site)
        platforms = platforms_of(store)
        for one in sites:
            shown = shown_for(config_path, one)
            wanted = Wanted(model=model or shown.default_model, gap=gap or "", conversion=conversion)
            lines = lines_of(store, one, since_ms(since, now_ms), wanted, platforms, now_ms)
            _show(one, list(islice(lines, limit)), limit, as_json)


def lines_of(
    store: Store, site: str, from_ms: int, wanted: Wanted, platforms: Mapping[tuple[str, str], str], now_ms: int
) -> Iterator[ConversionLine]:
    """Those that are wanted, the newest first; each page of rows is a read of its own."""
    before = b""
    while page := journeys.latest_conversions(store, site, from_ms, before, STEP):
        found = (line_of(store, listed, platforms, wanted, now_ms) for listed in page)
        yield from (line for line in found if line is not None)
        before = page[-1].place


def _show(site: str, lines: list[ConversionLine], limit: int, as_json: bool) -> None:
    if as_json:
        for line in lines:
            click.echo(msgspec.json.encode(line))
        return
    out = console()
    out.print(f"site {site}", style="bold")
    out.print(_table(lines) if lines else "no such conversions")
    if len(lines) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")


def _table(lines: list[ConversionLine]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("happened", "conversion", "id"):
        table.add_column(column, overflow="fold")
    table.add_column("net", justify="right")
    for column in ("credit", "path", "confidence", "platforms"):
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(
            line.occurred_at[5:16].replace("T", " "),
            visible(line.event_name),
            visible(line.order_id or line.event_id),
            f"{line.net} {line.currency or ''}",
            _credit(line),
            visible(line.path) or "-",
            f"{line.confidence or '-'}{'' if line.status == 'final' else ', provisional'}",
            _platforms(line),
        )
    return table


def _credit(line: ConversionLine) -> str:
    if line.winner is None:
        return f"none: {line.gap}"
    name = f"{line.winner.channel}: {visible(line.winner.source)}"
    campaign = f", {visible(line.winner.campaign)}" if line.winner.campaign else ""
    return f"{name}{campaign}{f' ({line.gap})' if line.gap else ''}"


def _platforms(line: ConversionLine) -> str:
    if line.delivery is None:
        return "the event is gone"
    told = [line.delivery.summary]
    told += [f"{name} has credit and did not take it" for name in line.delivery.credited_not_accepted]
    told += [f"{name} took it and has no touchpoint" for name in line.delivery.accepted_without_touchpoint]
    return "; ".join(told)
