"""Meta as the simulator plays it: the events edge of the Conversions API, as strict as its page.

Source: contracts/meta.md, sections 2 to 9. A request is taken whole or refused whole. The record types are the page's
tables: an unknown field of an event or of `user_data` is a fault, in `custom_data` it is a custom property.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

DAY_MS = 86_400_000
AGE_MS = 7 * DAY_MS
STORE_AGE_MS = 62 * DAY_MS
FUTURE_MS = 60_000  # the page names no tolerance: a clock may be a little ahead
EVENTS = 1_000
VERSIONS = frozenset({"v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0"})
PATH = re.compile(r"/(v\d+\.\d)/(\d+)/events")

# Subcodes of code 100. 2804003 and 2804009 are documented; which of the others means what is this file's guess.
TOO_OLD, BAD_PURCHASE, BAD_EVENT, BAD_TIME, WEAK_USER, WEBSITE_LACKS = (
    2804003,
    2804009,
    2804001,
    2804007,
    2804048,
    2804016,
)
NO_DATASET = 33

WEAK_SETS = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)

HASH = re.compile(r"\A[0-9a-f]{64}(\.[A-Za-z0-9]{2,8})?\Z")
Hash = Annotated[str, Meta(pattern=HASH.pattern)]
# A single one is checked by `UserData` itself: with the pattern on both sides of the union msgspec 0.22.0 ends some
# processes with SIGSEGV when the interpreter takes the type apart.
Hashes = Annotated[list[Hash], Meta(min_length=1)] | str | UnsetType
Text = Annotated[str, Meta(min_length=1)]
Url = Annotated[str, Meta(pattern=r"\Ahttps?://")]


HASHED = ("em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country")


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
    external_id: list[Text] | Text | UnsetType = UNSET
    client_ip_address: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    client_user_agent: Text | UnsetType = UNSET
    fbc: Annotated[str, Meta(pattern=r"\Afb\.[0-9]\.[0-9]{13}\.[\w-]+(\.\w{2,8})?\Z")] | UnsetType = UNSET
    fbp: Annotated[str, Meta(pattern=r"\Afb\.[0-9]\.[0-9]{13}\.[0-9]+(\.\w{2,8})?\Z")] | UnsetType = UNSET
    subscription_id: Text | UnsetType = UNSET
    lead_id: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        for name in HASHED:
            value = getattr(self, name)
            if isinstance(value, str) and not HASH.match(value):
                raise ValueError(f"{name} is no SHA-256")


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Text
    quantity: int
    item_price: float | UnsetType = UNSET
    title: str | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    delivery_category: Literal["in_store", "curbside", "home_delivery"] | UnsetType = UNSET


class CustomData(Struct, frozen=True, kw_only=True):
    value: float | UnsetType = UNSET
    currency: Annotated[str, Meta(pattern=r"\A[A-Za-z]{3}\Z")] | UnsetType = UNSET
    content_ids: list[Text] | UnsetType = UNSET
    contents: list[Content] | UnsetType = UNSET
    content_type: Literal["product", "product_group"] | UnsetType = UNSET
    content_name: str | UnsetType = UNSET
    content_category: str | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    search_string: str | UnsetType = UNSET
    status: str | bool | UnsetType = UNSET
    predicted_ltv: float | UnsetType = UNSET
    net_revenue: float | UnsetType = UNSET
    delivery_category: Literal["in_store", "curbside", "home_delivery"] | UnsetType = UNSET


CUSTOM_FIELDS = frozenset(CustomData.__struct_fields__)


class ServerEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event_name: Annotated[str, Meta(min_length=1, max_length=50)]
    event_time: Annotated[int, Meta(gt=0, lt=100_000_000_000)]  # seconds, not milliseconds
    action_source: Literal[
        "website", "app", "physical_store", "system_generated", "email", "phone_call", "chat", "other",
        "business_messaging",
    ]  # fmt: skip
    user_data: UserData
    event_id: Text | UnsetType = UNSET
    event_source_url: Url | UnsetType = UNSET
    referrer_url: str | UnsetType = UNSET
    opt_out: bool | UnsetType = UNSET
    data_processing_options: list[Literal["LDU"]] | UnsetType = UNSET
    data_processing_options_country: Literal[0, 1] | UnsetType = UNSET
    data_processing_options_state: Literal[0, 1000] | UnsetType = UNSET
    customer_segmentation: Literal["new_customer_to_business", "existing_customer_to_business"] | UnsetType = UNSET
    custom_data: CustomData | UnsetType = UNSET


class Fault(Struct, frozen=True, kw_only=True):
    subcode: int
    words: str


class MetaSim:
    """Any pixel and any token, unless told which it knows."""

    name = "meta"

    def __init__(self, *, pixel_id: str | None = None, access_token: str | None = None) -> None:
        self.pixel_id = pixel_id
        self.access_token = access_token
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        fields = _object(request.body)
        events = fields.get("data")
        if fault := _fault_in_request(fields):
            return self._refuse(Fault(subcode=BAD_EVENT, words=fault))
        for index, event in enumerate(events or ()):
            if found := _fault_in_event(event, request.at_ms):
                return self._refuse(Fault(subcode=found.subcode, words=f"data[{index}]: {found.words}"))
        self.accepted += [Accepted(key=_key(event), event=event, at_ms=request.at_ms) for event in events or ()]
        taken = {"events_received": len(events or ()), "messages": [], "fbtrace_id": "A1b2C3d4E5"}
        return _json(200, taken)

    def bad_token(self) -> SimResponse:
        words = "Error validating access token: The session has been invalidated because the user changed the password."
        return _error(400, 190, 460, words)

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        answer = _error(400, 80003, 2446079, "There have been too many calls to this ad account.")
        if retry_after_s is None:
            return answer
        usage = [{"type": "custom_audience", "call_count": 100, "estimated_time_to_regain_access": retry_after_s / 60}]
        header = ("x-business-use-case-usage", msgspec.json.encode({"1234567890123456": usage}).decode())
        return SimResponse(status=answer.status, headers=(*answer.headers, header), body=answer.body)

    def failed(self, status: int) -> SimResponse:
        if status >= 500:
            return _error(status, 2, None, "Service temporarily unavailable", is_transient=True)
        return _error(status, 100, None, "Invalid parameter")

    def _unauthorised(self, request: SimRequest) -> SimResponse | None:
        found = PATH.fullmatch(request.path)
        if request.method != "POST" or not found or found.group(1) not in VERSIONS:
            return self._note(_error(400, 100, None, f"unsupported request: {request.method} {request.path}"))
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._note(_error(400, 100, None, "content-type is not application/json"))
        token = request.query.get("access_token") or _object(request.body).get("access_token")
        if not token or (self.access_token is not None and token != self.access_token):
            return self._note(_error(400, 190, None, "Invalid OAuth access token - Cannot parse access token"))
        if self.pixel_id is not None and found.group(2) != self.pixel_id:
            words = "Unsupported post request. Object does not exist or cannot be loaded due to missing permissions"
            return self._note(_error(400, 100, NO_DATASET, words))
        return None

    def _refuse(self, fault: Fault) -> SimResponse:
        return self._note(_error(400, 100, fault.subcode, "Invalid parameter", fault.words))

    def _note(self, refusal: SimResponse) -> SimResponse:
        self.refused.append(refusal.body.decode())
        return refusal


def _fault_in_request(fields: Mapping[str, Any]) -> str | None:
    events = fields.get("data")
    if unknown := fields.keys() - {"data", "test_event_code", "partner_agent", "access_token"}:
        return f"unknown fields {sorted(unknown)}"
    if not isinstance(events, list) or not 1 <= len(events) <= EVENTS:
        return f"data holds 1 to {EVENTS} events"
    if not isinstance(fields.get("test_event_code", "T"), str):
        return "test_event_code is a string"
    return None


def _fault_in_event(raw: object, now_ms: int) -> Fault | None:
    try:
        event = msgspec.convert(raw, ServerEvent)
    except msgspec.ValidationError as error:
        return Fault(subcode=BAD_EVENT, words=str(error))
    assert isinstance(raw, dict)
    return next(_faults(event, raw, now_ms), None)


def _faults(event: ServerEvent, raw: dict[str, Any], now_ms: int) -> Iterator[Fault]:
    age_ms = now_ms - event.event_time * 1000
    if age_ms > (STORE_AGE_MS if event.action_source == "physical_store" else AGE_MS):
        yield Fault(subcode=TOO_OLD, words="Event timestamp too old: events need to be sent within 7 days")
    if age_ms < -FUTURE_MS:
        yield Fault(subcode=BAD_TIME, words="event_time is in the future")
    if any(raw["user_data"].keys() <= weak for weak in WEAK_SETS):
        yield Fault(subcode=WEAK_USER, words="user_data holds too little to match anybody")
    if event.action_source == "website" and event.event_source_url is UNSET:
        yield Fault(subcode=WEBSITE_LACKS, words="a website event needs event_source_url")
    if event.action_source == "website" and event.user_data.client_user_agent is UNSET:
        yield Fault(subcode=WEBSITE_LACKS, words="a website event needs client_user_agent")
    if event.action_source == "app":
        yield Fault(subcode=WEBSITE_LACKS, words="an app event needs app_data")
    country, state = event.data_processing_options_country, event.data_processing_options_state
    if (country is UNSET) != (state is UNSET):
        yield Fault(subcode=BAD_EVENT, words="data_processing_options country and state go together")
    yield from _custom_faults(event, raw.get("custom_data", {}))


def _custom_faults(event: ServerEvent, raw: dict[str, Any]) -> Iterator[Fault]:
    custom = event.custom_data or CustomData()
    has_value, has_currency = custom.value is not UNSET, custom.currency is not UNSET
    if event.event_name == "Purchase" and not (has_value and has_currency):
        yield Fault(subcode=BAD_PURCHASE, words="Purchase needs value and currency")
    if has_value and not has_currency:
        yield Fault(subcode=BAD_EVENT, words="value needs currency")
    for name, value in raw.items():
        if name not in CUSTOM_FIELDS and not _is_flat(value):
            yield Fault(subcode=BAD_EVENT, words=f"custom property {name!r} is neither a scalar nor an array of such")


def _is_flat(value: object) -> bool:
    if isinstance(value, list):
        return not any(isinstance(entry, dict | list) for entry in value)
    return not isinstance(value, dict)


def _key(event: Mapping[str, Any]) -> str:
    """Section 8: name and event_id; without an id, name with the browser's or the person's."""
    user = event["user_data"]
    return f"{event['event_name']}/{event.get('event_id') or user.get('fbp') or user.get('external_id')}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _error(
    status: int, code: int, subcode: int | None, message: str, told: str = "", *, is_transient: bool = False
) -> SimResponse:
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "is_transient": is_transient}
    if subcode is not None:
        error["error_subcode"] = subcode
    if told:
        error |= {"error_user_title": "Invalid event", "error_user_msg": told}
    return _json(status, {"error": error | {"fbtrace_id": "A1b2C3d4E5"}})


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
