"""What an answer of the Graph API means for the events of its request.

Source: contracts/meta.md, section 9; "Handle Errors" and "Rate Limits", Graph API, developers.facebook.com, read
2026-11-20. The `code` decides, not the http status, and every answer concerns the whole request.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from actors.destinations.base import DAY_S, Delivered, Drop, Pause, Payload, Response, Retry, Split, Verdict
from actors.destinations.redaction import conceal
from actors.quota import read_quota
from actors.rates import Quota
from actors.secret import Secret

RATE_LIMITED = frozenset({4, 17, 613, 80003})
TEMPORARY = frozenset({1, 2, 341, 5000, 21009})  # 21009: the dataset is not ready for uploads yet
POLICY_BLOCK = 368
POLICY_BLOCK_AFTER_S = 3_600.0  # "backoff, long"
NO_PERMISSION = frozenset({3, 10, *range(200, 300)})
TOKEN_INVALID = 190
INVALID_PARAMETER = 100
NO_DATASET = 33  # subcode of 100
TOO_MANY_PARAMETERS = 105

NEAR = 90.0  # per cent of a bound
USAGES = ("call_count", "total_time", "total_cputime")
REGAIN = ("estimated_time_to_regain_access",)  # minutes
USAGE_HEADERS = ("x-business-use-case-usage", "x-app-usage")


class GraphError(Struct, frozen=True, kw_only=True):
    message: str | None = None
    code: int | None = None
    error_subcode: int | None = None
    is_transient: bool | None = None
    error_user_title: str | None = None
    error_user_msg: str | None = None
    fbtrace_id: str | None = None


class Answer(Struct, frozen=True, kw_only=True):
    events_received: int | None = None
    messages: list[Any] | None = None
    error: GraphError | None = None


def verdict_of(response: Response, payloads: Sequence[Payload], token: Secret) -> Verdict:
    """One verdict for all. Its reason holds Meta's own words, without the token and without personal data."""
    answer = _read(response)
    if answer.error is not None:
        return _refusal(response, answer.error, payloads, token)
    if 200 <= response.status < 300 and answer.events_received is not None:
        return Delivered(conceal(_note(answer, len(payloads)), [token], payloads))
    words = conceal(f"answer {response.status}: {_text(response)}", [token], payloads)
    if response.status == 413:  # Meta names no size limit, so an answer that does is taken at its word
        return Split(words)
    return Retry(words, after_s=regain_after_s(response), is_throttle=response.status == 429)


def regain_after_s(response: Response) -> float | None:
    """The longest wait that the usage headers or `Retry-After` name; None where none does. At most a day."""
    waits = [minutes * 60.0 for header in USAGE_HEADERS for minutes in _numbers(response.headers.get(header), REGAIN)]
    retry_after = response.headers.get("retry-after", "")
    if retry_after.isascii() and retry_after.isdigit():
        waits.append(float(retry_after[:9]))
    longest = max(waits, default=0.0)
    return min(longest, float(DAY_S)) if longest > 0 else None


def usage_quota(response: Response, now_ms: int) -> Quota:
    """What `regain_after_s` says, of any answer; and whether a usage is nearly at its bound (section 9)."""
    quota = read_quota(response.headers, now_ms)
    is_near = any(used >= NEAR for header in USAGE_HEADERS for used in _numbers(response.headers.get(header), USAGES))
    wait_s = max(quota.wait_s, regain_after_s(response) or 0.0)
    return msgspec.structs.replace(quota, wait_s=wait_s, is_near=is_near)


def _read(response: Response) -> Answer:
    try:
        return msgspec.json.decode(response.body, type=Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer()  # an HTML page, a proxy's text: the status is all there is


def _refusal(response: Response, error: GraphError, payloads: Sequence[Payload], token: Secret) -> Verdict:
    words = conceal(_words(response, error), [token], payloads)
    code, subcode = error.code, error.error_subcode
    if code in RATE_LIMITED or response.status == 429:
        return Retry(words, after_s=regain_after_s(response), is_throttle=True)
    if code == POLICY_BLOCK:
        return Retry(words, after_s=POLICY_BLOCK_AFTER_S)
    if code in TEMPORARY or error.is_transient:
        return Retry(words, after_s=regain_after_s(response))
    if code == TOKEN_INVALID or code in NO_PERMISSION or (code, subcode) == (INVALID_PARAMETER, NO_DATASET):
        return Pause(words)
    if code in (INVALID_PARAMETER, TOO_MANY_PARAMETERS):
        return Split(words) if len(payloads) > 1 else Drop(words)
    return Retry(words, after_s=regain_after_s(response))


def _words(response: Response, error: GraphError) -> str:
    """`400, 100/2804003: title: what to do (message), fbtrace_id …`"""
    code = "/".join(str(part) for part in (error.code, error.error_subcode) if part is not None)
    told = ": ".join(part for part in (error.error_user_title, error.error_user_msg) if part)
    if error.message:
        told = f"{told} ({error.message})" if told else error.message
    trace = f", fbtrace_id {error.fbtrace_id}" if error.fbtrace_id else ""
    return f"{response.status}, {code or 'no code'}: {told}{trace}"


def _note(answer: Answer, sent: int) -> str:
    notes = [str(message) for message in answer.messages or ()]
    if answer.events_received != sent:
        notes.insert(0, f"Meta counted {answer.events_received} of {sent} events")
    return "; ".join(notes)


def _text(response: Response) -> str:
    return response.body.decode("utf-8", "replace")


def _numbers(header: str | None, names: Sequence[str]) -> Iterator[float]:
    """The fields of those names in the header's JSON: an object of lists of objects, or one object."""
    try:
        yield from _find(msgspec.json.decode(header or "null"), names)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


def _find(value: object, names: Sequence[str]) -> Iterator[float]:
    match value:
        case dict():
            for name, entry in value.items():
                is_number = isinstance(entry, int | float) and not isinstance(entry, bool)
                yield from (float(entry),) if name in names and is_number else _find(entry, names)
        case list():
            for entry in value:
                yield from _find(entry, names)
