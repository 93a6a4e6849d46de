"""/api/conversions: each conversion with who gets the credit and what platforms got, the newest first.

A page is read in short steps with other work between them, and looks at a bounded number of conversions: one that found
little ends early, and its `next` goes on from there.
"""

import re
from typing import Annotated, Final

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.periods import EventName, Since, SiteName, from_ms, site_of
from gateway.api.requests import answered, query_as, refuse
from gateway.commands.conversion_lines import ConversionLine, Wanted, line_of
from gateway.commands.reading import platforms_of
from store import journeys, keys
from store.env import Store
from store.journey_records import Gap, Model

STEP: Final = 32
LOOKED_MOST: Final = 2_048
CURSOR: Final = re.compile(r"(\d{1,15})\.([0-9a-f]{58})")
EXAMPLE: Final = {
    "conversions": [
        {
            "occurred_at": "2026-11-20T14:06:33.949Z",
            "site": "shop",
            "event_name": "purchase_placed",
            "event_id": "order-1001",
            "order_id": "1001",
            "gross": "30.00",
            "net": "30.00",
            "currency": "EUR",
            "model": "last_non_direct",
            "winner": {
                "at": "2026-11-19T09:00:00.000Z",
                "channel": "paid_search",
                "source": "google",
                "medium": "cpc",
                "campaign": "",
                "share": 1.0,
                "net": "30.00",
            },
            "confidence": "high",
            "path": "email > paid_search",
            "days_from_first": 2.21,
            "visits": 2,
            "gap": "",
            "what_to_do": "",
            "status": "provisional",
            "version": 1,
            "cause": "conversion",
            "computed_at": "2026-11-20T14:06:39.000Z",
            "delivery": {
                "summary": "accepted 1 of 1",
                "destinations": [
                    {
                        "destination": "meta-main",
                        "platform": "meta",
                        "status": "delivered",
                        "attempts": 1,
                        "delivered_at": "2026-11-20T14:06:40.000Z",
                        "latency_ms": 6051,
                        "event_id": "order-1001",
                    }
                ],
                "credited_not_accepted": [],
                "accepted_without_touchpoint": ["meta-main"],
            },
        }
    ],
    "next": None,
}


class ConversionsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: SiteName | None = None
    since: Since = "7d"
    gap: Annotated[Gap, Meta(description="Only those without credit for this reason.")] = ""
    model: (
        Annotated[Model, Meta(description="Under which model the credit is told. Default: the site's default model.")]
        | None
    ) = None
    conversion: EventName = ""
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=500)] = 50
    after: Annotated[str, Meta(description="The `next` of the page before.", max_length=80)] | None = None


class ConversionPage(Struct, frozen=True, kw_only=True):
    """The newest first. `next` is given as `after` for the next page; null: this was the last."""

    conversions: tuple[ConversionLine, ...]
    next: str | None = None


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("conversions", __name__)

    @documented("attribution", {200: ConversionPage}, query=ConversionsQuery, more=Documented(examples={200: EXAMPLE}))
    async def list_conversions() -> Response:
        """Conversions with the touchpoint that gets most credit, the path, and what platforms got.

        A page may hold fewer than `limit`, even none, and still name a next one: each looks at a bounded number.
        """
        query = query_as(ConversionsQuery)
        site, now_ms = site_of(parts.store, query.site), parts.now_ms()
        rules = parts.snapshot().sites.get(site)
        model = query.model or (rules.attribution.default_model if rules is not None else "last_non_direct")
        wanted = Wanted(model=model, gap=query.gap, conversion=query.conversion)
        since_ms, before = from_ms(query.since, now_ms), _before(site, query.after)
        return answered(await page_of(parts.store, site, wanted, since_ms, now_ms, query.limit, before))

    routes.add_url_rule("/conversions", view_func=list_conversions, methods=["GET"])
    return routes


async def page_of(
    store: Store, site: str, wanted: Wanted, since_ms: int, now_ms: int, limit: int, before: bytes
) -> ConversionPage:
    platforms, lines = platforms_of(store), list[ConversionLine]()
    for _ in range(LOOKED_MOST // STEP):
        page = journeys.latest_conversions(store, site, since_ms, before, STEP)
        for listed in page:
            if len(lines) == limit:
                return ConversionPage(conversions=tuple(lines), next=_cursor(before))
            line = line_of(store, listed, platforms, wanted, now_ms)
            lines += [line] if line is not None else []
            before = listed.place
        if not page:
            return ConversionPage(conversions=tuple(lines))
        await trio.lowlevel.checkpoint()
    return ConversionPage(conversions=tuple(lines), next=_cursor(before))


def _cursor(place: bytes) -> str:
    at_ms, event_key = keys.read_conversion_at(place)
    return f"{at_ms}.{event_key.hex()}"


def _before(site: str, after: str | None) -> bytes:
    if after is None:
        return b""
    found = CURSOR.fullmatch(after)
    if found is None:
        refuse(400, "invalid_field", "is no cursor; give the `next` of a page, or leave it out", "after")
    return keys.conversion_at(site, int(found[1]), bytes.fromhex(found[2]))
