"""Criteo server-to-server events (S2S v0): POST /m/event?version=s2s_v0; one visitor's one event a request.

Source: "Server-to-server events", guides.criteotilt.com/onetag/s2s, read 2026-11-20; contracts/criteo.md. Criteo has no
token: account and caller id travel in the body, and a 2xx says nothing about the content. Where the page leaves a
doubt, the safe way:

- S2S v0 is sent although S2S v2 is newer: v2 has no body of its own, Criteo maps each sender's fields, and its cookie
  has no canonical field.
- An event needs Criteo's own visitor id (`criteo_id`) or an email; whether one of them suffices is told both ways.
- A basket, cart or sale takes only items with id and price, as Criteo asks; other events take the ids.
- A sale without `order_id` takes its `event_id`, so that a repeat is the same sale.
- Custom events are not sent: which names Criteo takes was not found.
- Redirects are not followed, for a body must not go where nobody pointed it: one to another region of Criteo's pauses
  the destination and names the `base_url` to set, nothing is lost meanwhile.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from actors.destinations import carried
from actors.destinations.ads_shared import count_of, opaque
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
    Verdict,
    all_of,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
    unforeseen,
)
from actors.destinations.minimise import ip_address, is_personal, page_url
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.event import Event, Item, UserData
from actors.wire import rfc3339

PATH = "/m/event"
QUERY = "?version=s2s_v0"
LABEL = "gateway_1.0"  # `version`: a free label of the integration
HOSTS = ".criteo.com"

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "viewPage", "collection_viewed": "viewList", "product_viewed": "viewItem",
    "search_performed": "viewList", "product_customized": None, "promotion_clicked": None,
    "wishlist_item_added": None, "cart_viewed": "viewBasket", "cart_item_added": "addToCart",
    "cart_item_removed": None,
    "checkout_started": "beginCheckout", "contact_info_added": None, "shipping_info_added": None,
    "payment_info_added": "addPaymentInfo",
    "purchase_placed": "trackTransaction", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": None, "subscription_renewed": None, "subscription_cancelled": None, "trial_started": None,
    "lead_submitted": None, "contact_requested": None, "registration_completed": None, "login_completed": "login",
    "newsletter_subscribed": None, "appointment_scheduled": None, "application_submitted": None,
    "donation_made": None, "store_located": None, "message_clicked": None,
}
IDENTIFIERS: carried.Keys = {
    "email": carried.EMAIL, "mapped_user_id": carried.BROWSER_ID, "ip": carried.IP, "useragent": carried.USER_AGENT,
}
# fmt: on
LISTED = frozenset({"viewList", "viewItem"})  # items by id
PRICED = frozenset({"viewBasket", "addToCart", "beginCheckout", "addPaymentInfo", "trackTransaction"})
SALE = "trackTransaction"

_DIGITS = re.compile(r"[0-9]{1,19}")
_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


class Criteo(Destination, frozen=True, kw_only=True, tag="criteo"):
    partner_id: str  # the account: digits
    caller_id: str  # `mapping_key`: digits, issued by Criteo
    site_type: Literal["d", "t", "m"] = "d"  # desktop, tablet, mobile; d where one site serves all
    country: str | None = None  # of the site: two letters
    language: str | None = None  # of the site: two letters
    page_view_property: str = "criteo_page_view_id"  # custom property that holds OneTag's page view id

    platform: ClassVar[str] = "criteo"
    limits: ClassVar[Limits] = Limits(events=1, body_bytes=1_000_000)  # bytes and age: not documented
    names: ClassVar[Mapping[str, str | None]] = NAMES
    without_sale: ClassVar[bool] = False  # contracts/consent.md, section 3
    takes_custom: ClassVar[bool] = False
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    browser_ids: ClassVar[tuple[str, ...]] = ("criteo_id",)
    default_base_url: ClassVar[str] = "https://widget.criteo.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        for name in ("partner_id", "caller_id"):
            if not _DIGITS.fullmatch(value := getattr(self, name)):
                yield name, f"{value!r} is not made of digits; give it as Criteo issued it"
        for name in ("country", "language"):
            if (value := getattr(self, name)) is not None and not _TWO_LETTERS.fullmatch(value):
                yield name, f"{value!r} is no code of two letters; give one, or leave it out"

    def in_test_mode(self) -> NoTestMode:
        return NoTestMode("Criteo has no test mode that is known")

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name)
        if name is None:
            return Drop("Criteo has no event for this name")
        identity = _identity(event.user_data)
        if not identity:
            return Drop("no identifier that Criteo knows: give criteo_id (cookie crto_mapped_user_id) or an email")
        message = self._message(event, name, identity)
        body = encode_json(message)
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; a request holds {self.limits.body_bytes}")
        return Payload(body, carries=carried.carried(identity.keys() | message.keys(), IDENTIFIERS))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        [payload] = payloads
        return post_json(self.api_url(PATH + QUERY), payload.body)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        verdict = _verdict(response)
        if isinstance(verdict, Delivered):
            return all_of(verdict, payloads)
        return conceal_all(all_of(verdict, payloads), [], [_person(payload) for payload in payloads])

    def _message(self, event: Event, name: str, identity: dict[str, Any]) -> dict[str, Any]:
        user = event.user_data
        return drop_absent(
            version=LABEL,
            account=self.partner_id,
            site_type=self.site_type,
            country=self.country.upper() if self.country else None,
            language=self.language.lower() if self.language else None,
            ip=ip_address(user.client_ip),
            useragent=user.client_user_agent,
            full_url=page_url(event.page.url, "criteo"),
            previous_url=page_url(event.page.referrer, "criteo"),
            retailer_visitor_id=user.anonymous_id,
            id={"mapping_key": self.caller_id, **identity},
            events=[_site_event(event, name, self.page_view_property)],
        )


def _identity(user: UserData) -> dict[str, Any]:
    """Criteo's own id and the email in its three digests; one that arrived hashed has only the first."""
    email = user.email
    return drop_absent(
        mapped_user_id=opaque(user.criteo_id),
        email=drop_absent(md5=email.md5, sha256=email.sha256, sha256_md5=email.sha256_md5) if email else None,
    )


