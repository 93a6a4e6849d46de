"""Shopify's privacy topics, as what they ask for (contracts/shopify_webhooks.md, sections 3 and 4).

`shop/redact` is about all that the shop has told, by webhook or pixel; the others are about one customer.
"""

from typing import Any, Final, Literal

from actors.event import Source
from gateway.sources.base import Wish, part, text

ASKED: Final[dict[str, Literal["export", "erase"]]] = {
    "customers/data_request": "export",
    "customers/redact": "erase",
    "customers/delete": "erase",
    "shop/redact": "erase",
}
OWN_SOURCES: Final[tuple[Source, ...]] = ("shopify_webhook", "shopify_pixel")
FIELDS: Final = (("external_id", "id"), ("email", "email"), ("phone", "phone"))
ORDERS_MOST: Final = 1_000


def wish(topic: str, body: dict[str, Any], cause: str | None) -> Wish | None:
    """None where the topic asks for nothing, or for nobody."""
    kind = ASKED.get(topic)
    if kind is None:
        return None
    if topic == "shop/redact":
        return Wish(kind=kind, sources=OWN_SOURCES, asked_by=f"shopify {topic}", cause=cause or "")
    customer = body if topic == "customers/delete" else part(body, "customer")
    named = [(name, text(customer.get(field))) for name, field in FIELDS]
    given = [f"{name}:{value}" for name, value in named if value is not None]
    given += [f"order:{order}" for order in _orders(body)]
    return Wish(kind=kind, given=tuple(given), asked_by=f"shopify {topic}", cause=cause or "") if given else None


def _orders(body: dict[str, Any]) -> list[str]:
    listed = body.get("orders_to_redact") or body.get("orders_requested")
    found = [text(one) for one in listed[:ORDERS_MOST]] if isinstance(listed, list) else []
    return [one for one in found if one is not None]
