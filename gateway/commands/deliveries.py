"""`gateway deliveries`: what is on its way to the destinations, and what became of it, the newest events first."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from gateway.commands.facts import EventFacts, newest_events, waiting_events
from gateway.commands.match_story import estimated
from gateway.commands.match_summary import SummaryLine, summary, summary_table
from gateway.commands.reading import (
    Moment,
    chosen_sites,
    console,
    json_option,
    open_store,
    placed,
    platforms_of,
    rfc3339,
    shown_span,
    since_ms,
    site_option,
    store_options,
    visible,
)
from gateway.commands.story_page import STYLES
from store.records import DeliveryRow, DeliveryStatus

STATUSES = [*get_args(DeliveryStatus), "not_routed"]
IN_OUTBOX = ("queued", "failed")
WORDS_CHARS = 60


class Line(Struct, frozen=True, kw_only=True):
    """One delivery. Times are RFC 3339."""

    received_at: str
    site: str
    event_name: str
    event_id: str
    destination: str
    status: str
    attempts: int = 0  # that count
    http_status: int | None = None  # of the last attempt
    next_attempt_at: str | None = None
    settled_at: str | None = None
    latency_ms: int | None = None
    match_quality_estimated: float | None = None  # of 10
    reason: str = ""
    words: str = ""


Shown = TypeVar("Shown", Line, SummaryLine)


@click.command()
@click.option("--destination", help="Of this destination only: ID or SITE/ID.")
@click.option("--status", type=click.Choice(STATUSES), help="In this status only.")
@click.option(
    "--since", type=Moment(), default="24h", show_default=True, help="Of events received since: 30m, 24h, 7d, RFC 3339."
)
@site_option
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most so many.")
@click.option(
    "--summary", "is_summary", is_flag=True, help="Instead, the estimated match quality by day and event name."
)
@json_option
@store_options
def deliveries(
    destination: str | None,
    status: str | None,
    since: int,
    site: str | None,
    limit: int,
    is_summary: bool,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """List deliveries, those of the newest events first.

    queued: waits in the outbox; failed: waits for its next attempt; delivered and dropped are final; not_routed: kept
    from the destination. match est.: the estimated match quality, of 10. Times are UTC. With --json one object a line.
    --summary counts delivered events by day, destination, event name and source: the mean estimate, the share at 7 or
    more, the share that carries each identifier.

    \b
    Examples:
      gateway deliveries --status failed
      gateway deliveries --destination meta-main --since 7d --limit 1000 --json
      gateway deliveries --summary --since 7d
    """
    if is_summary and status is not None:
        raise click.UsageError("--summary is of delivered events; leave --status out")
    now_ms = time.time_ns() // 1_000_000
    if destination is not None:
        destination, site = placed(destination, site)
    with open_store(config_path, data_dir) as store:
        sites = chosen_sites(store, site)
        read = waiting_events if status in IN_OUTBOX else newest_events
        events = read(store, sites, since_ms(since, now_ms), now_ms, partial(click.echo, err=True))
        if is_summary:
            _show(summary(events, platforms_of(store), destination), limit, summary_table, as_json)
            return
        lines = (line for facts in events for line in lines_of(facts))
        wanted = (line for line in lines if destination in (None, line.destination) and is_wanted(line, status))
        _show(wanted, limit, partial(_table, has_sites=len(sites) > 1), as_json)


def _show(lines: Iterable[Shown], limit: int, table: Callable[[list[Shown]], Table], as_json: bool) -> None:
    found = list(islice(lines, limit))
    if as_json:
        for line in found:
            click.echo(msgspec.json.encode(line))
        return
    out = console()
    out.print(table(found) if found else "no such deliveries")
    if len(found) == limit:
        out.print(f"the newest {limit}; --limit shows more", style="dim")


def is_wanted(line: Line, status: str | None) -> bool:
    """What was kept from a destination is no delivery: it is shown to those who ask for it."""
    return line.status == status if status is not None else line.status != "not_routed"


def lines_of(facts: EventFacts) -> Iterator[Line]:
    """One for each destination of the event, in the same order whenever it is asked for."""
    yield from (_line(facts, name, row) for name, row in facts.deliveries.items())
    yield from (_not_routed(facts, name, reason) for name, reason in facts.row.not_routed.items())


def _line(facts: EventFacts, destination: str, row: DeliveryRow | None) -> Line:
    row = row or DeliveryRow(status="queued", destination=destination)
    last = row.attempts[-1] if row.attempts else None
    return Line(
        **_event_of(facts),
        destination=destination,
        status=row.status,
        attempts=row.tries,
        http_status=last.status if last is not None else None,
        next_attempt_at=rfc3339(row.next_at_ms) if row.next_at_ms is not None else None,
        settled_at=rfc3339(row.settled_at_ms) if row.settled_at_ms is not None else None,
        latency_ms=row.latency_ms,
        match_quality_estimated=estimated(row.match),
        reason=row.reason,
        words=row.words,
    )


def _not_routed(facts: EventFacts, destination: str, reason: str) -> Line:
    return Line(**_event_of(facts), destination=destination, status="not_routed", reason=reason)


def _event_of(facts: EventFacts) -> dict[str, Any]:
    row = facts.row
    return {
        "received_at": rfc3339(row.received_at_ms),
        "site": row.site,
        "event_name": row.event_name,
        "event_id": row.event_id,
    }


def _table(lines: list[Line], *, has_sites: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("received", "event", "event id", "destination", "status"):
        table.add_column(column, overflow="fold")
    for column in ("tries", "HTTP", "match est."):
        table.add_column(column, justify="right")
    table.add_column("next or why", overflow="fold")
    for line in lines:
        table.add_row(
            _short(line.received_at),
            f"{line.site}: {visible(line.event_name)}" if has_sites else visible(line.event_name),
            visible(line.event_id),
            line.destination,
            Text(line.status, STYLES.get(line.status, "")),
            str(line.attempts),
            str(line.http_status) if line.http_status is not None else "-",
            f"{line.match_quality_estimated:.1f}" if line.match_quality_estimated is not None else "-",
            _next_or_why(line),
        )
    return table


def _next_or_why(line: Line) -> str:
    if line.next_attempt_at is not None:
        return f"next at {_short(line.next_attempt_at)}: {visible(line.words, WORDS_CHARS)}"
    if line.latency_ms is not None:
        return f"after {shown_span(line.latency_ms)}"
    return visible(": ".join(part for part in (line.reason, line.words) if part), WORDS_CHARS) or "waits"


def _short(at: str) -> str:
    """`11-20 14:06:34`, of RFC 3339."""
    return at[5:19].replace("T", " ")
