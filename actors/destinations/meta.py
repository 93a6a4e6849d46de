"""Meta Conversions API: POST /{version}/{pixel_id}/events; at most 1,000 events a request, none older than 7 days.

Source: "Conversions API", parameters and "Using the API", developers.facebook.com, read 2026-11-20; contracts/meta.md.
A request is taken whole or not at all, so one bad event refuses its neighbours: what Meta would refuse for certain is
dropped here, and a refused batch is split. Where the page leaves a doubt, the safe way:

- A `website` event that lacks `page.url` or `client_user_agent`, which Meta requires of it, goes out as `other`: an
  order that only a server reported is still counted, and nothing about a browser is made up.
- An `app` event goes out as `other` too: with `app` Meta requires `app_data` of the device, which no event here has.
- `event_time` is never later than the event's arrival: Meta is believed to refuse the future.
- Events of a physical store (62 days) never share a request with others (7 days).
- `lead_id` is not sent: only ids of Meta's own Lead Ads are allowed there, and the canonical event cannot tell.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from actors.destinations import carried
from actors.destinations import meta_places as places
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CredentialCheck,
    Destination,
    Drop,
    InTestMode,
    Limits,
    NoTestMode,
    Payload,
    Request,
    Response,
    Verdict,
    all_of,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
    sha256,
)
from actors.destinations.credential_checks import SAMPLE, TOO_OLD_S, by_refusal, sample_event, sample_request
from actors.destinations.meta_answers import usage_quota, verdict_of
from actors.destinations.minimise import ip_address, leaving_properties, page_url
from actors.event import CustomData, Digest, EmailDigests, Event, Item, NameDigests, UserData
from actors.rates import Quota
from actors.secret import Secret

CUSTOM_NAME_CHARS = 50  # "Custom events", Meta Pixel documentation, from memory (contracts/meta.md, section 12)
STORE_AGE_S = 62 * DAY_S
STORE_ENVELOPE = b'"physical_store"'

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "PageView", "collection_viewed": "ViewContent", "product_viewed": "ViewContent",
    "search_performed": "Search", "product_customized": "CustomizeProduct", "promotion_clicked": "promotion_clicked",
    "wishlist_item_added": "AddToWishlist", "cart_viewed": "cart_viewed", "cart_item_added": "AddToCart",
    "cart_item_removed": "cart_item_removed",
    "checkout_started": "InitiateCheckout", "contact_info_added": "contact_info_added",
    "shipping_info_added": "shipping_info_added", "payment_info_added": "AddPaymentInfo",
    "purchase_placed": "Purchase", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "Subscribe", "subscription_renewed": "subscription_renewed",
    "subscription_cancelled": "subscription_cancelled", "trial_started": "StartTrial",
    "lead_submitted": "Lead", "contact_requested": "Contact", "registration_completed": "CompleteRegistration",
    "login_completed": "login_completed", "newsletter_subscribed": "Lead", "appointment_scheduled": "Schedule",
    "application_submitted": "SubmitApplication", "donation_made": "Donate", "store_located": "FindLocation",
    "message_clicked": "message_clicked",
}
# fmt: on
SEGMENTS: Mapping[str, str] = {"new": "new_customer_to_business", "returning": "existing_customer_to_business"}
CONTENT_TYPES = frozenset({"product", "product_group"})
DELIVERY_CATEGORIES = frozenset({"in_store", "curbside", "home_delivery"})

# Any part of one of these is too weak alone and refused since v13.0 (section 4; "Best practices").
WEAK_SETS = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)
# Names of custom_data with a meaning of Meta's: a custom property never stands in for them, save those listed next.
# fmt: off
OWN_FIELDS = frozenset({
    "value", "currency", "content_ids", "contents", "content_type", "content_name", "content_category", "num_items",
    "order_id", "search_string",
})
IDENTIFIERS: carried.Keys = {
    "em": carried.EMAIL, "ph": carried.PHONE, "external_id": carried.EXTERNAL_ID,
    "fbc": carried.CLICK_ID, "fbp": carried.BROWSER_ID,
    "client_ip_address": carried.IP, "client_user_agent": carried.USER_AGENT,
    "fn": carried.FIRST_NAME, "ln": carried.LAST_NAME,
    "ct": carried.CITY, "zp": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on
NUMBERS = frozenset({"predicted_ltv", "net_revenue"})

NO_GENDER = sha256("n")  # Meta knows f and m only (section 6)

# contracts/click_ids.md, section 3: four parts, or five with the suffix of Meta's parameter builder.
_FBP = re.compile(r"fb\.\d\.\d{13}\.\d+(\.[A-Za-z0-9]{2,8})?", re.ASCII)
_FBC = re.compile(r"fb\.\d\.\d{13}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9]{2,8})?", re.ASCII)
_API_VERSION = re.compile(r"v\d{1,3}\.\d")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


class Meta(Destination, frozen=True, kw_only=True, tag="meta"):
    pixel_id: str  # the dataset's number, from Events Manager
    access_token: Secret  # from Events Manager, for that dataset
    test_event_code: str | None = None  # events also show in Events Manager under Test Events; they count as others do
    api_version: str = "v26.0"  # of the Graph API

    platform: ClassVar[str] = "meta"
    limits: ClassVar[Limits] = Limits(events=1_000, body_bytes=1_000_000, age_s=7 * DAY_S)
    dedup_window_s: ClassVar[int | None] = 2 * DAY_S
    names: ClassVar[Mapping[str, str | None]] = NAMES
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("fbc",)
    browser_ids: ClassVar[tuple[str, ...]] = ("fbp",)
    default_base_url: ClassVar[str] = "https://graph.facebook.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not (self.pixel_id.isascii() and self.pixel_id.isdigit()):
            yield "pixel_id", f"{self.pixel_id!r} is no pixel id; give its digits, from Events Manager"
        if not self.access_token or not self.access_token.reveal().isprintable() or " " in self.access_token.reveal():
            yield "access_token", "is empty or holds spaces; give the token as Events Manager shows it"
        if not _API_VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version of the Graph API; give one such as 'v26.0'"

    def max_age_s(self, event: Event) -> int | None:
        return STORE_AGE_S if event.action_source == "physical_store" else self.limits.age_s

    def in_test_mode(self) -> InTestMode | NoTestMode:
        if not self.test_event_code:
            return NoTestMode("Meta needs test_event_code to be set, from Events Manager, Test Events")
        return InTestMode(
            self,
            "the event shows under Test Events; Meta processes it as it does others",
            may_count=True,
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event too old for Meta (100/2804003), once it has looked at token and dataset."""
        return sample_request(self, sample_event(attempt, "page_viewed", age_s=TOO_OLD_S), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        return by_refusal(verdict_of(response, [SAMPLE], self.access_token))

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name, event.event_name)
        if name is None:
            return Drop(f"Meta has no event for {event.event_name}")
        if len(name) > CUSTOM_NAME_CHARS:
            return Drop(f"event name longer than Meta's {CUSTOM_NAME_CHARS} characters")
        user_data = _user_data(event)
        if any(user_data.keys() <= weak for weak in WEAK_SETS):
            return Drop("no identifier that Meta can match: give an email, phone, external_id, fbp, fbc or the like")
        custom_data = _custom_data(event)
        if name == "Purchase" and "value" not in custom_data:
            return Drop("purchase without value and currency: Meta refuses it (100/2804009)")
        body = encode_json(_server_event(event, name, user_data, custom_data))
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; Meta takes {self.limits.body_bytes} a request")
        envelope = STORE_ENVELOPE if event.action_source == "physical_store" else b""
        carries = carried.of_customer(carried.carried(user_data, IDENTIFIERS), event.user_data)
        return Payload(body, envelope, carries)

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        token = quote(self.access_token.reveal(), safe="")
        body = b'{"data":[' + b",".join(payload.body for payload in payloads) + b"]"
        if self.test_event_code:
            body += b',"test_event_code":' + encode_json(self.test_event_code)
        url = self.api_url(f"/{self.api_version}/{self.pixel_id}/events?access_token={token}")
        return post_json(url, body + b"}")

    def heed(self, response: Response, now_ms: int) -> Quota:
        return usage_quota(response, now_ms)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        return all_of(verdict_of(response, payloads, self.access_token), payloads)


