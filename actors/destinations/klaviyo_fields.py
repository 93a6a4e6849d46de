"""A Klaviyo event's properties and the profile it belongs to.

Source: contracts/klaviyo.md, sections "Payload" and "Normalisation and hashing"; "Events API overview",
developers.klaviyo.com, read 2026-11-20. Property names are those of Klaviyo's own e-commerce templates.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from actors.destinations.base import drop_absent
from actors.destinations.minimise import ip_address, leaving_properties, page_url
from actors.event import CustomData, Event, Item, Plaintext, UserData

PROPERTIES = 400
ENTRIES = 4_000  # of one array
LEVELS = 10
EXTERNAL_ID_CHARS = 255

# Events whose `page.url` is a link back into the checkout.
CHECKOUT_LINKS = frozenset({"cart_item_added", "checkout_started"})

CURRENCY = re.compile(r"[A-Z]{3}")
_EMAIL = re.compile(r"[^@\s\x00-\x20]{1,64}@[^@\s\x00-\x20]{1,190}\.[^@\s.\x00-\x20]{2,63}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_PROFILE_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_EXCHANGE_ID = re.compile(r"[A-Za-z0-9_~+/=-]{1,1000}\.[A-Za-z0-9_-]{1,20}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}(\.\w{2,8})?")


class Row(Struct, frozen=True, kw_only=True):
    """One item of a purchase as an event of its own."""

    properties: dict[str, object]
    value: Decimal | None


def profile_of(event: Event, *, is_anonymous_enough: bool) -> dict[str, object] | None:
    """The profile's resource; None where nothing identifies anybody."""
    user, plain = event.user_data, event.user_data.plain or Plaintext()
    own_id = user.klaviyo_id if user.klaviyo_id and _PROFILE_ID.fullmatch(user.klaviyo_id) else None
    identifiers = drop_absent(
        _kx=None if own_id else _exchange_id(user.klaviyo_id) or _exchange_id(user.kx),
        email=_email(plain.email),
        phone_number=plain.phone if plain.phone and _PHONE.fullmatch(plain.phone) else None,
        external_id=_external_id(user.external_id),
    )
    if not identifiers and own_id is None:
        if not is_anonymous_enough or not user.anonymous_id:
            return None
        identifiers = {"anonymous_id": user.anonymous_id}
    attributes = identifiers | drop_absent(
        first_name=_text(plain.first_name),
        last_name=_text(plain.last_name),
        location=_location(user, plain),
    )
    return {"type": "profile", **drop_absent(id=own_id), "attributes": attributes}


def _exchange_id(value: str | None) -> str | None:
    """It has a dot, a profile id has none (contracts/click_ids.md, section 5)."""
    return value if value and _EXCHANGE_ID.fullmatch(value) else None


def _email(value: str | None) -> str | None:
    address = (value or "").strip().lower()
    return address if _EMAIL.fullmatch(address) else None


def _external_id(value: str | None) -> str | None:
    return value if value and value.strip() and len(value) <= EXTERNAL_ID_CHARS else None


def _text(value: str | None) -> str | None:
    """The text as it was written; a hash would overwrite the profile's real one."""
    text = (value or "").strip()
    return text if text and not _DIGEST.fullmatch(text) else None


def _location(user: UserData, plain: Plaintext) -> dict[str, object]:
    return drop_absent(
        address1=_text(plain.street),
        city=_text(user.city),
        region=_text(user.region),
        zip=_text(user.postal_code),
        country=_text(user.country),
        ip=ip_address(user.client_ip),
    )


def properties_of(event: Event) -> dict[str, object]:
    """Klaviyo's names first; a custom property never stands in for one of them."""
    data, url = event.custom_data, page_url(event.page.url, "klaviyo")
    fields = drop_absent(
        OrderId=data.order_id,
        **(_of_first_item(event, url) | _of_all_items(event)),
        ItemCount=data.num_items,
        Shipping=data.shipping,
        Tax=data.tax,
        DiscountCode=data.coupon,
        DiscountValue=data.discount,
        SearchTerm=data.search_term,
        SubscriptionId=data.subscription_id,
        LeadId=data.lead_id,
        ContentName=data.content_name,
        ContentCategory=data.content_category,
        CustomerType=data.customer_type,
        CheckoutURL=url if event.event_name in CHECKOUT_LINKS else None,
        PageURL=url,
    )
    for name, value in _custom(data):
        if len(fields) >= PROPERTIES:
            break
        fields.setdefault(name, value)
    return fields


def _of_first_item(event: Event, url: str | None) -> dict[str, object]:
    if not event.custom_data.items:
        return {}
    item = event.custom_data.items[0]
    if event.event_name == "product_viewed":
        return _product(item) | drop_absent(URL=url)
    if event.event_name == "cart_item_added":
        return drop_absent(
            AddedItemProductName=item.name,
            AddedItemProductID=item.id,
            AddedItemPrice=item.price,
            AddedItemQuantity=_quantity(item),
            AddedItemCategories=_list(item.category),
        )
    return {}


def _product(item: Item) -> dict[str, object]:
    return drop_absent(
        ProductName=item.name,
        ProductID=item.id,
        Brand=item.brand,
        Price=item.price,
        Categories=_list(item.category),
    )


def _of_all_items(event: Event) -> dict[str, object]:
    data = event.custom_data
    if not data.items:
        return drop_absent(Items=[{"ProductID": product_id} for product_id in data.product_ids[:ENTRIES] if product_id])
    if event.event_name == "product_viewed" and len(data.items) == 1:
        return {}  # it is the event's own properties
    items = data.items[:ENTRIES]
    return drop_absent(
        Items=[_item(item) for item in items],
        ItemNames=_distinct([item.name for item in items]),
        Brands=_distinct([item.brand for item in items]),
        Categories=_distinct([item.category for item in items]),
    )


def _item(item: Item) -> dict[str, object]:
    return drop_absent(
        ProductID=item.id,
        ProductName=item.name,
        Quantity=_quantity(item),
        ItemPrice=item.price,
        RowTotal=_row_total(item),
        Brand=item.brand,
        ProductCategories=_list(item.category),
    )


def ordered_products(event: Event) -> Iterator[Row]:
    """Beside `Placed Order`, which cannot be segmented by item, one event per item (section "Payload")."""
    if event.event_name != "purchase_placed":
        return
    order = drop_absent(OrderId=event.custom_data.order_id)
    for item in event.custom_data.items:
        yield Row(properties=order | _product(item) | {"Quantity": _quantity(item)}, value=_row_total(item))


def _quantity(item: Item) -> int:
    return 1 if item.quantity is None else item.quantity


def _row_total(item: Item) -> Decimal | None:
    return None if item.price is None else item.price * _quantity(item)


def _list(value: str | None) -> list[str]:
    return [value] if value else []


def _distinct(values: list[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _custom(data: CustomData) -> Iterator[tuple[str, object]]:
    """Custom properties within Klaviyo's bounds. `$value` and `$event_id` are old forms of fields, and `$` is
    Klaviyo's own: only `$extra` is there for anybody."""
    for name, value in leaving_properties(data.properties):
        if name.strip() and (name == "$extra" or not name.startswith("$")) and _fits(value, LEVELS - 1):
            yield name, value


def _fits(value: Any, levels: int) -> bool:
    match value:
        case dict():
            return levels > 0 and all(_fits(entry, levels - 1) for entry in value.values())
        case list():
            return levels > 0 and len(value) <= ENTRIES and all(_fits(entry, levels - 1) for entry in value)
    return True
