"""TikTok as the simulator plays it: `event/track` of the Business API, as strict as its page.

Source: contracts/tiktok.md, sections 2 to 9. A request is taken whole or refused whole, with http 200 either way; the
message names the first bad event in the form seen on the 1.0 batch, `Batch.0.…`. An unknown field of an event or of
`user` is a fault, in `properties` it is a key of the sender's own.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

AGE_MS = 28 * 86_400_000
FUTURE_MS = 60_000  # the page names no tolerance: a clock may be a little ahead
PATH = "/open_api/v1.3/event/track/"
VERSIONED = re.compile(r"/open_api/v\d+\.\d+/event/track/")

BAD_PARAMETER, NO_PERMISSION, NO_TOKEN, BAD_TOKEN, NOT_SERVED, LIMIT, FAULT = (
    40002, 40001, 40104, 40105, 40006, 40100, 50000
)  # fmt: skip
MATCH_KEYS = frozenset({"email", "phone", "external_id", "ttclid", "ttp"})
# fmt: off
STANDARD = frozenset({
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "ApplicationApproval", "CompleteRegistration", "Contact",
    "CustomizeProduct", "Download", "FindLocation", "InitiateCheckout", "Lead", "Pageview", "Purchase", "Schedule",
    "Search", "StartTrial", "SubmitApplication", "Subscribe", "ViewContent",
})
RESERVED = frozenset({
    "AddBilling", "Browse", "Checkout", "ClickForm", "ClickInDownloadPage", "ClickToDownload", "CompletePayment",
    "Consult", "ConsultByPhone", "Registration", "StartCheckout", "ViewConsultationPage", "ViewDownloadPage",
    "ViewForm",
})
# fmt: on
NEEDS_CONTENT_TYPE = frozenset({"AddToCart", "Purchase", "ViewContent"})

HASH = re.compile(r"\A[0-9a-f]{64}\Z")
Hash = Annotated[str, Meta(pattern=HASH.pattern)]
# A single one is checked by `User` itself: with the pattern on both sides of the union msgspec 0.22.0 ends some
# processes with SIGSEGV when the interpreter takes the type apart.
Hashes = Annotated[list[Hash], Meta(min_length=1)] | str | UnsetType
HASHED = ("email", "phone", "external_id")
Text = Annotated[str, Meta(min_length=1)]
Opaque = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]+\Z")]
Place = Annotated[str, Meta(pattern=r"\A[a-z0-9]+\Z")]
ContentType = Literal["product", "product_group"]


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: Hashes = UNSET
    phone: Hashes = UNSET
    external_id: Hashes = UNSET
    ttclid: Opaque | UnsetType = UNSET
    ttp: Opaque | UnsetType = UNSET
    ip: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    user_agent: Text | UnsetType = UNSET
    first_name: Hash | UnsetType = UNSET
    last_name: Hash | UnsetType = UNSET
    zip_code: Hash | UnsetType = UNSET
    city: Place | UnsetType = UNSET
    state: Place | UnsetType = UNSET
    country: Place | UnsetType = UNSET
    locale: Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        for name in HASHED:
            value = getattr(self, name)
            if isinstance(value, str) and not HASH.match(value):
                raise ValueError(f"{name} is no SHA-256")


class Page(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Text | UnsetType = UNSET
    referrer: Text | UnsetType = UNSET


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    content_id: Text
    content_type: ContentType | UnsetType = UNSET
    content_name: str | UnsetType = UNSET
    content_category: str | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    price: float | UnsetType = UNSET
    quantity: int | UnsetType = UNSET


class Properties(Struct, frozen=True, kw_only=True):
    contents: list[Content] | UnsetType = UNSET
    content_type: ContentType | UnsetType = UNSET
    content_ids: list[Text] | UnsetType = UNSET
    value: float | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    order_id: Text | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    search_string: Text | UnsetType = UNSET
    description: str | UnsetType = UNSET
    shop_id: str | UnsetType = UNSET
    delivery_category: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    predicted_ltv: float | UnsetType = UNSET


class Lead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lead_id: Text | UnsetType = UNSET
    lead_event_source: Text | UnsetType = UNSET


class TrackEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event: Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_-]{0,49}\Z")]
    event_time: Annotated[int, Meta(gt=0, lt=100_000_000_000)]  # seconds, not milliseconds
    user: User
    event_id: Text | UnsetType = UNSET
    limited_data_use: bool | UnsetType = UNSET
    page: Page | UnsetType = UNSET
    properties: Properties | UnsetType = UNSET
    lead: Lead | UnsetType = UNSET


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_source: Literal["web", "app", "offline", "crm"]
    event_source_id: Text
    data: Annotated[list[Any], Meta(min_length=1, max_length=1_000)]
    test_event_code: Text | UnsetType = UNSET
    partner_name: Text | UnsetType = UNSET


class TikTokSim:
    """Any pixel and any token, unless told which it knows."""

    name = "tiktok"

    def __init__(self, *, event_source_id: str | None = None, access_token: str | None = None) -> None:
        self.event_source_id = event_source_id
        self.access_token = access_token
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if request.method != "POST" or not VERSIONED.fullmatch(request.path):
            self.refused.append(f"no such request: {request.method} {request.path}")
            return SimResponse(status=404, body=b"404 page not found")
        if request.path != PATH:
            return self._refuse(NOT_SERVED, f"version of {request.path} is not served")
        if refusal := self._unauthorised(request):
            return refusal
        try:
            head = msgspec.json.decode(request.body, type=Head)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._refuse(BAD_PARAMETER, str(error))
        if self.event_source_id not in (None, head.event_source_id):
            return self._refuse(NO_PERMISSION, "No permission to operate pixel")
        for index, event in enumerate(head.data):
            if fault := _fault(event, head.event_source, request.at_ms):
                return self._refuse(BAD_PARAMETER, f"Batch.{index}.{fault}")
        self.accepted += [
            Accepted(key=f"{head.event_source_id}/{event['event']}/{event.get('event_id')}", event=event,
                     at_ms=request.at_ms)
            for event in head.data
        ]  # fmt: skip
        return _json(0, "OK")

    def bad_token(self) -> SimResponse:
        return _json(BAD_TOKEN, "Access token is incorrect or has been revoked.")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """TikTok names no wait."""
        return _json(LIMIT, "Requests made too frequently. Please retry later.")

    def failed(self, status: int) -> SimResponse:
        """TikTok's own faults come with http 200 as well; a status of 500 and more is its gateway's."""
        return _json(FAULT, "Internal error") if status < 500 else SimResponse(status=status, body=b"<html></html>")

    def _unauthorised(self, request: SimRequest) -> SimResponse | None:
        token = request.headers.get("access-token")
        if not token:
            return self._refuse(NO_TOKEN, "Access token is empty.")
        if self.access_token not in (None, token):
            return self._refuse(BAD_TOKEN, "Access token is incorrect or has been revoked.")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._refuse(BAD_PARAMETER, "Content-Type: not application/json")
        return None

    def _refuse(self, code: int, words: str) -> SimResponse:
        self.refused.append(f"{code}: {words}")
        return _json(code, words)


def _fault(raw: object, source: str, now_ms: int) -> str | None:
    try:
        event = msgspec.convert(raw, TrackEvent)
    except msgspec.ValidationError as error:
        return str(error)
    assert isinstance(raw, dict)
    return next(_faults(event, raw, source, now_ms), None)


def _faults(event: TrackEvent, raw: Mapping[str, Any], source: str, now_ms: int) -> Iterator[str]:
    if event.event in RESERVED:
        yield "event: a reserved name, counted as another event"
    age_ms = now_ms - event.event_time * 1000
    if age_ms > AGE_MS or age_ms < -FUTURE_MS:
        yield "event_time: not within the last 28 days"
    if not raw["user"].keys() & MATCH_KEYS:
        yield "user: no match key"
    if event.limited_data_use is not UNSET and source not in ("web", "app"):
        yield "limited_data_use: only for web and app events"
    if event.lead is not UNSET and source != "crm":
        yield "lead: only for crm events"
    properties = event.properties or Properties()
    if event.event in NEEDS_CONTENT_TYPE and properties.content_type is UNSET:
        yield "properties.content_type: missing"
    if event.event == "Purchase" and properties.value is UNSET:
        yield "properties.value: missing"
    if properties.value is not UNSET and properties.currency is UNSET:
        yield "properties.currency: missing"


def _json(code: int, message: str) -> SimResponse:
    body = msgspec.json.encode({"code": code, "message": message, "request_id": "202611200915300100", "data": {}})
    headers = (("content-type", "application/json"), ("x-tt-logid", "202611200915300100AB"))
    return SimResponse(status=200, headers=headers, body=body)
