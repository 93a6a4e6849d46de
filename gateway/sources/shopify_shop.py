"""What Shopify's resources have in common: money as the buyer saw it, addresses, ids carried by the cart, line items.

Amounts are the buyer's (`…_set.presentment_money`), shop money where there is no `_set` (contracts/shopify_webhooks.md,
section 6). Browser ids come by cart attributes with the prefix `gw_` (section 7), and by the names that storefronts
were seen to use.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.sources.base import amount, first, part, present, rows, text, total

ItemId = Literal["variant_id", "product_id", "sku"]

PREFIX: Final = "gw_"
CARRIED: Final = (
    "anonymous_id", "session_id", "fbp", "fbc", "ga_client_id", "ga_session_id", "ttp", "ttclid", "gclid", "gbraid",
    "wbraid", "epik", "sc_click_id", "sc_cookie1", "li_fat_id", "rdt_cid", "rdt_uuid", "awc", "tblci", "criteo_id",
    "kx", "msclkid",
)  # fmt: skip
OF_A_VISIT: Final = ("session_id", "ga_session_id")  # of these: over by the time a subscription renews
# Attributes seen in real orders without the prefix (section 7).
SEEN: Final[Mapping[str, str]] = MappingProxyType(
    {"fbp": "fbp", "ttp": "ttp", "ttclid": "ttclid", "scid": "sc_cookie1"}
)
PURPOSES: Final = ("analytics", "marketing", "preferences", "sale_of_data")


class Shop(Struct, frozen=True, kw_only=True):
    """What the source's settings and the delivery's headers say of every resource."""

    url: str | None = None
    item_id: ItemId = "variant_id"
    triggered_at: str | None = None  # RFC 3339


def money(resource: Mapping[str, Any], name: str) -> Decimal | None:
    """The buyer's amount, else the shop's."""
    shown = amount(part(part(resource, f"{name}_set"), "presentment_money").get("amount"))
    return shown if shown is not None else amount(resource.get(name))


def address_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The first address that says something."""
    customer = part(resource, "customer")
    found = (part(resource, "billing_address"), part(resource, "shipping_address"), part(customer, "default_address"))
    return next((one for one in found if text(one.get("address1")) or text(one.get("country_code"))), {})


def person_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Who bought: email, phone, names, address and customer id of an order or a checkout."""
    customer, address = part(resource, "customer"), address_of(resource)
    billing, shipping = part(resource, "billing_address"), part(resource, "shipping_address")
    whose = (customer, billing, shipping)
    return {
        "email": first(resource.get("email"), resource.get("contact_email"), customer.get("email")),
        "phone": first(
            resource.get("phone"), resource.get("sms_marketing_phone"), *(one.get("phone") for one in whose)
        ),
        "first_name": first(*(one.get("first_name") for one in whose)),
        "last_name": first(*(one.get("last_name") for one in whose)),
        **place_of(address),
        "external_id": text(customer.get("id")),
    }


def place_of(address: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "street": text(address.get("address1")),
        "city": text(address.get("city")),
        "region": text(address.get("province_code")),
        "postal_code": text(address.get("zip")),
        "country": text(address.get("country_code")),
    }


def attributes(resource: Mapping[str, Any], under: str = "note_attributes") -> dict[str, str]:
    """The cart's attributes; of a name given twice the first."""
    found: dict[str, str] = {}
    for row in rows(resource, under):
        name, value = text(row.get("name")), text(row.get("value"))
        if name is not None and value is not None:
            found.setdefault(name, value)
    return found


def carried(resource: Mapping[str, Any], under: str = "note_attributes") -> dict[str, str]:
    """The browser's ids that the cart carried."""
    given = attributes(resource, under)
    own = {field: given[f"{PREFIX}{field}"] for field in CARRIED if f"{PREFIX}{field}" in given}
    return {field: given[name] for name, field in SEEN.items() if name in given} | own


def consent(resource: Mapping[str, Any], under: str = "note_attributes") -> dict[str, str]:
    """The cookie choice that the cart carried: `gw_consent` as `analytics=granted;marketing=denied`. No field of
    Shopify's own says it (section 6.1)."""
    pairs = (pair.partition("=") for pair in attributes(resource, under).get(f"{PREFIX}consent", "").split(";"))
    found = {name.strip(): choice.strip() for name, _, choice in pairs}
    return {name: choice for name, choice in found.items() if name in PURPOSES and choice in ("granted", "denied")}


def landing_url(resource: Mapping[str, Any], shop: Shop) -> str | None:
    """The page that the visit began on; Shopify gives a path with its query."""
    path = text(resource.get("landing_site"))
    if path is None or "?" not in path:
        return None
    return path if "://" in path else f"{(shop.url or 'https://shop.invalid').rstrip('/')}/{path.lstrip('/')}"


def items(resource: Mapping[str, Any], shop: Shop) -> list[dict[str, Any]]:
    return [_item(line, shop) for line in rows(resource, "line_items")]


def _item(line: dict[str, Any], shop: Shop) -> dict[str, Any]:
    ids = ("variant_id", "product_id", "sku")
    fields = {
        "id": first(line.get(shop.item_id), *(line.get(name) for name in ids)),
        "name": text(line.get("title")),
        "variant": text(line.get("variant_title")),
        "brand": text(line.get("vendor")),
        "quantity": amount(line.get("quantity")),
        "price": _price(line),
        "discount": _discount(line),
    }
    return present(fields)


def _price(line: dict[str, Any]) -> Decimal | None:
    price = money(line, "price")
    return price if price is not None else amount(line.get("variant_price"))


def _discount(line: dict[str, Any]) -> Decimal | None:
    """Of the whole line, as the page's sample has it; `total_discount` covers line discounts only."""
    return total(money(row, "amount") for row in rows(line, "discount_allocations"))


def counted(resource: Mapping[str, Any]) -> dict[str, Any]:
    """How many pieces of which products."""
    lines = rows(resource, "line_items")
    products = dict.fromkeys(found for line in lines if (found := text(line.get("product_id"))) is not None)
    return {"num_items": total(line.get("quantity") for line in lines), "product_ids": list(products)}


def coupons(resource: Mapping[str, Any]) -> str | None:
    codes = [code for row in rows(resource, "discount_codes") if (code := text(row.get("code"))) is not None]
    return ",".join(codes) or None
