"""The parameters of one GA4 event: session, page, commerce, items, custom properties.

Source: "Events", Measurement Protocol reference, and "Apply a discount", developers.google.com/analytics, read
2026-11-20; contracts/ga4.md, section 4. Values are strings or numbers of bounded length, 25 parameters at most.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

from actors.destinations.base import Drop, drop_absent, sha256
from actors.destinations.ga4_names import param_name
from actors.destinations.minimise import leaving_properties, page_url
from actors.event import CustomData, Event, Item

PARAMS = 25
ITEMS = 200  # from memory of the reference (contracts/ga4.md, section 12)
VALUE_CHARS = 100
URL_CHARS, REFERRER_CHARS, TITLE_CHARS = 1_000, 420, 300
ENGAGEMENT_MSEC = 100  # Google's samples: needed, with the session, for Realtime and engagement

# Names this adapter fills itself: a custom property never stands in for them.
# fmt: off
OWN_PARAMS = frozenset({
    "session_id", "engagement_time_msec", "page_location", "page_referrer", "page_title", "transaction_id", "currency",
    "value", "shipping", "tax", "coupon", "search_term", "customer_type", "items", "debug_mode", "user_id", "client_id",
})
# fmt: on


def params_of(event: Event, name: str, *, value: Literal["items", "order"], is_debug: bool) -> dict[str, Any] | Drop:
    """The parameters under GA4's name for the event, or why the event cannot be sent."""
    data = event.custom_data
    transaction_id = data.order_id or (_stand_in(event.event_id) if name == "purchase" else None)
    if name == "refund" and not transaction_id:
        return Drop("refund without order_id: GA4 cannot tell which transaction it takes back")
    if transaction_id and len(transaction_id) > VALUE_CHARS:
        return Drop(f"order_id longer than GA4's {VALUE_CHARS} characters: cut, it could equal another order's")
    params = drop_absent(
        **_session(event),
        transaction_id=transaction_id,
        **_money(data, value="order" if name == "refund" else value),
        coupon=_cut(data.coupon),
        search_term=_cut(data.search_term),
        customer_type=data.customer_type if name == "purchase" else None,
        item_list_name=_cut(data.content_name) if name == "view_item_list" else None,
        debug_mode=1 if is_debug else None,
        items=_items(data),
    )
    return _with_properties(params, data)


def _stand_in(event_id: str) -> str:
    """A purchase without order id counts once by its event id; cut, a long one could equal another: it is hashed."""
    return event_id if len(event_id) <= VALUE_CHARS else sha256(event_id)


def _session(event: Event) -> dict[str, Any]:
    session_id, page = event.user_data.ga_session_id, event.page
    return drop_absent(
        session_id=session_id if session_id and session_id.isascii() and session_id.isdigit() else None,
        engagement_time_msec=ENGAGEMENT_MSEC,
        page_location=_cut(page_url(page.url, "google"), URL_CHARS),
        page_referrer=_cut(page_url(page.referrer, "google"), REFERRER_CHARS),
        page_title=_cut(page.title, TITLE_CHARS),
    )


def _money(data: CustomData, value: Literal["items", "order"]) -> dict[str, Any]:
    """A value without its currency means nothing to GA4: neither it nor its parts are sent."""
    if not data.currency:
        return {}
    amount = _items_value(data) if value == "items" else None
    return drop_absent(
        currency=data.currency.upper(),
        value=data.value if amount is None else amount,
        shipping=data.shipping,
        tax=data.tax,
    )


def _items_value(data: CustomData) -> Decimal | None:
    """The items' revenue after the order's discount; None where an item has no price or nothing has a value."""
    if data.value is None or not data.items:
        return None
    total = -(data.discount or Decimal(0))
    for item in data.items:
        if item.price is None:
            return None
        total += item.price * (1 if item.quantity is None else item.quantity)
    return total if total >= 0 else None


def _items(data: CustomData) -> list[dict[str, Any]]:
    if not data.items:
        return [{"item_id": _cut(product_id)} for product_id in data.product_ids[:ITEMS] if product_id]
    return [_item(item) for item in data.items if item.id or item.name][:ITEMS]


def _item(item: Item) -> dict[str, Any]:
    return drop_absent(
        item_id=_cut(item.id),
        item_name=_cut(item.name),
        item_brand=_cut(item.brand),
        item_category=_cut(item.category),
        item_variant=_cut(item.variant),
        price=item.price,
        discount=item.discount,
        quantity=item.quantity,
    )


def _with_properties(params: dict[str, Any], data: CustomData) -> dict[str, Any]:
    for name, value in _custom_params(data):
        if len(params) >= PARAMS:
            break
        params.setdefault(name, value)
    return params


def _custom_params(data: CustomData) -> Iterator[tuple[str, str | int | float]]:
    """Scalar properties under names that GA4 takes; objects and arrays have no form in it."""
    for raw_name, raw_value in leaving_properties(data.properties):
        name, value = param_name(raw_name), _scalar(raw_value)
        if name is not None and name not in OWN_PARAMS and value != "" and value is not None:
            yield name, value


def _scalar(value: object) -> str | int | float | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case str():
            return value[:VALUE_CHARS]
    return None


def _cut(text: str | None, chars: int = VALUE_CHARS) -> str | None:
    return text[:chars] if text else None
