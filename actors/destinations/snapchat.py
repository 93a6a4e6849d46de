"""Snapchat Conversions API: POST /{version}/{asset_id}/events; at most 2,000 events a request, none older than 7 days.

Source: contracts/snapchat.md; "Conversions API", parameters, using the API and deduplication, developers.snap.com, read
2026-11-20. Where the page leaves a doubt, the safe way:

- Snapchat's flag for limited use is either `LMU` or `LDU`: an event with `sale_of_data` denied is not sent at all.
- Of 7, 28 and 37 days the shortest holds: Snapchat refuses an older event, and with it perhaps its neighbours.
- A website's event without the page address that Snapchat requires goes as `OFFLINE`: an order that only a server
  reported is still counted, and nothing about a browser is made up.
- An app's event goes under the Snap App id, if it is set and the system is known; never mixed with others.
- `brands`, and `content_category` taken from items, are not sent (string or array?), nor the birth date (only
  integrators name the field), nor `lead_id` (only ids of Snapchat's own forms are allowed).
- A gender other than `f` and `m`, and a region without a two-letter code, are left out.
- Besides its own names Snapchat knows five numbered ones: `custom_events` says what goes under them, nothing else does.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
from msgspec import field

from actors.destinations import ads_shared as shared
from actors.destinations import carried
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CredentialCheck,
    Delivered,
    Destination,
    Drop,
    InTestMode,
    Limits,
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
from actors.destinations.credential_checks import SAMPLE, by_acceptance, sample_event, sample_request
from actors.destinations.minimise import ip_address, leaving_properties, page_url
from actors.destinations.snapchat_answers import verdicts_of
from actors.event import CustomData, Event, Item, UserData
from actors.rates import Rate
from actors.secret import Secret

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "PAGE_VIEW", "collection_viewed": "LIST_VIEW", "product_viewed": "VIEW_CONTENT",
    "search_performed": "SEARCH", "product_customized": None, "promotion_clicked": None,
    "wishlist_item_added": "ADD_TO_WISHLIST", "cart_viewed": None, "cart_item_added": "ADD_CART",
    "cart_item_removed": None,
    "checkout_started": "START_CHECKOUT", "contact_info_added": None, "shipping_info_added": None,
    "payment_info_added": "ADD_BILLING",
    "purchase_placed": "PURCHASE", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "SUBSCRIBE", "subscription_renewed": None, "subscription_cancelled": None,
    "trial_started": "START_TRIAL",
    "lead_submitted": None, "contact_requested": None, "registration_completed": "SIGN_UP",
    "login_completed": "LOGIN", "newsletter_subscribed": "SIGN_UP", "appointment_scheduled": "RESERVE",
    "application_submitted": None, "donation_made": None, "store_located": None,
    "message_clicked": None,
}
IDENTIFIERS: carried.Keys = {
    "em": carried.EMAIL, "ph": carried.PHONE, "external_id": carried.EXTERNAL_ID,
    "sc_click_id": carried.CLICK_ID, "sc_cookie1": carried.BROWSER_ID,
    "client_ip_address": carried.IP, "client_user_agent": carried.USER_AGENT,
    "fn": carried.FIRST_NAME, "ln": carried.LAST_NAME,
    "ct": carried.CITY, "zp": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on
CUSTOM_NAMES = frozenset(f"CUSTOM_EVENT_{number}" for number in range(1, 6))
EXTINFO = 16  # entries of `app_data.extinfo`; the first tells the system, the others are unknown here
SYSTEMS: Mapping[str, str] = {"ios": "i2", "android": "a2"}
GENDERS = frozenset({sha256("f"), sha256("m")})

_ASSET = re.compile(r"[A-Za-z0-9-]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_API_VERSION = re.compile(r"v\d{1,2}")
_US_POSTAL_CODE = re.compile(r"(\d{5})\d{4}")


class Snapchat(Destination, frozen=True, kw_only=True, tag="snapchat"):
    pixel_id: str  # takes the web's and offline events
    access_token: Secret  # long-lived, made by an Organization Admin in Business Manager
    snap_app_id: str | None = None  # takes apps' events; without it they are dropped
    app_id: str | None = None  # the app's own id in its store, sent with its events
    custom_events: dict[str, str] = field(default_factory=dict)  # event name -> CUSTOM_EVENT_1 … CUSTOM_EVENT_5
    test_event_code: str | None = None  # the events show in Events Manager's test tool
    validate_only: bool = False  # ask the test endpoint: nothing is recorded, faults are told per event
    api_version: str = "v3"  # of the API's address

    platform: ClassVar[str] = "snapchat"
    limits: ClassVar[Limits] = Limits(
        events=2_000, body_bytes=1_000_000, age_s=7 * DAY_S, answer_bytes=1_000_000, rate=Rate("10/s")
    )
    dedup_window_s: ClassVar[int | None] = 2 * DAY_S
    names: ClassVar[Mapping[str, str | None]] = NAMES
    without_sale: ClassVar[bool] = False
    takes_custom: ClassVar[bool] = False
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("sc_click_id",)
    browser_ids: ClassVar[tuple[str, ...]] = ("sc_cookie1",)
    default_base_url: ClassVar[str] = "https://tr.snapchat.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _ASSET.fullmatch(self.pixel_id):
            yield "pixel_id", f"{self.pixel_id!r} is no pixel id; give the one Events Manager shows"
        if self.snap_app_id is not None and not _ASSET.fullmatch(self.snap_app_id):
            yield "snap_app_id", f"{self.snap_app_id!r} is no Snap App id; give the one Business Manager shows"
        if (self.snap_app_id is None) != (self.app_id is None):
            yield "app_id", "goes together with snap_app_id; give both or neither"
        if not _TOKEN.fullmatch(self.access_token.reveal()):
            yield "access_token", "is empty or holds spaces; give the token as Business Manager shows it"
        for name, numbered in self.custom_events.items():
            if numbered not in CUSTOM_NAMES:
                yield f"custom_events.{name}", f"{numbered!r} is no name; give CUSTOM_EVENT_1 to CUSTOM_EVENT_5"
        if not _API_VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version of the API; give one such as 'v3'"

    def takes(self, event_name: str) -> bool:
        if event_name in self.custom_events:
            return self.events is None or event_name in self.events or "*" in self.events
        return super().takes(event_name)

    def in_test_mode(self) -> InTestMode:
        return InTestMode(
            msgspec.structs.replace(self, validate_only=True), "Snapchat checks the event and records nothing"
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event at the test endpoint, which records nothing."""
        trial = msgspec.structs.replace(self, validate_only=True)
        return sample_request(trial, sample_event(attempt, "page_viewed"), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = verdicts_of(response, [SAMPLE], self.access_token, is_test=True)
        return by_acceptance(Delivered() if isinstance(verdict, Delivered) else verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = self.custom_events.get(event.event_name) or NAMES.get(event.event_name)
        if name is None:
            return Drop("Snapchat has no event of this name: give it one of CUSTOM_EVENT_1 to 5 in custom_events")
        app_data = self._app_data(event)
        if isinstance(app_data, Drop):
            return app_data
        user_data = _user_data(event)
        if not user_data.keys() & {"em", "ph"} and not {"client_ip_address", "client_user_agent"} <= user_data.keys():
            return Drop("no identifier that Snapchat takes alone: give email, phone, or IP address and user agent")
        custom_data = _custom_data(event.custom_data)
        if name == "PURCHASE" and "value" not in custom_data:
            return Drop("purchase without value and currency, which Snapchat requires")
        fields = _event(event, name, app_data, user_data, custom_data)
        body = encode_json(fields | drop_absent(test_event_code=self.test_event_code))
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; at most {self.limits.body_bytes} a request")
        asset_id = self.snap_app_id if app_data and self.snap_app_id else self.pixel_id
        return Payload(body, asset_id.encode(), carried.carried(user_data, IDENTIFIERS))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        asset_id = payloads[0].envelope.decode()
        path = "events/validate" if self.validate_only else "events"
        token = quote(self.access_token.reveal(), safe="")
        url = self.api_url(f"/{self.api_version}/{asset_id}/{path}?access_token={token}")
        return post_json(url, b'{"data":[' + b",".join(payload.body for payload in payloads) + b"]}")

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        return verdicts_of(response, payloads, self.access_token, is_test=self.validate_only)

    def _app_data(self, event: Event) -> dict[str, Any] | Drop:
        """Empty where it is no app's event."""
        if event.action_source != "app":
            return {}
        if self.snap_app_id is None or self.app_id is None:
            return Drop("app event, but this destination has no snap_app_id and app_id")
        system = shared.app_system(event)
        if system is None:
            return Drop("app event without its system: neither the property 'platform' nor the user agent says it")
        return {"app_id": self.app_id, "extinfo": [SYSTEMS[system]] + [""] * (EXTINFO - 1)}


def _event(
    event: Event, name: str, app_data: dict[str, Any], user_data: dict[str, Any], custom_data: dict[str, Any]
) -> dict[str, Any]:
    url = page_url(event.page.url, "snapchat")
    is_web = event.action_source == "website" and url is not None and url.startswith(("http://", "https://"))
    return drop_absent(
        event_name=name,
        action_source="MOBILE_APP" if app_data else "WEB" if is_web else "OFFLINE",
        event_time=happened_at_ms(event) // 1000,
        event_id=event.event_id,
        event_source_url=url if is_web else None,
        opt_out=True if event.consent.marketing == "denied" else None,
        app_data=app_data,
        user_data=user_data,
        custom_data=custom_data,
    )


def _user_data(event: Event) -> dict[str, Any]:
    user = event.user_data
    return drop_absent(
        em=shared.email(user),
        ph=shared.phone_digits(user),
        fn=[user.first_name.sha256] if user.first_name else None,
        ln=[user.last_name.sha256] if user.last_name else None,
        ge=[user.gender.sha256] if user.gender and user.gender.sha256 in GENDERS else None,
        ct=shared.city(user.city),
        st=shared.region(user.region, user.country),
        zp=_postal_code(user),
        country=shared.country(user.country),
        external_id=shared.hashed(user.external_id, "".join((user.external_id or "").lower().split())),
        client_ip_address=ip_address(user.client_ip),
        client_user_agent=shared.text(user.client_user_agent),
        sc_click_id=shared.opaque(user.sc_click_id),
        sc_cookie1=shared.opaque(user.sc_cookie1),
        subscription_id=shared.text(event.custom_data.subscription_id),
    )


def _postal_code(user: UserData) -> list[str]:
    """Lower case, no spaces; of a US code the first five digits."""
    compact = "".join((user.postal_code or "").lower().split())
    us = _US_POSTAL_CODE.fullmatch(compact.replace("-", "")) if shared.country_code(user.country) == "us" else None
    return shared.hashed(user.postal_code, us.group(1) if us else compact)


def _custom_data(data: CustomData) -> dict[str, Any]:
    currency = shared.currency(data)
    content_ids = shared.content_ids(data)
    money = {} if data.value is None or currency is None else {"value": data.value, "currency": currency}
    return drop_absent(
        **money,
        order_id=shared.text(data.order_id),
        num_items=shared.num_items(data),
        content_ids=content_ids,
        content_type="product" if content_ids else None,
        contents=[_content(item) for item in data.items if item.id],
        content_name=shared.text(data.content_name),
        content_category=shared.text(data.content_category),
        search_string=shared.text(data.search_term),
        custom_fields=_custom_fields(data),
    )


def _content(item: Item) -> dict[str, str]:
    """All of it text, as in the documentation's example."""
    return drop_absent(
        id=item.id,
        item_price=shared.amount(item.price),
        quantity=None if item.quantity is None else str(item.quantity),
        brand=item.brand,
    )


def _custom_fields(data: CustomData) -> dict[str, str]:
    """Further custom properties that are single values, as text."""
    texts = ((name, _as_text(value)) for name, value in leaving_properties(data.properties))
    return {name: value for name, value in texts if value is not None}


def _as_text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
    return None