def _site_event(event: Event, name: str, page_view_property: str) -> dict[str, Any]:
    return drop_absent(
        event=name,
        timestamp=rfc3339(happened_at_ms(event)),
        id=(event.custom_data.order_id or event.event_id) if name == SALE else None,
        item=_items(event, name),
        deduplication_page_view_id=_page_view(event, page_view_property),
    )


def _items(event: Event, name: str) -> list[dict[str, Any]]:
    data = event.custom_data
    if name in PRICED:
        return [_priced(item) for item in data.items if item.id and item.price is not None]
    if name in LISTED:
        return [{"id": item.id} for item in data.items if item.id] or [{"id": one} for one in data.product_ids if one]
    return []


def _priced(item: Item) -> dict[str, Any]:
    return {"id": item.id, "price": item.price, "quantity": count_of(item)}


def _page_view(event: Event, name: str) -> str | None:
    """What OneTag sent the same page view under: Criteo drops the copy (section 8)."""
    value = event.custom_data.properties.get(name)
    return value if isinstance(value, str) and not is_personal(name, value) else None


def _verdict(response: Response) -> Verdict:
    """Section 9. What a 4xx means is not documented: the page has it dropped."""
    status = response.status
    words = f"answer {status}: {response.words()}"
    if 200 <= status < 300:
        return Delivered()
    if 300 <= status < 400:
        region = _region(response)
        return Pause(f"answer {status}: Criteo has another region for this: {region}") if region else Retry(words)
    if status == 429:
        return Retry(words, after_s=retry_after_s(response), is_throttle=True)
    if status >= 500 or status == 408:
        return Retry(words, after_s=retry_after_s(response))
    return Drop(words) if 400 <= status < 500 else unforeseen(response)


def _region(response: Response) -> str | None:
    """The setting that a redirect within Criteo asks for; None where it leads elsewhere: a proxy's, or an attack."""
    try:
        parts = urlsplit(response.headers.get("location", ""))
        host, path = parts.hostname or "", parts.path
    except ValueError:
        return None
    if parts.scheme != "https" or not host.endswith(HOSTS) or not path.endswith(PATH):
        return None
    return f'set base_url = "https://{host}{path.removesuffix(PATH)}"'


def _person(payload: Payload) -> Payload:
    """What of the event is a person's, where words are searched for it."""
    fields = msgspec.json.decode(payload.body)
    names = ("ip", "useragent", "retailer_visitor_id")
    identity = [value for name, value in fields["id"].items() if name != "mapping_key"]
    return Payload(encode_json({"user_data": [*(fields.get(name) for name in names), *identity]}))
