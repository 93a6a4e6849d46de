"""What the commands that change the configuration share: the store opened beside a running gateway, its Control,
refusals as answers, one destination named as SITE/ID or ID.

No token is asked for: who may write the data directory may do all of this anyway.
"""

import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import click
import msgspec
import trio

from actors.destinations.base import Destination
from actors.snapshot import Site
from gateway import exit_codes
from gateway.commands.reading import end, open_store, store_place
from gateway.config import config_file, load_beside, load_one
from gateway.config_beside import published_routes
from gateway.control import Control, DestinationView
from gateway.errors import ConfigError, ControlError, NotFound, SettingsError
from gateway.key_mark import ring_beside
from gateway.key_ring import BadSecretKey
from gateway.vault import Vault
from store.env import Store
from store.errors import StoreBroken, StoreDamaged, StoreError, StoreFull
from store.writer import InlineWriter

T = TypeVar("T")

SECRET_CHARS: Final = 65_536


@contextmanager
def open_control(config_path: Path | None, data_dir: Path | None, *, is_readonly: bool = False) -> Iterator[Control]:
    """The Control of that store, whether a gateway runs on it or not. What is refused inside ends the command."""
    place, budget_bytes = store_place(config_path, data_dir)
    with _refusals():
        store = Store(place, budget_bytes=budget_bytes, is_readonly=is_readonly)
        try:
            yield Control(
                store=store,
                writer=InlineWriter(store),
                vault=Vault(lambda: ring_beside(store, place, os.environ)),
                config_path=config_file(config_path),
                env=os.environ,
                now_ms=now_ms,
            )
        finally:
            store.close()


def done(work: Callable[[], Awaitable[T]]) -> T:
    """Runs a change to its end."""

    async def run() -> T:
        return await work()

    return trio.run(run)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def named(control: Control, name: str) -> DestinationView:
    """The destination that SITE/ID or ID names. Ends the command where none does, or several."""
    views = control.destinations()
    found = [one for one in views if name in (f"{one.site}/{one.id}", one.id)]
    found = list({(one.site, one.id): one for one in reversed(found)}.values())  # the file's counts, where both have it
    if len(found) == 1:
        return found[0]
    places = ", ".join(f"{one.site}/{one.id}" for one in (reversed(found) if found else views))
    if found:
        end(f"several destinations have the id {name!r}: {places}; give SITE/ID", exit_codes.USAGE)
    end(f"no destination {name!r}; there are: {places or 'none'}", exit_codes.USAGE)


def connected(
    config_path: Path | None, id: str, site: str | None, data_dir: Path | None = None
) -> tuple[str, Destination] | None:
    """The site and the connected destination of this id; None where there is none, or several."""
    if not _has_store(config_path, data_dir):
        return None
    with open_control(config_path, data_dir, is_readonly=True) as control:
        views = [one for one in control.destinations() if one.id == id and site in (None, one.site)]
        if len(views) != 1 or views[0].origin == "file":
            return None
        return views[0].site, control.record(views[0].site, id)


def rules_for(config_path: Path | None, destination: str, site: str | None, data_dir: Path | None = None) -> Site:
    """The rules of the site with this one destination, the file's or a connected one, and the routes in force. Opens
    the store for what the file does not say."""
    path = config_file(config_path)
    try:
        rules = load_one(path, os.environ, destination, site)
    except ConfigError as error:
        found = connected(config_path, destination, site, data_dir)
        if found is None:
            end("\n".join(error.faults), exit_codes.USAGE)
        rules = load_beside(path, os.environ, found[1], found[0])
    if rules.routes or not _has_store(config_path, data_dir):
        return rules
    with open_store(config_path, data_dir) as store:
        return msgspec.structs.replace(rules, routes=published_routes(store, rules.id))


def _has_store(config_path: Path | None, data_dir: Path | None) -> bool:
    return (store_place(config_path, data_dir)[0] / "data.mdb").exists()


def only_site(control: Control, given: str | None) -> str:
    """The site that was named, or the only one."""
    sites = control.sites()
    if given is None and len(sites) == 1:
        return sites[0]
    if given is None:
        end(f"the configuration has several sites: {', '.join(sites)}; give one with --site", exit_codes.USAGE)
    return given


def asked_secret(name: str) -> str:
    """A secret typed without echo, `name` being what is asked for. Ends the command where there is nobody to ask."""
    if not sys.stdin.isatty():
        end(f"{name} is missing; give it, or - to read it from standard input", exit_codes.USAGE)
    return str(click.prompt(name.removeprefix("--"), hide_input=True, err=True)).strip()


def secret_of_stdin() -> str:
    return sys.stdin.read(SECRET_CHARS).strip()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        end("\n".join(error.faults), exit_codes.USAGE)
    except (ConfigError, NotFound) as error:
        end(str(error), exit_codes.USAGE)
    except ControlError as error:
        end(str(error), exit_codes.FAILED)
    except (BadSecretKey, StoreError, OSError) as error:
        _no_store(error)


def _no_store(error: Exception) -> NoReturn:
    is_broken = isinstance(error, StoreBroken | StoreFull) and not isinstance(error, StoreDamaged)
    code = exit_codes.BROKEN if is_broken else exit_codes.STORE
    click.echo(str(error), err=True)
    raise click.exceptions.Exit(code)
