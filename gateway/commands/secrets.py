"""`gateway secret set` and `gateway secret rotate-key`: secrets of connected destinations, never shown again."""

import os
from pathlib import Path
from typing import Final

import click
import msgspec

from gateway import exit_codes
from gateway.commands.connect_options import option_name, shortened
from gateway.commands.controlling import asked_secret, done, named, now_ms, open_control, secret_of_stdin
from gateway.commands.reading import end, json_option, store_options, store_place, visible
from gateway.commands.trying import NOTE_CHARS, tried
from gateway.rotation import new_key
from gateway.stored_destinations import kind_of, secret_fields

STDIN: Final = "-"


@click.group()
def secret() -> None:
    """Change a connected destination's secret, or the key that they are sealed with.

    \b
    Examples:
      gateway secret set shop/meta access_token
      gateway secret rotate-key
    """


@secret.command("set")
@click.argument("destination", metavar="SITE/ID")
@click.argument("field", metavar="FIELD")
@click.argument("value", metavar="[-]", required=False, type=click.Choice([STDIN]))
@click.option("--no-check", "is_unchecked", is_flag=True, help="Store it without trying the credentials.")
@json_option
@store_options
def set_secret(
    destination: str,
    field: str,
    value: str | None,
    is_unchecked: bool,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Change a secret of a connected destination; one that was paused for its credentials goes on.

    The value is asked for without echo; with - it is read from standard input. FIELD is the setting, short as with
    connect (token), or headers.NAME for one header of a webhook. Exit code 1: the platform refused it.

    \b
    Examples:
      gateway secret set shop/meta access_token
      gateway secret set meta token - < token.txt
    """
    with open_control(config_path, data_dir) as control:
        found = named(control, destination)
        name = _field(found.type, field)
        given = secret_of_stdin() if value == STDIN else asked_secret(name)
        note = "" if is_unchecked else tried(control.read_secret(found.site, found.id, name, given))
        view = done(lambda: control.set_secret(found.site, found.id, name, given))
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(view), "check": note}))
        return
    if note:
        click.echo(visible(note, NOTE_CHARS), err=True)
    more = "; an operator paused it: gateway resume" if view.is_paused else ""
    click.echo(f"set {name} of {view.site}/{view.id}, version {view.version}{more}")


@secret.command("rotate-key")
@json_option
@store_options
def rotate_key(as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Seal all stored secrets with a new key; the older keys still open what they sealed.

    The new key is made in the key file of the data directory. With GATEWAY_SECRET_KEY it is yours to make: put it
    there, the one before into GATEWAY_SECRET_KEY_PREVIOUS, start the gateway with both, then run this. A running
    gateway seals with the new key within a second. May be run again after an interruption.

    \b
    Examples:
      gateway secret rotate-key
      gateway secret rotate-key --config /etc/gateway/config.toml --json
    """
    place, _ = store_place(config_path, data_dir)
    with open_control(config_path, data_dir) as control:
        keys = new_key(place, os.environ, now_ms())
        stored = done(control.reseal)
    secrets = sum(len(one.sealed) for one in (*stored.destinations, *stored.sources))
    if as_json:
        click.echo(msgspec.json.encode({"keys": keys, "secrets": secrets, "version": stored.version}))
    else:
        click.echo(f"rotated, version {stored.version}: secrets sealed with the new key: {secrets}; keys kept: {keys}")


def _field(platform: str, given: str) -> str:
    """The secret setting that is meant, as `connect` understands short options."""
    kind = kind_of(platform)
    known = secret_fields(kind) if kind is not None else ()
    name, dot, key = given.replace("-", "_").partition(".") if "." not in given else given.partition(".")
    meant = [one for one in known if name == one] or [
        one for one in known if option_name(name) in shortened(option_name(one))
    ]
    if len(meant) != 1:
        end(f"{given!r} is no secret of {platform}; give one of {', '.join(known) or 'none'}", exit_codes.USAGE)
    return f"{meant[0]}{dot}{key}"
