"""`gateway replay`: sends deliveries again that were dropped or failed, as a job that the running gateway carries out.

The job is a row in the store, so it is made beside a running gateway or on the store of a stopped one, which takes it
up at its next start.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

import click
import msgspec
import trio

from actors.replay import CHOICES, DEFAULT
from gateway import exit_codes, replays
from gateway.commands.controlling import rules_for
from gateway.commands.reading import (
    Moment,
    end,
    json_option,
    open_store,
    open_store_to_write,
    placed,
    since_ms,
    site_option,
    store_options,
)
from gateway.commands.replay_page import show_dry_run, show_job, show_list, watch
from gateway.core_watch import is_core_alive
from gateway.replays import Ask, Job, Refused
from store.env import Store
from store.errors import StoreError, Unreadable
from store.records import DeliveryStatus
from store.writer import InlineWriter

ASKED_BY = "the command line"


class Statuses(click.ParamType[tuple[DeliveryStatus, ...]]):
    """Statuses of deliveries, with commas between them."""

    name = "statuses"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[DeliveryStatus, ...]:
        if isinstance(value, tuple):
            return cast("tuple[DeliveryStatus, ...]", value)
        found = tuple(name.strip() for name in value.split(",") if name.strip())
        if not found or any(name not in CHOICES for name in found):
            self.fail(f"{value!r}: give some of {', '.join(CHOICES)}, with commas between them", param, ctx)
        return cast("tuple[DeliveryStatus, ...]", found)


@click.group("replay", invoke_without_command=True)
@click.option("--destination", help="The destination to send to again: ID or SITE/ID.")
@site_option
@click.option("--since", type=Moment(), help="Of events received since: 30m, 24h, 7d, or RFC 3339.")
@click.option("--until", type=Moment(), help="Of events received before that. Default: now.")
@click.option(
    "--status", "statuses", type=Statuses(), default=",".join(DEFAULT), show_default=True,
    help=f"Deliveries in these statuses: some of {', '.join(CHOICES)}.",
)  # fmt: skip
@click.option("--event", "event_name", default="", help="Events of this name only.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Count, and show the first requests; store and send nothing.")
@click.option("--past-window", "is_past_window", is_flag=True, help="Also what the platform could count twice.")
@click.option("--as-decided", "is_as_decided", is_flag=True, help="By the routes and in the form of then.")
@click.option("--detach", "is_detached", is_flag=True, help="Leave at once; the job goes on.")
@json_option
@store_options
@click.pass_context
def replay(
    context: click.Context,
    destination: str | None,
    site: str | None,
    since: int | None,
    until: int | None,
    statuses: tuple[DeliveryStatus, ...],
    event_name: str,
    is_dry: bool,
    is_past_window: bool,
    is_as_decided: bool,
    is_detached: bool,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Send deliveries again: by default those that were dropped or failed.

    Makes a job that the running gateway carries out behind live traffic; a stopped one does at its next start. Event
    ids, times and the platform's own deduplication keys stay as they were. Left out, with the count and an example:
    what is past the platform's own deduplication window and could count twice (--past-window insists), what is too old
    for it, and what consent keeps in. Exit code 1: the job was cancelled.

    \b
    Examples:
      gateway replay --destination meta-main --since 24h --dry-run
      gateway replay --destination meta-main --since 2026-11-20T08:00:00Z --until 2026-11-20T09:30:00Z
      gateway replay --destination own-backend --since 7d --status dropped --event purchase_placed --detach
      gateway replay list
      gateway replay cancel 3
    """
    if context.invoked_subcommand is not None:
        return
    if destination is None or since is None:
        raise click.UsageError("say what to replay: --destination and --since; or list, show ID, cancel ID")
    now_ms = _now_ms()
    id, site = placed(destination, site)
    ask = Ask(
        destination=id,
        site=site,
        since_ms=since_ms(since, now_ms),
        until_ms=since_ms(until, now_ms) if until is not None else None,
        statuses=statuses,
        event_name=event_name,
        is_past_window=is_past_window,
        is_as_decided=is_as_decided,
    )
    if is_dry:
        _dry_run(ask, now_ms, as_json=as_json, config_path=config_path, data_dir=data_dir)
        return
    _start(ask, now_ms, is_detached=is_detached, as_json=as_json, config_path=config_path, data_dir=data_dir)


