"""Pinterest API for Conversions: POST /{version}/ad_accounts/{ad_account_id}/events; at most 1,000 events a request.

Source: contracts/pinterest.md; "Track conversions in the API" and "Limited data processing", developers.pinterest.com,
read 2026-11-20. Each event is judged alone, but one unknown property refuses the whole request: nothing is sent that
is not in the page's table. Where the page leaves a doubt, the safe way:

- `country`, `st` and `db` are hashed as Pinterest's text says, not as its example hashes do. A region without a
  two-letter code is left out. A postal code of digits keeps its digits only, one with letters keeps both.
- `customer_type` is not sent: it is not in all revisions, and where it is unknown it would cost the whole request.
- Without a currency Pinterest takes the account's: an event that names none goes without `value`.
- `content_brand` is sent where there is one item: of several it would be one item's only.
- An app's event whose system cannot be told is dropped: as `offline` it would be false, and not deduplicated.
- Pinterest applies `LDP` by state and country: an event with `sale_of_data` denied that lacks them is dropped.
- In test mode, where only the first 20 events of a request are looked at, each event goes alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from actors.destinations import ads_shared as shared
from actors.destinations import carried
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CredentialCheck,
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
)
from actors.destinations.credential_checks import SAMPLE, by_acceptance, sample_event, sample_request
from actors.destinations.minimise import ip_address, page_url
from actors.destinations.pinterest_answers import verdicts_of
from actors.event import CustomData, Event, Item, NameDigests, UserData
from actors.rates import Rate
from actors.secret import Secret

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "page_visit", "collection_viewed": "view_category", "product_viewed": "view_content",
    "search_performed": "search", "product_customized": "customize_product", "promotion_clicked": None,
    "wishlist_item_added": "add_to_wishlist", "cart_viewed": None, "cart_item_added": "add_to_cart",
    "cart_item_removed": None,
    "checkout_started": "initiate_checkout", "contact_info_added": None, "shipping_info_added": None,
    "payment_info_added": "add_payment_info",
    "purchase_placed": "checkout", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "subscribe", "subscription_renewed": None, "subscription_cancelled": None,
    "trial_started": "start_trial",
    "lead_submitted": "lead", "contact_requested": "contact", "registration_completed": "signup",
    "login_completed": None, "newsletter_subscribed": "lead", "appointment_scheduled": "schedule",
    "application_submitted": "submit_application", "donation_made": None, "store_located": "find_location",
    "message_clicked": None,
}
IDENTIFIERS: carried.Keys = {
    "em": carried.EMAIL, "ph": carried.PHONE, "external_id": carried.EXTERNAL_ID, "click_id": carried.CLICK_ID,
    "client_ip_address": carried.IP, "client_user_agent": carried.USER_AGENT,
    "fn": carried.FIRST_NAME, "ln": carried.LAST_NAME,
    "ct": carried.CITY, "zp": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on
EVENT_RESULT_BYTES = 500  # of one event in an answer, with its messages

_API_VERSION = re.compile(r"v\d{1,2}")
_ACCOUNT = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Pinterest(Destination, frozen=True, kw_only=True, tag="pinterest"):
    ad_account_id: str  # digits
    access_token: Secret  # a conversion access token from Ads Manager, or an OAuth token with ads:write
    value: Literal["order", "items"] = "order"  # what `value` holds; Pinterest recommends: without tax and shipping
    custom_name: str | None = None  # one name for all custom events, such as "custom"; default: each its own
    test: bool = False  # nothing is recorded; the events show under Test events
    api_version: str = "v5"  # of the API's address

    platform: ClassVar[str] = "pinterest"
    limits: ClassVar[Limits] = Limits(
        events=1_000, body_bytes=1_000_000, answer_bytes=1_000 * EVENT_RESULT_BYTES, rate=Rate("5000/min")
    )
    dedup_window_s: ClassVar[int | None] = 2 * DAY_S
    names: ClassVar[Mapping[str, str | None]] = NAMES
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("epik",)
    default_base_url: ClassVar[str] = "https://api.pinterest.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _ACCOUNT.fullmatch(self.ad_account_id):
            yield "ad_account_id", f"{self.ad_account_id!r} is no ad account; give its digits, from Ads Manager"
        if not _TOKEN.fullmatch(self.access_token.reveal()):
            yield "access_token", "is empty or holds spaces; give the token as Ads Manager shows it"
        if self.custom_name is not None and not self.custom_name.strip():
            yield "custom_name", "is blank; give a name such as 'custom', or leave it out"
        if not _API_VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version of Pinterest's API; give one such as 'v5'"

    def in_test_mode(self) -> InTestMode:
        return InTestMode(
            msgspec.structs.replace(self, test=True), "the event shows under Test events; nothing is recorded"
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event in test mode, which records nothing."""
        trial = msgspec.structs.replace(self, test=True)
        return sample_request(trial, sample_event(attempt, "page_viewed"), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = verdicts_of(response, [SAMPLE], self.access_token)
        return by_acceptance(verdict)

    def deduplicates_for_s(self, event: Event) -> int | None:
        """Offline events are not deduplicated."""
        return None if _action_source(event) == "offline" else self.dedup_window_s

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name, self.custom_name or event.event_name)
        if name is None:
            return Drop(f"Pinterest has no event for {event.event_name}")
        action_source = _action_source(event)
        if action_source is None:
            return Drop("app event without its system: neither the property 'platform' nor the user agent says it")
        user_data = _user_data(event.user_data)
        if "em" not in user_data and not {"client_ip_address", "client_user_agent"} <= user_data.keys():
            return Drop("no identifier that Pinterest takes alone: give an email, or IP address and user agent")
        is_limited = event.consent.sale_of_data == "denied"
        if is_limited and not _has_place(event.user_data, user_data):
            return Drop("sale_of_data is denied, and without state and country Pinterest cannot limit its processing")
        custom_data = _custom_data(event.custom_data, self.value) | ({"opt_out_type": "LDP"} if is_limited else {})
        body = encode_json(_event(event, name, action_source, user_data, custom_data))
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; at most {self.limits.body_bytes} a request")
        envelope = encode_json(event.event_id) if self.test else b""
        return Payload(body, envelope, carried.carried(user_data, IDENTIFIERS))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        query = "?test=true" if self.test else ""
        url = self.api_url(f"/{self.api_version}/ad_accounts/{self.ad_account_id}/events{query}")
        body = b'{"data":[' + b",".join(payload.body for payload in payloads) + b"]}"
        return post_json(url, body, bearer=self.access_token, accept="application/json")

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        return verdicts_of(response, payloads, self.access_token)


