"""Recharge's webhooks: `POST /webhooks/recharge/{site}/{topic}`, the topic as `charge-paid`, signed over time and body.

The body does not name its topic, and no header does so for sure: so each topic has an address of its own. Without one
the header `X-Recharge-Topic` counts, and a charge's own status after it. A first order is the shop's to report; a
renewal is `subscription_renewed`, and one event with the shop's webhook of its order (actors/dedup.py).
Source: "Webhooks", https://docs.getrecharge.com/docs/webhooks-overview, as contracts/recharge_webhooks.md has it,
2026-11-20.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta

from actors import event
from actors.secret import Secret
from gateway.sources import recharge_charges as charges
from gateway.sources import recharge_subscriptions as subscriptions
from gateway.sources.base import (
    Decoded,
    Draft,
    Hook,
    Refused,
    Verified,
    WebhookSource,
    first,
    is_one_of,
    nameless,
    part,
    text,
)

OLDEST_S: Final = 172_800  # the span of its retries (section 2)
RESOURCES: Final = ("charge", "subscription", "order", "customer", "address", "onetime", "checkout")
TOPIC: Final = re.compile(r"[a-z0-9_]{1,40}[/-][a-z0-9_]{1,40}")
STATUS_TOPICS: Final = {
    "success": "charge/paid",
    "error": "charge/failed",
    "refunded": "charge/refunded",
    "partially_refunded": "charge/refunded",
}


class Recharge(WebhookSource, frozen=True, kw_only=True, tag="recharge"):
    """`secrets`: the API client secret of the token that the webhooks were made with; several while it is replaced."""

    secrets: Annotated[tuple[Secret, ...], Meta(min_length=1)]
    refunds: bool = False  # true: report refunds from here; Shopify's own webhook reports those that reach the shop

    kind: ClassVar[str] = "recharge"
    source: ClassVar[event.Source] = "recharge_webhook"
    has_topics: ClassVar[bool] = True

    def verify(self, hook: Hook) -> Verified | Refused:
        signature = hook.headers.get("x-recharge-webhook-signature")
        if signature is None:
            return self._verify_legacy(hook)
        parts = list(_parts(signature))
        stated = next((value for name, value in parts if name == "t"), "")
        if not stated.isascii() or not stated.isdigit() or len(stated) > 15:
            return Refused("X-Recharge-Webhook-Signature has no time; it is t=<seconds>,v1=<hex>")
        if hook.headers.get("x-recharge-webhook-timestamp", stated).strip() != stated:
            return Refused("X-Recharge-Webhook-Timestamp and the time of the signature differ")
        signed = stated.encode() + b"." + hook.body
        wanted = [hmac.new(key.reveal().encode(), signed, hashlib.sha256).hexdigest() for key in self.secrets]
        if not is_one_of([value for name, value in parts if name == "v1"], wanted):
            return Refused("the signature is missing, or none of the source's secrets gives it")
        if abs(hook.received_at_ms // 1000 - int(stated)) > OLDEST_S:
            return Refused("the signature is older than 48 hours, or of a time to come")
        return Verified()

    def _verify_legacy(self, hook: Hook) -> Verified | Refused:
        """A plain hash of key and body, in spite of its name (section 2)."""
        given = hook.headers.get("x-recharge-hmac-sha256", "").strip().lower()
        wanted = [hashlib.sha256(key.reveal().encode() + hook.body).hexdigest() for key in self.secrets]
        if not given or not is_one_of([given], wanted):
            return Refused("the signature is missing, or none of the source's secrets gives it")
        return Verified()

    def decode(self, hook: Hook) -> Decoded:
        body = hook.json()
        name = next((one for one in RESOURCES if part(body, one)), None)
        if name is None:
            return _kept("unknown", {}, "the body has no resource of Recharge's")
        resource = part(body, name)
        topic = _topic(hook, name, resource)
        drafts = self._drafts(topic, resource, part(body, "customer"))
        if drafts:
            return Decoded(tuple(drafts))
        return _kept(topic, resource, _note(topic))

    def _drafts(self, topic: str, resource: dict[str, Any], customer: dict[str, Any]) -> list[Draft]:
        match topic:
            case "charge/paid" | "charge/success":
                return charges.renewed(resource)
            case "charge/failed" | "charge/max_retries_reached":
                return charges.failed(resource, topic)
            case "charge/refunded" if self.refunds:
                return charges.refunded(resource)
            case "subscription/created":
                return subscriptions.started(resource, customer)
            case "subscription/activated":
                return subscriptions.activated(resource, customer)
            case "subscription/cancelled":
                return subscriptions.cancelled(resource, customer)
        return []


def _parts(signature: str) -> Iterator[tuple[str, str]]:
    """By name, not by place: other versions may be added."""
    for pair in signature.split(",")[:20]:
        name, _, value = pair.strip().partition("=")
        yield name, value.strip().lower()


def _topic(hook: Hook, name: str, resource: dict[str, Any]) -> str:
    """Of the address, else of the header, else what the resource's own status says."""
    for said in (hook.topic, hook.headers.get("x-recharge-topic", "")):
        if TOPIC.fullmatch(said.strip().lower()):
            return said.strip().lower().replace("-", "/", 1)
    status = str(resource.get("status")).lower()
    if name == "charge":
        return STATUS_TOPICS.get(status, "charge")
    return "subscription/cancelled" if (name, status) == ("subscription", "cancelled") else name


def _note(topic: str) -> str:
    if "/" not in topic:
        return f"{topic}: the delivery names no topic; give each topic an address of its own, as …/charge-paid"
    return "" if topic.partition("/")[0] in RESOURCES else f"{topic}: this topic is unknown"


def _kept(topic: str, resource: dict[str, Any], note: str) -> Decoded:
    """What becomes no canonical event: what of it names nobody, once for each state of its resource."""
    state = first(resource.get("updated_at"), resource.get("status"))
    own_id = f"{topic}.{resource_id}.{state}"[:128] if (resource_id := text(resource.get("id"))) and state else None
    kept = {
        "event_name": f"recharge {topic}",
        "event_id": own_id,
        "custom_data": {"payload": nameless(resource), "topic": topic},
    }
    return Decoded((Draft(event=kept, is_internal=True),), note and f"{note}; it is kept and goes to no platform")
