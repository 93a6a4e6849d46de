"""What the Google Ads API answers to uploaded conversions: the verdict on each row.

Source: contracts/google_ads.md, sections 8 and 9. The request is partial: good rows are taken, each bad one is named by
its index in `partialFailureError`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from actors.destinations.base import (
    Again,
    Delivered,
    Drop,
    Pause,
    Payload,
    Refresh,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    unforeseen,
)
from actors.destinations.google_shared import duration_s, error_of, reason, records, throttle

if TYPE_CHECKING:
    from actors.destinations.google_ads import GoogleAds

TOO_RECENT_S = 6 * 3_600.0  # section 8: click and conversion action must be 6 hours old

# Section 9, one row. What is not named here is tried again.
TOO_RECENT = frozenset({"TOO_RECENT_EVENT", "TOO_RECENT_CONVERSION_ACTION"})
ALREADY_THERE = frozenset({"ORDER_ID_ALREADY_IN_USE", "CLICK_CONVERSION_ALREADY_EXISTS"})
TWICE_IN_REQUEST = frozenset({"DUPLICATE_ORDER_ID", "DUPLICATE_CLICK_CONVERSION_IN_REQUEST"})
UNUSABLE = frozenset(
    {
        "CLICK_NOT_FOUND",
        "EVENT_NOT_FOUND",
        "EXPIRED_EVENT",
        "CONVERSION_PRECEDES_EVENT",
        "UNPARSEABLE_GCLID",
        "UNPARSEABLE_GBRAID",
        "UNPARSEABLE_WBRAID",
        "GBRAID_WBRAID_BOTH_SET",
        "INVALID_USER_IDENTIFIER",
        "UNSUPPORTED_USER_IDENTIFIER",
        "ORDER_ID_CONTAINS_PII",
        "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID",
        "CONVERSION_NOT_COMPLIANT_WITH_ATT_POLICY",
        "INVALID_CUSTOMER_FOR_CLICK",
        "UNAUTHORIZED_CUSTOMER",
        "CONVERSION_TRACKING_NOT_ENABLED_AT_IMPRESSION_TIME",
    }
)
UNUSABLE_PREFIXES = ("CUSTOM_VARIABLE_", "EXTERNAL")
# Kinds of googleads/v25/errors that only say that a value is malformed: the same row never gets better.
MALFORMED_KINDS = frozenset({"fieldError", "dateError", "rangeError", "stringFormatError", "stringLengthError"})
WRONG_SETTINGS = frozenset({"NO_CONVERSION_ACTION_FOUND", "INVALID_CONVERSION_ACTION_TYPE"})
NOT_READY = frozenset(
    {
        "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
        "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
        "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    }
)
NOT_ALLOWLISTED = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"

# Section 9, whole request.
ACCESS_GONE = frozenset(
    {
        "OAUTH_TOKEN_REVOKED",
        "OAUTH_TOKEN_DISABLED",
        "NOT_ADS_USER",
        "CUSTOMER_NOT_FOUND",
        "TWO_STEP_VERIFICATION_NOT_ENROLLED",
    }
)
TEMPORARY = frozenset({500, 503, 504})


# A row among copies of one conversion in its request.
Copy = Literal["first", "later"]


class Failure(Struct, frozen=True, kw_only=True):
    """One error of a GoogleAdsFailure. `index`: the row it names; `field`: the row's field."""

    kind: str
    code: str
    message: str
    index: int | None
    field: str
    after_s: float | None


