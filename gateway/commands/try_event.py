"""`gateway try`: the request that an event would become, and with `--send` what the platform answers to it.

Nothing is stored (the store is looked into for a destination and for routes that the file does not declare), and no
running gateway is needed or noticed: the event goes from the file to the platform.
"""

import sys
import time
from pathlib import Path
from typing import BinaryIO, Final, Literal, NoReturn

import click
import msgspec
import trio
from msgspec import Struct

from actors.destinations.base import Destination, InTestMode, NoTestMode, Pause, Response, Retry
from actors.dialing import Failure
from actors.event import Event
from actors.match_quality import estimate
from actors.redaction import secrets_of
from actors.secret import Secret
from actors.snapshot import Site
from actors.tls import Contexts
from actors.tokens import AccessToken
from actors.transport import Transport, silence_http_logs
from gateway import exit_codes
from gateway.commands.controlling import rules_for
from gateway.commands.match_story import MatchStory, match_story, match_words
from gateway.commands.reading import end, json_option, placed, visible
from gateway.commands.trial import (
    HIDDEN,
    Hide,
    Outcome,
    Plan,
    Shown,
    Stopped,
    plan,
    shown_request,
    verdict_in_words,
)
from gateway.given_event import FILE_BYTES, read_given
from gateway.invalid import Invalid

LINE_CHARS: Final = 10_000

Sent = Literal["no", "in test mode", "live"]


class Answered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`status` and `body` where the platform answered: the body's head, without what is secret or personal."""

    outcome: Outcome
    words: str
    ms: int
    status: int | None = None
    body: str = ""


class Report(Struct, frozen=True, kw_only=True):
    """All that is told, as `--json` gives it."""

    site: str
    destination: str
    platform: str
    event_name: str
    event_id: str
    marks: tuple[str, ...]
    sent: Sent = "no"
    effect: str | None = None  # of the test mode
    stopped: Stopped | None = None
    request: Shown | None = None
    match_quality: MatchStory | None = None
    answer: Answered | None = None

    @property
    def exit_code(self) -> int:
        is_right = self.stopped is None and (self.answer is None or self.answer.outcome == "delivered")
        return exit_codes.OK if is_right else exit_codes.FAILED


