"""`gateway check-store`: whether everything in the store agrees with everything else."""

import sys
from pathlib import Path

import click
import msgspec

from gateway import exit_codes
from gateway.commands.reading import end, json_option, open_store, store_options, visible
from store.check import Report, check

SHOWN = ("log", "event", "delivery", "outbox", "state", "alarm", "dedup", "books", "dead", "quarantine")


@click.command("check-store")
@json_option
@store_options
def check_store(as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Check that everything in the store agrees: cursors, deliveries, books, indexes, alarms.

    Reads the whole store, beside a running gateway or on a stopped one; some million events take a minute. Exit code 1:
    there are problems.

    \b
    Examples:
      gateway check-store
      gateway check-store --data-dir /var/lib/gateway --json
    """
    with open_store(config_path, data_dir) as store:
        shards = store.shards()
        if shards is None:
            end("the store is empty: no gateway has run on it yet", exit_codes.STORE)
        report = check(store, shards)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _show(report)
    sys.exit(exit_codes.FAILED if report.problems else exit_codes.OK)


def _show(report: Report) -> None:
    for problem in report.problems:
        click.echo(f"problem: {visible(problem, 1_000)}")
    click.echo(", ".join(f"{name} {report.counted[name]}" for name in SHOWN if name in report.counted))
    if report.moving:
        click.echo(f"{report.moving} rows kept changing while they were looked at, and could not be compared")
    click.echo(f"{len(report.problems)} problems" if report.problems else "all agrees")
