"""Reddit Conversions API v3: POST /api/v3/pixels/{pixel_id}/conversion_events; at most 1,000 events, 7 days old.

Source: OpenAPI document of Reddit's Ads API, version 3, and the help pages on conversions, read 2026-11-20;
contracts/reddit.md. Reddit wants a user agent that says who asks, `{platform}:{app id}:{version} (by /u/{user})`: with
`reddit_user` it is that, without it the gateway's own, `events-gateway/…`. Where the page leaves a doubt, the safe way:

- A request is believed to be taken whole or not at all: what Reddit would refuse for certain is dropped here, and a
  refused batch is split. Repeats are harmless, since `conversion_id` stops them.
- An event needs one of click id, uuid, email, external id or phone: address and user agent alone suffice only together
  with the screen's size, which a server does not know.
- Amounts go only with the events that take them by the page's account of the help centre.
- `data.partner` is not sent: it is not in the request model.
- `event_at` is never later than the event's arrival: more than 5 minutes ahead is believed to be refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from actors.destinations import carried
from actors.destinations.ads_shared import country_code, currency, num_items, opaque
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
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
    sha256,
)
from actors.destinations.credential_checks import SAMPLE, TOO_OLD_S, by_refusal, sample_event, sample_request
from actors.destinations.meta_places import US_STATES
from actors.destinations.minimise import ip_address, page_url
from actors.destinations.reddit_answers import verdicts_of
from actors.event import CustomData, Event, Item, UserData
from actors.rates import Rate
from actors.secret import Secret

CUSTOM_NAME_CHARS = 64
ORDER_ID_CHARS = 100
MATCH_KEYS = frozenset({"email", "phone_number", "external_id", "uuid"})

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "PAGE_VISIT", "collection_viewed": "VIEW_CONTENT", "product_viewed": "VIEW_CONTENT",
    "search_performed": "SEARCH", "product_customized": "product_customized", "promotion_clicked": "promotion_clicked",
    "wishlist_item_added": "ADD_TO_WISHLIST", "cart_viewed": "cart_viewed", "cart_item_added": "ADD_TO_CART",
    "cart_item_removed": "cart_item_removed",
    "checkout_started": "checkout_started", "contact_info_added": "contact_info_added",
    "shipping_info_added": "shipping_info_added", "payment_info_added": "payment_info_added",
    "purchase_placed": "PURCHASE", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "subscription_started", "subscription_renewed": "subscription_renewed",
    "subscription_cancelled": "subscription_cancelled", "trial_started": "trial_started",
    "lead_submitted": "LEAD", "contact_requested": "LEAD", "registration_completed": "SIGN_UP",
    "login_completed": "login_completed", "newsletter_subscribed": "LEAD",
    "appointment_scheduled": "appointment_scheduled", "application_submitted": "LEAD",
    "donation_made": "donation_made", "store_located": "store_located", "message_clicked": "message_clicked",
}
IDENTIFIERS: carried.Keys = {
    "email": carried.EMAIL, "phone_number": carried.PHONE, "external_id": carried.EXTERNAL_ID,
    "click_id": carried.CLICK_ID, "uuid": carried.BROWSER_ID,
    "ip_address": carried.IP, "user_agent": carried.USER_AGENT,
}
# fmt: on
STANDARD = frozenset(name for name in NAMES.values() if name is not None and name.isupper())
CUSTOM = "CUSTOM"
WITH_COUNT = frozenset({"PURCHASE", "ADD_TO_CART", "ADD_TO_WISHLIST", CUSTOM})  # section 4, which metadata with which
WITH_VALUE = WITH_COUNT | {"LEAD", "SIGN_UP"}
ACTION_SOURCES: Mapping[str, str] = {"website": "WEBSITE", "app": "APP", "physical_store": "PHYSICAL_STORE"}
APP = "server:events-gateway:0.1.0"  # platform, app id and version of the user agent

_USER = re.compile(r"[A-Za-z0-9_-]{3,20}", re.ASCII)
_PIXEL = re.compile(r"[A-Za-z0-9_]{1,64}")
_VERSION = re.compile(r"v([3-9]|[1-9][0-9])")
_HASHED = re.compile(r"[0-9a-fA-F]{64}")
_REGION = re.compile(r"([A-Z]{2}-)?[A-Z0-9]{1,3}")


class Reddit(Destination, frozen=True, kw_only=True, tag="reddit"):
    pixel_id: str  # a2_… or t2_…, from Events Manager
    access_token: Secret  # the conversion access token of Events Manager: it does not expire
    reddit_user: str | None = None  # who answers for the requests, named in their user agent
    test_id: str | None = None  # events show in Events Testing only
    api_version: str = "v3"  # of the API's address

    platform: ClassVar[str] = "reddit"
    limits: ClassVar[Limits] = Limits(
        events=1_000, body_bytes=1_000_000, age_s=7 * DAY_S, rate=Rate("5000/min")
    )  # bytes: not documented
    dedup_window_s: ClassVar[int | None] = 2 * DAY_S  # "within two days"
    names: ClassVar[Mapping[str, str | None]] = NAMES
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("rdt_cid",)
    browser_ids: ClassVar[tuple[str, ...]] = ("rdt_uuid",)
    default_base_url: ClassVar[str] = "https://ads-api.reddit.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _PIXEL.fullmatch(self.pixel_id):
            yield "pixel_id", f"{self.pixel_id!r} is no pixel id; give it as Events Manager shows it, such as 'a2_abc'"
        if not self.access_token or not self.access_token.reveal().isprintable() or " " in self.access_token.reveal():
            yield "access_token", "is empty or holds spaces; give the conversion access token of Events Manager"
        if self.reddit_user is not None and not _USER.fullmatch(self.reddit_user):
            yield "reddit_user", f"{self.reddit_user!r} is no Reddit user name; give it without /u/"
        if not _VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} takes another form of event; give 'v3'"

    def in_test_mode(self) -> InTestMode | NoTestMode:
        if not self.test_id:
            return NoTestMode("Reddit needs test_id to be set, from Events Manager, Events Testing")
        return InTestMode(self, "the event shows in Events Testing only")

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event too old for Reddit (400), once it has looked at token and pixel."""
        return sample_request(self, sample_event(attempt, "page_viewed", age_s=TOO_OLD_S), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = verdicts_of(response, [SAMPLE], self.access_token)
        return by_refusal(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name, event.event_name)
        if name is None:
            return Drop(f"Reddit has no event for {event.event_name}")
        kind = name if event.event_name in NAMES and name in STANDARD else CUSTOM
        if kind == CUSTOM and len(name) > CUSTOM_NAME_CHARS:
            return Drop(f"event name longer than Reddit's {CUSTOM_NAME_CHARS} characters")
        user, click_id = _user(event), opaque(event.user_data.rdt_cid)
        if not click_id and not MATCH_KEYS & user.keys():
            return Drop("no identifier that Reddit can match: give an email, phone, external_id, rdt_cid or rdt_uuid")
        fields = _conversion_event(event, kind, name, click_id, user)
        body = encode_json(fields)
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; a request holds {self.limits.body_bytes}")
        return Payload(body, carries=carried.carried(user.keys() | fields.keys(), IDENTIFIERS))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        """`test_id` stands at the request's level."""
        head = b'{"data":{'
        if self.test_id:
            head += b'"test_id":' + encode_json(self.test_id) + b","
        body = head + b'"events":[' + b",".join(payload.body for payload in payloads) + b"]}}"
        url = self.api_url(f"/api/{self.api_version}/pixels/{self.pixel_id}/conversion_events")
        agent = {"user_agent": f"{APP} (by /u/{self.reddit_user})"} if self.reddit_user else {}
        return post_json(url, body, bearer=self.access_token, **agent)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        return verdicts_of(response, payloads, self.access_token)


def _conversion_event(event: Event, kind: str, name: str, click_id: str | None, user: dict[str, Any]) -> dict[str, Any]:
    action_source = ACTION_SOURCES.get(event.action_source, "OTHER")
    return drop_absent(
        event_at=happened_at_ms(event),
        action_source=action_source,
        click_id=click_id,
        event_source_url=page_url(event.page.url, "reddit") if action_source == "WEBSITE" else None,
        referrer_url=page_url(event.page.referrer, "reddit"),
        type={"tracking_type": kind} if kind != CUSTOM else {"tracking_type": CUSTOM, "custom_event_name": name},
        user=user,
        metadata=_metadata(event, kind),
    )


def _user(event: Event) -> dict[str, Any]:
    user = event.user_data
    address = ip_address(user.client_ip)
    return drop_absent(
        email=(user.email.reddit or user.email.sha256) if user.email else None,
        phone_number=user.phone.sha256 if user.phone else None,
        external_id=_external_id(user.external_id),
        ip_address=sha256(address) if address else None,
        user_agent=user.client_user_agent,
        uuid=opaque(user.rdt_uuid),
        data_processing_options=_limited_data_use(user) if event.consent.sale_of_data == "denied" else None,
    )


def _external_id(value: str | None) -> str | None:
    """Trimmed, case kept, hashed; what arrived hashed stays."""
    text = (value or "").strip()
    if _HASHED.fullmatch(text):
        return text.lower()
    return sha256(text) if text else None


def _limited_data_use(user: UserData) -> dict[str, Any]:
    """Limited Data Use, with the place where it is known in a form that Reddit reads."""
    country = country_code(user.country)
    return drop_absent(modes=["LDU"], country=country.upper() if country else None, region=_region(user.region))


def _region(value: str | None) -> str | None:
    """ISO 3166-2 or its bare code; a state of the US also by its name."""
    text = (value or "").strip()
    code = US_STATES.get("".join(text.lower().split()), text).upper()
    return code if text.isascii() and _REGION.fullmatch(code) else None


def _metadata(event: Event, kind: str) -> dict[str, Any]:
    data = event.custom_data
    return drop_absent(
        conversion_id=event.event_id,
        order_id=data.order_id[:ORDER_ID_CHARS] if data.order_id else None,
        **(_money(data) if kind in WITH_VALUE else {}),
        item_count=num_items(data) if kind in WITH_COUNT else None,
        products=[_product(item) for item in data.items if item.id] or [{"id": one} for one in data.product_ids],
    )


def _money(data: CustomData) -> dict[str, Decimal | str]:
    """Value and currency go together, in major units."""
    code = currency(data)
    return {"value": data.value, "currency": code} if data.value is not None and code else {}


def _product(item: Item) -> dict[str, Any]:
    return drop_absent(
        id=item.id, name=item.name, category=item.category, item_price=item.price, quantity=item.quantity
    )