@click.command("try")
@click.argument("event_json", metavar="EVENT.json", type=click.File("rb"))
@click.option("--destination", "destination_id", required=True, help="The destination to try: ID or SITE/ID.")
@click.option("--site", help="The site, where several have a destination of this id.")
@click.option("--send", "is_sent", is_flag=True, help="Send it, in the platform's test mode.")
@click.option("--live", "is_live", is_flag=True, help="With --send: as a live event, which counts.")
@json_option
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), envvar="GATEWAY_CONFIG",
    help="The configuration. Default: config.toml where there is one, else the environment.",
)  # fmt: skip
def try_event(
    event_json: BinaryIO,
    destination_id: str,
    site: str | None,
    is_sent: bool,
    is_live: bool,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Show the request that an event would become at a destination; with --send, also the platform's answer.

    EVENT.json is one event as a server posts it to /v1/events; - reads it from standard input. Routing and consent are
    applied as the gateway does. Secrets are shown as ***. Nothing is stored. Exit code 1: the event is wrong, would not
    go there, or was not taken.

    \b
    Examples:
      gateway try purchase.json --destination meta-main
      gateway try purchase.json --destination ga4-main --send
      gateway try - --destination own-backend --send --live --json < purchase.json
    """
    if is_live and not is_sent:
        raise click.UsageError("--live says how to send; give --send too")
    id, site = placed(destination_id, site)
    rules = rules_for(config_path, id, site)
    mode = _mode(rules.destinations[0], is_sent=is_sent, is_live=is_live)
    event = _event(event_json, rules, as_json=as_json)
    report = _report(event, rules, mode.destination, "no" if not is_sent else "live" if is_live else "in test mode")
    report = msgspec.structs.replace(report, effect=mode.effect or None)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _show(report)
    sys.exit(report.exit_code)


def _mode(destination: Destination, *, is_sent: bool, is_live: bool) -> InTestMode:
    """The destination as it is tried. Ends the command where an event would be live and nobody asked for that."""
    if is_live or not is_sent:
        return InTestMode(destination, "")
    match destination.in_test_mode():
        case InTestMode() as mode:
            return mode
        case NoTestMode(why=why):
            told = "with --live the event is sent all the same, as one that counts"
            end(f"{destination.id} is not tried by sending: {why}; {told}", exit_codes.USAGE)


def _event(file: BinaryIO, site: Site, *, as_json: bool) -> Event:
    """The file's event as /v1/events reads it. Ends the command where it is wrong."""
    try:
        text = file.read(FILE_BYTES + 1)
    except OSError as error:
        end(f"EVENT.json: cannot be read: {error.strerror}")
    given = read_given(text, site, _now_ms())
    if isinstance(given, Invalid):
        _refuse(given, as_json=as_json)
    return given.opened() if site.destinations[0].opens_plaintext() else given.event


def _refuse(fault: Invalid, *, as_json: bool) -> NoReturn:
    """The answer that /v1/events would give."""
    if as_json:
        click.echo(fault.body())
        sys.exit(exit_codes.FAILED)
    end(f"{fault.field}: {fault.message}" if fault.field else fault.message)


def _report(event: Event, site: Site, destination: Destination, sent: Sent) -> Report:
    report = Report(
        site=site.id,
        destination=destination.id,
        platform=destination.platform,
        event_name=event.event_name,
        event_id=event.event_id,
        marks=event.marks,
    )
    hide = Hide(secrets_of(destination))
    try:
        found = plan(event, site, destination, _now_ms())
        if isinstance(found, Stopped):
            return msgspec.structs.replace(report, stopped=_hidden(found, hide))
        token = HIDDEN if destination.oauth() is not None else None
        match = estimate(event, found.payload.carries, destination)
        report = msgspec.structs.replace(
            report,
            request=shown_request(found.request(token), hide),
            match_quality=match_story(match, destination.platform, event.user_data) if match is not None else None,
        )
        if sent == "no":
            return report
        return msgspec.structs.replace(report, sent=sent, answer=trio.run(_send, found))
    except Exception as error:  # noqa: BLE001  an adapter's bug is an answer too; its text may hold values of the event
        end(f"the adapter of {destination.platform} failed on this event: {type(error).__name__}")


def _hidden(stopped: Stopped, hide: Hide) -> Stopped:
    return msgspec.structs.replace(stopped, words=hide(stopped.words))


async def _send(found: Plan) -> Answered:
    """Sends it as a dispatcher does, once: over the gateway's transport, with a token where one is needed."""
    silence_http_logs()
    started_s = trio.current_time()
    tls = Contexts().of(found.destination.ca_file)
    async with Transport.for_destination(found.destination, tls) as transport:
        token = await AccessToken(found.destination, transport, _now_ms).get()
        answer: Response | Failure | Retry | Pause
        if isinstance(token, Retry | Pause):
            answer, access = token, []
        else:
            access = [Secret(token)] if token is not None else []
            answer = await transport.send(found.request(token))
    ms = round((trio.current_time() - started_s) * 1000)
    return _answered(found, answer, Hide([*secrets_of(found.destination), *access]), ms)


def _answered(found: Plan, answer: Response | Failure | Retry | Pause, hide: Hide, ms: int) -> Answered:
    outcome, words = verdict_in_words(found.verdict(answer))
    if not isinstance(answer, Response):
        return Answered(outcome=outcome, words=hide.words(words), ms=ms)
    body = hide.words(answer.body.decode("utf-8", "replace"))
    return Answered(outcome=outcome, words=hide.words(words), ms=ms, status=answer.status, body=body)


def _show(report: Report) -> None:
    marks = f" ({', '.join(report.marks)})" if report.marks else ""
    _line("event", f"{report.event_name} {report.event_id}{marks}")
    _line("destination", f"{report.site}/{report.destination} ({report.platform})")
    if report.stopped is not None:
        _line("stopped", f"would not go there: {report.stopped.reason}: {report.stopped.words}")
    if report.request is not None:
        effect = f": {report.effect}" if report.effect else ""
        _line("sent", f"{report.sent}{effect}")
        _show_request(report.request)
    if report.match_quality is not None:
        _line("match", match_words(report.match_quality))
    if report.answer is not None:
        _show_answer(report.answer)


def _show_request(request: Shown) -> None:
    click.echo()
    _text(f"{request.method} {request.url}")
    for name, value in request.headers:
        _text(f"{name}: {value}")
    click.echo()
    if request.body:
        _text(request.pretty_body())
        click.echo()


def _show_answer(answer: Answered) -> None:
    status = f"{answer.status}" if answer.status is not None else "none"
    _line("answer", f"{status}, after {answer.ms} ms")
    if answer.body:
        _text(answer.body)
    _line("verdict", f"{answer.outcome}: {answer.words}")


def _line(name: str, text: str) -> None:
    click.echo(f"{name:<12}{visible(text, LINE_CHARS)}")


def _text(text: str) -> None:
    """Text of several lines; nothing in it can steer a terminal."""
    for line in text.splitlines() or [""]:
        click.echo(visible(line, max(len(line), 1)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
