"""Recharge's subscriptions, as events: begun, begun again, cancelled (contracts/recharge_webhooks.md, section 4).

A subscription names its customer by Recharge's own id only; who it is comes with `included_objects` `customer`.
"""

from decimal import Decimal
from typing import Any, Final

from gateway.sources.base import Draft, amount, first, part, present, text
from gateway.sources.recharge_shop import campaign, in_utc, products

# Further fields, as custom properties of the same name.
TOLD: Final = (
    "status", "order_interval_unit", "order_interval_frequency", "charge_interval_frequency",
    "next_charge_scheduled_at", "cancellation_reason", "cancellation_reason_comments",
)  # fmt: skip


def started(subscription: dict[str, Any], customer: dict[str, Any]) -> list[Draft]:
    return _draft(subscription, customer, "subscription_started", None, text(subscription.get("created_at")))


def activated(subscription: dict[str, Any], customer: dict[str, Any]) -> list[Draft]:
    """A cancelled one begins again: a custom event."""
    at = text(subscription.get("updated_at"))
    return _draft(subscription, customer, "subscription_activated", at or "0", at)


def cancelled(subscription: dict[str, Any], customer: dict[str, Any]) -> list[Draft]:
    at = first(subscription.get("cancelled_at"), subscription.get("updated_at"))
    return _draft(subscription, customer, "subscription_cancelled", at or "0", at)


def _draft(
    subscription: dict[str, Any], customer: dict[str, Any], name: str, which: str | None, at: str | None
) -> list[Draft]:
    own_id = text(subscription.get("id"))
    if own_id is None:
        return []
    whose = customer or part(subscription, "customer")
    event = {
        "event_name": name,
        "event_id": (f"{name}.{own_id}" + (f".{which}" if which else ""))[:128],
        "occurred_at": in_utc(at),
        "action_source": "system_generated",
        "user_data": present(
            {
                "email": first(whose.get("email"), subscription.get("email")),
                "phone": text(whose.get("phone")),
                "first_name": text(whose.get("first_name")),
                "last_name": text(whose.get("last_name")),
                "external_id": text(part(whose, "external_customer_id").get("ecommerce")),
            }
        ),
        "custom_data": _business(subscription, own_id),
    }
    return [Draft(event=present(event))]


def _business(subscription: dict[str, Any], own_id: str) -> dict[str, Any]:
    price, quantity = amount(subscription.get("price")), amount(subscription.get("quantity"))
    told = {name: subscription[name] for name in TOLD if isinstance(subscription.get(name), str | int | bool)}
    item = {
        "id": text(part(subscription, "external_variant_id").get("ecommerce")),
        "name": text(subscription.get("product_title")),
        "variant": text(subscription.get("variant_title")),
        "quantity": quantity,
        "price": price,
    }
    return present(
        {
            **campaign(subscription),
            **told,
            "subscription_id": own_id,
            "value": _value(price, quantity),
            "currency": first(subscription.get("presentment_currency"), subscription.get("currency")),
            "items": [found] if (found := present(item)) else [],
            "num_items": quantity,
            "product_ids": products([subscription]),
        }
    )


def _value(price: Decimal | None, quantity: Decimal | None) -> Decimal | None:
    if price is None:
        return None
    try:
        return price * (quantity if quantity is not None else 1)
    except ArithmeticError:
        return None
