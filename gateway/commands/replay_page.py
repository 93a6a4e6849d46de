"""Replay jobs and dry runs as pages for people, and the progress bar of a job that runs."""

import time
from collections.abc import Mapping
from typing import Final, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway import replays
from gateway.commands.reading import console, end, visible
from gateway.commands.trial import Shown
from gateway.core_watch import is_core_alive
from gateway.replays import DryRun, Job, Sample
from store.env import Store

LOOK_S: Final = 0.2
LINE_CHARS: Final = 10_000
STYLES: Final[Mapping[str, str]] = {"running": "yellow", "done": "green", "cancelled": "red"}
WORDS: Final[Mapping[str, str]] = {
    "queued": "queued again",
    "in_queue": "wait in the queue already, or are under way",
    "past_window": "past the platform's own deduplication window, could count twice: --past-window sends them",
    "too_old": "older than the platform takes, or than the site keeps events",
    "consent_denied": "consent was denied, or has been since",
    "consent_unknown": "no consent was stated, and the site counts that as denied",
    "sale_denied": "the sale of data is denied, and the platform has no way to honour that",
    "no_route": "no route of the destination takes events of this name any more",
    "filtered": "no route's filter takes them any more",
    "filter_error": "a route's filter failed on them",
    "sampled": "the share that their route keeps is without them",
    "dropped_by_transform": "their route's transformation drops them",
    "transform_error": "their route's transformation failed on them",
    "destination_disabled": "the destination is disabled",
    "held": "they wait for their visitor's choice",
    "test_event": "test events, and the platform has no test mode in which nothing is counted",
    "bot": "no person seems to have sent them, and the site keeps such events from all platforms",
    "unreadable": "the stored event cannot be read",
}


def show_job(job: Job) -> None:
    out = console()
    out.print(f"job {job.id}  {job.site}/{job.destination}  ", f"[{STYLES[job.state]}]{job.state}[/]", sep="")
    asked = [f"status {', '.join(job.statuses)}", *([f"event {visible(job.event)}"] if job.event else [])]
    asked += ["past the window too"] if job.past_window else []
    asked += ["as decided then"] if job.as_decided else []
    out.print(f"  received {job.since} to {job.until}; {'; '.join(asked)}", markup=False)
    out.print(f"  asked for at {job.asked_at} by {job.asked_by}", markup=False)
    if job.words:
        out.print(f"  {visible(job.words)}", markup=False)
    out.print(f"  {job.messages} messages looked at, {job.progress:.0%} of the time")
    _counts(out, job.counts, job.examples)


def _counts(out: Console, counts: Mapping[str, int], examples: Mapping[str, str], *, is_dry: bool = False) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_column(justify="right")
    for outcome in [name for name in WORDS if counts.get(name)]:
        words = "would be queued again" if is_dry and outcome == "queued" else WORDS[outcome]
        example = f"such as {visible(examples[outcome])}" if outcome in examples else ""
        table.add_row(str(counts[outcome]), outcome, words, example)
    out.print(table if table.row_count else "  no such deliveries")


def show_list(jobs: list[Job]) -> None:
    if not jobs:
        click.echo("no replay was asked for yet")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "asked at", "destination", "since", "until", "state", "queued", "left out"):
        table.add_column(column, overflow="fold")
    for job in jobs:
        state = f"[{STYLES[job.state]}]{job.state}[/]" + (f" {job.progress:.0%}" if job.state == "running" else "")
        queued, looked = job.counts.get("queued", 0), sum(job.counts.values())
        where = f"{job.site}/{job.destination}"
        table.add_row(
            str(job.id), _short(job.asked_at), where, _short(job.since), _short(job.until), state, str(queued),
            str(looked - queued),
        )  # fmt: skip
    console().print(table)


def show_dry_run(found: DryRun, *, is_past_window: bool) -> None:
    out = console()
    told = "; past the window too" if is_past_window else ""
    out.print(f"dry run to {found.site}/{found.destination}: {found.messages} messages looked at{told}", markup=False)
    _counts(out, found.counts, found.examples, is_dry=True)
    for sample in found.samples:
        _sample(sample)
    click.echo("nothing was stored or sent")


def _sample(sample: Sample) -> None:
    click.echo(f"\n{visible(sample.event_name)} {visible(sample.event_id)}")
    if sample.request is None:
        click.echo(visible(sample.words, LINE_CHARS))
        return
    _request(sample.request)


def _request(request: Shown) -> None:
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers), ""]
    for line in [*lines, *request.pretty_body().splitlines(), ""]:
        click.echo(visible(line, LINE_CHARS))


# --- a job that runs -----------------------------------------------------------------------------------------------


def watch(store: Store, number: int, *, is_quiet: bool) -> Job:
    """Waits until the job is over or no gateway runs, with a bar where a terminal is there. Ctrl-C leaves the job
    running."""
    out = Console(stderr=True)
    bar = Progress(
        TextColumn("job {task.fields[number]}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[queued]} queued, {task.fields[left_out]} left out {task.fields[words]}"),
        TimeElapsedColumn(), console=out, disable=is_quiet or not out.is_terminal, transient=True,
    )  # fmt: skip
    try:
        with bar:
            return _follow(store, number, bar)
    except KeyboardInterrupt:
        end(f"the job goes on: gateway replay show {number}; gateway replay cancel {number} ends it")


def _follow(store: Store, number: int, bar: Progress) -> Job:
    task = bar.add_task("", total=1.0, number=number, queued=0, left_out=0, words="")
    while True:
        job = replays.get(store, number)
        if job is None:
            _gone(number)
        queued = job.counts.get("queued", 0)
        left_out = sum(job.counts.values()) - queued
        words = f"({visible(job.words)})" if job.words else ""
        bar.update(task, completed=job.progress, queued=queued, left_out=left_out, words=words)
        if job.state != "running":
            return job
        if not is_core_alive(store.path):
            click.echo("the gateway does not run any more: the job waits for its next start", err=True)
            return job
        time.sleep(LOOK_S)


def _gone(number: int) -> NoReturn:
    end(f"job {number} is not on record any more")


def _short(at: str) -> str:
    """`11-20 14:06:34`, of RFC 3339."""
    return at[5:19].replace("T", " ")
