"""What is to be done at a sender so that its webhooks come: the exact steps, as text for people."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

GATEWAY: Final = "https://<your gateway>"
SHOPIFY_TOPICS: Final = (
    "Order creation", "Order payment", "Order cancellation", "Order fulfillment", "Refund create", "Checkout creation",
    "Checkout update", "Customer creation", "Customer enable",
)  # fmt: skip
RECHARGE_TOPICS: Final = ("charge/paid", "charge/failed", "subscription/created", "subscription/cancelled")


def _shopify(url: str) -> str:
    topics = "\n".join(f"     {topic}" for topic in SHOPIFY_TOPICS)
    return f"""In the shop's admin:
  1. Settings > Notifications > Webhooks > Create webhook, once for each of
{topics}
     Format: JSON. URL: {url}
     Webhook API version: the newest that is stable.
  2. The page then says "Your webhooks will be signed with …": that key must be among the secrets given here. Webhooks
     that an app made are signed with the app's client secret instead.
  3. "Send test notification" beside a webhook sends the first delivery; --wait, or gateway stream, shows it."""


def _recharge(url: str) -> str:
    topics = "\n".join(f"     {topic:<24} {url}/{topic.replace('/', '-')}" for topic in RECHARGE_TOPICS)
    return f"""With an API token of Recharge's (Apps > API tokens; scopes of orders, subscriptions, customers):
  1. POST https://api.rechargeapps.com/webhooks with headers X-Recharge-Access-Token and X-Recharge-Version: 2021-11,
     once for each topic, with its own address and "included_objects": ["customer"]:
{topics}
  2. The secret given here is the token's API client secret, not the token itself.
  3. POST https://api.rechargeapps.com/webhooks/<id>/test sends a test delivery."""


def _klaviyo(url: str) -> str:
    return f"""In Klaviyo, one of the two:
  - Webhooks API (Advanced KDP, or an app): endpoint {url}, topics event:klaviyo.clicked_email and
    event:klaviyo.clicked_sms, the secret key given here with --secret.
  - In a flow: action "Webhook", URL {url}, header Authorization: Bearer <the token given here>, and the body that
    docs/sources/klaviyo.md proposes. "Preview webhook" there sends the first delivery."""


STEPS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"shopify": _shopify, "recharge": _recharge, "klaviyo": _klaviyo}
)
