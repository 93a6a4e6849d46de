"""What the commands of `gateway routes` share: options, the routes of a store that was opened, who somebody is."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from gateway import exit_codes
from gateway.commands.controlling import only_site, open_control
from gateway.commands.reading import end, store_place, visible
from gateway.routes_control import RoutesControl

NOBODY: Final = "the command line"
LINE_CHARS: Final = 2_000


def author_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--author", help="Who this is, for the history. Default: your name on this machine.")(command)


def revision_option(command: Callable[..., Any]) -> Callable[..., Any]:
    told = "The draft's revision that you read: refused where it was saved since."
    return click.option("--if-revision", "revision", type=click.IntRange(0), help=told)(command)


@contextmanager
def opened(
    config_path: Path | None, data_dir: Path | None, site: str | None, *, is_readonly: bool = False
) -> Iterator[tuple[RoutesControl, str]]:
    """The routes of that store, and the site that is meant."""
    if is_readonly:
        refuse_nowhere(config_path, data_dir)
    with open_control(config_path, data_dir, is_readonly=is_readonly) as control:
        yield RoutesControl(control), only_site(control, site)


def refuse_nowhere(config_path: Path | None, data_dir: Path | None) -> None:
    """Ends the command where there is nothing to look at."""
    place, _ = store_place(config_path, data_dir)
    if not (place / "data.mdb").exists():
        end(f"no store is in {place.resolve()}: no gateway has run there, and nothing was published", exit_codes.STORE)


def named(author: str | None) -> str:
    return author or os.environ.get("USER") or os.environ.get("LOGNAME") or NOBODY


def warn(warnings: tuple[str, ...]) -> None:
    for one in warnings:
        click.echo(f"warning: {visible(one, LINE_CHARS)}", err=True)
