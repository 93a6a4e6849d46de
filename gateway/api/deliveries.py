"""/api/deliveries: what is on its way to the destinations and what became of it, those of the newest events first.

A page is read in short steps with other work between them, and looks at a bounded number of messages: one that found
little ends early, and its `next` goes on from there.
"""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Annotated, Final, Literal

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, query_as, refuse
from gateway.commands.deliveries import Line, is_wanted, lines_of
from gateway.commands.facts import Place, event_facts
from gateway.commands.reading import read_moment, since_ms, sites_of
from store import keys, ledger
from store.env import Store
from store.errors import Unreadable

STEP: Final = 32  # messages read in one go
LOOKED_MOST: Final = 2_048  # messages of one page
SHARD_MOST: Final = 65_535
OFFSET: Final = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")  # a `+` that was not escaped: in a query it means a space
CURSOR: Final = re.compile(r"(\d{1,15})\.(\d{1,5})\.(\d{1,18})\.(\d{1,5})")
EXAMPLE: Final = {
    "deliveries": [
        {
            "received_at": "2026-11-20T14:06:33.949Z",
            "site": "shop",
            "event_name": "purchase_placed",
            "event_id": "order-1001",
            "destination": "meta-main",
            "status": "delivered",
            "attempts": 1,
            "http_status": 200,
            "settled_at": "2026-11-20T14:06:34.799Z",
            "latency_ms": 850,
            "match_quality_estimated": 6.3,
        }
    ],
    "next": "1763647593949.3.17.1",
}


class DeliveriesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: Annotated[str, Meta(description="Of this site only.", max_length=63)] | None = None
    destination: Annotated[str, Meta(description="Of the destinations with this id only.", max_length=63)] | None = None
    status: (
        Annotated[
            Literal["queued", "delivered", "failed", "dropped", "not_routed"],
            Meta(description="In this status only. What was kept from a destination is shown when asked for."),
        ]
        | None
    ) = None
    since: Annotated[
        str, Meta(description="Of events received since: 30m, 24h, 7d, or RFC 3339.", max_length=40, examples=["24h"])
    ] = "24h"
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=500)] = 50
    after: Annotated[str, Meta(description="The `next` of the page before.", max_length=60)] | None = None


class DeliveryPage(Struct, frozen=True, kw_only=True):
    """Those of the newest events first. `next` is given as `after` for the next page; null: this was the last."""

    deliveries: tuple[Line, ...]
    next: str | None = None


class Position(Struct, frozen=True, kw_only=True):
    """Where a page begins: after the message `at`, or, where `lines` is not 0, after so many lines of its event.

    `at` None: at the newest.
    """

    at: Place | None = None
    lines: int = 0

    def cursor(self) -> str | None:
        at = self.at
        return f"{at.received_at_ms}.{at.shard}.{at.sequence}.{self.lines}" if at is not None else None


class Found(Struct, kw_only=True):
    """A page in the making."""

    lines: list[Line] = []
    position: Position
    is_full: bool = False


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("deliveries", __name__)

    @documented("deliveries", {200: DeliveryPage}, query=DeliveriesQuery, more=Documented(examples={200: EXAMPLE}))
    async def list_deliveries() -> Response:
        """Deliveries, those of the newest events first.

        queued: waits in the outbox; failed: waits for its next attempt; delivered and dropped are final. A page may
        hold fewer than `limit`, even none, and still name a next one: each looks at a bounded number of events.
        """
        query = query_as(DeliveriesQuery)
        moment = read_moment(OFFSET.sub("+", query.since))
        if moment is None:
            refuse(
                400, "invalid_field", "is no time; give 30m, 24h, 7d or a time such as 2026-11-20T14:00:00Z", "since"
            )
        from_ms = since_ms(moment, parts.now_ms())
        return answered(await page_of(parts.store, query, from_ms, _position(query.after)))

    routes.add_url_rule("/deliveries", view_func=list_deliveries, methods=["GET"])
    return routes


async def page_of(store: Store, query: DeliveriesQuery, from_ms: int, position: Position) -> DeliveryPage:
    sites = [site for site in sites_of(store) if query.site in (None, site)]
    found = Found(position=position)
    for _ in range(LOOKED_MOST // STEP):
        messages = _messages(store, sites, from_ms, found.position)
        for place, listed in messages:
            _add(found, store, query, place, listed)
            if found.is_full:
                return DeliveryPage(deliveries=tuple(found.lines), next=found.position.cursor())
        if not messages:
            return DeliveryPage(deliveries=tuple(found.lines))
        await trio.lowlevel.checkpoint()
    return DeliveryPage(deliveries=tuple(found.lines), next=found.position.cursor())


def _messages(
    store: Store, sites: Sequence[str], from_ms: int, position: Position
) -> list[tuple[Place, ledger.Listed]]:
    """The next few of all sites, the newest first. Of each site as many are read as could all be the newest."""
    found: list[tuple[Place, ledger.Listed]] = []
    step = max(1, STEP // max(1, len(sites)))
    for site in sites:
        listed = ledger.latest_events(store, site, from_ms, _before(site, position), step)
        found += [(Place(*keys.read_site_event(one.place)), one) for one in listed]
    return sorted(found, key=itemgetter(0), reverse=True)[:step]


def _before(site: str, position: Position) -> bytes:
    at = position.at
    if at is None:
        return b""
    key = keys.site_event(site, at.received_at_ms, at.shard, at.sequence)
    return key + b"\x00" if position.lines else key


def _add(found: Found, store: Store, query: DeliveriesQuery, place: Place, listed: ledger.Listed) -> None:
    """The lines of one message that are wanted; `is_full` where there was one too many."""
    behind = found.position.lines if place == found.position.at else 0
    for index, line in enumerate(_lines(store, place, listed)):
        if index < behind or query.destination not in (None, line.destination) or not is_wanted(line, query.status):
            continue
        if len(found.lines) == query.limit:
            found.is_full = True
            found.position = Position(at=place, lines=index) if index else found.position
            return
        found.lines.append(line)
    found.position = Position(at=place)


def _lines(store: Store, place: Place, listed: ledger.Listed) -> list[Line]:
    """None for a copy: its event stands at the place of its first message."""
    row = listed.row
    if row is None or row.status != "processed" or (row.shard, row.sequence) != (place.shard, place.sequence):
        return []
    try:
        return list(lines_of(event_facts(store, listed.key, row)))
    except Unreadable:
        return []  # `gateway check-store` names it


def _position(after: str | None) -> Position:
    if after is None:
        return Position()
    found = CURSOR.fullmatch(after)
    if found is None or int(found[2]) > SHARD_MOST:
        refuse(400, "invalid_field", "is no cursor; give the `next` of a page, or leave it out", "after")
    at_ms, shard, sequence, lines = map(int, found.groups())
    return Position(at=Place(at_ms, shard, sequence), lines=lines)
