"""`gateway attribution`: which channels, sources or campaigns conversions and their value are credited to."""

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import get_args

import click
import msgspec
from rich.table import Table

from actors.attribution.data_driven import DATA_MODELS
from actors.attribution.totals import By, CreditLine, CurrencyTotal
from gateway.commands.attribution_defaults import shown_for
from gateway.commands.attribution_read import Asked, AttributionReport, Chosen, Reading, TooMany, chosen_models
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
from store.journey_records import MODELS


@click.command()
@click.option(
    "--model", type=click.Choice([*MODELS, *DATA_MODELS, "all"]), help="Default: the site's default model. all: every."
)
@click.option("--by", type=click.Choice(get_args(By)), default="channel", show_default=True, help="What gets credit.")
@click.option("--since", type=Moment(), default="30d", show_default=True, help="Conversions since: 24h, 30d, RFC 3339.")
@click.option("--conversion", default="", metavar="NAME", help="Conversions of this event name only.")
@site_option
@json_option
@store_options
def attribution(
    model: Chosen | None,
    by: By,
    since: int,
    conversion: str,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Show what conversions and their value are credited to, under one model or all of them side by side.

    The lines of a currency add up to its total, gross and net (less refunds and cancellations); nothing is converted
    between currencies. markov and shapley are learnt from all paths of the period and say how many they rest on. Times
    are those at which conversions happened. With --json one report a site, one a line.

    \b
    Examples:
      gateway attribution
      gateway attribution --model all --by campaign --since 90d
      gateway attribution --model markov --since 180d --json
    """
    now_ms = time.time_ns() // 1_000_000
    with open_store(config_path, data_dir) as store:
        for one in chosen_sites(store, site):
            shown = shown_for(config_path, one)
            asked = Asked(
                site=one, since_ms=since_ms(since, now_ms), now_ms=now_ms, by=by, conversion=conversion,
                models=chosen_models(model or shown.default_model), direct_credit=shown.direct_credit,
            )  # fmt: skip
            reading = Reading(store, asked)
            try:
                for _ in reading.steps():
                    pass
            except TooMany:
                end(f"the period has more than {asked.most} conversions and touchpoints; give a later --since")
            if as_json:
                click.echo(msgspec.json.encode(reading.report()))
            else:
                _show(reading.report(), is_side_by_side=model == "all")


def _show(report: AttributionReport, *, is_side_by_side: bool) -> None:
    out = console()
    out.print(f"site {report.site}, conversions since {report.since[:16].replace('T', ' ')} UTC", style="bold")
    if not report.totals:
        out.print("no conversions in this time")
        return
    out.print(_totals(report.totals))
    out.print(_side_by_side(report) if is_side_by_side else _one_model(report))
    for one in report.rests_on:
        told = one.why or f"rests on {one.conversions} conversions and {one.paths} paths"
        out.print(f"{one.model}: {told}", style="dim")
    if report.gaps:
        out.print(_gaps(report))
    _notes(report)


def _totals(totals: Sequence[CurrencyTotal]) -> Table:
    table = _table("currency", right=("conversions", "gross", "net"))
    for one in totals:
        table.add_row(one.currency or "none", str(one.conversions), str(one.gross), str(one.net))
    return table


def _one_model(report: AttributionReport) -> Table:
    table = _table(report.by, "currency", right=("conversions", "gross", "net", "share"), last="confidence")
    table.title = f"credit under {report.lines[0].model}" if report.lines else ""
    for line in report.lines:
        if line.conversions is None:
            table.add_row(visible(line.name), line.currency, "-", "-", "-", "-", line.note)
            continue
        assert line.share is not None
        table.add_row(
            visible(line.name), line.currency, f"{line.conversions:.2f}", str(line.gross), str(line.net),
            f"{line.share:.1%}", line.confidence or "",
        )  # fmt: skip
    return table


def _side_by_side(report: AttributionReport) -> Table:
    """The net value under each model; conversions where no value is known."""
    models = list(dict.fromkeys(line.model for line in report.lines))
    table = _table(report.by, "currency", right=models)
    table.title = "net value, or conversions where there is none"
    cells = {(line.name, line.currency, line.model): _cell(line) for line in report.lines}
    for name, currency in dict.fromkeys((line.name, line.currency) for line in report.lines):
        told = (cells.get((name, currency, model), "0") for model in models)
        table.add_row(visible(name), currency, *told)
    return table


def _cell(line: CreditLine) -> str:
    if line.net is None or line.conversions is None:
        return "too few"
    return str(line.net) if line.currency or line.net != Decimal(0) else f"{line.conversions:.2f}"


def _gaps(report: AttributionReport) -> Table:
    table = _table("gap", "currency", right=("conversions", "net"), last="what to do")
    table.title = "conversions without credit, or with direct visits alone"
    for gap in report.gaps:
        told = f"{gap.means}; {gap.what_to_do}"
        table.add_row(gap.gap, gap.currency, str(gap.conversions), str(gap.net), told)
    return table


def _notes(report: AttributionReport) -> None:
    told = [f"{report.provisional} provisional"] if report.provisional else []
    told += [f"{report.changed_after_final} changed after they were final"] if report.changed_after_final else []
    told += [f"{one.conversions} renewals of {one.net} {one.currency}, apart" for one in report.renewals]
    told += [f"{report.unreadable} cannot be read: gateway check-store" if report.unreadable else ""]
    if any(told):
        console().print("; ".join(one for one in told if one), style="dim")


def _table(*left: str, right: Sequence[str] = (), last: str = "") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right")
    if last:
        table.add_column(last, overflow="fold")
    return table
