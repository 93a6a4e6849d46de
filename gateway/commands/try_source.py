"""`gateway try-source`: what a sender's body would become, with what is wrong in it; nothing is stored.

The body goes the way of a delivery: signature, decoding, the checks of every event. Shown are the events as the source
makes them, and of the canonical event only the names of its identifiers.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec
from msgspec import Struct

from actors.event import Event, UserData
from gateway import exit_codes
from gateway.commands.controlling import now_ms
from gateway.commands.reading import end, json_option, visible
from gateway.config import config_file
from gateway.config_one_source import OneSource, load_source
from gateway.errors import ConfigError
from gateway.intake import Intake
from gateway.sources.base import Decoded, Draft, Hook, Refused
from gateway.sources.hooks import EVENT_BYTES, read_draft

LINE_CHARS: Final = 10_000
STAND_IN: Final = "whsec_" + "A" * 44  # for a secret that is not set and not needed: every scheme takes its form

_encoder = msgspec.json.Encoder(decimal_format="number")


class Tried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. `goes`: whether platforms may get it. `identifiers`: names only. `error`: why it is set apart."""

    event: Mapping[str, Any]
    goes: bool
    event_name: str = ""
    event_id: str = ""
    identifiers: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    error: str = ""


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is told, as `--json` gives it."""

    source: str
    type: str
    signature: str
    note: str = ""
    events: tuple[Tried, ...] = ()

    @property
    def exit_code(self) -> int:
        is_right = bool(self.events) and not any(one.error for one in self.events)
        return exit_codes.OK if is_right else exit_codes.FAILED


class AnySecret(Mapping[str, str]):
    """The environment, with a stand-in for what is not set."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def __getitem__(self, name: str) -> str:
        return self._env.get(name, STAND_IN)

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


@click.command("try-source")
@click.argument("sample", metavar="SAMPLE.json", type=click.File("rb"))
@click.option("--source", "name", required=True, metavar="SITE/ID", help="The source, as the configuration has it.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header of the delivery. Several: again."
)
@click.option("--topic", default="", help="What its address says after the source, as charge-paid.")
@click.option("--unsigned", "is_unsigned", is_flag=True, help="Do not look at the signature; no secret need be set.")
@json_option
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), envvar="GATEWAY_CONFIG",
    help="The configuration. Default: config.toml where there is one, else the environment.",
)  # fmt: skip
def try_source(
    sample: BinaryIO,
    name: str,
    headers: tuple[str, ...],
    topic: str,
    is_unsigned: bool,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Show what a sender's body would become. Nothing is stored; no running gateway is needed or noticed.

    SAMPLE.json is the body of a delivery, byte for byte; - reads it from standard input. Exit code 1: it is refused, or
    something in it cannot be an event.

    \b
    Examples:
      gateway try-source lead.json --source shop/forms --unsigned
      gateway try-source order.json --source shop/shopify --header X-Shopify-Topic=orders/create --unsigned
      gateway try-source charge.json --source shop/recharge --topic charge-paid --unsigned --json
    """
    one = _load(config_path, AnySecret(os.environ) if is_unsigned else os.environ, name)
    hook = Hook(
        headers=_headers(headers), body=_body(sample, one.source.most_bytes), received_at_ms=now_ms(), topic=topic
    )
    report = _report(one, hook, is_unsigned=is_unsigned)
    if as_json:
        click.echo(_encoder.encode(report))
    else:
        _show(report)
    sys.exit(report.exit_code)


def _load(path: Path | None, env: Mapping[str, str], name: str) -> OneSource:
    try:
        return load_source(config_file(path), env, name)
    except ConfigError as error:
        end("\n".join(error.faults), exit_codes.USAGE)


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """As the doors hand them over. Raises click.UsageError."""
    found: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--header: {pair!r} is no header; give NAME=VALUE")
        found[name.strip().lower()] = value
    return found


def _body(file: BinaryIO, most_bytes: int) -> bytes:
    try:
        body = file.read(most_bytes + 1)
    except OSError as error:
        end(f"SAMPLE.json: cannot be read: {error.strerror}")
    if len(body) > most_bytes:
        end(f"SAMPLE.json: has more than {most_bytes} bytes; the source takes no more")
    return body


def _report(one: OneSource, hook: Hook, *, is_unsigned: bool) -> Report:
    report = Report(source=f"{one.site.id}/{one.source.id}", type=one.source.kind, signature="not looked at")
    if not is_unsigned:
        verified = one.source.verify(hook)
        if isinstance(verified, Refused):
            return msgspec.structs.replace(report, signature=f"refused (401): {verified.reason}")
        report = msgspec.structs.replace(report, signature="right")
    decoded: Decoded = one.source.decode(hook)
    if decoded.malformed:
        return msgspec.structs.replace(report, note=f"refused (400): {decoded.malformed}")
    intake = Intake(
        site=one.site.id,
        source=one.source.source,
        received_at_ms=hook.received_at_ms,
        make_id=lambda: secrets.token_hex(16),
        default_country=one.site.default_country,
        max_event_bytes=EVENT_BYTES,
    )
    return msgspec.structs.replace(
        report, note=decoded.note, events=tuple(_tried(draft, intake) for draft in decoded.drafts)
    )


def _tried(draft: Draft, intake: Intake) -> Tried:
    own = msgspec.structs.replace(intake, is_internal=draft.is_internal, landing_url=draft.landing_url)
    event = read_draft(draft, own)
    if not isinstance(event, Event):
        told = f"{event.field}: {event.message}" if event.field else event.message
        return Tried(event=draft.event, goes=False, error=told)
    known = [name for name in UserData.__struct_fields__ if getattr(event.user_data, name) is not None]
    return Tried(
        event=draft.event,
        goes=not draft.is_internal,
        event_name=event.event_name,
        event_id=event.event_id,
        identifiers=tuple(known),
        marks=event.marks,
    )


def _show(report: Report) -> None:
    _line("source", f"{report.source} ({report.type})")
    _line("signature", report.signature)
    if report.note:
        _line("note", report.note)
    for one in report.events:
        click.echo()
        for line in msgspec.json.format(_encoder.encode(one.event), indent=2).decode().splitlines():
            click.echo(visible(line, LINE_CHARS))
        _show_one(one)


def _show_one(one: Tried) -> None:
    if one.error:
        _line("set apart", one.error)
        return
    marks = f" ({', '.join(one.marks)})" if one.marks else ""
    _line("becomes", f"{one.event_name} {one.event_id}{marks}")
    _line("identifiers", ", ".join(one.identifiers) or "none")
    _line("goes", "to the platforms that take it" if one.goes else "to no platform: it is kept")


def _line(name: str, text: str) -> None:
    click.echo(f"{name:<12}{visible(text, LINE_CHARS)}")
