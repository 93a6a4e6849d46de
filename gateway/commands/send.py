"""`gateway send`: one test event through the running gateway, and each platform's answer (gateway/sending.py).

It goes into the store's own mailbox, so no token is asked for: who may write the data directory may do that anyway. The
running core takes it from there, within two seconds.
"""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import trio

from actors.event import Event
from actors.observer import Observer
from actors.snapshot import Site, Snapshot
from gateway import exit_codes
from gateway.commands.controlling import now_ms, only_site, open_control
from gateway.commands.reading import console, end, json_option, store_options, store_place, visible
from gateway.config import config_file, load_server, snapshot_of
from gateway.config_beside import with_stored
from gateway.control import Control
from gateway.core_watch import is_core_alive
from gateway.dotted import BadPath, nested
from gateway.edge import Edge
from gateway.errors import ConfigError
from gateway.invalid import Invalid
from gateway.sending import AtDestination, Outcome, outcome, put
from gateway.stand_in import load_without_secrets

LOOK_S: Final = 0.1
WAIT_S: Final = 15
STYLES: Final = {"delivered": "green", "dropped": "red", "failed": "yellow", "queued": "yellow", "not_routed": "dim"}


@click.command("send")
@click.argument("event_name")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="A field, as custom_data.value=12. Again.")
@click.option("--site", help="The site. Default: the only one there is.")
@click.option("--wait", "wait_s", type=click.IntRange(0, 600), default=WAIT_S, show_default=True,
              help="How many seconds to wait for the platforms' answers.")  # fmt: skip
@json_option
@store_options
def send(
    event_name: str,
    settings: tuple[str, ...],
    site: str | None,
    wait_s: int,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Send a test event the whole way, and print each platform's answer.

    It goes to platforms in their test mode only, where nothing is counted, and to none that has no such mode. It is in
    no total of real events. VALUE is JSON, or else a text; null takes away what the sample has. Exit code 1: a platform
    did not take it, or none was sent it.

    \b
    Examples:
      gateway send purchase_placed
      gateway send purchase_placed --set custom_data.value=12 --set custom_data.currency=USD
      gateway send page_viewed --site shop --set user_data.email=null --json
    """
    over = _over(settings)
    data = store_place(config_path, data_dir)[0]
    if not is_core_alive(data):
        end(f"no gateway runs on the store in {data}; start one with gateway run", exit_codes.FAILED)
    with open_control(config_path, data_dir) as control:
        rules = _rules(config_path, only_site(control, site))
        edge = _edge(control, config_path)
        event = trio.run(put, edge, rules, event_name, over)
        if isinstance(event, Invalid):
            end(f"{event.field}: {event.message}" if event.field else event.message, exit_codes.USAGE)
        if not isinstance(event, Event):
            end(event.body.decode())
        found = _awaited(control, rules, event, wait_s)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _show(found)
    sys.exit(exit_codes.OK if found.is_right else exit_codes.FAILED)


def _over(settings: tuple[str, ...]) -> dict[str, Any]:
    """Ends the command where one is no field."""
    pairs = [one.partition("=") for one in settings]
    if bad := next((name for name, found, _ in pairs if not found), None):
        end(f"--set {bad}: give PATH=VALUE, as custom_data.value=12", exit_codes.USAGE)
    try:
        return nested((name, _value(text)) for name, _, text in pairs)
    except BadPath as error:
        end(f"--set {error}", exit_codes.USAGE)


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _rules(config_path: Path | None, site: str) -> Site:
    """The site as the gateway has it, connected destinations too; the gateway sends, so no secret need be set here.
    Ends the command where the configuration has faults."""
    try:
        composed = with_stored(load_without_secrets(config_file(config_path), os.environ), os.environ)
    except ConfigError as error:
        end("\n".join(error.faults), exit_codes.USAGE)
    return snapshot_of(composed.config).sites[site]


def _edge(control: Control, config_path: Path | None) -> Edge:
    return Edge(
        store=control.store,
        writer=control.writer,
        snapshot=Snapshot(),
        observer=Observer(),
        now_ms=now_ms,
        make_id=lambda: secrets.token_hex(16),
        shards=load_server(config_file(config_path), os.environ).shards,
    )


def _awaited(control: Control, site: Site, event: Event, wait_s: int) -> Outcome:
    """What became of it, when nothing waits any more or the time is over."""
    ends_s = time.monotonic() + wait_s
    while not (found := outcome(control.store, site, event)).settled and time.monotonic() < ends_s:
        time.sleep(LOOK_S)
    return found


def _show(found: Outcome) -> None:
    out = console()
    out.print(f"test event {visible(found.event_name)} {found.event_id} at site {found.site}", markup=False)
    if not found.processed:
        out.print("it is on disk, and the core has not taken it yet: gateway explain tells later", markup=False)
    for one in found.destinations:
        out.print(f"  [{STYLES[one.status]}]{one.status:<11}[/]", f"{one.destination} ({one.platform})", sep="", end="")
        out.print(f": {visible(_words(one), 400)}", markup=False)
    if found.processed and not found.destinations:
        out.print("the site has no destination", markup=False)


def _words(one: AtDestination) -> str:
    answered = f"HTTP {one.http_status}, {one.latency_ms} ms" if one.http_status is not None else ""
    return "; ".join(filter(None, (answered, one.why, one.effect))) or "no answer yet"