def _action_source(event: Event) -> str | None:
    if event.action_source == "app":
        system = shared.app_system(event)
        return f"app_{system}" if system else None
    return "web" if event.action_source == "website" else "offline"


def _event(
    event: Event, name: str, action_source: str, user_data: dict[str, Any], custom_data: dict[str, Any]
) -> dict[str, Any]:
    marketing = event.consent.marketing
    return drop_absent(
        event_name=name,
        action_source=action_source,
        event_time=happened_at_ms(event) // 1000,
        event_id=event.event_id,
        event_source_url=shared.text(page_url(event.page.url, "pinterest")),
        opt_out=None if marketing is None else marketing == "denied",
        user_data=user_data,
        custom_data=custom_data,
    )


def _user_data(user: UserData) -> dict[str, Any]:
    address = ip_address(user.client_ip)
    return drop_absent(
        em=shared.email(user),
        ph=shared.phone_digits(user),
        fn=_name(user.first_name),
        ln=_name(user.last_name),
        db=[user.date_of_birth.sha256] if user.date_of_birth else None,
        ge=[user.gender.sha256] if user.gender else None,
        ct=shared.city(user.city),
        st=shared.region(user.region, user.country),
        zp=shared.hashed(user.postal_code, shared.postal_code(user.postal_code)),
        country=shared.country(user.country),
        external_id=shared.hashed(user.external_id, (user.external_id or "").strip()),
        click_id=shared.opaque(user.epik),
        client_ip_address=None if address == "0.0.0.0" else address,
        client_user_agent=shared.text(user.client_user_agent),
    )


def _name(digests: NameDigests | None) -> list[str]:
    """Lower case, punctuation kept."""
    return [digests.plain or digests.sha256] if digests else []


def _has_place(user: UserData, user_data: dict[str, Any]) -> bool:
    """Whether Pinterest can tell if it limits the processing: the state, or a country that is not the US."""
    if "country" not in user_data:
        return False
    code = shared.country_code(user.country)
    return "st" in user_data or code not in ("us", None)


def _custom_data(data: CustomData, value: Literal["order", "items"]) -> dict[str, Any]:
    currency = shared.currency(data)
    items_value = shared.items_value(data) if value == "items" else None
    worth = data.value if items_value is None else items_value
    is_worth = currency is not None and worth is not None and worth > 0
    return drop_absent(
        currency=currency,
        value=shared.amount(worth) if is_worth else None,
        order_id=shared.text(data.order_id),
        num_items=shared.num_items(data),
        content_ids=shared.content_ids(data),
        contents=[content for item in data.items if (content := _content(item))],
        search_string=shared.text(data.search_term),
        content_name=shared.text(data.content_name),
        content_category=shared.text(data.content_category),
        content_brand=shared.text(data.items[0].brand) if len(data.items) == 1 else None,
    )


def _content(item: Item) -> dict[str, Any]:
    """The price is the one before the item's discount."""
    price = None if item.price is None else item.price + (item.discount or Decimal(0))
    return drop_absent(
        id=item.id,
        item_name=item.name,
        item_category=item.category,
        item_brand=item.brand,
        item_price=shared.amount(price),
        quantity=item.quantity,
    )
