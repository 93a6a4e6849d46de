"""LinkedIn as the simulator plays it: conversionEvents of the Conversions API, as strict as its page.

Source: contracts/linkedin.md. A request is taken whole or refused whole; structure is checked first (422, all faults
told), then the rules and the times (400). Content is not checked: an invented currency is taken, as by the real one.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

AGE_MS = 90 * 86_400_000
EVENTS = 5_000
VERSIONS = frozenset({f"2026{month:02d}" for month in range(1, 10)})
PATH = "/rest/conversionEvents"
TOKEN_PATH = "/oauth/v2/accessToken"
TOKEN_LIFE_S = 60 * 86_400
TOKEN = re.compile(r"Bearer [\x21-\x7e]+")

Text = Annotated[str, Meta(min_length=1)]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Hashed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="idType", tag="SHA256_EMAIL"):
    idValue: Hash


class Uuid(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="idType",
    tag="LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID",
):
    idValue: Text


class Address(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="idType", tag="PLAINTEXT_IP_ADDRESS"
):
    idValue: Annotated[str, Meta(pattern=r"\A[0-9.]{7,15}\Z")]


class UserInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    firstName: Text | UnsetType = UNSET
    lastName: Text | UnsetType = UNSET
    hashedFirstName: Hash | UnsetType = UNSET
    hashedLastName: Hash | UnsetType = UNSET
    countryCode: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")] | UnsetType = UNSET
    title: Text | UnsetType = UNSET
    companyName: Text | UnsetType = UNSET


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    userIds: list[Hashed | Uuid | Address]
    userInfo: UserInfo | UnsetType = UNSET
    externalIds: Annotated[list[Text], Meta(max_length=1)] | UnsetType = UNSET
    lead: Annotated[str, Meta(pattern=r"\Aurn:li:leadGenFormResponse:.")] | UnsetType = UNSET


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    currencyCode: Text
    amount: Annotated[str, Meta(pattern=r"\A-?[0-9]+(\.[0-9]+)?\Z")]


class ConversionEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    conversion: Annotated[str, Meta(pattern=r"\Aurn:lla:llaPartnerConversion:[0-9]+\Z")]
    conversionHappenedAt: Annotated[int, Meta(gt=100_000_000_000)]  # milliseconds, not seconds
    user: User
    conversionValue: Value | UnsetType = UNSET
    eventId: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


RuleState = Literal["ok", "insight_tag", "disabled"]


class LinkedInSim:
    """Any token and any rule, unless told which it knows. `rules`: id -> how it stands at LinkedIn."""

    name = "linkedin"

    def __init__(
        self,
        *,
        access_token: str | None = None,
        rules: dict[str, RuleState] | None = None,
        refresh_token: str | None = None,
    ) -> None:
        self.access_token = access_token
        self.refresh_token = refresh_token
        self.rules = rules
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if request.path == TOKEN_PATH:
            return self._token(request)
        if refusal := self._refusal(request):
            self.refused.append(refusal.body.decode())
            return refusal
        is_batch = _is_batch(request)
        events = _elements(request.body) if is_batch else [_value(request.body)]
        if refusal := _structure(events) or self._rules(events, request.at_ms):
            self.refused.append(refusal.body.decode())
            return refusal
        self.accepted += [Accepted(key=_key(event), event=event, at_ms=request.at_ms) for event in events]
        return _json(200, {"elements": [{"status": 201}] * len(events)}) if is_batch else SimResponse(status=201)

    def bad_token(self) -> SimResponse:
        return _unauthorised(65600, "INVALID_ACCESS_TOKEN", "Invalid access token")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """No `Retry-After` is documented: it comes only where a test asks for one."""
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        answer = _json(429, {"message": "Resource level throttle limit for calls to this resource is reached."})
        return SimResponse(status=429, headers=(*answer.headers, *headers), body=answer.body)

    def failed(self, status: int) -> SimResponse:
        answer = _json(status, {"message": "Internal Server Error", "status": status})
        return SimResponse(status=status, headers=(*answer.headers, ("x-li-uuid", "AAYx8Vb1c2k=")), body=answer.body)

    def _token(self, request: SimRequest) -> SimResponse:
        """The token endpoint: RFC 6749, sections 5 and 6."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        is_form = request.headers.get("content-type") == "application/x-www-form-urlencoded"
        if not is_form or form.get("grant_type") != "refresh_token":
            return _json(400, {"error": "invalid_request", "error_description": "grant_type is missing or unknown"})
        if not form.get("client_id") or not form.get("client_secret"):
            return _json(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if form.get("refresh_token") in (None, "") or self.refresh_token not in (None, form["refresh_token"]):
            words = "The provided authorization grant or refresh token is invalid, expired or revoked"
            return _json(400, {"error": "invalid_grant", "error_description": words})
        return _json(200, {"access_token": self.access_token or "simulated-token", "expires_in": TOKEN_LIFE_S})

    def _refusal(self, request: SimRequest) -> SimResponse | None:
        if request.path != PATH:
            return _json(404, {"message": f"No root resource defined for path {request.path}", "status": 404})
        if request.method != "POST":
            return _json(405, {"message": f"{request.method} is not allowed", "status": 405})
        token = request.headers.get("authorization", "")
        if not TOKEN.fullmatch(token) or self.access_token not in (None, token.removeprefix("Bearer ")):
            return self.bad_token()
        version = request.headers.get("linkedin-version")
        if version is None:
            return _json(400, {"status": 400, "code": "VERSION_MISSING", "message": "A version must be present."})
        if version not in VERSIONS:
            words = f"Requested version {version} is not active"
            return _json(426, {"status": 426, "code": "NONEXISTENT_VERSION", "message": words})
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _json(415, {"message": "content-type is not application/json", "status": 415})
        if not 1 <= len(_elements(request.body) if _is_batch(request) else [0]) <= EVENTS:
            return _json(400, {"message": f"elements holds 1 to {EVENTS} events", "status": 400})
        return None

    def _rules(self, events: Sequence[dict[str, Any]], now_ms: int) -> SimResponse | None:
        states = [self._state(event) for event in events]
        if None in states:
            return _json(403, {"message": "No ad accounts found", "status": 403})
        if tagged := [index for index, state in enumerate(states) if state == "insight_tag"]:
            return _json(400, {"message": f"Conversion's method should be CONVERSIONS_API, indices {tagged}"})
        if disabled := [index for index, state in enumerate(states) if state == "disabled"]:
            return _json(400, {"message": f"Conversion rule is not enabled, indices {disabled}", "status": 400})
        times = [event["conversionHappenedAt"] for event in events]
        late = [index for index, at_ms in enumerate(times) if not now_ms - AGE_MS <= at_ms <= now_ms]
        words = f"Conversion time should be within 90 days and not exceed current time, indices {late} (0-indexed)"
        return _json(400, {"message": words, "status": 400}) if late else None

    def _state(self, event: dict[str, Any]) -> RuleState | None:
        return "ok" if self.rules is None else self.rules.get(event["conversion"].rpartition(":")[2])


def _is_batch(request: SimRequest) -> bool:
    return request.headers.get("x-restli-method") == "BATCH_CREATE"


def _value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _elements(body: bytes) -> list[Any]:
    value = _value(body)
    elements = value.get("elements") if isinstance(value, dict) and value.keys() == {"elements"} else None
    return elements if isinstance(elements, list) else []


def _structure(events: Sequence[object]) -> SimResponse | None:
    """All faults at once; only the first line of an element says its index."""
    lines: list[str] = []
    for index, event in enumerate(events):
        for nth, fault in enumerate(_faults(event)):
            lines.append(f"Index: {index}, {fault}" if nth == 0 else fault)
    return _json(422, {"message": "\n".join(lines), "status": 422}) if lines else None


def _faults(raw: object) -> Iterator[str]:
    try:
        event = msgspec.convert(raw, ConversionEvent)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        yield f"ERROR :: {place.rstrip('`').replace('.', '/') or '/'} :: {words}"
        return
    user = event.user
    if not user.userIds and user.userInfo is UNSET and user.externalIds is UNSET and user.lead is UNSET:
        yield "ERROR :: /user/userIds :: at least one identifier is needed"
    if isinstance(user.userInfo, UserInfo):
        plain, hashed = user.userInfo.firstName, user.userInfo.hashedFirstName
        if plain is UNSET and hashed is UNSET:
            yield "ERROR :: /user/userInfo/firstName :: field is required but not found and has no default value"
        if user.userInfo.lastName is UNSET and user.userInfo.hashedLastName is UNSET:
            yield "ERROR :: /user/userInfo/lastName :: field is required but not found and has no default value"


def _key(event: dict[str, Any]) -> str:
    return f"{event['conversion'].rpartition(':')[2]}/{event.get('eventId')}"


def _unauthorised(number: int, code: str, message: str) -> SimResponse:
    return _json(401, {"status": 401, "serviceErrorCode": number, "code": code, "message": message})


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
