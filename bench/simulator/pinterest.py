"""Pinterest as the simulator plays it: the events endpoint of the API for Conversions, as strict as its page.

Source: contracts/pinterest.md. Objects are closed: one unknown property, wrong type or missing field refuses the whole
request with 400 / 4196. What is well formed is judged event by event, with 200 and a list in the request's order.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

EVENTS = 1_000
TEST_EVENTS = 20  # of a test request, only the first are looked at
PATH = re.compile(r"/v5/ad_accounts/(\d{1,18})/events")
# fmt: off
NAMES = frozenset({
    "add_payment_info", "add_to_cart", "add_to_wishlist", "app_install", "app_open", "checkout", "contact", "custom",
    "customize_product", "find_location", "initiate_checkout", "lead", "page_visit", "schedule", "search", "signup",
    "start_trial", "submit_application", "subscribe", "view_category", "view_content", "watch_video",
})
# fmt: on
OWN_NAMES = 15  # advertiser-defined names of one advertiser

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hashes = Annotated[list[Hash], Meta(min_length=1)] | UnsetType
Text = Annotated[str, Meta(min_length=1)]
Amount = Annotated[str, Meta(pattern=r"\A\d+(\.\d+)?\Z")]


class UserData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    em: Hashes = UNSET
    ph: Hashes = UNSET
    fn: Hashes = UNSET
    ln: Hashes = UNSET
    db: Hashes = UNSET
    ge: Hashes = UNSET
    ct: Hashes = UNSET
    st: Hashes = UNSET
    zp: Hashes = UNSET
    country: Hashes = UNSET
    external_id: Hashes = UNSET
    hashed_maids: Hashes = UNSET
    click_id: Text | UnsetType = UNSET
    client_ip_address: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    client_user_agent: Annotated[str, Meta(pattern=r"\S")] | UnsetType = UNSET
    partner_id: Text | UnsetType = UNSET


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str | UnsetType = UNSET
    item_name: str | UnsetType = UNSET
    item_category: str | UnsetType = UNSET
    item_brand: str | UnsetType = UNSET
    item_price: Amount | UnsetType = UNSET
    quantity: int | UnsetType = UNSET


class CustomData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    value: Amount | UnsetType = UNSET
    contents: list[Content] | UnsetType = UNSET
    content_ids: list[Text] | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    search_string: str | UnsetType = UNSET
    content_name: str | UnsetType = UNSET
    content_category: str | UnsetType = UNSET
    content_brand: str | UnsetType = UNSET
    opt_out_type: Literal["LDP"] | UnsetType = UNSET
    predicted_ltv: str | UnsetType = UNSET


class ConversionEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_name: Text
    action_source: Literal["web", "app_ios", "app_android", "offline"]
    event_time: Annotated[int, Meta(gt=0, lt=100_000_000_000)]  # seconds, not milliseconds
    event_id: Text
    user_data: UserData
    event_source_url: str | UnsetType = UNSET
    opt_out: bool | UnsetType = UNSET
    partner_name: str | UnsetType = UNSET
    language: Annotated[str, Meta(min_length=2, max_length=2)] | UnsetType = UNSET
    custom_data: CustomData | UnsetType = UNSET


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: Annotated[list[ConversionEvent], Meta(min_length=1, max_length=EVENTS)]


class PinterestSim:
    """Any ad account and any token, unless told which it knows."""

    name = "pinterest"

    def __init__(self, *, ad_account_id: str | None = None, access_token: str | None = None) -> None:
        self.ad_account_id = ad_account_id
        self.access_token = access_token
        self.own_names: set[str] = set()  # what the advertiser's own event names are, compared without case
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if refusal := self._unauthorised(request):
            return refusal
        try:
            events = msgspec.json.decode(request.body, type=Body).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._refuse(400, 4196, f"Invalid request: {error}")
        is_test = request.query.get("test") == "true"
        raw = msgspec.json.decode(request.body)["data"]
        faults = [self._fault(event) for event in events[: TEST_EVENTS if is_test else EVENTS]]
        self.refused += [fault for fault in faults if fault]
        if not is_test:
            taken = [event for event, fault in zip(raw, faults, strict=True) if not fault]
            self.accepted += [Accepted(key=_key(event), event=event, at_ms=request.at_ms) for event in taken]
        return _json(200, _results(faults, len(events)))

    def bad_token(self) -> SimResponse:
        return _json(401, {"code": 2, "message": "Authentication failed."})

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        headers = () if retry_after_s is None else (("x-ratelimit-reset", f"{retry_after_s:.0f}"),)
        answer = _json(429, {"code": 8, "message": "You have exceeded your rate limit. Try again later."})
        return SimResponse(status=429, headers=(*answer.headers, *headers), body=answer.body)

    def failed(self, status: int) -> SimResponse:
        if status >= 500:
            return _json(status, {"code": 4197, "message": "The endpoint has been ramped down."})
        return _json(status, {"code": 4196, "message": "Invalid request."})

    def _unauthorised(self, request: SimRequest) -> SimResponse | None:
        found = PATH.fullmatch(request.path)
        if request.method != "POST" or not found or self.ad_account_id not in (None, found.group(1)):
            return self._refuse(404, 50, "Ad account not found")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token or self.access_token not in (None, token):
            return self._refuse(401, 2, "Authentication failed.")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._refuse(400, 4196, "Invalid request: not application/json")
        return None

    def _fault(self, event: ConversionEvent) -> str:
        user, custom = event.user_data, event.custom_data or CustomData()
        has_pair = user.client_ip_address is not UNSET and user.client_user_agent is not UNSET
        if user.em is UNSET and user.hashed_maids is UNSET and not has_pair:
            return "user_data: give em, hashed_maids, or client_ip_address with client_user_agent"
        if user.client_ip_address == "0.0.0.0":
            return "user_data.client_ip_address: 0.0.0.0 is not taken"
        if isinstance(custom.value, str) and float(custom.value) <= 0:
            return "custom_data.value: not negative or zero"
        if custom.opt_out_type is not UNSET and user.country is UNSET:
            return "custom_data.opt_out_type: needs user_data.st and user_data.country"
        return "" if event.event_name in NAMES or self._is_own(event.event_name) else "event_name: unknown"

    def _is_own(self, name: str) -> bool:
        """An advertiser may have 15 names of its own; the first that come are taken for them."""
        if len(self.own_names) < OWN_NAMES:
            self.own_names.add(name.lower())
        return name.lower() in self.own_names

    def _refuse(self, status: int, code: int, words: str) -> SimResponse:
        self.refused.append(words)
        return _json(status, {"code": code, "message": words})


def _key(event: dict[str, Any]) -> str:
    return f"{event['event_name']}/{event['event_id']}"


def _results(faults: list[str], received: int) -> dict[str, Any]:
    events = [
        {"status": "failed" if fault else "processed", "error_message": fault or None, "warning_message": None}
        for fault in faults
    ]
    return {
        "num_events_received": received,
        "num_events_processed": sum(not fault for fault in faults),
        "events": events,
    }


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
