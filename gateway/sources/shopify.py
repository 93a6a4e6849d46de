"""Shopify's webhooks: `POST /webhooks/shopify/{site}`, signed over the raw body with HMAC-SHA256 in base64.

Topics become events as contracts/shopify_webhooks.md, section 4 says; operational and unknown topics are kept and go to
no platform. Where the page gives a choice: `orders/create` and `orders/paid` carry one event id, so both may be
subscribed to; carts tell nobody's name, so they are kept, not compared. Test orders, orders of the point of sale and
renewals of subscriptions are no purchases of the web: the first are kept alone, the others go out as what they are.
Source: "Webhooks", https://shopify.dev/docs/apps/build/webhooks, as contracts/shopify_webhooks.md has it, 2026-11-20.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from actors import event
from actors.secret import Secret
from gateway.sources import shopify_orders as orders
from gateway.sources import shopify_people as people
from gateway.sources.base import Decoded, Draft, Hook, Refused, Verified, WebhookSource, is_signed, nameless, text
from gateway.sources.shopify_privacy import ASKED, wish
from gateway.sources.shopify_shop import ItemId, Shop

SHOP: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
# Mandatory for public apps (section 3), and a customer that the shop itself deleted: kept without the person.
PRIVACY: Final = frozenset(ASKED)
# What the shop does behind the counter (section 4): kept for later use, and no news.
OPERATIONAL: Final = (
    "app/", "carts/", "checkouts/", "collections/", "customer.", "customers/", "discounts/", "draft_orders/",
    "fulfillments/", "inventory_items/", "inventory_levels/", "orders/", "products/", "refunds/", "themes/",
)  # fmt: skip
# Topics whose bodies are about goods. All others may be about a person, under names that nobody can list.
GOODS: Final = ("collections/", "discounts/", "inventory_items/", "inventory_levels/", "products/", "themes/")
HEAD_CHARS: Final = 2_000  # how much is kept of a body that is no JSON

Secrets = Annotated[tuple[Secret, ...], Meta(min_length=1)]


class Shopify(WebhookSource, frozen=True, kw_only=True, tag="shopify"):
    """`secrets`: the app's client secret, the one before it while it is being replaced, and the store's own key of
    Settings > Notifications > Webhooks."""

    shop: str  # example.myshopify.com, never the shop's own domain
    secrets: Secrets
    item_id: ItemId = "variant_id"  # which id the catalogue of the ad platforms uses
    url: str | None = None  # the storefront's origin, as the page that an order was made on
    purchase_topics: tuple[Literal["orders/create", "orders/paid"], ...] = ("orders/create", "orders/paid")

    kind: ClassVar[str] = "shopify"
    source: ClassVar[event.Source] = "shopify_webhook"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not SHOP.fullmatch(self.shop):
            yield "shop", f"{self.shop[:100]!r} is no Shopify domain; give it as 'example.myshopify.com'"
        if self.url is not None and not re.fullmatch(r"https://[^/?#\s]+/?", self.url):
            yield "url", f"{self.url[:100]!r} is no origin; give it as 'https://shop.example.com'"

    def verify(self, hook: Hook) -> Verified | Refused:
        try:
            digest = base64.b64decode(hook.headers.get("x-shopify-hmac-sha256", ""), validate=True)
        except (binascii.Error, ValueError):
            digest = b""
        if not digest or not is_signed(hook.body, digest, [one.reveal() for one in self.secrets]):
            return Refused("the signature is missing, or none of the source's secrets gives it")
        if hook.headers.get("x-shopify-shop-domain", "").lower() != self.shop:
            return Refused("the delivery is of another shop than the source's `shop`")
        return Verified()

    def decode(self, hook: Hook) -> Decoded:
        topic = hook.headers.get("x-shopify-topic", "").strip().lower()
        body = hook.json()
        if not isinstance(body, dict):
            is_goods = topic.startswith(GOODS)
            head = hook.body[: HEAD_CHARS * 4].decode("utf-8", "replace")[:HEAD_CHARS] if is_goods else ""
            return _kept(topic, hook, {"unreadable": head}, "the body is no JSON object")
        if topic in PRIVACY:
            kept = _kept(topic, hook, {}, "")
            return msgspec.structs.replace(kept, wish=wish(topic, body, _own_id(topic, hook)))
        drafts = self._drafts(topic, hook, body)
        is_news = not topic.startswith(OPERATIONAL)
        return (
            Decoded(tuple(drafts)) if drafts else _kept(topic, hook, body, "this topic is unknown" if is_news else "")
        )

    def _drafts(self, topic: str, hook: Hook, body: dict[str, Any]) -> list[Draft]:
        shop = Shop(url=self.url, item_id=self.item_id, triggered_at=text(hook.headers.get("x-shopify-triggered-at")))
        match topic:
            case "orders/create" | "orders/paid" if topic in self.purchase_topics:
                return orders.purchase(shop, body)
            case "orders/cancelled":
                return orders.cancelled(shop, body)
            case "orders/fulfilled":
                return orders.fulfilled(shop, body)
            case "refunds/create":
                return orders.refunded(shop, body)
            case "checkouts/create":
                return people.checkout_started(shop, body)
            case "checkouts/update":
                return people.contact_added(shop, body)
            case "customers/create" | "customers/enable":
                return people.registered(shop, body, _own_id(topic, hook))
            case "customers/email_marketing_consent_update" | "customers/marketing_consent_update":
                return people.subscribed(shop, body, _own_id(topic, hook))
        return []


def _kept(topic: str, hook: Hook, body: dict[str, Any], note: str) -> Decoded:
    """What becomes no canonical event, for later use: of goods the whole body, of all else what names nobody."""
    named = topic if 0 < len(topic) <= 100 and topic.isprintable() else "unknown"
    told = {"payload": body if named.startswith(GOODS) else nameless(body), "topic": named}
    kept = {"event_name": f"shopify {named}", "event_id": _own_id(named, hook), "custom_data": told}
    return Decoded(
        (Draft(event=kept, is_internal=True),), note and f"{named}: {note}; it is kept and goes to no platform"
    )


def _own_id(topic: str, hook: Hook) -> str | None:
    """Of what happened, the same for all deliveries it caused; else of the delivery, the same on its retries
    (section 5). None where neither is a usable id: the gateway makes one."""
    for name in ("x-shopify-event-id", "x-shopify-webhook-id"):
        value = hook.headers.get(name, "").strip()
        if 0 < len(value) <= 64 and value.isprintable():
            return f"{topic}.{value}"[:128]
    return None
