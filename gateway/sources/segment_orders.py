"""The properties of a Segment client's message as custom data: the e-commerce specification (contracts/segment.md,
section 3). Pure.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from actors.canonical import MAX_PROPERTIES
from actors.clickids import UTM_NAMES
from actors.names import canonical_name
from gateway.checks import property_problem
from gateway.form import CustomForm, ItemForm
from gateway.sources.base import part, rows
from gateway.sources.segment_body import Message
from gateway.sources.segment_fields import Fields, amount, count, currency, text

ORDERS: Final = frozenset({"purchase_placed", "order_refunded", "order_cancelled", "order_fulfilled", "Order Updated"})
PAGE_FIELDS: Final = ("url", "path", "referrer", "title", "search")
ITEM_FIELDS: Final = ("product_id", "sku", "brand", "variant", "price", "quantity")


def custom_of(message: Message, event_name: str, properties: Fields) -> CustomForm:
    """Takes what it knows out of the properties."""
    is_page = message.type in ("page", "screen")
    single = dict(properties.rest)
    items = _items(properties, single)
    if is_page:
        for name in PAGE_FIELDS:
            properties.rest.pop(name, None)
    return CustomForm(
        value=_value(event_name, properties, single),
        currency=properties.take(currency, "currency"),
        order_id=properties.text("order_id", "orderId"),
        checkout_token=properties.text("checkout_token"),
        items=items,
        num_items=_number(items, properties),
        product_ids=_product_ids(items, properties),
        shipping=properties.take(amount, "shipping"),
        tax=properties.take(amount, "tax"),
        discount=properties.take(amount, "discount"),
        coupon=properties.text("coupon"),
        search_term=properties.text("query", "search_term"),
        subscription_id=properties.text("subscription_id"),
        lead_id=properties.text("lead_id"),
        content_name=(text(message.name) if is_page else None) or properties.text("name", "content_name"),
        content_category=(text(message.category) if is_page else None)
        or properties.text("category", "content_category"),
        customer_type=properties.take(_customer_type, "customer_type"),
    )


def further_properties(message: Message, properties: Fields) -> dict[str, Any]:
    """What no canonical field holds, within the event's bounds, and the campaign."""
    for name in ("name", "category", "content_name", "content_category"):
        properties.rest.pop(name, None)  # a page's own name beats them
    found = _campaign(part(message.context, "campaign"))
    for name, value in properties.rest.items():
        if value is None:
            continue
        if len(found) < MAX_PROPERTIES and property_problem(name, value) is None:
            found[name] = value
        else:
            properties.left_out.append("properties")
    return found


def _items(properties: Fields, single: Mapping[str, Any]) -> list[ItemForm] | None:
    """The products, else the one that the properties themselves describe; without it its fields stay properties."""
    products = properties.rest.pop("products", None), properties.rest.pop("items", None)
    for listed in products:
        if found := rows({"products": listed}, "products"):
            return [_item(Fields(one)) for one in found]
    if text(single.get("product_id")) is None and text(single.get("sku")) is None:
        return None
    for name in ITEM_FIELDS:
        properties.rest.pop(name, None)
    return [_item(Fields(single))]


def _item(product: Fields) -> ItemForm:
    return ItemForm(
        id=product.text("product_id", "productId", "sku", "id"),
        name=product.text("name"),
        brand=product.text("brand"),
        category=product.text("category"),
        variant=product.text("variant"),
        price=product.take(amount, "price"),
        quantity=product.take(count, "quantity"),
    )


def _value(event_name: str, properties: Fields, single: Mapping[str, Any]) -> Decimal | None:
    """`total` holds tax and shipping, `revenue` does not: an order's value is its total, where there is one."""
    if canonical_name(event_name) in ORDERS:
        return properties.take(amount, "total", "value", "revenue")
    found = properties.take(amount, "value", "revenue")
    price = amount(single.get("price"))
    if found is not None or price is None:
        return found
    quantity = count(single.get("quantity"))
    return amount(price * (1 if quantity is None else quantity))


def _number(items: list[ItemForm] | None, properties: Fields) -> Decimal | None:
    told = properties.take(count, "num_items")
    if told is not None or not items:
        return told
    return count(sum((Decimal(1) if one.quantity is None else one.quantity for one in items), Decimal(0)))


def _product_ids(items: list[ItemForm] | None, properties: Fields) -> list[Any] | None:
    told = properties.rest.pop("product_ids", None)
    if items:
        return [one.id for one in items if one.id is not None] or None
    return [one for value in told if (one := text(value)) is not None] if isinstance(told, list) else None


def _customer_type(value: Any) -> Any:
    return value if value in ("new", "returning") else None


def _campaign(campaign: Mapping[str, Any]) -> dict[str, Any]:
    """`utm_campaign` became `name` on its way into the context."""
    named = {"utm_campaign" if name == "name" else f"utm_{name}": text(value) for name, value in campaign.items()}
    return {name: value for name, value in named.items() if name in UTM_NAMES and value is not None}
