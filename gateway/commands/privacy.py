"""`gateway privacy`: exports or erases what is stored about a person, lists the jobs, shows the receipts.

A job is a row in the store: the running gateway carries it out; on the store of a stopped one the command does.
"""

import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import trio

from actors.event import Plaintext
from gateway import exit_codes, privacy
from gateway.commands.reading import (
    chosen_sites,
    console,
    end,
    json_option,
    open_store,
    open_store_to_write,
    site_option,
    store_options,
)
from gateway.core_watch import is_core_alive
from gateway.erasing import Hands, Privacy
from gateway.identifiers import Identifier, Unfit, identifier
from gateway.key_mark import ring_beside
from gateway.key_ring import BadSecretKey
from gateway.privacy import PrivacyJob, Receipt
from gateway.sealing import Sealer
from store.env import Store
from store.errors import StoreError
from store.mailbox import read_cursors
from store.records import PrivacyKind
from store.writer import InlineWriter

ASKED_BY: Final = "the command line"
WATCH_S: Final = 0.2


@click.group("privacy")
def privacy_group() -> None:
    """Export or erase what is stored about a person.

    \b
    Examples:
      gateway privacy export email:jane@example.com
      gateway privacy erase order:6123456789012 --site shop
      gateway privacy receipts
    """


@privacy_group.command("export")
@click.argument("who", metavar="IDENTIFIER")
@site_option
@click.option("--detach", "is_detached", is_flag=True, help="Leave at once; the job goes on.")
@json_option
@store_options
def export(
    who: str, site: str | None, is_detached: bool, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """Write what is stored about a person into a file of the data directory.

    IDENTIFIER: email:…, phone:…, external_id:…, visitor:…, order:… or digest:…, without its kind where its form tells
    it; - reads it from standard input, which keeps it out of the shell's history. It is digested at once.

    \b
    Examples:
      gateway privacy export email:jane@example.com --site shop
      gateway privacy export order:6123456789012
    """
    _start("export", who, site, is_detached=is_detached, as_json=as_json, config_path=config_path, data_dir=data_dir)


@privacy_group.command("erase")
@click.argument("who", metavar="IDENTIFIER")
@site_option
@click.option("--detach", "is_detached", is_flag=True, help="Leave at once; the job goes on.")
@json_option
@store_options
def erase(
    who: str, site: str | None, is_detached: bool, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """Take a person out of the store, for good; what still waits to be sent is cancelled.

    IDENTIFIER as for export. Ends with a receipt (gateway privacy receipts).

    \b
    Examples:
      gateway privacy erase email:jane@example.com
      echo phone:+4915112345678 | gateway privacy erase - --site shop
    """
    _start("erase", who, site, is_detached=is_detached, as_json=as_json, config_path=config_path, data_dir=data_dir)


@privacy_group.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="At most so many.")
@json_option
@store_options
def list_jobs(limit: int, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """List the latest exports and erasures, the newest first.

    Example: gateway privacy list --limit 5
    """
    with open_store(config_path, data_dir) as store:
        jobs = privacy.recent(store, limit)
        place = store.path
    for job in jobs:
        _show(job, place, as_json=as_json)
    if not jobs and not as_json:
        click.echo("nothing was exported or erased yet")


@privacy_group.command("receipts")
@click.option("--for", "who", metavar="IDENTIFIER", help="Only those of erasures that were asked for by this.")
@json_option
@store_options
def list_receipts(who: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """Show what was erased when, and whether the receipts are as they were written.

    Exit code 1: one is not.

    Example: gateway privacy receipts --for email:jane@example.com
    """
    asked = _identifier(who) if who is not None else None
    with open_store(config_path, data_dir) as store:
        found = privacy.receipts_of(store, asked)
    for receipt in found:
        _show_receipt(receipt, as_json=as_json)
    if not found and not as_json:
        click.echo("there is no receipt" + (" for it" if who is not None else ""))
    is_true = all(receipt is not None and receipt.is_true for receipt in found)
    sys.exit(exit_codes.OK if is_true else exit_codes.FAILED)


# --- one job -------------------------------------------------------------------------------------------------------


def _start(
    kind: PrivacyKind,
    who: str,
    site: str | None,
    *,
    is_detached: bool,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    found = _identifier(who)
    with _writing(config_path, data_dir) as store:
        sites = chosen_sites(store, site)
        jobs = [
            trio.run(partial(privacy.start, store, InlineWriter(store), ask, _now_ms()))
            for ask in privacy.asks(kind, sites, found, ASKED_BY)
        ]
        if is_core_alive(store.path):
            jobs = jobs if is_detached else [_watched(store, job) for job in jobs]
        if not is_core_alive(store.path):  # not any more: it may have been about to end
            trio.run(_carry_out, store)
            jobs = [privacy.get(store, job.id) or job for job in jobs]
        for job in jobs:
            _show(job, store.path, as_json=as_json)


def _identifier(text: str) -> Identifier:
    found = identifier(sys.stdin.readline() if text == "-" else text)
    if isinstance(found, Unfit):
        end(f"IDENTIFIER {found.message}", exit_codes.USAGE)
    return found


def _watched(store: Store, job: PrivacyJob) -> PrivacyJob:
    while job.state != "done" and is_core_alive(store.path):
        time.sleep(WATCH_S)
        job = privacy.get(store, job.id) or job
    return job


async def _carry_out(store: Store) -> None:
    """On the store of a stopped gateway, where this process alone writes."""
    shards = store.shards() or 0
    await Privacy(
        Hands(
            store=store,
            writer=InlineWriter(store),
            now_ms=_now_ms,
            cursors=lambda: read_cursors(store, shards),
            at_rest=nullcontext,
            forget=_nobody_is_warm,
            recall=lambda *_: True,
            release=lambda *_: None,
            settled=lambda *_: None,
            open_plaintext=partial(_open_plaintext, store),
        )
    ).work()


def _nobody_is_warm(_: Collection[bytes]) -> None:
    pass


def _open_plaintext(store: Store, site: str, sealed: bytes, event_ids: tuple[str, ...]) -> Plaintext | None:
    try:
        return Sealer(ring_beside(store, store.path, os.environ), site).open(sealed, *event_ids)
    except BadSecretKey:
        return None


@contextmanager
def _writing(config_path: Path | None, data_dir: Path | None) -> Iterator[Store]:
    with open_store_to_write(config_path, data_dir) as store:
        try:
            yield store
        except StoreError as error:
            end(f"writing to the store in {store.path}: {error}", exit_codes.BROKEN)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- the page ------------------------------------------------------------------------------------------------------


def _show(job: PrivacyJob, data_dir: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(job))
        return
    told = f"job {job.id}: {job.kind} of a person of {job.site} by {', '.join(job.identifiers)}: {job.state}"
    console().print(f"{told}, asked for by {job.asked_by} at {job.asked_at}", markup=False, soft_wrap=True)
    if job.words:
        click.echo(f"  {job.words}")
    if job.state == "done":
        click.echo(f"  {_told(job.counts) or 'nothing was found'}")
    if job.file is not None:
        path = data_dir / job.file
        click.echo(f"  {path}" + ("" if path.exists() else " (removed)"))


def _show_receipt(receipt: Receipt | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(receipt))
        return
    if receipt is None:
        click.echo("a receipt that cannot be read; see gateway check-store")
        return
    click.echo(f"receipt {receipt.number}: job {receipt.job}, {receipt.site}, by {', '.join(receipt.identifiers)}")
    click.echo(f"  asked for by {receipt.asked_by} at {receipt.asked_at}, erased at {receipt.ended_at}")
    click.echo(f"  {_told(receipt.counts) or 'nothing was found'}")
    for destination, words in receipt.platforms.items():
        click.echo(f"  {destination}: {words}")
    is_true = "as it was written" if receipt.is_true else "NOT as it was written"
    click.echo(f"  {is_true} (HMAC-SHA256 {receipt.mac[:16]}…)")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
