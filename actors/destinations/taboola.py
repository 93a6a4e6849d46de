"""Taboola conversions by click id: POST /{account}/log/3/bulk-s2s-action, up to 1,000; or one GET postback each.

Source: "Bulk submit S2S conversions", "The postback URL" and "Postback URL error codes", developers.taboola.com, read
2026-11-20; contracts/taboola.md. The way is the setting `via`: `bulk` (carries the event's own time, the default) or
`postback` (checks the click id, counts the moment of receipt). An event counts only where a conversion rule of its
name exists in Realize; no answer says so. Where the page leaves a doubt, the safe way:

- Revenue and currency go together, and only in a currency that Taboola takes: alone, the amount would count in the
  account's own currency.
- A refused bulk request is split: what one bad action does to the others is not documented.
- Nothing deduplicates: a delivery that is repeated after a timeout or a crash may count twice.

An event with `sale_of_data` denied is not sent: Taboola has no limited mode (contracts/consent.md, section 3).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Literal
from urllib.parse import quote

import msgspec
from msgspec import field

from actors.destinations import carried
from actors.destinations.base import (
    Attempt,
    Delivered,
    Destination,
    Drop,
    Limits,
    NoTestMode,
    Pause,
    Payload,
    Request,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
    unforeseen,
)
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.event import CustomData, Event

# fmt: off
# Defaults for the Event Name of a conversion rule; None where there is no usual one (section 5).
NAMES: Mapping[str, str | None] = {
    "page_viewed": "page_view", "collection_viewed": "view_content", "product_viewed": "view_content",
    "search_performed": "search", "product_customized": None, "promotion_clicked": None,
    "wishlist_item_added": "add_to_wishlist", "cart_viewed": None, "cart_item_added": "add_to_cart",
    "cart_item_removed": None,
    "checkout_started": "start_checkout", "contact_info_added": None, "shipping_info_added": None,
    "payment_info_added": "add_payment_info",
    "purchase_placed": "make_purchase", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": None, "subscription_renewed": None, "subscription_cancelled": None, "trial_started": None,
    "lead_submitted": "lead", "contact_requested": None, "registration_completed": "complete_registration",
    "login_completed": None, "newsletter_subscribed": None, "appointment_scheduled": None,
    "application_submitted": None, "donation_made": None, "store_located": None,
    "message_clicked": None,
}
CURRENCIES = frozenset({
    "AUD", "BRL", "CAD", "CNY", "EUR", "GBP", "HKD", "ILS", "INR", "JPY", "KRW", "MXN", "NZD", "RUB", "SGD", "THB",
    "TRY", "USD", "ZAR",
})
# fmt: on
REFUSED = frozenset({400, 413, 422})
POSTBACK_CHARS = 8_000  # of the address; the page names no bound, servers commonly take 8 KiB

_ACCOUNT = re.compile(r"\d{1,12}")
_VERSION = re.compile(r"\d{1,3}")
_CLICK_ID = re.compile(r"[A-Za-z0-9_.~=-]{1,1000}")


class Taboola(Destination, frozen=True, kw_only=True, tag="taboola"):
    account_id: str | None = None  # the numeric one; `postback` needs none
    via: Literal["bulk", "postback"] = "bulk"  # many conversions a request, or one a postback
    conversions: dict[str, str] = field(default_factory=dict)  # event name -> Event Name of the rule, letter for letter
    api_version: str = "3"  # of the API's address

    platform: ClassVar[str] = "taboola"
    limits: ClassVar[Limits] = Limits(events=1_000, body_bytes=1_000_000)
    names: ClassVar[Mapping[str, str | None]] = NAMES
    without_sale: ClassVar[bool] = False
    takes_custom: ClassVar[bool] = False  # unless a rule is named for it in `conversions`
    match_on: ClassVar[int] = carried.CLICK_ID
    click_ids: ClassVar[tuple[str, ...]] = ("tblci",)
    default_base_url: ClassVar[str] = "https://trc.taboola.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.via == "bulk" and self.account_id is None:
            yield "account_id", "is missing; give the account's number, or via = 'postback'"
        if self.account_id is not None and not _ACCOUNT.fullmatch(self.account_id):
            yield "account_id", f"{self.account_id!r} is no account number; give its digits, not the account's name"
        if not _VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version; give a number such as '3'"
        for name, rule in self.conversions.items():
            if not rule.strip() or not rule.isprintable():
                yield f"conversions.{name}", "is empty; give the Event Name of the rule, not its Conversion Name"

    def takes(self, event_name: str) -> bool:
        if self.events is not None and event_name not in self.events and "*" not in self.events:
            return False
        return self._rule(event_name) is not None

    def platform_name(self, event_name: str) -> str:
        return self._rule(event_name) or event_name

    def _rule(self, event_name: str) -> str | None:
        return self.conversions.get(event_name) or NAMES.get(event_name)

    def in_test_mode(self) -> NoTestMode:
        return NoTestMode("Taboola has no test mode that is known")

    def encode(self, event: Event) -> Payload | Drop:
        if (purpose := self.denied(event)) is not None:
            return Drop(f"{purpose} consent is denied")
        name = self._rule(event.event_name)
        if name is None:
            return Drop("no conversion rule is named for this event: give its Event Name in conversions")
        click_id = event.user_data.tblci
        if not click_id or not _CLICK_ID.fullmatch(click_id):
            return Drop("no tblci: Taboola counts conversions by its click id only")
        action = {
            "click-id": click_id,
            "timestamp": happened_at_ms(event),
            "name": name,
            **_business(event.custom_data),
        }
        body = encode_json(action)
        if len(body) > self.limits.body_bytes:
            return Drop(f"action of {len(body)} bytes; at most {self.limits.body_bytes} are sent in a request")
        if self.via == "bulk":
            return Payload(body, carries=carried.CLICK_ID)
        alone = Payload(body, encode_json([event.event_name, event.event_id]), carried.CLICK_ID)
        if (chars := len(_query(alone))) > POSTBACK_CHARS:
            return Drop(f"address of {chars} characters; a postback is sent with at most {POSTBACK_CHARS}")
        return alone

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        """A postback holds one action: the envelope of its payload is the event's own."""
        if self.via == "postback":
            path = f"/actions-handler/log/{self.api_version}/s2s-action?{_query(payloads[0])}"
            return Request(url=self.api_url(path), method="GET")
        body = b'{"actions":[' + b",".join(payload.body for payload in payloads) + b"]}"
        return post_json(self.api_url(f"/{self.account_id}/log/{self.api_version}/bulk-s2s-action"), body)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        verdict = _verdict(response, len(payloads))
        if isinstance(verdict, Delivered):
            return all_of(verdict, payloads)
        people = [Payload(encode_json({"user_data": [_fields(payload)["click-id"]]})) for payload in payloads]
        return conceal_all(all_of(verdict, payloads), [], people)


