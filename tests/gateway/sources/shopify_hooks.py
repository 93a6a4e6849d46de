"""Shopify's deliveries as the tests make them: signed with the page's worked key (contracts/shopify_webhooks.md)."""

import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import httpx

from tests.support.running import Running

SHOP = "example.myshopify.com"
SECRET = "example-client-secret"
PREVIOUS = "example-previous-secret"
SOURCE = f"""
[[sites.sources]]
id = "shopify"
type = "shopify"
shop = "{SHOP}"
secrets = ["{SECRET}", "{PREVIOUS}"]
url = "https://shop.example.com/"
"""
PATH = "/webhooks/shopify/shop"


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(topic: str, body: bytes, **given: str) -> dict[str, str]:
    """As Shopify sends them; `given` replaces some, named with `_` for `-`."""
    usual = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": signature(body),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-api-version": "2026-10",
        "x-shopify-webhook-id": str(uuid4()),
        "x-shopify-event-id": str(uuid4()),
        "x-shopify-triggered-at": "2026-11-20T10:00:01.123456789Z",
    }
    return usual | {name.replace("_", "-"): value for name, value in given.items()}


def deliver(gateway: Running, topic: str, resource: Any, *, path: str = PATH, **given: str) -> httpx.Response:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return httpx.post(
        gateway.url + path, content=body, headers=headers(topic, body, **given), trust_env=False, timeout=10
    )
