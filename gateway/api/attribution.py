"""/api/attribution: what conversions and their value are credited to, as `gateway attribution` tells it.

A report is a bounded job: one at a time in a process, at most `READ_MOST` rows, read in short steps with other work
between them; what is learnt of the paths is learnt in a thread.
"""

from typing import Annotated, Final

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from actors.attribution.totals import By
from actors.snapshot import Site
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.periods import EventName, Since, SiteName, from_ms, site_of
from gateway.api.requests import answered, query_as, refuse
from gateway.commands.attribution_read import Asked, AttributionReport, Chosen, Reading, TooMany, chosen_models

READ_MOST: Final = 100_000
EXAMPLE: Final = {
    "site": "shop",
    "since": "2026-10-21T14:06:33.949Z",
    "by": "channel",
    "conversion": "",
    "totals": [{"currency": "EUR", "conversions": 2, "gross": "42.50", "net": "42.50"}],
    "lines": [
        {
            "model": "last_non_direct",
            "name": "paid_search",
            "currency": "EUR",
            "conversions": 1.0,
            "gross": "30.00",
            "net": "30.00",
            "share": 0.705882,
            "confidence": "high",
            "note": "",
        }
    ],
    "gaps": [],
    "renewals": [],
    "rests_on": [],
    "provisional": 2,
    "changed_after_final": 0,
    "unreadable": 0,
}


class AttributionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: SiteName | None = None
    model: Annotated[Chosen, Meta(description="Default: the site's default model. all: every model.")] | None = None
    by: Annotated[By, Meta(description="What gets credit.")] = "channel"
    since: Since = "30d"
    conversion: EventName = ""


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("attribution", __name__)
    one_at_a_time = trio.CapacityLimiter(1)

    @documented(
        "attribution", {200: AttributionReport}, query=AttributionQuery, more=Documented(examples={200: EXAMPLE})
    )
    async def show_attribution() -> Response:
        """What conversions are credited to, by channel, source or campaign, under one model or all.

        The lines of a currency add up to its total. markov and shapley are learnt from all paths of the period. Of
        longer periods than are read here, `gateway attribution` tells.
        """
        query = query_as(AttributionQuery)
        site = site_of(parts.store, query.site)
        asked = _asked(query, site, parts.snapshot().sites.get(site), parts.now_ms())
        async with one_at_a_time:
            return answered(await _report(parts, asked))

    routes.add_url_rule("/attribution", view_func=show_attribution, methods=["GET"])
    return routes


def _asked(query: AttributionQuery, site: str, rules: Site | None, now_ms: int) -> Asked:
    own = rules.attribution if rules is not None else Site(id=site).attribution
    return Asked(
        site=site,
        since_ms=from_ms(query.since, now_ms),
        now_ms=now_ms,
        by=query.by,
        models=chosen_models(query.model or own.default_model),
        conversion=query.conversion,
        direct_credit=own.direct_credit,
        most=READ_MOST,
    )


async def _report(parts: ApiParts, asked: Asked) -> AttributionReport:
    reading = Reading(parts.store, asked)
    try:
        for _ in reading.steps():
            await trio.lowlevel.checkpoint()
    except TooMany:
        told = f"has more than {READ_MOST} conversions and touchpoints; give a later time, or ask `gateway attribution`"
        refuse(400, "too_much", told, "since")
    return await trio.to_thread.run_sync(reading.report)
