"""Snapchat as the simulator plays it: the events endpoint of the Conversions API, as strict as its page.

Source: contracts/snapchat.md. The check stops at the first bad event and names it; nothing of that request is taken,
which is the reading of an undocumented point that loses most, so that a sender is tested against it. An unknown field
is a fault.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

AGE_MS = 7 * 86_400_000  # the strictest of three figures
FUTURE_MS = 60_000  # not documented: a clock may be a little ahead
EVENTS = 2_000
EXTINFO = 16
PATH = re.compile(r"/v3/([A-Za-z0-9-]+)/events(/validate)?")
# fmt: off
NAMES = frozenset({
    "PAGE_VIEW", "VIEW_CONTENT", "ADD_CART", "ADD_TO_WISHLIST", "START_CHECKOUT", "ADD_BILLING", "PURCHASE", "SIGN_UP",
    "SEARCH", "SAVE", "SUBSCRIBE", "COMPLETE_TUTORIAL", "START_TRIAL", "AD_CLICK", "AD_VIEW", "APP_OPEN",
    "APP_INSTALL", "LEVEL_COMPLETE", "INVITE", "LOGIN", "SHARE", "RESERVE", "ACHIEVEMENT_UNLOCKED", "SPENT_CREDITS",
    "RATE", "LIST_VIEW", "CUSTOM_EVENT_1", "CUSTOM_EVENT_2", "CUSTOM_EVENT_3", "CUSTOM_EVENT_4", "CUSTOM_EVENT_5",
})
# fmt: on

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hashes = Annotated[list[Hash], Meta(min_length=1)] | UnsetType
Text = Annotated[str, Meta(min_length=1)]
Number = Annotated[str, Meta(pattern=r"\A\d+(\.\d+)?\Z")]


class UserData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    em: Hashes = UNSET
    ph: Hashes = UNSET
    fn: Hashes = UNSET
    ln: Hashes = UNSET
    ge: Hashes = UNSET
    ct: Hashes = UNSET
    st: Hashes = UNSET
    zp: Hashes = UNSET
    country: Hashes = UNSET
    external_id: Hashes = UNSET
    client_ip_address: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    client_user_agent: Annotated[str, Meta(pattern=r"\S")] | UnsetType = UNSET
    sc_click_id: Text | UnsetType = UNSET
    sc_cookie1: Text | UnsetType = UNSET
    subscription_id: Text | UnsetType = UNSET
    madid: Text | UnsetType = UNSET


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Text
    item_price: Number | UnsetType = UNSET
    quantity: Number | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    delivery_category: str | UnsetType = UNSET


class CustomData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    value: float | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    content_ids: list[Text] | UnsetType = UNSET
    contents: list[Content] | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    content_category: str | UnsetType = UNSET
    content_name: str | UnsetType = UNSET
    content_type: Literal["product"] | UnsetType = UNSET
    search_string: str | UnsetType = UNSET
    custom_fields: dict[str, str] | UnsetType = UNSET


class AppData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    app_id: Text
    extinfo: Annotated[list[str], Meta(min_length=EXTINFO, max_length=EXTINFO)]


class ConversionEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_name: str
    event_time: Annotated[int, Meta(gt=0, lt=100_000_000_000)]  # seconds, not milliseconds
    action_source: Literal["WEB", "MOBILE_APP", "OFFLINE"]
    user_data: UserData
    event_id: Text | UnsetType = UNSET
    event_source_url: Annotated[str, Meta(pattern=r"\Ahttps?://")] | UnsetType = UNSET
    opt_out: bool | UnsetType = UNSET
    app_data: AppData | UnsetType = UNSET
    custom_data: CustomData | UnsetType = UNSET
    test_event_code: Text | UnsetType = UNSET


class SnapchatSim:
    """Any asset and any token, unless told which it knows."""

    name = "snapchat"

    def __init__(self, *, asset_id: str | None = None, access_token: str | None = None) -> None:
        self.asset_id = asset_id
        self.access_token = access_token
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        found = PATH.fullmatch(request.path)
        if request.method != "POST" or not found:
            return self._refuse(405 if found else 404, f"no such request: {request.method} {request.path}")
        asset_id = found.group(1)
        if self.access_token not in (None, request.query.get("access_token")) or "access_token" not in request.query:
            return self._refuse(401, "access token is missing or wrong")
        if self.asset_id not in (None, asset_id):
            return self._refuse(403, f"no access to asset {asset_id}")
        events = _events(request)
        if events is None:
            return self._refuse(400, f"data holds 1 to {EVENTS} events as application/json")
        faults = [_fault(event, request.at_ms) for event in events]
        self.refused += [fault for fault in faults if fault]
        if found.group(2):
            return _validation(faults)
        for index, fault in enumerate(faults):
            if fault:
                return _json(400, _invalid(index, fault))
        self.accepted += [Accepted(key=_key(asset_id, event), event=event, at_ms=request.at_ms) for event in events]
        return _json(200, {"status": "VALID", "reason": "Events have been processed successfully."})

    def bad_token(self) -> SimResponse:
        return _json(401, {"status": "INVALID", "reason": "Unauthorized: the access token is not valid"})

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """Snapchat documents no wait."""
        return _json(429, {"status": "INVALID", "reason": "Too many requests"})

    def failed(self, status: int) -> SimResponse:
        return _json(status, {"status": "INVALID", "reason": "Something went wrong"})

    def _refuse(self, status: int, words: str) -> SimResponse:
        self.refused.append(words)
        return _json(status, {"status": "INVALID", "reason": words})


def _events(request: SimRequest) -> list[Any] | None:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return None
    try:
        fields = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    events = fields.get("data") if isinstance(fields, dict) and fields.keys() == {"data"} else None
    return events if isinstance(events, list) and 1 <= len(events) <= EVENTS else None


def _fault(raw: object, now_ms: int) -> str | None:
    try:
        event = msgspec.convert(raw, ConversionEvent)
    except msgspec.ValidationError as error:
        return str(error)
    return next(_faults(event, now_ms), None)


def _faults(event: ConversionEvent, now_ms: int) -> Iterator[str]:
    user, custom = event.user_data, event.custom_data or CustomData()
    if event.event_name not in NAMES:
        yield "event_name is not known"
    age_ms = now_ms - event.event_time * 1000
    if age_ms > AGE_MS or age_ms < -FUTURE_MS:
        yield "event_time is out of range"
    has_pair = user.client_ip_address is not UNSET and user.client_user_agent is not UNSET
    if user.em is UNSET and user.ph is UNSET and user.madid is UNSET and not has_pair:
        yield "user_data: give em, ph, madid, or client_ip_address with client_user_agent"
    if event.action_source == "WEB" and event.event_source_url is UNSET:
        yield "event_source_url is required for WEB"
    if (event.action_source == "MOBILE_APP") != (event.app_data is not UNSET):
        yield "app_data is required for MOBILE_APP"
    if event.app_data is not UNSET and event.app_data.extinfo[0] not in ("i2", "a2"):
        yield "app_data.extinfo[0] is i2 or a2"
    if event.event_name == "PURCHASE" and (custom.value is UNSET or custom.currency is UNSET):
        yield "value and currency are required for PURCHASE"


def _key(asset_id: str, event: dict[str, Any]) -> str:
    return f"{asset_id}/{event['event_name']}/{event.get('event_id')}"


def _invalid(index: int, fault: str) -> dict[str, Any]:
    return {"status": "INVALID", "event": index, "errors": {"codes": ["E0000"], "error_msgs": [fault]}}


def _validation(faults: list[str | None]) -> SimResponse:
    """The test endpoint: nothing is recorded, each event is judged."""
    logs = [
        _invalid(index, fault) | {"warnings": []} if fault else {"status": "VALID", "event": index, "warnings": []}
        for index, fault in enumerate(faults)
    ]
    status = "INVALID" if any(faults) else "VALID"
    return _json(200, {"status": status, "test_event": True, "reason": "", "event_logs": logs})


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
