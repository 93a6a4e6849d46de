"""Answers as Google's APIs write them, and what the simulated Google Ads account has."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from bench.simulator.base import Accepted, SimResponse

FAILURE_TYPE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}

_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_AT = re.compile(r" - at `\$\.?(.*)`$")


class Account(Struct, frozen=True, kw_only=True):
    """What the simulated account has and may; None means anything well-formed."""

    conversion_actions: frozenset[str] | None = None
    custom_variables: frozenset[str] | None = None
    access_tokens: frozenset[str] | None = None
    refresh_tokens: frozenset[str] | None = None
    service_accounts: Mapping[str, bytes] | None = None  # client_email -> its public key, PEM
    is_allowlisted: bool = True  # may use way A at all
    may_send_environment: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What a request led to."""

    response: SimResponse
    accepted: tuple[Accepted, ...] = ()
    refused: tuple[str, ...] = ()


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, with its place as the API names it, such as `events[0].user_data`."""

    field: str
    reason: str
    words: str


def answer_json(body: object, status: int = 200) -> SimResponse:
    headers = (("content-type", "application/json; charset=UTF-8"),)
    return SimResponse(status=status, headers=headers, body=msgspec.json.encode(body))


def refuse(status: int, code: str, words: str, *, kind: str = "requestError") -> Outcome:
    """A whole request refused as the Google Ads API does it: `error` with a GoogleAdsFailure."""
    failure = {"@type": FAILURE_TYPE, "errors": [{"errorCode": {kind: code}, "message": words}]}
    error = {"code": status, "message": words, "status": STATUS[status], "details": [failure] if code else []}
    return Outcome(response=answer_json({"error": error}, status), refused=(f"{status} {code} {words}",))


def refuse_fields(faults: list[Fault]) -> Outcome:
    """A 400 that names fields: ErrorInfo with the first reason, BadRequest with all of them."""
    violations = [{"field": fault.field, "description": fault.words, "reason": fault.reason} for fault in faults]
    details = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": faults[0].reason, "domain": "googleapis.com"},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations},
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "simulated"},
    ]
    words = "There was a problem with the request."
    error = {"code": 400, "message": words, "status": "INVALID_ARGUMENT", "details": details}
    refused = tuple(f"400 {fault.reason} {fault.field}: {fault.words}" for fault in faults)
    return Outcome(response=answer_json({"error": error}, 400), refused=refused)


def schema_fault(error: msgspec.ValidationError, base: str) -> Fault:
    """A wrong type, value or unknown field, as protobuf's JSON reader reports it."""
    text = str(error)
    found = _AT.search(text)
    inner = found.group(1) if found else ""
    field = snake(".".join(part for part in (base, inner) if part))
    return Fault(field=field, reason="INVALID_FORMAT", words=text[: found.start()] if found else text)


def snake(path: str) -> str:
    """`events[0].userData` as `events[0].user_data`."""
    return _CAPITAL.sub(r"_\1", path).lower()


def parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
