"""Reddit as the simulator plays it: conversion_events of the Conversions API v3, as strict as its page.

Source: contracts/reddit.md. A request is taken whole or refused whole (the page's belief for v3); an unknown field, a
wrong type or a wrong letter case refuses it. The sets of match keys that suffice are Commanders Act's, and a phone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

AGE_MS = 7 * 86_400_000
FUTURE_MS = 5 * 60_000
EVENTS = 1_000
PATH = re.compile(r"/api/v3/pixels/([A-Za-z0-9_]+)/conversion_events")
TOKEN = re.compile(r"Bearer [\x21-\x7e]+")

Text = Annotated[str, Meta(min_length=1)]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Pixels = Annotated[int, Meta(gt=0, lt=32_768)]
Standard = Literal[
    "PAGE_VISIT", "VIEW_CONTENT", "SEARCH", "ADD_TO_CART", "ADD_TO_WISHLIST", "PURCHASE", "LEAD", "SIGN_UP", "CUSTOM"
]


class Kind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tracking_type: Standard
    custom_event_name: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class Screen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    width: Pixels
    height: Pixels


class Processing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    modes: list[Literal["LDU"]] | UnsetType = UNSET
    country: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")] | UnsetType = UNSET
    region: Annotated[str, Meta(pattern=r"\A([A-Z]{2}-)?[A-Z0-9]{1,3}\Z")] | UnsetType = UNSET


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plain identifiers are allowed by Reddit; from this gateway they would be a fault, so they are refused here."""

    email: Hash | UnsetType = UNSET
    phone_number: Hash | UnsetType = UNSET
    external_id: Hash | UnsetType = UNSET
    ip_address: Hash | UnsetType = UNSET
    user_agent: Text | UnsetType = UNSET
    uuid: Text | UnsetType = UNSET
    idfa: Text | UnsetType = UNSET
    aaid: Text | UnsetType = UNSET
    screen_dimensions: Screen | UnsetType = UNSET
    data_processing_options: Processing | UnsetType = UNSET


class Product(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Text
    name: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    item_price: float | UnsetType = UNSET
    quantity: int | UnsetType = UNSET


class Metadata(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    conversion_id: Text | UnsetType = UNSET
    order_id: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    value: float | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    item_count: int | UnsetType = UNSET
    products: list[Product] | UnsetType = UNSET


class ConversionEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_at: int
    action_source: Literal["WEBSITE", "APP", "PHYSICAL_STORE", "OTHER"]
    type: Kind
    click_id: Text | UnsetType = UNSET
    event_source_url: Text | UnsetType = UNSET
    referrer_url: Text | UnsetType = UNSET
    user: User = User()
    metadata: Metadata = Metadata()


class RedditSim:
    """Any pixel and any token, unless told which it knows."""

    name = "reddit"

    def __init__(self, *, pixel_id: str | None = None, access_token: str | None = None) -> None:
        self.pixel_id = pixel_id
        self.access_token = access_token
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if refusal := self._stranger(request):
            self.refused.append(refusal.body.decode())
            return refusal
        data = _data(request.body)
        if fault := next(_faults(data, request.at_ms), None):
            self.refused.append(fault)
            return _error(400, fault)
        events = data["events"]
        if "test_id" not in data:
            self.accepted += [Accepted(key=_key(event), event=event, at_ms=request.at_ms) for event in events]
        return _json(200, {"data": {"message": f"Successfully processed {len(events)} conversion events."}})

    def bad_token(self) -> SimResponse:
        return _error(401, "Authorization Required")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """No `Retry-After` is documented: it comes only where a test asks for one."""
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        answer = _error(429, "Too Many Requests")
        return SimResponse(status=429, headers=(*answer.headers, *headers), body=answer.body)

    def failed(self, status: int) -> SimResponse:
        return _error(status, "Internal Server Error" if status >= 500 else "Bad Request")

    def _stranger(self, request: SimRequest) -> SimResponse | None:
        found = PATH.fullmatch(request.path)
        if request.method != "POST" or not found:
            return _error(404, f"no such request: {request.method} {request.path}")
        token = request.headers.get("authorization", "")
        if not TOKEN.fullmatch(token) or self.access_token not in (None, token.removeprefix("Bearer ")):
            return self.bad_token()
        if self.pixel_id not in (None, found.group(1)):
            return _error(404, "pixel not found")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(400, "content-type is not application/json")
        return None


def _data(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    data = value.get("data") if isinstance(value, dict) and value.keys() == {"data"} else None
    return data if isinstance(data, dict) else {}


def _faults(data: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    events = data.get("events")
    if unknown := data.keys() - {"events", "test_id"}:
        yield f'JSON error "unknown field" on field {sorted(unknown)[0]}'
    if not isinstance(data.get("test_id", "t"), str):
        yield "test_id is a string"
    if not isinstance(events, list) or not 1 <= len(events) <= EVENTS:
        yield f"events holds 1 to {EVENTS} events"
        return
    for index, raw in enumerate(events):
        yield from (f"events[{index}]: {fault}" for fault in _event_faults(raw, now_ms))


def _event_faults(raw: object, now_ms: int) -> Iterator[str]:
    try:
        event = msgspec.convert(raw, ConversionEvent)
    except msgspec.ValidationError as error:
        yield f"JSON error: {error}"
        return
    if now_ms - event.event_at > AGE_MS:
        yield "event_at timestamp must be less than 168h0m0s old"
    if event.event_at - now_ms > FUTURE_MS:
        yield "event_at timestamp must not be in the future"
    if (event.type.tracking_type == "CUSTOM") != (event.type.custom_event_name is not UNSET):
        yield "custom_event_name goes with CUSTOM, and only with it"
    if event.metadata.value is not UNSET and event.metadata.currency is UNSET:
        yield "value needs currency"
    if event.event_source_url is not UNSET and event.action_source != "WEBSITE":
        yield "event_source_url is only for WEBSITE"
    if not _is_matchable(event):
        yield "no match key that suffices"


def _is_matchable(event: ConversionEvent) -> bool:
    user = event.user
    alone = (event.click_id, user.uuid, user.email, user.phone_number, user.external_id, user.idfa, user.aaid)
    if any(key is not UNSET for key in alone):
        return True
    return all(key is not UNSET for key in (user.ip_address, user.user_agent, user.screen_dimensions))


def _key(event: Mapping[str, Any]) -> str:
    """Section 8: the conversion id within its kind of event and its channel."""
    kind = event["type"]
    name = kind.get("custom_event_name", kind["tracking_type"])
    return f"{event['action_source']}/{name}/{event.get('metadata', {}).get('conversion_id')}"


def _error(status: int, message: str) -> SimResponse:
    return _json(status, {"error": {"code": status, "message": message}})


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
