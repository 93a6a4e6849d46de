"""What an answer of Snapchat's Conversions API means for each event of its request.

Source: contracts/snapchat.md, "Batching", "Errors" and "Test mode". The body decides: a refusal comes with 200 too. It
names one event and leaves open what became of the others, so these go again without it: Snapchat drops what it has
already, by `event_id`. A refusal that names no event of the request splits it.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from actors.destinations.ads_shared import retry_after_s
from actors.destinations.base import (
    Again,
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
from actors.secret import Secret

VALIDATED = "valid; not recorded, as validate_only is set"


class Errors(Struct, frozen=True, kw_only=True):
    codes: list[str] = []
    error_msgs: list[str] = []


class EventLog(Struct, frozen=True, kw_only=True):
    status: str | None = None
    event: int | None = None
    errors: Errors | None = None


class Answer(Struct, frozen=True, kw_only=True):
    status: str | None = None
    event: int | None = None
    reason: str | None = None
    errors: Errors | None = None
    event_logs: list[EventLog] | None = None


def verdicts_of(response: Response, payloads: Sequence[Payload], token: Secret, *, is_test: bool) -> list[Verdict]:
    """One verdict per payload, in Snapchat's own words without the token and without personal data."""
    return conceal_all(_verdicts(response, payloads, is_test), [token], payloads)


def _verdicts(response: Response, payloads: Sequence[Payload], is_test: bool) -> list[Verdict]:
    answer = _read(response)
    if is_test and answer.event_logs and (found := _validated(response, answer.event_logs, len(payloads))):
        return found
    if response.status in (200, 400) and answer.status == "INVALID":
        return _refused(answer.event, _words(response, answer.reason, answer.errors), len(payloads))
    if response.status == 200 and answer.status == "VALID":
        return all_of(Delivered(VALIDATED if is_test else ""), payloads)
    return all_of(_by_status(response, _words(response, answer.reason, answer.errors)), payloads)


def _refused(named: int | None, words: str, events: int) -> list[Verdict]:
    if named is None or not 0 <= named < events:
        return [Split(words)] * events
    return [Drop(words) if index == named else Again(words) for index in range(events)]


def _validated(response: Response, logs: list[EventLog], events: int) -> list[Verdict] | None:
    """The test endpoint judges each event; None where its list is not one of this request's events."""
    by_index = {index if log.event is None else log.event: log for index, log in enumerate(logs)}
    if by_index.keys() != set(range(events)):
        return None
    return [_of_one(response, by_index[index]) for index in range(events)]


def _of_one(response: Response, log: EventLog) -> Verdict:
    if log.status == "VALID":
        return Delivered(VALIDATED)
    words = _words(response, None, log.errors)
    return Drop(words) if log.status == "INVALID" else Retry(words)


def _by_status(response: Response, words: str) -> Verdict:
    match response.status:
        case 401 | 403 | 404 | 405:
            return Pause(words)
        case 413:
            return Split(words)
        case 429:
            return Retry(words, after_s=retry_after_s(response, "retry-after"), is_throttle=True)
        case status if status >= 500:
            return Retry(words, after_s=retry_after_s(response, "retry-after"))
    return unforeseen(response)


def _read(response: Response) -> Answer:
    try:
        return msgspec.json.decode(response.body, type=Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer()  # an HTML page, a proxy's text: the status is all there is


def _words(response: Response, reason: str | None, errors: Errors | None) -> str:
    """`400, code, code: message; message; reason`"""
    codes, messages = (errors.codes, errors.error_msgs) if errors else ([], [])
    told = "; ".join([*messages, reason] if reason else messages)
    if not told and not codes:
        return f"answer {response.status}: {response.words()}"
    return f"{', '.join([str(response.status), *codes])}: {told}"
