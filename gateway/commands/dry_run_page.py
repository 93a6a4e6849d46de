"""A dry run as people read it: one event at each destination, or many in a table; live and the draft side by side."""

from collections.abc import Iterator

import click
import msgspec
from rich.table import Table

from actors.route_trace import RouteTrace
from gateway.commands.reading import console, shown_span, visible
from gateway.dry_run_records import DestinationTotals, DestinationTrial, EventTrial, ManyTrial, SideTrial, Totals
from gateway.routes_compare import SettingChange

LINE_CHARS = 10_000
INDENT = "    "


def show_event(found: EventTrial) -> None:
    _line("event", f"{found.event_name} {found.event_id} from {found.source}, site {found.site}")
    if found.is_stored:
        _line("", "from the ledger, with what was known of it then")
    for side in found.sides:
        click.echo()
        _show_side(side)
    if len(found.sides) == 2:
        click.echo()
        _show_differences(found)


def _show_side(side: SideTrial) -> None:
    _line(side.side, f"{_version(side)}{_status(side)}")
    for one in side.destinations:
        click.echo()
        _show_destination(one)


def _version(side: SideTrial | Totals) -> str:
    version = f"version {side.version}" if side.version else "the defaults"
    return version if side.side == "live" else f"saved against {version}"


def _status(side: SideTrial) -> str:
    return "" if side.status == "processed" else f": would be {side.status}: {side.words}"


def _show_destination(one: DestinationTrial) -> None:
    words = f": {one.words}" if one.words else ""
    _line("to", f"{one.destination} ({one.platform}): {one.outcome}{words}")
    for route in one.routes:
        _line("  route", _route_words(route))
    if not one.routes:
        _line("  route", "the default one: the events that the platform knows")
    states = ", ".join(f"{name} {state or 'unknown'}" for name, state in one.consent.states.items())
    learnt = f", from the {one.consent.learnt_from}" if one.consent.learnt_from else ""
    _line("  consent", f"{states or 'none needed'}{learnt}")
    if one.sample is not None:
        drawn = f"u = {one.sample.u:.6f}" if one.sample.u is not None else "nothing drawn"
        kept = "kept" if one.sample.is_kept else "not kept"
        _line("  sample", f"{drawn}, rate {one.sample.rate:g} by {one.sample.key}: {kept}")
    for line in _change_lines(one.changes):
        _line("  change", line)
    if one.request is not None:
        _line("  request", f"{one.request.method} {one.request.url}")
        for name, value in one.request.headers:
            click.echo(INDENT + visible(f"{name}: {value}", LINE_CHARS))
        for line in one.request.pretty_body().splitlines():
            click.echo(INDENT + visible(line, LINE_CHARS))


def _route_words(route: RouteTrace) -> str:
    part = f" by {route.part}" if route.part else ""
    match route.result:
        case "decides":
            return f"{route.route} decides{part}"
        case "disabled":
            return f"{route.route} is disabled"
        case "not_asked":
            return f"{route.route} is not asked: one before it decides"
    failed = f": {route.words}" if route.words else ""
    return f"{route.route} passes it on: its {route.step}{part}{failed}"


def _change_lines(changes: tuple[SettingChange, ...]) -> Iterator[str]:
    for one in changes:
        before, after = ("nothing" if value is None else _json(value) for value in (one.before, one.after))
        yield f"{one.path}: {before} -> {after}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _show_differences(found: EventTrial) -> None:
    for one in found.differences:
        told = f"{one.live} -> {one.draft}" if one.live != one.draft else one.draft
        _line("differs", f"{one.destination}: {one.what}: {told}")
    if not found.differences:
        _line("differs", "nothing: live and the draft do the same with it")


def show_many(found: ManyTrial) -> None:
    cut = "; there are more, give --most" if found.is_cut else ""
    left = f", {found.left_out} left out (waiting, copies, erased)" if found.left_out else ""
    click.echo(f"{found.events} events of {found.site} since {found.since}{left}{cut}")
    for side in found.sides:
        click.echo()
        click.echo(f"{side.side}: {_version(side)}")
        console().print(_table(side.destinations, has_before=side is not found.sides[0]))
        for place, event_id in side.examples.items():
            if not place.endswith(" sent"):
                click.echo(f"{INDENT}{place}: for example {visible(event_id)}")


def _table(rows: tuple[DestinationTotals, ...], *, has_before: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("destination", overflow="fold")
    more = ("new", "lost", "changed") if has_before else ()
    for column in ("sent", *more, "too old now", "in window", "past window", "requests", "takes"):
        table.add_column(column, justify="right")
    table.add_column("not sent", overflow="fold")
    for one in rows:
        against = (one.new, one.lost, one.changed) if has_before else ()
        numbers = (one.sent, *against, one.too_old, one.in_window, one.past_window, one.requests)
        takes = shown_span(round(one.takes_s * 1_000)) if one.takes_s is not None else "-"
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(one.not_sent.items()))
        table.add_row(one.destination, *map(str, numbers), takes, reasons)
    return table


def _line(name: str, text: str) -> None:
    click.echo(f"{name:<12}{visible(text, LINE_CHARS)}")