def _server_event(event: Event, name: str, user_data: dict[str, Any], custom_data: dict[str, Any]) -> dict[str, Any]:
    url = page_url(event.page.url, "meta")
    is_url = url is not None and url.startswith(("http://", "https://"))
    is_whole = event.action_source != "app" and (
        event.action_source != "website" or (is_url and "client_user_agent" in user_data)
    )
    return drop_absent(
        event_name=name,
        event_time=happened_at_ms(event) // 1000,
        event_id=event.event_id,
        action_source=event.action_source if is_whole else "other",
        event_source_url=url if is_url else None,
        referrer_url=page_url(event.page.referrer, "meta"),
        customer_segmentation=SEGMENTS.get(event.custom_data.customer_type or ""),
        **_limited_data_use(event),
        user_data=user_data,
        custom_data=custom_data,
    )


def _limited_data_use(event: Event) -> dict[str, Any]:
    """Country 0 and state 0: Meta finds the place from the address. The two go together (section 7)."""
    if event.consent.sale_of_data != "denied":
        return {}
    return {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": 0,
        "data_processing_options_state": 0,
    }


def _user_data(event: Event) -> dict[str, Any]:
    user = event.user_data
    return drop_absent(
        em=_hashes(user.email),
        ph=_phone(user),
        fn=_hashes(user.first_name),
        ln=_hashes(user.last_name),
        ct=places.city(user.city),
        st=places.region(user.region, user.country),
        zp=places.postal_code(user.postal_code, user.country),
        country=places.country(user.country),
        db=_hashes(user.date_of_birth),
        ge=[] if user.gender and user.gender.sha256 == NO_GENDER else _hashes(user.gender),
        external_id=places.external_id(user.external_id) + places.external_id(user.anonymous_id),
        client_ip_address=ip_address(user.client_ip),
        client_user_agent=user.client_user_agent,
        fbp=user.fbp if user.fbp and _FBP.fullmatch(user.fbp) else None,
        fbc=user.fbc if user.fbc and _FBC.fullmatch(user.fbc) else None,
        subscription_id=event.custom_data.subscription_id,
    )


