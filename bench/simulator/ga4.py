"""GA4 as the simulator plays it: the Measurement Protocol, which answers 204 to everything and here keeps the faults.

Source: contracts/ga4.md, sections 2 to 10. What the real endpoint would lose in silence is told in `refused`, so that a
test may demand that there is none; `/debug/mp/collect` tells it in the answer, as Google's does.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from actors.destinations.ga4_names import RESERVED_EVENT_PREFIXES, RESERVED_EVENTS, RESERVED_PARAM_PREFIXES
from bench.simulator.base import Accepted, SimRequest, SimResponse

REQUEST_BYTES = 130_000
AGE_MS = 3 * 86_400_000
PARAMS = 25
VALUE_CHARS = 100
LONGER: Mapping[str, int] = {"page_location": 1_000, "page_referrer": 420, "page_title": 300}
NEEDS_TRANSACTION = frozenset({"purchase", "refund"})

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_]{0,39}\Z")]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(min_length=1)]
Short = Annotated[str, Meta(min_length=1, max_length=VALUE_CHARS)]
Decision = Literal["GRANTED", "DENIED"]
Micros = Annotated[int, Meta(gt=1_000_000_000_000_000)]


class Consent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ad_user_data: Decision | UnsetType = UNSET
    ad_personalization: Decision | UnsetType = UNSET


class Address(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sha256_first_name: Hash | UnsetType = UNSET
    sha256_last_name: Hash | UnsetType = UNSET
    sha256_street: Hash | UnsetType = UNSET
    city: Text | UnsetType = UNSET
    region: Text | UnsetType = UNSET
    postal_code: Text | UnsetType = UNSET
    country: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")] | UnsetType = UNSET


class UserData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sha256_email_address: list[Hash] | UnsetType = UNSET
    sha256_phone_number: list[Hash] | UnsetType = UNSET
    address: list[Address] | UnsetType = UNSET


class Item(Struct, frozen=True, kw_only=True):
    """Further fields are item parameters of one's own."""

    item_id: Short | UnsetType = UNSET
    item_name: Short | UnsetType = UNSET
    item_brand: Short | UnsetType = UNSET
    item_category: Short | UnsetType = UNSET
    item_variant: Short | UnsetType = UNSET
    price: float | UnsetType = UNSET
    discount: float | UnsetType = UNSET
    quantity: int | UnsetType = UNSET


class Params(Struct, frozen=True, kw_only=True):
    """Those with a type of their own; any other is a scalar."""

    session_id: Annotated[str, Meta(pattern=r"\A[0-9]+\Z")] | int | UnsetType = UNSET
    engagement_time_msec: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    transaction_id: Short | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | UnsetType = UNSET
    value: float | UnsetType = UNSET
    shipping: float | UnsetType = UNSET
    tax: float | UnsetType = UNSET
    items: Annotated[list[Item], Meta(max_length=200)] | UnsetType = UNSET


class Ga4Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    params: Params = Params()
    timestamp_micros: Micros | UnsetType = UNSET


class Collect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    client_id: Text
    events: Annotated[list[Ga4Event], Meta(min_length=1, max_length=25)]
    user_id: Text | UnsetType = UNSET
    timestamp_micros: Micros | UnsetType = UNSET
    consent: Consent | UnsetType = UNSET
    user_data: UserData | UnsetType = UNSET
    ip_override: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    user_agent: Text | UnsetType = UNSET
    user_properties: dict[str, Any] | UnsetType = UNSET
    validation_behavior: Literal["RELAXED", "ENFORCE_RECOMMENDATIONS"] | UnsetType = UNSET


class Ga4Sim:
    name = "ga4"

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []
        self._events_taken = 0

    def answer(self, request: SimRequest) -> SimResponse:
        is_debug = request.path == "/debug/mp/collect"
        if request.method != "POST" or not (is_debug or request.path == "/mp/collect"):
            return self._malformed(404, f"no such request: {request.method} {request.path}")
        if len(request.body) >= REQUEST_BYTES:
            return self._malformed(413, f"{len(request.body)} bytes; less than {REQUEST_BYTES} are taken")
        fields = _object(request.body)
        faults = list(_faults(request, fields))
        if is_debug:
            return _validation(faults)
        self.refused += faults
        if not faults:
            self.accepted += [self._accepted(fields, event, request.at_ms) for event in fields["events"]]
        return SimResponse(status=204)

    def bad_token(self) -> SimResponse:
        """A wrong api_secret still gives a 2xx (section 9): the event is lost, and the sender cannot know."""
        return SimResponse(status=204)

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        return SimResponse(status=429, headers=headers)

    def _accepted(self, fields: dict[str, Any], event: dict[str, Any], at_ms: int) -> Accepted:
        """The request with this event alone. A purchase deduplicates by its transaction, nothing else does."""
        self._events_taken += 1
        key = f"{event['name']}#{self._events_taken}"
        if event["name"] == "purchase":
            key = f"purchase/{event['params']['transaction_id']}"
        return Accepted(key=key, event={**fields, "events": [event]}, at_ms=at_ms)

    def _malformed(self, status: int, words: str) -> SimResponse:
        self.refused.append(words)
        return SimResponse(status=status)


def _faults(request: SimRequest, fields: dict[str, Any]) -> Iterator[str]:
    if not request.query.get("measurement_id", "").startswith("G-"):
        yield "measurement_id: missing or malformed"
    if not request.query.get("api_secret"):
        yield "api_secret: missing"
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        yield "content-type is not application/json"
    try:
        collect = msgspec.convert(fields, Collect)
    except msgspec.ValidationError as error:
        yield str(error)
        return
    for index, event in enumerate(collect.events):
        at_micros = event.timestamp_micros or collect.timestamp_micros or request.at_ms * 1000
        if request.at_ms - at_micros // 1000 > AGE_MS:
            yield f"events[{index}]: older than 72 hours"
        for fault in _event_faults(event, fields["events"][index].get("params", {})):
            yield f"events[{index}]: {fault}"


def _event_faults(event: Ga4Event, params: dict[str, Any]) -> Iterator[str]:
    if event.name in RESERVED_EVENTS or event.name.startswith(RESERVED_EVENT_PREFIXES):
        yield f"name {event.name!r} is reserved"
    if len(params) > PARAMS:
        yield f"{len(params)} parameters; {PARAMS} are taken"
    if event.name in NEEDS_TRANSACTION and event.params.transaction_id is UNSET:
        yield f"{event.name} needs transaction_id"
    if event.params.value is not UNSET and event.params.currency is UNSET:
        yield "value needs currency"
    for item in event.params.items or ():
        if item.item_id is UNSET and item.item_name is UNSET:
            yield "an item needs item_id or item_name"
    for name, value in params.items():
        yield from _param_faults(name, value)


def _param_faults(name: str, value: object) -> Iterator[str]:
    if not (name.isascii() and name.isidentifier() and len(name) <= 40) or name.startswith(RESERVED_PARAM_PREFIXES):
        yield f"parameter name {name!r} is not taken"
    if name == "items":
        return
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        yield f"parameter {name!r} is neither a string nor a number"
    if isinstance(value, str) and len(value) > LONGER.get(name, VALUE_CHARS):
        yield f"parameter {name!r} has {len(value)} characters"


def _validation(faults: list[str]) -> SimResponse:
    messages = [{"fieldPath": fault.partition(":")[0], "description": fault} for fault in faults]
    body = msgspec.json.encode({"validationMessages": [one | {"validationCode": "VALUE_INVALID"} for one in messages]})
    return SimResponse(status=200, headers=(("content-type", "application/json"),), body=body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
