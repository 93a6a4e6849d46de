"""What the reading commands share: the store opened for reading, the sites it knows, times, text that is safe to show.

The store is opened read-only beside a running gateway or on a stopped one. Only the configuration's `[server]` part is
read: a terminal in which the destinations' secrets are not set must not keep anyone from looking.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec
from rich.console import Console

from gateway import exit_codes
from gateway.config import config_file, load_server
from gateway.errors import ConfigError
from store import versions
from store.env import DEFAULT_BUDGET, Store
from store.errors import StoreError

PLAIN_WIDTH: Final = 160  # of tables, where no terminal tells one
SHOWN_CHARS: Final = 200
SPAN: Final = re.compile(r"(\d{1,9})([smhd])")
SPAN_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def end(message: str, code: int = exit_codes.FAILED) -> NoReturn:
    """The command ends with an answer and an exit code."""
    click.echo(message, err=True)
    raise click.exceptions.Exit(code)


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config` and `--data-dir`: where the store is."""
    command = click.option(
        "--data-dir", type=click.Path(path_type=Path), help="The store's directory. Default: the configuration's."
    )(command)
    return click.option(
        "--config", "config_path", type=click.Path(path_type=Path), envvar="GATEWAY_CONFIG",
        help="The configuration that names the store. Default: config.toml where there is one.",
    )(command)  # fmt: skip


def placed(destination: str, site: str | None) -> tuple[str, str | None]:
    """The id and the site of what `--destination` names, as ID or as SITE/ID, and `--site` beside it."""
    of_site, slash, id = destination.partition("/")
    if not slash:
        return destination, site
    if site not in (None, of_site):
        end(f"--destination names the site {of_site!r}, --site {site!r}; give one of them", exit_codes.USAGE)
    return id, of_site


site_option = click.option("--site", help="The site, where the store has several.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for scripts.")


@contextmanager
def open_store(config_path: Path | None, data_dir: Path | None) -> Iterator[Store]:
    """The store, read-only. Ends the command where there is none that can be read."""
    path, budget_bytes = store_place(config_path, data_dir)
    try:
        store = Store(path, budget_bytes=budget_bytes, is_readonly=True)
    except StoreError as error:
        _no_store(path, error)
    try:
        yield store
    except StoreError as error:
        end(f"reading the store in {path}: {error}", exit_codes.STORE)
    finally:
        store.close()


@contextmanager
def open_store_to_write(config_path: Path | None, data_dir: Path | None) -> Iterator[Store]:
    """The store, for a command that changes something, also beside a running gateway. Ends it where none is there."""
    path, budget_bytes = store_place(config_path, data_dir)
    if not (path / "data.mdb").exists():
        _no_store(path, StoreError("no store is there"))
    try:
        store = Store(path, budget_bytes=budget_bytes)
    except StoreError as error:
        _no_store(path, error)
    try:
        yield store
    finally:
        store.close()


def store_place(config_path: Path | None, data_dir: Path | None) -> tuple[Path, int]:
    """The store's directory and its disk budget. Ends the command where the configuration has faults."""
    if data_dir is not None:
        return data_dir, DEFAULT_BUDGET
    try:
        server = load_server(config_file(config_path), os.environ)
    except ConfigError as error:
        end("\n".join(error.faults), exit_codes.USAGE)
    return Path(server.data_dir), server.disk_budget


def _no_store(path: Path, error: StoreError) -> NoReturn:
    if (path / "data.mdb").exists():
        end(f"the store cannot be opened: {error}", exit_codes.STORE)
    told = "give the directory with --data-dir, or the gateway's configuration with --config"
    end(f"no store is in {path.resolve()}; {told}", exit_codes.STORE)


def sites_of(store: Store) -> list[str]:
    """Every site that any configuration of this store declared, in their order."""
    names: dict[str, None] = {}
    for version in versions.history(store):
        names.update(dict.fromkeys(_summary(version.summary)))
    return list(names)


def platforms_of(store: Store) -> dict[tuple[str, str], str]:
    """(site, destination) -> platform, as the configurations of this store had them."""
    found: dict[tuple[str, str], str] = {}
    for version in versions.history(store):
        for site, destinations in _summary(version.summary).items():
            for one in destinations:
                destination, _, platform = one.removesuffix(")").rpartition(" (")
                found[site, destination] = platform
    return found


def chosen_sites(store: Store, site: str | None) -> list[str]:
    """The site that was named, or all. Ends the command where no such site is known."""
    known = sites_of(store)
    if site is not None and site not in known:
        end(f"no site {site!r} is in this store; there are: {', '.join(known) or 'none'}", exit_codes.USAGE)
    return [site] if site is not None else known


def _summary(text: str) -> dict[str, list[str]]:
    try:
        return msgspec.json.decode(text, type=dict[str, list[str]])
    except msgspec.DecodeError:
        return {}  # written for people: another form says nothing here


def console() -> Console:
    """For pages and tables: as wide as the terminal, or as wide as lines in a file may be."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def visible(text: str, most: int = SHOWN_CHARS) -> str:
    """A sender's or platform's text as it may be shown: nothing in it can steer a terminal, and it has an end."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:most])
    return shown if len(text) <= most else shown + "…"


def rfc3339(at_ms: int) -> str:
    return f"{_utc(at_ms):%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def shown_time(at_ms: int) -> str:
    """`2026-11-20 14:06:33.949`, in UTC."""
    return rfc3339(at_ms).replace("T", " ").removesuffix("Z")


def shown_span(ms: int) -> str:
    """`850 ms`, `4.2 s`, `12 min`, `3.1 h`."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 120_000:
        return f"{ms / 1000:.1f} s"
    return f"{ms / 60_000:.0f} min" if ms < 7_200_000 else f"{ms / 3_600_000:.1f} h"


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)


class Moment(click.ParamType[int]):
    """A time: so long ago (`24h`), or RFC 3339. Its value is Unix milliseconds, or a span before now below zero."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        moment = value if isinstance(value, int) else read_moment(value)
        if moment is None:
            self.fail(f"{value!r} is no time; give 30m, 24h, 7d or a time such as 2026-11-20T14:00:00Z", param, ctx)
        return moment


def read_moment(text: str) -> int | None:
    """Unix milliseconds, or a span before now below zero; None: it is neither."""
    if found := SPAN.fullmatch(text.strip()):
        return -int(found[1]) * SPAN_MS[found[2]]
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def since_ms(moment: int, now_ms: int) -> int:
    """Unix milliseconds of what `Moment` read."""
    return moment if moment >= 0 else now_ms + moment
