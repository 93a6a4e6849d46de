"""Makes events and sites with little more than they must have."""

from decimal import Decimal
from typing import Any, Literal

from actors.destinations.base import Destination
from actors.event import Consent, CustomData, Event, Source, UserData
from actors.snapshot import Site, Snapshot

START_MS = 1_795_166_400_000  # 2026-11-20T09:20:00Z: twenty minutes into an hour of the books
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
VISITOR = "0123456789abcdef0123456789abcdef"


def event(event_id: str = "e-1", name: str = "page_viewed", **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "site": "shop",
        "event_name": name,
        "event_id": event_id,
        "occurred_at_ms": START_MS,
        "received_at_ms": START_MS,
        "source": "browser",
    }
    return Event(**{**fields, **changes})


def purchase(
    event_id: str = "e-1",
    source: Source = "browser",
    order_id: str | None = "o-1",
    *,
    value: str = "10",
    **changes: Any,
) -> Event:
    """A purchase; from a browser it has a visitor, from a server an order and its value."""
    data: dict[str, Any] = {"custom_data": CustomData(order_id=order_id, value=Decimal(value), currency="EUR")}
    if source == "browser":
        data["user_data"] = UserData(anonymous_id=VISITOR, fbp="fb.1.1.1")
    return event(event_id, "purchase_placed", source=source, **{**data, **changes})


def consent(marketing: Literal["granted", "denied"] | None = None) -> Consent:
    return Consent(marketing=marketing)


def site(*destinations: Destination, **changes: Any) -> Site:
    return Site(**{"id": "shop", "destinations": destinations, **changes})


def snapshot(*sites: Site) -> Snapshot:
    return Snapshot(sites={one.id: one for one in sites})
