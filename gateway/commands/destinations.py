"""`gateway destinations` and `gateway disconnect`: which destinations there are and what they are doing."""

from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from gateway import exit_codes
from gateway.commands.controlling import done, named, now_ms, open_control
from gateway.commands.reading import (
    console,
    end,
    json_option,
    rfc3339,
    shown_span,
    shown_time,
    store_options,
    store_place,
    visible,
)
from gateway.control import Control, DestinationView
from gateway.core_watch import is_core_alive
from gateway.destination_states import DestinationState, state_of
from gateway.source_control import SourceControl
from store.records import StoredConfig

WORDS_CHARS = 70
STYLES = {"sending": "green", "probing": "yellow", "paused": "red", "disabled": "dim", "never ran": "dim"}


class Line(Struct, frozen=True, kw_only=True):
    """One destination, as `--json` gives it: one a line. Times are RFC 3339."""

    site: str
    id: str
    type: str
    origin: str
    is_paused: bool  # by an operator
    is_disabled: bool  # by its setting
    state: str | None  # sending, probing, paused; none where it never ran
    cause: str
    words: str
    since: str | None
    queued: int
    oldest_due_age_s: float | None
    version: int
    faults: tuple[str, ...]


@click.command()
@click.option("--site", help="Of this site only.")
@click.option("--history", "is_history", is_flag=True, help="What was changed by command or API, the newest first.")
@json_option
@store_options
def destinations(
    site: str | None, is_history: bool, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """List the destinations, the file's and the connected ones, with what they are doing and how much waits.

    Exit code 1: one of them is not in force; the lines say why.

    \b
    Examples:
      gateway destinations
      gateway destinations --site shop --json
      gateway destinations --history
    """
    place, _ = store_place(config_path, data_dir)
    if not (place / "data.mdb").exists():
        end(f"no store is in {place.resolve()}: no gateway has run there, and nothing is connected", exit_codes.STORE)
    with open_control(config_path, data_dir, is_readonly=True) as control:
        if is_history:
            _show_history(control.history(), as_json=as_json)
            return
        if site is not None and site not in {*control.sites(), *(one.site for one in control.destinations())}:
            end(f"there is no site {site!r}; there are: {', '.join(control.sites())}", exit_codes.USAGE)
        views = [one for one in control.destinations() if site in (None, one.site)]
        lines = [_line(one, state_of(control.store, one.site, one.id, now_ms())) for one in views]
    if as_json:
        for line in lines:
            click.echo(msgspec.json.encode(line))
    else:
        console().print(_table(lines) if lines else "no destination is declared or connected")
        if lines and not is_core_alive(place):
            click.echo(f"no gateway runs on {place}: what they are doing is of its last run", err=True)
    if any(line.faults for line in lines if line.origin == "store"):
        raise click.exceptions.Exit(exit_codes.FAILED)


def _show_history(versions: list[StoredConfig], *, as_json: bool) -> None:
    for one in versions:
        if as_json:
            told = {"version": one.version, "at": rfc3339(one.at_ms), "change": one.change}
            click.echo(msgspec.json.encode(told))
        else:
            click.echo(f"{one.version:>6}  {shown_time(one.at_ms)}  {visible(one.change)}")
    if not versions and not as_json:
        click.echo("nothing was changed by command or API yet")


def _line(view: DestinationView, state: DestinationState) -> Line:
    standing = state.standing
    return Line(
        site=view.site,
        id=view.id,
        type=view.type,
        origin=view.origin,
        is_paused=view.is_paused,
        is_disabled=view.settings.get("enabled") is False,
        state=standing.state if standing is not None else None,
        cause=standing.cause if standing is not None else "",
        words=standing.words if standing is not None else "",
        since=rfc3339(standing.since_ms) if standing is not None else None,
        queued=state.queued,
        oldest_due_age_s=state.oldest_due_age_s,
        version=view.version,
        faults=view.faults,
    )


def _table(lines: list[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("destination", "platform", "from", "state"):
        table.add_column(column, overflow="fold")
    for column in ("queued", "due since", "version"):
        table.add_column(column, justify="right")
    table.add_column("why", overflow="fold")
    for line in lines:
        state = _state(line)
        age_s = line.oldest_due_age_s
        table.add_row(
            f"{line.site}/{line.id}",
            line.type,
            line.origin,
            Text(state, STYLES[state]),
            str(line.queued),
            shown_span(round(age_s * 1_000)) if age_s is not None and age_s > 0 else "-",
            str(line.version) if line.version else "-",
            _why(line),
        )
    return table


def _state(line: Line) -> str:
    if line.is_disabled:
        return "disabled"
    return "paused" if line.is_paused else line.state or "never ran"


def _why(line: Line) -> str:
    if line.faults:
        told = "not in force" if line.origin == "store" else "not read from here"
        return visible(f"{told}: {'; '.join(line.faults)}", 300)
    if line.is_disabled:
        return "by its setting"
    if line.is_paused:
        return "by an operator"
    if line.state in (None, "sending"):
        return ""
    return visible(": ".join(part for part in (line.cause, line.words) if part), WORDS_CHARS)


@click.command()
@click.argument("destination", metavar="SITE/ID")
@click.option("--source", "is_source", is_flag=True, help="SITE/ID is a source of webhooks.")
@json_option
@store_options
def disconnect(
    destination: str, is_source: bool, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """Take a connected destination away; what waits for it is dropped. With --source, a connected source.

    SITE/ID, or ID where only one site has it. What the file declares is taken out there. Exit code 1: the file declares
    it; 2: there is none of this name.

    \b
    Examples:
      gateway disconnect shop/meta
      gateway disconnect meta --json
    """
    with open_control(config_path, data_dir) as control:
        if is_source:
            _disconnect_source(control, destination, as_json=as_json)
            return
        found = named(control, destination)
        done(lambda: control.disconnect(found.site, found.id))
        version = control.version()
    if as_json:
        click.echo(msgspec.json.encode({"site": found.site, "id": found.id, "version": version}))
    else:
        click.echo(f"disconnected {found.site}/{found.id}, version {version}")


def _disconnect_source(control: Control, name: str, *, as_json: bool) -> None:
    place, version = done(lambda: SourceControl(control).disconnect(name))
    site, _, id = place.partition("/")
    if as_json:
        click.echo(msgspec.json.encode({"site": site, "id": id, "version": version}))
    else:
        click.echo(f"disconnected source {place}, version {version}")
