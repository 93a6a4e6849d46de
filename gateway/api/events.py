"""/api/events and /api/orders: the whole story of an event, or of an order's events, as `gateway explain` tells it.

No personal data is in it.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from quart import Blueprint, Response

from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, refuse
from gateway.commands.facts import facts_of, followed
from gateway.commands.reading import platforms_of
from gateway.commands.story import Story, tell
from store import ledger
from store.env import Store

STORIES_MOST: Final = 20
EXAMPLE: Final = {
    "events": [
        {
            "site": "shop",
            "event_id": "order-1001",
            "event_name": "purchase_placed",
            "status": "processed",
            "summary": "It was delivered to 1 of 1 destinations.",
            "source": "server",
            "received_at": "2026-11-20T14:06:33.949Z",
            "occurred_at": "2026-11-20T14:06:33.000Z",
            "destinations": [
                {
                    "destination": "meta-main",
                    "platform": "meta",
                    "status": "delivered",
                    "why": "Counted: Meta took it, 850 ms after it arrived.",
                }
            ],
        }
    ]
}


class Stories(Struct, frozen=True, kw_only=True):
    """The events with this id, of this order: an id may have been used with several event names. At most 20."""

    events: tuple[Story, ...]


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("events", __name__)

    @documented("events", {200: Stories}, refuses=(404,), more=Documented(examples={200: EXAMPLE}))
    async def explain_event(site: str, event_id: str) -> Response:
        """One event's whole story: copies, consent, every attempt, and why it counted or did not.

        The id of a copy leads to the event that was sent in its place. Identifiers are told as present or by the first
        digits of their digest, never by their value.
        """
        found = stories(parts.store, ledger.find_events(parts.store, site, event_id), event_id)
        if not found:
            refuse(404, "not_found", f"no event of site {site!r} has this id; GET /api/deliveries lists the newest")
        return answered(Stories(events=found))

    @documented("events", {200: Stories}, refuses=(404,), more=Documented(examples={200: EXAMPLE}))
    async def explain_order(site: str, order_id: str) -> Response:
        """The stories of all events of an order, by its id as the shop sends it."""
        found = stories(parts.store, ledger.find_order(parts.store, site, order_id), None)
        if not found:
            refuse(
                404, "not_found", f"no event of site {site!r} has this order id; give it as custom_data.order_id has it"
            )
        return answered(Stories(events=found))

    routes.add_url_rule("/orders/<site>/<path:order_id>", view_func=explain_order, methods=["GET"])
    routes.add_url_rule("/events/<site>/<path:event_id>", view_func=explain_event, methods=["GET"])
    return routes


def stories(store: Store, found: Sequence[ledger.Found], asked_for: str | None) -> tuple[Story, ...]:
    """Of the events that stand for those, each once. Raises Unreadable."""
    event_keys = dict.fromkeys(followed(store, one.key) for one in found[:STORIES_MOST])
    platforms = platforms_of(store) if event_keys else {}
    facts = [facts_of(store, key) for key in event_keys]
    return tuple(tell(one, platforms, asked_for) for one in facts if one is not None)
