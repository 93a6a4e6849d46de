"""What Shopify's web pixel forwards, as an event. Pure; the pixel's source is `gateway/web/src/pixel.ts`.

Names are Shopify's and become canonical with the aliases of every source; what is typed, clicked or only diagnosed
becomes no event. Everything here is a claim of the visitor's browser: nothing is signed.
Source: contracts/shopify_pixel.md, sections 3 to 6, read 2026-11-20.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from actors.routing import IDENTIFY
from gateway.sources.base import amount, first, part, present, rows, text, total
from gateway.sources.shopify_shop import CARRIED, PREFIX, ItemId

TYPES: Final = frozenset({"standard", "custom"})
WITHDRAWAL: Final = "consent"  # the pixel's own type: a choice that takes something back
SILENT: Final = frozenset({"alert_displayed", "ui_extension_errored"})
ALLOWED: Final = ("analyticsProcessingAllowed", "marketingAllowed", "preferencesProcessingAllowed", "saleOfDataAllowed")
ADDRESS: Final = (
    ("first_name", "firstName"), ("last_name", "lastName"), ("street", "address1"), ("city", "city"),
    ("region", "provinceCode"), ("postal_code", "zip"), ("country", "countryCode"),
)  # fmt: skip
# One event of a checkout for the pixel and the webhook.
ID_OF_CHECKOUT: Final = {"checkout_completed": "purchase", "checkout_started": "checkout"}


def event_of(body: Mapping[str, Any], item_id: ItemId) -> dict[str, Any] | None:
    """The event as JSON of the public form; None where Shopify's means nothing here."""
    told = part(body, "event")
    if told.get("type") == WITHDRAWAL:
        return {"event_name": IDENTIFY, "consent": _consent(part(body, "customer_privacy"))}
    name = text(told.get("name"))
    if name is None or text(told.get("type")) not in TYPES or name in SILENT:
        return None
    data = part(told, "data")
    checkout = part(data, "checkout")
    document = part(part(told, "context"), "document")
    location = part(document, "location")
    return present(
        {
            "event_name": name,
            "event_id": _own_id(name, told, checkout),
            "occurred_at": text(told.get("timestamp")),
            "page": present(
                {
                    "url": text(location.get("href")),
                    "path": text(location.get("pathname")),
                    "referrer": text(document.get("referrer")),
                    "title": text(document.get("title")),
                }
            ),
            "user_data": present(_user(told, checkout, part(body, "customer"))),
            "custom_data": present(_business(told, data, checkout, item_id)),
            "consent": _consent(part(body, "customer_privacy")),
        }
    )


def cookies_of(body: Mapping[str, Any]) -> str | None:
    """Those that the pixel read, in the header's form; a value that would end it early is none."""
    found = part(body, "cookies").items()
    return "; ".join(f"{name}={value}" for name, value in found if isinstance(value, str) and ";" not in value) or None


def visitor_of(body: Mapping[str, Any]) -> str | None:
    """The gateway's own visitor, carried in the cart's attributes; else Shopify's."""
    told = part(body, "event")
    return first(_carried(told).get("anonymous_id"), told.get("clientId"))


def user_agent_of(body: Mapping[str, Any]) -> str | None:
    return text(part(part(part(body, "event"), "context"), "navigator").get("userAgent"))


def _own_id(name: str, told: Mapping[str, Any], checkout: Mapping[str, Any]) -> str | None:
    prefix, token = ID_OF_CHECKOUT.get(name), text(checkout.get("token"))
    own = f"{prefix}.{token}" if prefix and token else text(told.get("id"))
    return own[:128] if own is not None else None


def _user(told: Mapping[str, Any], checkout: Mapping[str, Any], customer: Mapping[str, Any]) -> dict[str, Any]:
    billing, shipping = part(checkout, "billingAddress"), part(checkout, "shippingAddress")
    buyer = part(part(checkout, "order"), "customer")
    found: dict[str, Any] = {field: first(billing.get(name), shipping.get(name)) for field, name in ADDRESS}
    return {
        **found,
        "first_name": first(found["first_name"], customer.get("firstName")),
        "last_name": first(found["last_name"], customer.get("lastName")),
        "external_id": _number(first(buyer.get("id"), customer.get("id"))),
        "email": first(checkout.get("email"), customer.get("email")),
        "phone": first(
            checkout.get("phone"),
            checkout.get("smsMarketingPhone"),
            billing.get("phone"),
            shipping.get("phone"),
            customer.get("phone"),
        ),
        **{name: value for name, value in _carried(told).items() if name != "anonymous_id"},
    }