def _dry_run(ask: Ask, now_ms: int, *, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    with open_store(config_path, data_dir) as store:
        job = replays.job_of(store, ask, now_ms, ASKED_BY)
        if isinstance(job, Refused):
            _refuse(job)
    site = rules_for(config_path, job.destination, job.site, data_dir)
    with open_store(config_path, data_dir) as store:
        found = trio.run(partial(replays.dry_run, store, job, site, site.destinations[0], now_ms))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        show_dry_run(found, is_past_window=ask.is_past_window)


def _start(
    ask: Ask, now_ms: int, *, is_detached: bool, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    with _writing(config_path, data_dir) as store:
        job = trio.run(partial(replays.start, store, InlineWriter(store), ask, now_ms, ASKED_BY))
        if isinstance(job, Refused):
            _refuse(job)
        is_taken_up = is_core_alive(store.path)
        if not as_json:
            click.echo(f"job {job.id}: replays to {job.site}/{job.destination} what arrived since {job.since}")
        if not is_taken_up:
            click.echo(f"no gateway runs on {store.path}: the job waits for its next start", err=True)
        if is_taken_up and not is_detached:
            job = watch(store, job.id, is_quiet=as_json)
    _tell(job, as_json=as_json)


def _tell(job: Job, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(job))
    elif job.state != "running":
        show_job(job)
    sys.exit(exit_codes.FAILED if job.state == "cancelled" else exit_codes.OK)


@replay.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many.")
@json_option
@store_options
def list_jobs(limit: int, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """List the latest jobs, the newest first.

    Example: gateway replay list --limit 5
    """
    with open_store(config_path, data_dir) as store:
        jobs = replays.recent(store, limit)
    if not as_json:
        show_list(jobs)
    for job in jobs if as_json else ():
        click.echo(msgspec.json.encode(job))


@replay.command("show")
@click.argument("job_id", metavar="ID", type=click.IntRange(1))
@click.option("--watch", "is_watched", is_flag=True, help="Stay until it is over.")
@json_option
@store_options
def show(job_id: int, is_watched: bool, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Show one job: what was asked for, how far it is, what became of the deliveries.

    Example: gateway replay show 3 --watch
    """
    with open_store(config_path, data_dir) as store:
        job = _job(store, job_id)
        if is_watched and job.state == "running":
            job = watch(store, job_id, is_quiet=as_json)
    if as_json:
        click.echo(msgspec.json.encode(job))
    else:
        show_job(job)


@replay.command("cancel")
@click.argument("job_id", metavar="ID", type=click.IntRange(1))
@json_option
@store_options
def cancel(job_id: int, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Call a job off. What it has queued is taken back, but for what is under way; of a job that is done too.

    Example: gateway replay cancel 3
    """
    with _writing(config_path, data_dir) as store:
        job = trio.run(partial(replays.cancel, InlineWriter(store), job_id, _now_ms(), ASKED_BY))
    if job is None:
        _no_job(job_id)
    if as_json:
        click.echo(msgspec.json.encode(job))
    else:
        show_job(job)


@contextmanager
def _writing(config_path: Path | None, data_dir: Path | None) -> Iterator[Store]:
    with open_store_to_write(config_path, data_dir) as store:
        try:
            yield store
        except StoreError as error:
            end(f"writing to the store in {store.path}: {error}", exit_codes.BROKEN)


def _job(store: Store, job_id: int) -> Job:
    try:
        job = replays.get(store, job_id)
    except Unreadable as error:
        end(f"job {job_id} cannot be read: {error}; see gateway check-store")
    if job is None:
        _no_job(job_id)
    return job


def _no_job(job_id: int) -> NoReturn:
    end(f"there is no job {job_id}; gateway replay list shows those there are")


def _refuse(refused: Refused) -> NoReturn:
    end(f"--{refused.field}: {refused.message}", exit_codes.USAGE)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
