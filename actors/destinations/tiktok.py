"""TikTok Events API 2.0: POST /open_api/{version}/event/track/; 1,000 events a request, none older than 28 days.

Source: contracts/tiktok.md; "Getting started with Events API", "Standard event parameters", "Event deduplication",
ads.tiktok.com/help, read 2026-11-20. A request is taken whole or not at all, so what TikTok would refuse for certain
is dropped here. Where the page leaves a doubt, the safe way:

- An event goes only under an id of its own kind: one from a shop's till never under the website's pixel.
- City, region and country go plain, as letters a-z and digits. A value with other letters is left out: whether TikTok
  drops or keeps an accent is not known, and a wrong form would match a stranger.
- A postal code keeps its hyphen, and `external_id` its case, as the browser's pixel sends them.
- A reserved name (`Checkout`, …), which TikTok counts as another event, is dropped, whatever its case.
- An id of a lead is sent for a CRM event set alone: elsewhere it may be any system's, and only TikTok's is allowed.
- With `sale_of_data` denied only `web` and `app` events go: the others have no limited mode.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, get_args

from msgspec import field

from actors.destinations import ads_shared as shared
from actors.destinations import carried
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CheckPassed,
    CredentialCheck,
    Destination,
    Drop,
    InTestMode,
    Limits,
    NoTestMode,
    Payload,
    Request,
    Response,
    Split,
    Verdict,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
)
from actors.destinations.credential_checks import SAMPLE, by_acceptance
from actors.destinations.minimise import ip_address, leaving_properties, page_url
from actors.destinations.tiktok_answers import verdicts_of
from actors.destinations.tiktok_names import (
    NAMES,
    NEEDS_CONTENT_TYPE,
    STANDARD_NAMES,
    fault_in_name,
    own_name,
)
from actors.event import CustomData, Event, Item, NameDigests, UserData
from actors.rates import Rate
from actors.secret import Secret

NOT_CHECKED = (
    "TikTok refused an empty request, as it should, and had nothing against the token: "
    "whether it may send to this pixel shows with the first event"
)
EventSource = Literal["web", "app", "offline", "crm"]

SOURCES: Mapping[str, EventSource] = {
    "website": "web",
    "app": "app",
    "physical_store": "offline",
    "phone_call": "offline",
}
LIMITED = frozenset({"web", "app"})  # sources with `limited_data_use`
MATCH_KEYS = frozenset({"email", "phone", "external_id", "ttclid", "ttp"})
# Names of `properties` that this adapter fills: a custom property never stands in for them.
# fmt: off
OWN_FIELDS = frozenset({
    "contents", "content_type", "content_ids", "currency", "value", "order_id", "num_items", "search_string", "query",
})
IDENTIFIERS: carried.Keys = {
    "email": carried.EMAIL, "phone": carried.PHONE, "external_id": carried.EXTERNAL_ID,
    "ttclid": carried.CLICK_ID, "ttp": carried.BROWSER_ID, "ip": carried.IP, "user_agent": carried.USER_AGENT,
    "first_name": carried.FIRST_NAME, "last_name": carried.LAST_NAME,
    "city": carried.CITY, "zip_code": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on
TEXTS = frozenset({"description", "shop_id", "delivery_category", "status"})

_API_VERSION = re.compile(r"v\d{1,2}\.\d{1,2}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_SYMBOLS = re.compile(r"[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f\s]+")  # ASCII that is no letter or digit; spaces


class TikTok(Destination, frozen=True, kw_only=True, tag="tiktok"):
    event_source_id: str  # of `event_source`: pixel code, TikTok app id, offline or CRM event set id
    access_token: Secret  # from Events Manager, for that pixel
    event_source: EventSource = "web"  # what the id is; also for events that have no kind of their own at TikTok
    event_source_ids: dict[str, str] = field(default_factory=dict)  # ids of further sources: app, offline, crm, web
    test_event_code: str | None = None  # the events show under Test Events
    api_version: str = "v1.3"  # of the Events API's address

    platform: ClassVar[str] = "tiktok"
    limits: ClassVar[Limits] = Limits(events=1_000, body_bytes=1_000_000, age_s=28 * DAY_S, rate=Rate("1000/s"))
    dedup_window_s: ClassVar[int | None] = 2 * DAY_S
    names: ClassVar[Mapping[str, str | None]] = NAMES
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("ttclid",)
    browser_ids: ClassVar[tuple[str, ...]] = ("ttp",)
    default_base_url: ClassVar[str] = "https://business-api.tiktok.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _ID.fullmatch(self.event_source_id):
            yield "event_source_id", f"{self.event_source_id!r} is no id; give the pixel code from Events Manager"
        for source, source_id in self.event_source_ids.items():
            if source not in get_args(EventSource) or source == self.event_source:
                yield f"event_source_ids.{source}", "is no further source; give web, app, offline or crm"
            if not _ID.fullmatch(source_id):
                yield f"event_source_ids.{source}", f"{source_id!r} is no id; give the one Events Manager shows"
        if not _TOKEN.fullmatch(self.access_token.reveal()):
            yield "access_token", "is empty or holds spaces; give the token as Events Manager shows it"
        if not _API_VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version of the Business API; give one such as 'v1.3'"

    def in_test_mode(self) -> InTestMode | NoTestMode:
        if not self.test_event_code:
            return NoTestMode("TikTok needs test_event_code to be set, from Events Manager, Test Events")
        return InTestMode(
            self,
            "the event shows under Test Events; whether reports leave it out is not documented",
            may_count=True,
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """A request without events. Whether TikTok looks at the token before that is not documented, and a test event
        may count: a wrong token is found, a right one is not proven."""
        return self.request([Payload(b"", _envelope(self.event_source, self.event_source_id))], attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = verdicts_of(response, [SAMPLE], self.access_token)
        if isinstance(verdict, Drop | Split):
            return CheckPassed(f"{NOT_CHECKED}: {verdict.reason}")
        return by_acceptance(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name) or own_name(event.event_name)
        if fault := self._fault(event, name):
            return Drop(fault)
        source = SOURCES.get(event.action_source, self.event_source)
        source_id = self.event_source_id if source == self.event_source else self.event_source_ids.get(source)
        if source_id is None:
            return Drop(f"no id for TikTok's source {source!r}: give event_source_ids.{source}")
        if event.consent.sale_of_data == "denied" and source not in LIMITED:
            return Drop(f"sale_of_data is denied, and TikTok has no limited mode for {source!r} events")
        user = _user(event.user_data)
        if not user.keys() & MATCH_KEYS:
            return Drop("no identifier that TikTok can match: give an email, phone, external_id, ttclid or ttp")
        properties = _properties(event, name)
        if name == "Purchase" and "value" not in properties:
            return Drop("purchase without value and currency, which TikTok requires")
        body = encode_json(_event(event, name, source, user, properties))
        envelope = _envelope(source, source_id)
        if len(body) + len(envelope) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; at most {self.limits.body_bytes} a request")
        carries = carried.of_customer(carried.carried(user, IDENTIFIERS), event.user_data)
        return Payload(body, envelope, carries)

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        head = payloads[0].envelope[:-1]
        if self.test_event_code:
            head += b',"test_event_code":' + encode_json(self.test_event_code)
        body = head + b',"data":[' + b",".join(payload.body for payload in payloads) + b"]}"
        url = self.api_url(f"/open_api/{self.api_version}/event/track/")
        return post_json(url, body, access_token=self.access_token.reveal())

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        return verdicts_of(response, payloads, self.access_token)

    def _fault(self, event: Event, name: str) -> str | None:
        if event.event_name in NAMES:
            return None if NAMES[event.event_name] else f"TikTok has no event for {event.event_name}"
        return None if name in STANDARD_NAMES else fault_in_name(name)


def _envelope(source: EventSource, source_id: str) -> bytes:
    return encode_json({"event_source": source, "event_source_id": source_id})


def _event(
    event: Event, name: str, source: EventSource, user: dict[str, Any], properties: dict[str, Any]
) -> dict[str, Any]:
    return drop_absent(
        event=name,
        event_time=happened_at_ms(event) // 1000,
        event_id=event.event_id,
        limited_data_use=event.consent.sale_of_data == "denied" if source in LIMITED else None,
        user=user,
        page=_page(event),
        properties=properties,
        lead=drop_absent(lead_id=shared.text(event.custom_data.lead_id)) if source == "crm" else None,
    )


def _page(event: Event) -> dict[str, Any]:
    url, referrer = page_url(event.page.url, "tiktok"), page_url(event.page.referrer, "tiktok")
    return drop_absent(url=shared.text(url), referrer=shared.text(referrer))


def _user(user: UserData) -> dict[str, Any]:
    external = _external_id(user.external_id) + _external_id(user.anonymous_id)
    return drop_absent(
        email=user.email.sha256 if user.email else None,
        phone=user.phone.sha256 if user.phone else None,
        external_id=external[0] if len(external) == 1 else external,
        first_name=_name(user.first_name),
        last_name=_name(user.last_name),
        city=_letters(user.city),
        state=_letters(user.region),
        country=_letters(user.country),
        zip_code=_zip_code(user.postal_code),
        ttclid=shared.opaque(user.ttclid),
        ttp=shared.opaque(user.ttp),
        ip=ip_address(user.client_ip),
        user_agent=shared.text(user.client_user_agent),
    )


def _external_id(value: str | None) -> list[str]:
    return shared.hashed(value, (value or "").strip())


def _name(digests: NameDigests | None) -> str | None:
    """Trimmed, in lower case, punctuation kept."""
    return (digests.plain or digests.sha256) if digests else None


def _letters(value: str | None) -> str | None:
    """Lower case, only a-z and 0-9; none where the value arrived hashed or has other letters."""
    if value is None or shared.HASHED.fullmatch(value.strip()):
        return None
    plain = _SYMBOLS.sub("", value).lower()
    return plain if plain.isascii() else None


def _zip_code(value: str | None) -> str | None:
    """Lower case without spaces, hashed."""
    return next(iter(shared.hashed(value, "".join((value or "").lower().split()))), None)


def _properties(event: Event, name: str) -> dict[str, Any]:
    data = event.custom_data
    content_ids = shared.content_ids(data)
    content_type = "product_group" if event.event_name == "collection_viewed" else "product"
    fields = drop_absent(
        contents=_contents(data),
        content_type=content_type if content_ids or name in NEEDS_CONTENT_TYPE else None,
        content_ids=content_ids,
        **_money(data),
        order_id=shared.text(data.order_id),
        num_items=data.num_items,
        search_string=shared.text(data.search_term),
    )
    for key, value in leaving_properties(data.properties):
        if key not in OWN_FIELDS and _fits(key, value):
            fields.setdefault(key, value)
    if data.content_name:
        fields.setdefault("description", data.content_name)
    return fields


def _contents(data: CustomData) -> list[dict[str, Any]]:
    items = data.items or tuple(Item(id=product_id) for product_id in data.product_ids)
    return [
        drop_absent(
            content_id=item.id,
            content_type="product",  # what it is a list of; only `properties.content_type` tells a group
            content_name=item.name,
            content_category=item.category,
            brand=item.brand,
            price=item.price,
            quantity=item.quantity,
        )
        for item in items
        if item.id
    ]


def _money(data: CustomData) -> dict[str, Decimal | str]:
    """Value and currency go together, in the order of the page's example."""
    currency = shared.currency(data)
    return {} if data.value is None or currency is None else {"currency": currency, "value": data.value}


def _fits(name: str, value: object) -> bool:
    """Whether a custom property is a scalar or a list of them, and of the type that the page gives for its name."""
    if name in TEXTS:
        return isinstance(value, str)
    if name == "predicted_ltv":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, list):
        return not any(isinstance(entry, dict | list) for entry in value)
    return not isinstance(value, dict)