def _hashes(digests: EmailDigests | NameDigests | Digest | None) -> list[str]:
    if digests is None:
        return []
    return [f"{digests.sha256}.{digests.suffix}" if digests.suffix else digests.sha256]


def _phone(user: UserData) -> list[str]:
    """Meta hashes the digits without `+`; a value that arrived hashed has only the form it came in."""
    if user.phone is None:
        return []
    if user.phone.digits:
        return [user.phone.digits]
    return [f"{user.phone.sha256}.{user.phone.suffix}" if user.phone.suffix else user.phone.sha256]


def _custom_data(event: Event) -> dict[str, Any]:
    data = event.custom_data
    content_ids = list(data.product_ids) or [item.id for item in data.items if item.id]
    fields = drop_absent(
        **_money(data),
        order_id=data.order_id,
        content_type=_content_type(event) if content_ids else None,
        content_ids=content_ids,
        contents=[_content(item) for item in data.items if item.id],
        content_name=data.content_name,
        content_category=data.content_category,
        num_items=_num_items(data),
        search_string=data.search_term,
        shipping=data.shipping,
        tax=data.tax,
        discount=data.discount,
        coupon=data.coupon,
    )
    for name, value in leaving_properties(data.properties):
        if name not in OWN_FIELDS and _fits(name, value):
            fields.setdefault(name, value)
    return fields


def _money(data: CustomData) -> dict[str, Decimal | str]:
    """Value and currency go together: Meta refuses a value without one."""
    if data.value is None or not data.currency or not _CURRENCY.fullmatch(data.currency):
        return {}
    return {"value": data.value, "currency": data.currency}


def _content_type(event: Event) -> str:
    stated = event.custom_data.properties.get("content_type")
    if isinstance(stated, str) and stated in CONTENT_TYPES:
        return stated
    return "product_group" if event.event_name == "collection_viewed" else "product"


def _content(item: Item) -> dict[str, Any]:
    return drop_absent(
        id=item.id,
        quantity=1 if item.quantity is None else item.quantity,
        item_price=item.price,
        title=item.name,
        brand=item.brand,
        category=item.category,
    )


def _num_items(data: CustomData) -> int | None:
    if data.num_items is not None or not data.items:
        return data.num_items
    return sum(1 if item.quantity is None else item.quantity for item in data.items)


def _fits(name: str, value: object) -> bool:
    """Whether a custom property is of the type that Meta's page gives for its name: a scalar or an array of such."""
    if name in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "delivery_category":
        return value in DELIVERY_CATEGORIES if isinstance(value, str) else False
    if name == "status":
        return isinstance(value, str | bool)
    if isinstance(value, list):
        return not any(isinstance(entry, dict | list) for entry in value)
    return not isinstance(value, dict)
