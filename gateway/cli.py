"""The `gateway` command: commands, arguments, exit codes. Each command's work is in a module of its own.

What only one command needs is imported where it runs: the supervisor loads nothing of the worker.
"""

import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import structlog
import trio

from gateway import exit_codes
from gateway.accepted_config import read_accepted
from gateway.commands import Commands
from gateway.config import CONFIG_FILE, Config, config_file, load_config, read_text
from gateway.errors import AddressError, ConfigError
from gateway.key_ring import BadSecretKey
from gateway.logs import configure_logs
from store.errors import StoreBroken, StoreDamaged, StoreError, StoreFull

if TYPE_CHECKING:
    from gateway.serve import Worker

EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items()) + "."
ENDS: tuple[tuple[type[Exception], int], ...] = (
    (StoreDamaged, exit_codes.STORE),
    (StoreBroken, exit_codes.BROKEN),
    (StoreFull, exit_codes.BROKEN),
    (StoreError, exit_codes.STORE),
    (BadSecretKey, exit_codes.STORE),
    (AddressError, exit_codes.ADDRESS),
)

log = structlog.get_logger()


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config", "config_path", type=click.Path(path_type=Path), envvar="GATEWAY_CONFIG",
        help=f"The configuration file. Default: {CONFIG_FILE} where there is one, else the environment.",
    )(command)  # fmt: skip


def read_config(path: Path | None, text: bytes | None = None) -> Config:
    """The configuration, or the end of the command with every fault named."""
    try:
        return load_config(config_file(path), os.environ, text)
    except ConfigError as error:
        for fault in error.faults:
            click.echo(fault, err=True)
        sys.exit(exit_codes.USAGE)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="events-gateway")
def cli() -> None:
    """Takes every customer action once, keeps it safe, and delivers it to every platform that should have it."""


@cli.command()
@config_option
@click.option("--lifeline", type=int, metavar="FD", help="An open pipe to read: when its other end closes, this stops.")
def run(config_path: Path | None, lifeline: int | None) -> None:
    """Serve. SIGTERM ends what is under way and exits 0; SIGHUP reads the configuration again.

    Example: gateway run --config /etc/gateway/config.toml
    """
    from gateway.supervisor import Supervisor

    if lifeline is not None and not _is_pipe(lifeline):
        raise click.BadParameter(f"{lifeline} is no open pipe", param_hint="--lifeline")
    path = config_file(config_path)
    text = _text(path)
    config = read_config(path, text)
    configure_logs(config.server.log_level, config.server.log_format)
    for note in config.notes:
        log.warning("config_note", note=note)
    try:
        code = trio.run(Supervisor(config, path, text, os.environ, lifeline).run)
    except OSError as error:
        click.echo(f"binding {config.server.bind}: {error.strerror or error}", err=True)
        sys.exit(exit_codes.ADDRESS)
    sys.exit(code)


@cli.command("check-config")
@config_option
def check_config(config_path: Path | None) -> None:
    """Check the configuration and say what it declares, and what is connected beside it.

    Example: gateway check-config --config /etc/gateway/config.toml
    """
    from gateway.config_beside import with_stored

    declared = read_config(config_path)
    composed = with_stored(declared, os.environ)
    config = composed.config
    for note in (*config.notes, *composed.notes, *composed.faults):
        click.echo(f"note: {note}")
    for site in config.sites:
        names = ", ".join(f"{one.id} ({one.platform})" for one in site.destinations) or "no destination"
        click.echo(f"site {site.id}: {names}")
    click.echo(f"{config.origin}: the configuration is right")


@cli.command(hidden=True)
@config_option
@click.option("--role", type=click.Choice(["all", "edge", "core"]), required=True)
@click.option("--number", type=int, default=0)
@click.option("--listen", type=int)
@click.option("--lifeline", type=int)
@click.option("--accepted", type=int)
@click.option("--wake-in", type=int)
@click.option("--wake-out", type=int)
def worker(
    config_path: Path | None,
    role: Any,
    number: int,
    listen: int | None,
    lifeline: int | None,
    accepted: int | None,
    wake_in: int | None,
    wake_out: int | None,
) -> None:
    """One worker process; the supervisor starts it."""
    from gateway import stall
    from gateway.serve import Process, Worker

    stall.arm()
    config = read_config(config_path, read_accepted(accepted) if accepted is not None else None)
    configure_logs(config.server.log_level, config.server.log_format)
    process = Process(
        role=role,
        config_path=config_file(config_path),
        sockets=[socket.socket(fileno=listen)] if listen is not None else (),
        wake_in=wake_in,
        wake_out=wake_out,
        lifeline=lifeline,
        accepted=accepted,
        metrics_offset=number,
    )
    code = _serve(Worker(process, config, os.environ))
    _end(code)


def _is_pipe(descriptor: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _text(path: Path | None) -> bytes | None:
    """The file's text, or the end of the command."""
    try:
        return read_text(path) if path is not None else None
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(exit_codes.USAGE)


def _serve(one: "Worker") -> int:
    try:
        trio.run(one.run)
    except Exception as error:
        first = _first(error)
        code = next((code for kind, code in ENDS if isinstance(first, kind)), None)
        if code is None:
            raise
        log.error("worker_failed", error=type(first).__name__, message=str(first))
        return code
    return exit_codes.OK


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(code: int) -> NoReturn:
    """Ends at once: every commit is on disk, and no thread of a library may hold the process up."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    cli(prog_name="gateway")