def judge(settings: "GoogleAds", response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    if response.status != 200:
        return all_of(_whole(settings, response), payloads)
    answer = response.json()
    if not isinstance(answer, dict):
        return all_of(_unreadable(settings, response), payloads)
    return _rows(settings, response, answer, payloads)


def _whole(settings: "GoogleAds", response: Response) -> Verdict:
    """Section 9, whole request."""
    error = error_of(response)
    failures = _failures(error)
    codes = {failure.code for failure in failures}
    code = ", ".join(sorted(codes)) or str(error.get("status", ""))
    text = reason(response, code, error.get("message"))
    match response.status:
        case 401 if codes & ACCESS_GONE or settings.oauth() is None:
            return Pause(text)
        case 401:
            return Refresh(text)
        case 429:
            return throttle(text, max((f.after_s for f in failures if f.after_s is not None), default=None))
        case status if status in TEMPORARY or "TRANSIENT_ERROR" in codes:
            return Retry(text)
        case 400 if "UNSUPPORTED_VERSION" in codes:
            return Pause(text)
        case _ if NOT_ALLOWLISTED in codes:
            return Pause(_closed(text))
        case 403 | 404:
            return Pause(text)
        case 400 | 413:
            return Split(text)
    return unforeseen(response)


def _closed(text: str) -> str:
    return f'{text}; this way is closed to newcomers: set via = "data_manager"'


def _unreadable(settings: "GoogleAds", response: Response) -> Verdict:
    """A 200 that is no JSON object: cut off, so smaller requests get answers that fit, or garbage. A row that was taken
    all the same comes back as ORDER_ID_ALREADY_IN_USE."""
    if len(response.body) >= settings.limits.answer_bytes:
        return Split(f"{response.status} answer longer than {settings.limits.answer_bytes} bytes")
    return unforeseen(response)


def _rows(
    settings: "GoogleAds", response: Response, answer: dict[str, Any], payloads: Sequence[Payload]
) -> Sequence[Verdict]:
    """A row's verdict is that of the errors that name it, else its result, else that of the errors that name no row."""
    own: dict[int | None, list[Failure]] = {}
    for failure in _failures(answer.get("partialFailureError")):
        own.setdefault(failure.index, []).append(failure)
    copies = _copies(payloads) if any(f.code in TWICE_IN_REQUEST for some in own.values() for f in some) else {}
    results = answer.get("results")
    results = results if isinstance(results, list) else []
    verdicts: list[Verdict] = []
    for index in range(len(payloads)):
        has_result = index < len(results) and bool(results[index])
        if failures := own.get(index) or ([] if has_result else own.get(None)):
            verdicts.append(_row(response, failures, copies.get(index)))
        elif has_result or settings.validate_only:  # with validateOnly results do not come (section 10)
            verdicts.append(Delivered())
        else:
            verdicts.append(unforeseen(response))  # a row with neither result nor error
    return verdicts


def _row(response: Response, failures: Sequence[Failure], copy: Copy | None) -> Verdict:
    """Of several errors the one that settles most: already there, then pause, drop, and last what is tried again."""
    verdicts = [
        _failure_verdict(failure, reason(response, failure.code, failure.message), copy) for failure in failures
    ]
    order = (Delivered, Pause, Drop, Split, Retry, Again)
    return min(verdicts, key=lambda verdict: order.index(type(verdict)))


def _failure_verdict(failure: Failure, text: str, copy: Copy | None) -> Verdict:
    """Section 9, one row."""
    code = failure.code
    if code in ALREADY_THERE:
        return Delivered(text)
    if code in TOO_RECENT:
        return Retry(text, after_s=TOO_RECENT_S)
    if code in TWICE_IN_REQUEST:
        return _twice(text, copy)
    if code in UNUSABLE or code.startswith(UNUSABLE_PREFIXES) or failure.kind in MALFORMED_KINDS:
        return Drop(text)
    if code in WRONG_SETTINGS:
        return Pause(f"{text}; mend conversion_actions")
    if code in NOT_READY:
        return Pause(f"{text}; make the account ready, or set user_identifiers = false to send click ids only")
    if code == NOT_ALLOWLISTED and failure.field in ("conversion_environment", "conversionEnvironment"):
        return Pause(f"{text}; set conversion_environment = false")
    return Pause(_closed(text)) if code == NOT_ALLOWLISTED else Retry(text)


def _twice(text: str, copy: Copy | None) -> Verdict:
    """All rows of one key fail. The first goes again at once; a later one follows when the first is in, and then comes
    back as already there. Where we see no copy, they are sent apart."""
    match copy:
        case "first":
            return Again(text)
        case "later":
            return Retry(text)
        case None:
            return Split(text)


def _copies(payloads: Sequence[Payload]) -> dict[int, Copy]:
    """Rows of the request that Google takes for one conversion (section 8)."""
    first: dict[tuple[Any, ...], int] = {}
    copies: dict[int, Copy] = {}
    for index, payload in enumerate(payloads):
        fields = msgspec.json.decode(payload.body)
        action, clicks = fields["conversionAction"], [fields.get(kind) for kind in ("gclid", "gbraid", "wbraid")]
        keys: list[tuple[Any, ...]] = [("order", action, fields["orderId"])]
        if any(clicks):
            keys.append(("click", action, *clicks, fields["conversionDateTime"]))
        for key in keys:
            if (earlier := first.setdefault(key, index)) != index:
                copies.setdefault(earlier, "first")
                copies[index] = "later"
    return copies


def _failures(status: object) -> list[Failure]:
    """The errors of a google.rpc.Status: of a whole request, or of `partialFailureError`."""
    details = records(status.get("details")) if isinstance(status, dict) else []
    return [_failure(error) for detail in details for error in records(detail.get("errors"))]


def _failure(error: dict[str, Any]) -> Failure:
    code = error.get("errorCode")
    kind, name = next(iter(code.items()), ("", "")) if isinstance(code, dict) else ("", "")
    place = error.get("location")
    path = records(place.get("fieldPathElements")) if isinstance(place, dict) else []
    index = next((step.get("index") for step in path if step.get("fieldName") == "conversions"), None)
    return Failure(
        kind=str(kind),
        code=str(name),
        message=str(error.get("message", "")),
        index=index if isinstance(index, int) else None,
        field=str(path[-1].get("fieldName", "")) if path else "",
        after_s=_quota_delay_s(error.get("details")),
    )


def _quota_delay_s(details: object) -> float | None:
    quota = details.get("quotaErrorDetails") if isinstance(details, dict) else None
    return duration_s(quota.get("retryDelay")) if isinstance(quota, dict) else None
