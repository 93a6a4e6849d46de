"""`gateway identity`: who is known by what, and a merge undone. No plaintext is shown or asked for."""

import time
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import trio

from gateway import exit_codes, identities
from gateway.commands.reading import (
    chosen_sites,
    end,
    json_option,
    open_store,
    open_store_to_write,
    site_option,
    store_options,
)
from gateway.core_watch import is_core_alive
from gateway.identities import IdentityView
from store.env import Store
from store.errors import StoreError
from store.writer import InlineWriter

WATCH_S: Final = 0.2
PATIENCE_S: Final = 30.0


@click.group("identity")
def identity_group() -> None:
    """Show what the gateway knows of a person, or undo a merge.

    \b
    Examples:
      gateway identity show 7001
      gateway identity split 5c6d7e8f90a1b2c3
    """


@identity_group.command("show")
@click.argument("who", metavar="WHO")
@site_option
@json_option
@store_options
def show(who: str, site: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Show an identity: its visitors, identifiers with when they were learnt, and merges.

    WHO: a customer id, the SHA-256 of an email or phone, a visitor id, or an id of the identity. Exit code 1: nobody is
    known by that.

    \b
    Examples:
      gateway identity show 7001 --site shop
      gateway identity show 8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d --json
    """
    with open_store(config_path, data_dir) as store:
        found = [one for name in chosen_sites(store, site) if (one := identities.look_up(store, name, who)) is not None]
    if not found:
        end("nobody is known by that; an anonymous visitor has no identity beside itself")
    for one in found:
        click.echo(msgspec.json.encode(one) if as_json else _page(one))


@identity_group.command("split")
@click.argument("merge_id", metavar="MERGE_ID")
@site_option
@store_options
def split(merge_id: str, site: str | None, config_path: Path | None, data_dir: Path | None) -> None:
    """Undo a merge: links return to where its record says, and the two are not merged again.

    The running gateway does it; where none runs, the next one does. `gateway identity show` lists merges.

    Example: gateway identity split 5c6d7e8f90a1b2c3 --site shop
    """
    with open_store_to_write(config_path, data_dir) as store:
        asked = [(name, _ask(store, name, merge_id)) for name in chosen_sites(store, site)]
        found = [(name, identity) for name, identity in asked if identity is not None]
        if not found:
            end(f"there is no merge {merge_id!r} to undo; gateway identity show lists those of an identity")
        for name, identity in found:
            told = "is undone" if _is_done(store, name, merge_id) else "will be undone by the gateway"
            click.echo(f"merge {merge_id} of identity {identity} of {name} {told}")


def _ask(store: Store, site: str, merge_id: str) -> str | None:
    try:
        ask = partial(identities.ask_split, store, InlineWriter(store), site, merge_id, time.time_ns() // 1_000_000)
        return trio.run(ask)
    except StoreError as error:
        end(f"writing to the store in {store.path}: {error}", exit_codes.BROKEN)


def _is_done(store: Store, site: str, merge_id: str) -> bool:
    until = time.monotonic() + PATIENCE_S
    while is_core_alive(store.path) and time.monotonic() < until:
        if identities.owner_of(store, site, merge_id) is None:
            return True
        time.sleep(WATCH_S)
    return False


def _page(one: IdentityView) -> str:
    lines = [f"identity {one.id} of {one.site}: known since {one.first_at}, seen last {one.last_at}"]
    lines += [f"  visitor {visitor}" for visitor in one.visitors]
    for known in one.known:
        lines.append(f"  {known.kind} {known.shown or '(kept)'}, from {known.source} at {known.first_at}")
    for merge in one.merges:
        lines.append(f"  merge {merge.id}: {merge.merged} into {merge.surviving}")
        lines.append(f"    at {merge.at}, by {merge.key} of event {merge.event_id}")
    lines += [f"  split from {other}" for other in one.apart_from]
    return "\n".join(lines)
