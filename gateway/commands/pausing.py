"""`gateway pause` and `gateway resume`: an operator's word on one destination, the file's ones too."""

from pathlib import Path

import click
import msgspec

from gateway.commands.controlling import done, named, open_control
from gateway.commands.reading import json_option, store_options


@click.command()
@click.argument("destination", metavar="SITE/ID")
@json_option
@store_options
def pause(destination: str, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Send nothing to a destination from now on; what comes for it waits.

    For one that the file declares the store keeps the word beside the file: it counts until gateway resume, whatever
    the file says. Exit code 2: there is none of this name.

    \b
    Examples:
      gateway pause shop/meta
      gateway pause meta
    """
    _set(destination, config_path, data_dir, is_paused=True, as_json=as_json)


@click.command()
@click.argument("destination", metavar="SITE/ID")
@json_option
@store_options
def resume(destination: str, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Go on with a destination that was paused: by an operator, for refused credentials, or for errors.

    Exit code 2: there is none of this name.

    \b
    Examples:
      gateway resume shop/meta
      gateway resume meta
    """
    _set(destination, config_path, data_dir, is_paused=False, as_json=as_json)


def _set(name: str, config_path: Path | None, data_dir: Path | None, *, is_paused: bool, as_json: bool) -> None:
    with open_control(config_path, data_dir) as control:
        found = named(control, name)
        change = control.pause if is_paused else control.resume
        view = done(lambda: change(found.site, found.id))
        version = control.version()
    if as_json:
        click.echo(msgspec.json.encode(view))
    else:
        click.echo(f"{'paused' if is_paused else 'resumed'} {view.site}/{view.id}, version {version}")
