"""Recharge's charges, as events: renewals, failures, refunds (contracts/recharge_webhooks.md, section 4)."""

from decimal import Decimal
from typing import Any, Final

from gateway.sources.base import Draft, amount, first, part, present, rows, text, total
from gateway.sources.recharge_shop import ATTRIBUTES, campaign, in_utc, items, products
from gateway.sources.shopify_shop import OF_A_VISIT, carried, consent

# Further fields, as custom properties of the same name.
TOLD: Final = (
    "type", "status", "orders_count", "tags", "payment_processor", "error_type", "charge_attempts", "address_id",
)  # fmt: skip


def renewed(charge: dict[str, Any]) -> list[Draft]:
    """A renewal. The first order (`checkout`) is none: the shop reports it."""
    charge_id = text(charge.get("id"))
    if charge_id is None or charge.get("type") != "recurring":
        return []
    return [_draft(charge, "subscription_renewed", f"renewal.{charge_id}", amount(charge.get("total_price")))]


def failed(charge: dict[str, Any], topic: str) -> list[Draft]:
    """A custom event for each attempt that failed."""
    charge_id = text(charge.get("id"))
    if charge_id is None:
        return []
    name = topic.replace("/", "_")
    which = first(charge.get("charge_attempts"), charge.get("updated_at"), "0")
    return [_draft(charge, name, f"{name}.{charge_id}.{which}", amount(charge.get("total_price")))]


def refunded(charge: dict[str, Any]) -> list[Draft]:
    """`total_refunds` is a running total: each refund has an id of its own by it."""
    charge_id, so_far = text(charge.get("id")), amount(charge.get("total_refunds"))
    if charge_id is None or so_far is None or so_far <= 0:
        return []
    own_id = f"recharge_refund.{charge_id}.{charge['total_refunds']}"
    draft = _draft(charge, "order_refunded", own_id, so_far, at=text(charge.get("updated_at")))
    return [Draft(event=draft.event, order_id=_order_id(charge))]


def _draft(charge: dict[str, Any], name: str, own_id: str, value: Decimal | None, at: str | None = None) -> Draft:
    event = {
        "event_name": name,
        "event_id": own_id[:128],
        "occurred_at": in_utc(at or first(charge.get("processed_at"), charge.get("updated_at"))),
        "action_source": "system_generated",
        "user_data": _person(charge),
        "custom_data": _business(charge, value, is_renewal=name == "subscription_renewed"),
        "consent": consent(charge, ATTRIBUTES),
    }
    return Draft(event=present(event))


def _person(charge: dict[str, Any]) -> dict[str, Any]:
    """Never the address and browser of `client_details`: they are the first checkout's."""
    customer = part(charge, "customer")
    places = (part(charge, "billing_address"), part(charge, "shipping_address"))
    ids = {name: one for name, one in carried(charge, ATTRIBUTES).items() if name not in OF_A_VISIT}
    fields = {
        "first_name": "first_name", "last_name": "last_name", "phone": "phone", "street": "address1", "city": "city",
        "region": "province", "postal_code": "zip", "country": "country_code",
    }  # fmt: skip
    return present(
        {
            "email": first(customer.get("email"), charge.get("email")),
            **{field: first(*(place.get(name) for place in places)) for field, name in fields.items()},
            "external_id": text(part(customer, "external_customer_id").get("ecommerce")),
            **ids,
        }
    )


def _business(charge: dict[str, Any], value: Decimal | None, *, is_renewal: bool) -> dict[str, Any]:
    lines = rows(charge, "line_items")
    own = [one for line in lines if (one := _subscription_id(line)) is not None]
    codes = [code for row in rows(charge, "discounts") if (code := text(row.get("code"))) is not None]
    told = {name: charge[name] for name in TOLD if isinstance(charge.get(name), str | int | bool)}
    return present(
        {
            **campaign(charge),
            **told,
            "value": value,
            "currency": text(charge.get("currency")),
            "order_id": _order_id(charge),
            "subscription_id": own[0] if own else None,
            "subscription_ids": own if len(own) > 1 else None,
            "customer_type": "returning" if is_renewal else None,
            "items": items(lines),
            "num_items": total(line.get("quantity") for line in lines),
            "product_ids": products(lines),
            "shipping": total(row.get("price") for row in rows(charge, "shipping_lines")),
            "tax": amount(charge.get("total_tax")),
            "discount": amount(charge.get("total_discounts")),
            "coupon": ",".join(codes),
            "charge_id": text(charge.get("id")),
        }
    )


def _order_id(charge: dict[str, Any]) -> str | None:
    return text(part(charge, "external_order_id").get("ecommerce"))


def _subscription_id(line: dict[str, Any]) -> str | None:
    return text(line.get("purchase_item_id")) if line.get("purchase_item_type") == "subscription" else None
