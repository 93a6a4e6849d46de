"""`gateway dry-run`: what routes would do with an event, an event of the ledger, or those of the last hours.

Nothing is written, sent or counted; the store is read beside a running gateway or on a stopped one. All destinations of
the configuration are read, but no request leaves: a secret that is not set in this terminal is stood in for.
"""

import os
import sys
from pathlib import Path

import click
import msgspec

from actors.snapshot import Site, Snapshot
from gateway.commands.controlling import now_ms, only_site, open_control
from gateway.commands.dry_run_page import show_event, show_many
from gateway.commands.reading import Moment, end, json_option, since_ms, site_option, store_options
from gateway.commands.routes_parts import refuse_nowhere
from gateway.config import config_file, snapshot_of
from gateway.config_beside import with_stored_in
from gateway.control import Control
from gateway.dry_run_records import EventTrial
from gateway.dry_run_sides import sides_of
from gateway.dry_runs import DryRuns, Side
from gateway.dry_runs_many import MOST, Many
from gateway.given_event import FILE_BYTES, opener, read_given, ring_opener
from gateway.invalid import Invalid
from gateway.routes_control import RoutesControl
from gateway.stand_in import load_without_secrets
from store import ledger


@click.command("dry-run")
@click.argument("event", metavar="[EVENT.json | EVENT_ID]", required=False)
@click.option("--draft", "is_draft", is_flag=True, help="The draft beside what is live.")
@click.option("--last", type=Moment(), help="The events received since: 30m, 24h, 7d, or RFC 3339.")
@click.option("--most", type=click.IntRange(1, 1_000_000), default=MOST, show_default=True, help="Of these the newest.")
@site_option
@json_option
@store_options
def dry_run(
    event: str | None,
    is_draft: bool,
    last: int | None,
    most: int,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Show what the routes would do, live or with --draft live and the draft side by side. Nothing is sent or stored.

    EVENT.json is one event as a server posts it to /v1/events (- reads standard input); what the store knows of its
    visitor counts. EVENT_ID is an event of the ledger, --last all of a time: with what was known of them then.
    Exit code 1: the event is wrong, or there is none.

    \b
    Examples:
      gateway dry-run purchase.json
      gateway dry-run --draft order-1001
      gateway dry-run --draft --last 24h
    """
    if (event is None) == (last is None):
        raise click.UsageError("say what to try: a file EVENT.json, an EVENT_ID of the ledger, or --last 24h")
    refuse_nowhere(config_path, data_dir)
    with open_control(config_path, data_dir, is_readonly=True) as control:
        place = only_site(control, site)
        live = _live(config_path, control)
        rules = live.sites.get(place)
        if rules is None:
            end(f"the site {place!r} is not in the configuration")
        sides = sides_of(live, RoutesControl(control), place, has_live=True, has_draft=is_draft)
        if last is not None:
            _many(control, rules, sides, since_ms(last, now_ms()), most, as_json=as_json)
        elif event is not None and _is_file(event):
            _given(control, rules, sides, event, as_json=as_json)
        elif event is not None:
            _stored(control, rules, sides, event, as_json=as_json)


def _live(config_path: Path | None, control: Control) -> Snapshot:
    """What is in force, as far as this terminal can tell."""
    composed = with_stored_in(load_without_secrets(config_file(config_path), os.environ), control.store, control.vault)
    for told in (*composed.faults, *composed.notes):
        click.echo(f"note: {told}", err=True)
    return snapshot_of(composed.config)


def _given(control: Control, site: Site, sides: list[Side], name: str, *, as_json: bool) -> None:
    at_ms = now_ms()
    given = read_given(_text(name), site, at_ms)
    if isinstance(given, Invalid):
        if as_json:
            click.echo(given.body())
            sys.exit(1)
        end(f"{given.field}: {given.message}" if given.field else given.message)
    runs = DryRuns(control.store, site.id, sides, at_ms, opener(given.sealer))
    _tell(runs.given(given.event), as_json=as_json)


def _is_file(name: str) -> bool:
    return name == "-" or name.endswith(".json") or Path(name).is_file()


def _text(name: str) -> bytes:
    try:
        with click.open_file(name, "rb") as file:
            return bytes(file.read(FILE_BYTES + 1))
    except OSError as error:
        end(f"{name}: cannot be read: {error.strerror}")


def _stored(control: Control, site: Site, sides: list[Side], event_id: str, *, as_json: bool) -> None:
    runs = DryRuns(control.store, site.id, sides, now_ms(), ring_opener(control.vault.ring, site))
    found = [one for one in ledger.find_events(control.store, site.id, event_id) if one.row.status == "processed"]
    if not found:
        end(f"no processed event of {site.id} has the id {event_id!r}; gateway deliveries lists the newest")
    for one in found:
        told = runs.stored(one) if not one.row.erased_at_ms else None
        if told is None:
            end(f"the event {event_id!r} is erased, or past its retention")
        _tell(told, as_json=as_json)


def _many(control: Control, site: Site, sides: list[Side], since: int, most: int, *, as_json: bool) -> None:
    at_ms = now_ms()
    runs = DryRuns(control.store, site.id, sides, at_ms, ring_opener(control.vault.ring, site))
    many = Many(control.store, runs, site.id, sides, since_ms=since, now_ms=at_ms, most=most)
    while not many.is_over:
        many.look()
    told = many.told()
    if as_json:
        click.echo(msgspec.json.encode(told))
    else:
        show_many(told)


def _tell(found: EventTrial, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        show_event(found)