def _business(data: CustomData) -> dict[str, object]:
    currency = (data.currency or "").upper()
    is_money = data.value is not None and currency in CURRENCIES
    return drop_absent(
        revenue=data.value if is_money else None,
        currency=currency if is_money else None,
        quantity=_quantity(data),
        orderid=data.order_id,
    )


def _quantity(data: CustomData) -> int | None:
    if data.num_items is not None or not data.items:
        return data.num_items
    return sum(1 if item.quantity is None else item.quantity for item in data.items)


def _fields(payload: Payload) -> dict[str, str]:
    """The action with its numbers as they are written."""
    raw = msgspec.json.decode(payload.body, type=dict[str, msgspec.Raw])
    return {
        name: msgspec.json.decode(value) if bytes(value).startswith(b'"') else bytes(value).decode()
        for name, value in raw.items()
    }


def _query(payload: Payload) -> str:
    """The postback's parameters in the order of the page; it has no time."""
    fields = _fields(payload)
    if "revenue" in fields:
        fields["revenue"] = f"{Decimal(fields['revenue']):f}"  # never with an exponent
    names = ("click-id", "name", "revenue", "currency", "orderid", "quantity")
    return "&".join(f"{name}={quote(fields[name], safe='')}" for name in names if name in fields)


def _verdict(response: Response, sent: int) -> Verdict:
    """Section 9. A yes says that it came in, not that a rule matched."""
    words = f"answer {response.status}: {response.words()}"
    if 200 <= response.status < 300:
        return Delivered()
    if response.status == 404:  # path or account
        return Pause(words)
    if response.status in REFUSED:
        return Split(words) if sent > 1 else Drop(words)
    if response.status == 429 or response.status >= 500:
        return Retry(words, after_s=retry_after_s(response), is_throttle=response.status == 429)
    return unforeseen(response)
