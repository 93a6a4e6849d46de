"""What an answer of Pinterest's API for Conversions means for each event of its request.

Source: contracts/pinterest.md, "Batching" and "Errors". Each event has its own status; that field alone decides. An
answer that the page calls 422 holds the same list under `details`; where that cannot be read nobody knows which events
were taken, and none is sent again.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.destinations.base import (
    Delivered,
    Drop,
    Pause,
    Payload,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    unforeseen,
)
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.secret import Secret

RESET = "x-ratelimit-reset"


class EventResult(Struct, frozen=True, kw_only=True):
    """Only the status is typed: words are taken in whatever form they come."""

    status: str | None = None
    error_message: Any = None
    warning_message: Any = None


class Results(Struct, frozen=True, kw_only=True):
    events: list[EventResult] | None = None
    num_events_processed: int | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    code: Any = None
    message: Any = None
    details: Raw | UnsetType = UNSET


def verdicts_of(response: Response, payloads: Sequence[Payload], token: Secret) -> list[Verdict]:
    """One verdict per payload, in Pinterest's own words without the token and without personal data."""
    return conceal_all(_verdicts(response, payloads), [token], payloads)


def _verdicts(response: Response, payloads: Sequence[Payload]) -> list[Verdict]:
    if 200 <= response.status < 300:
        found = _each(response, response.body, len(payloads))
        return found or all_of(unforeseen(response), payloads)
    refusal = _refusal(response.body)
    words = _words(response, refusal)
    if response.status == 422:
        details = b"" if refusal.details is UNSET else bytes(refusal.details)
        return _each(response, details, len(payloads)) or all_of(Drop(words), payloads)
    return all_of(_of_all(response, words), payloads)


def _each(response: Response, body: bytes, events: int) -> list[Verdict] | None:
    """A verdict per event; None where the list is not one of this request's events."""
    try:
        results = msgspec.json.decode(body, type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if results.events is not None and len(results.events) == events:
        return [_of_one(response, result) for result in results.events]
    if not results.events and results.num_events_processed == events:
        return [Delivered()] * events
    return None


def _of_one(response: Response, result: EventResult) -> Verdict:
    if result.status == "processed":
        return Delivered(str(result.warning_message or ""))
    if result.status == "failed":
        return Drop(f"{response.status}, failed: {result.error_message or 'Pinterest does not say why'}")
    return Retry(f"{response.status}, status {result.status!r}: {result.error_message or 'no message'}")


def _of_all(response: Response, words: str) -> Verdict:
    match response.status:
        case 400 | 413:  # one property of one event refuses all of them
            return Split(words)
        case 401 | 403 | 404:
            return Pause(words)
        case 429:
            return Retry(words, after_s=retry_after_s(response, RESET), is_throttle=True)
        case status if status >= 500:
            return Retry(words, after_s=retry_after_s(response))
    return unforeseen(response)


def _refusal(body: bytes) -> Refusal:
    try:
        return msgspec.json.decode(body, type=Refusal, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal()  # an HTML page, a proxy's text: the status is all there is


def _words(response: Response, refusal: Refusal) -> str:
    if refusal.code is None and refusal.message is None:
        return f"answer {response.status}: {response.words()}"
    return f"{response.status}, {refusal.code}: {refusal.message}"