def _carried(told: Mapping[str, Any]) -> dict[str, str]:
    """What the SDK on the shop's pages wrote into the cart, as attributes."""
    data = part(told, "data")
    attributes = [*rows(part(data, "checkout"), "attributes"), *rows(part(data, "cart"), "attributes")]
    named = {text(one.get("key")): value for one in attributes if (value := text(one.get("value"))) is not None}
    return {name: named[PREFIX + name] for name in CARRIED if PREFIX + name in named}


def _business(
    told: Mapping[str, Any], data: Mapping[str, Any], checkout: Mapping[str, Any], item_id: ItemId
) -> dict[str, Any]:
    custom = part(told, "customData") if told.get("type") == "custom" else {}
    lines = list(_lines(data, item_id))
    paid = _value(data)
    return {
        **custom,
        "value": amount(paid.get("amount")),
        "currency": first(checkout.get("currencyCode"), paid.get("currencyCode")),
        "items": [line for line, _ in lines],
        "num_items": total(line.get("quantity") for line, _ in lines) if checkout or "cart" in data else None,
        "product_ids": list(dict.fromkeys(product for _, product in lines if product is not None)),
        "search_term": text(part(data, "searchResult").get("query")),
        "content_name": text(part(data, "collection").get("title")),
        **_order(checkout),
    }


def _order(checkout: Mapping[str, Any]) -> dict[str, Any]:
    """`checkout_token` is what pixel and webhook have in common before there is an order id."""
    order = part(checkout, "order")
    is_first = part(order, "customer").get("isFirstOrder")
    codes = [
        text(one.get("title")) for one in rows(checkout, "discountApplications") if one.get("type") == "DISCOUNT_CODE"
    ]
    return {
        "order_id": _number(text(order.get("id"))),
        "checkout_token": text(checkout.get("token")),
        "shipping": amount(part(part(checkout, "shippingLine"), "price").get("amount")),
        "tax": amount(part(checkout, "totalTax").get("amount")),
        "discount": amount(part(checkout, "discountsAmount").get("amount")),
        "coupon": ", ".join(code for code in codes if code) or None,
        "customer_type": ("new" if is_first else "returning") if isinstance(is_first, bool) else None,
    }


def _value(data: Mapping[str, Any]) -> dict[str, Any]:
    """An amount with its currency: the checkout's total, else the cart's, else the line's, else the product's price."""
    found = (
        part(part(data, "checkout"), "totalPrice"),
        part(part(part(data, "cart"), "cost"), "totalAmount"),
        part(part(part(data, "cartLine"), "cost"), "totalAmount"),
        part(part(data, "productVariant"), "price"),
    )
    return next((one for one in found if one), {})


def _lines(data: Mapping[str, Any], item_id: ItemId) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each item, and its product's id."""
    for line in rows(part(data, "checkout"), "lineItems"):
        given = total(amount(part(one, "amount").get("amount")) for one in rows(line, "discountAllocations"))
        yield _item(part(line, "variant"), line.get("quantity"), given, item_id)
    for line in (*rows(part(data, "cart"), "lines"), part(data, "cartLine")):
        if line:
            yield _item(part(line, "merchandise"), line.get("quantity"), None, item_id)
    listed = (part(data, "productVariant"), *rows(part(data, "collection"), "productVariants"))
    for variant in (*listed, *rows(part(data, "searchResult"), "productVariants")):
        if variant:
            yield _item(variant, None, None, item_id)


def _item(
    variant: Mapping[str, Any], quantity: Any, discount: Any, item_id: ItemId
) -> tuple[dict[str, Any], str | None]:
    product = part(variant, "product")
    product_id = _number(text(product.get("id")))
    ids = {"variant_id": _number(text(variant.get("id"))), "product_id": product_id, "sku": text(variant.get("sku"))}
    fields = {
        "id": first(ids[item_id], *ids.values()),
        "name": text(product.get("title")),
        "variant": text(variant.get("title")),
        "brand": text(product.get("vendor")),
        "category": text(product.get("type")),
        "quantity": amount(quantity),
        "price": amount(part(variant, "price").get("amount")),
        "discount": discount,
    }
    return present(fields), product_id


def _consent(privacy: Mapping[str, Any]) -> dict[str, Any]:
    """What Shopify allows; whether anybody chose it does not say."""
    told = {name: privacy[name] for name in ALLOWED if isinstance(privacy.get(name), bool)}
    return {"shopify": told} if told else {}


def _number(found: str | None) -> str | None:
    """`123` of `gid://shopify/Product/123` too."""
    return found.rpartition("/")[2].partition("?")[0] or found if found is not None else None
