"""/api/traffic: counters of events, copies, refusals, visitors, conversions and deliveries, as `gateway traffic` tells
them. Read in short steps with other work between them."""

from typing import Annotated, Final

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.periods import Since, SiteName, from_ms, site_of
from gateway.api.requests import answered, query_as
from gateway.commands.traffic_read import By, TrafficReading, TrafficReport

EXAMPLE: Final = {
    "site": "shop",
    "since": "2026-11-19T14:00:00.000Z",
    "by": "source",
    "partial_hours": 0,
    "periods": [],
    "counts": [{"kind": "accepted", "source": "browser", "count": 1204}],
    "destinations": [],
}


class TrafficQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: SiteName | None = None
    since: Since = "24h"
    by: Annotated[By, Meta(description="What is told apart. total: the whole time, and each destination.")] = "total"


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("traffic", __name__)

    @documented("traffic", {200: TrafficReport}, query=TrafficQuery, more=Documented(examples={200: EXAMPLE}))
    async def show_traffic() -> Response:
        """How much came in, what became of it, and who it came from, by hour of arrival (UTC).

        received = accepted + refused; accepted = processed + held + duplicates + merged + lost; at each destination
        processed = delivered + queued + failed + dropped + not_routed. A visitor counts once a day.
        """
        query, now_ms = query_as(TrafficQuery), parts.now_ms()
        since_ms = from_ms(query.since, now_ms)
        reading = TrafficReading(parts.store, site_of(parts.store, query.site), since_ms, now_ms, query.by)
        for _ in reading.steps():
            await trio.lowlevel.checkpoint()
        return answered(reading.report())

    routes.add_url_rule("/traffic", view_func=show_traffic, methods=["GET"])
    return routes
