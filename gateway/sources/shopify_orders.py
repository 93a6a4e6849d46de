"""Shopify's orders and refunds, as events (contracts/shopify_webhooks.md, sections 5, 6.1 and 6.3)."""

from decimal import Decimal
from typing import Any, Final

from gateway.sources.base import Draft, amount, first, part, present, rows, text, total
from gateway.sources.shopify_shop import (
    OF_A_VISIT,
    Shop,
    carried,
    consent,
    counted,
    coupons,
    items,
    landing_url,
    money,
    person_of,
)

RENEWAL_TAG: Final = "subscription recurring order"
RENEWAL_SOURCE: Final = "subscription_contract"
# Further fields, as custom properties of the same name.
TOLD: Final = (
    "order_number", "confirmation_number", "source_name", "tags", "financial_status", "fulfillment_status",
    "cancel_reason", "customer_locale", "buyer_accepts_marketing", "cart_token",
)  # fmt: skip


def purchase(shop: Shop, order: dict[str, Any]) -> list[Draft]:
    """A purchase; a renewal is `subscription_renewed`, and an order made to try the shop is none."""
    order_id, token = text(order.get("id")), text(order.get("checkout_token"))
    if order_id is None or order.get("test") is True:
        return []
    is_renewal = _is_renewal(order)
    name = "subscription_renewed" if is_renewal else "purchase_placed"
    own_id = f"purchase.{token}" if token and not is_renewal else f"purchase.order.{order_id}"
    return [_draft(shop, order, name, own_id, text(order.get("created_at")))]


def cancelled(shop: Shop, order: dict[str, Any]) -> list[Draft]:
    return _later(shop, order, "order_cancelled", "cancelled", text(order.get("cancelled_at")))


def fulfilled(shop: Shop, order: dict[str, Any]) -> list[Draft]:
    shipped = [at for row in rows(order, "fulfillments") if (at := text(row.get("created_at"))) is not None]
    return _later(shop, order, "order_fulfilled", "fulfilled", shipped[-1] if shipped else None)


def refunded(shop: Shop, refund: dict[str, Any]) -> list[Draft]:
    """A refund of money; who got it is read from the stored order. Goods taken back without money are none."""
    refund_id, order_id = text(refund.get("id")), text(refund.get("order_id"))
    paid = [one for one in rows(refund, "transactions") if _is_paid_back(one)]
    back = total(one.get("amount") for one in paid)
    if refund_id is None or order_id is None or back is None:
        return []
    event = {
        "event_name": "order_refunded",
        "event_id": f"refund.{refund_id}"[:128],
        "occurred_at": first(refund.get("processed_at"), refund.get("created_at"), shop.triggered_at),
        "action_source": "system_generated",
        "custom_data": present(
            {
                "value": back,
                "currency": first(*(one.get("currency") for one in paid)),
                "order_id": order_id,
                "items": _given_back(refund, shop),
                "tax": _tax(refund),
                "shipping": _shipping(refund),
                "refund_id": refund_id,
                "note": text(refund.get("note")),
                "restock": refund.get("restock") if isinstance(refund.get("restock"), bool) else None,
            }
        ),
    }
    return [Draft(event=present(event), order_id=order_id)]


def _later(shop: Shop, order: dict[str, Any], name: str, prefix: str, at: str | None) -> list[Draft]:
    order_id = text(order.get("id"))
    if order_id is None or order.get("test") is True:
        return []
    return [_draft(shop, order, name, f"{prefix}.{order_id}", at or shop.triggered_at)]


def _draft(shop: Shop, order: dict[str, Any], name: str, own_id: str, at: str | None) -> Draft:
    is_renewal = _is_renewal(order)
    event = {
        "event_name": name,
        "event_id": own_id[:128],
        "occurred_at": at,
        "action_source": _action_source(order, is_renewal=is_renewal),
        "page": present({"url": shop.url, "referrer": None if is_renewal else text(order.get("referring_site"))}),
        "user_data": present({**person_of(order), **_browser(order, is_renewal=is_renewal)}),
        "custom_data": _business(shop, order),
        "consent": consent(order),
    }
    return Draft(event=present(event), landing_url=None if is_renewal else landing_url(order, shop))


def _browser(order: dict[str, Any], *, is_renewal: bool) -> dict[str, Any]:
    """Of a renewal nobody's: it was made by a server, and what the cart carried is of the first order's visit."""
    if is_renewal:
        return {name: one for name, one in carried(order).items() if name not in OF_A_VISIT}
    client = part(order, "client_details")
    return {
        "client_ip": first(client.get("browser_ip"), order.get("browser_ip")),
        "client_user_agent": text(client.get("user_agent")),
        **carried(order),
    }


def _business(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    told = {name: order[name] for name in TOLD if isinstance(order.get(name), str | int | bool)}
    return present(
        {
            "value": money(order, "total_price"),
            "currency": first(order.get("presentment_currency"), order.get("currency")),
            "order_id": text(order.get("id")),
            "checkout_token": text(order.get("checkout_token")),
            "items": items(order, shop),
            **counted(order),
            "shipping": money(order, "total_shipping_price"),
            "tax": money(order, "total_tax"),
            "discount": money(order, "total_discounts"),
            "coupon": coupons(order),
            **told,
            "order_name": text(order.get("name")),
        }
    )


def _action_source(order: dict[str, Any], *, is_renewal: bool) -> str:
    if order.get("source_name") == "pos":
        return "physical_store"
    return "system_generated" if is_renewal else "website"


def _is_renewal(order: dict[str, Any]) -> bool:
    tags = order.get("tags")
    named = [tag.strip().lower() for tag in tags.split(",")] if isinstance(tags, str) else []
    return RENEWAL_TAG in named or str(order.get("source_name", "")).startswith(RENEWAL_SOURCE)


def _is_paid_back(transaction: dict[str, Any]) -> bool:
    return transaction.get("kind") == "refund" and transaction.get("status") == "success"


def _given_back(refund: dict[str, Any], shop: Shop) -> list[dict[str, Any]]:
    found = []
    for row in rows(refund, "refund_line_items"):
        line = part(row, "line_item")
        fields = {
            "id": first(line.get(shop.item_id), line.get("variant_id"), line.get("product_id")),
            "name": text(line.get("title")),
            "quantity": amount(row.get("quantity")),
            "price": amount(line.get("price")),
        }
        found.append(present(fields))
    return found


def _tax(refund: dict[str, Any]) -> Decimal | None:
    return total(row.get("total_tax") for row in rows(refund, "refund_line_items"))


def _shipping(refund: dict[str, Any]) -> Decimal | None:
    """Shopify writes what goes back as negative amounts."""
    given = [row for row in rows(refund, "order_adjustments") if row.get("kind") == "shipping_refund"]
    return total(abs(found) for row in given if (found := amount(row.get("amount"))) is not None)
