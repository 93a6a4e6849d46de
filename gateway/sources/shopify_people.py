"""Shopify's checkouts and customers, as events (contracts/shopify_webhooks.md, sections 5, 6.2 and 6.4).

A checkout's first update with an email or a phone is `contact_info_added`; later ones have the same event id, so they
are copies of it.
"""

from decimal import Decimal
from typing import Any

from gateway.sources.base import Draft, amount, first, part, present, rows, text, total
from gateway.sources.shopify_shop import (
    Shop,
    carried,
    consent,
    counted,
    coupons,
    items,
    landing_url,
    money,
    person_of,
    place_of,
)


def checkout_started(shop: Shop, checkout: dict[str, Any]) -> list[Draft]:
    return _checkout(shop, checkout, "checkout_started", "checkout", text(checkout.get("created_at")))


def contact_added(shop: Shop, checkout: dict[str, Any]) -> list[Draft]:
    """Only once there is somebody to contact."""
    person = person_of(checkout)
    if person["email"] is None and person["phone"] is None:
        return []
    return _checkout(shop, checkout, "contact_info_added", "contact", text(checkout.get("updated_at")))


def registered(shop: Shop, customer: dict[str, Any], own_id: str | None) -> list[Draft]:
    """An account that is enabled: customers are also made by guest checkouts and by staff. Whoever registers may be
    told by `customers/create` and by `customers/enable`: one event for both."""
    if customer.get("state") != "enabled":
        return []
    customer_id = text(customer.get("id"))
    own_id = f"registered.{customer_id}"[:128] if customer_id is not None else own_id
    at = first(customer.get("updated_at"), customer.get("created_at"))
    return [_of_person(shop, "registration_completed", own_id, at, _customer(customer))]


def subscribed(shop: Shop, update: dict[str, Any], own_id: str | None) -> list[Draft]:
    """A new state `subscribed`, by email or SMS. The page calls these fields unconfirmed."""
    state = first(
        *(part(update, f"{way}_marketing_consent").get("state") for way in ("email", "sms")), update.get("state")
    )
    if state != "subscribed":
        return []
    ways = [part(update, f"{way}_marketing_consent") for way in ("email", "sms")]
    at = first(*(way.get("consent_updated_at") for way in ways))
    person = {
        "email": first(update.get("email_address"), update.get("email")),
        "phone": text(update.get("phone")),
        "external_id": first(update.get("customer_id"), update.get("id")),
    }
    return [_of_person(shop, "newsletter_subscribed", own_id, at, person)]


def _customer(customer: dict[str, Any]) -> dict[str, Any]:
    return {
        "email": text(customer.get("email")),
        "phone": text(customer.get("phone")),
        "first_name": text(customer.get("first_name")),
        "last_name": text(customer.get("last_name")),
        "external_id": text(customer.get("id")),
        **place_of(part(customer, "default_address")),
    }


def _of_person(shop: Shop, name: str, own_id: str | None, at: str | None, person: dict[str, Any]) -> Draft:
    event = {
        "event_name": name,
        "event_id": own_id,
        "occurred_at": at or shop.triggered_at,
        "action_source": "system_generated",
        "user_data": present(person),
    }
    return Draft(event=present(event))


def _checkout(shop: Shop, checkout: dict[str, Any], name: str, prefix: str, at: str | None) -> list[Draft]:
    token = text(checkout.get("token"))
    if token is None:
        return []
    event = {
        "event_name": name,
        "event_id": f"{prefix}.{token}"[:128],
        "occurred_at": at or shop.triggered_at,
        "action_source": "website",
        "page": present({"url": shop.url, "referrer": text(checkout.get("referring_site"))}),
        "user_data": present({**person_of(checkout), **carried(checkout)}),
        "custom_data": present(
            {
                "value": money(checkout, "total_price"),
                "currency": text(checkout.get("currency")),
                "checkout_token": token,
                "items": items(checkout, shop),
                **counted(checkout),
                "shipping": _shipping(checkout),
                "tax": amount(checkout.get("total_tax")),
                "discount": amount(checkout.get("total_discounts")),
                "coupon": coupons(checkout),
                "cart_token": text(checkout.get("cart_token")),
                "source_name": text(checkout.get("source_name")),
            }
        ),
        "consent": consent(checkout),
    }
    return [Draft(event=present(event), landing_url=landing_url(checkout, shop))]


def _shipping(checkout: dict[str, Any]) -> Decimal | None:
    return total(row.get("price") for row in rows(checkout, "shipping_lines"))
