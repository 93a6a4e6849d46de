"""What an answer of Snapchat's Conversions API means for each event of its request.

Source: contracts/snapchat.md, "Batching", "Errors" and "Test mode". The body decides: a refusal comes with 200 too. It
names one event and leaves open what became of the others, so these go again without it: Snapchat drops what it has
already, by `event_id`. A refusal that names no event of the request splits it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

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
from actors.destinations.waits import retry_after_s
from actors.secret import Secret

OWN_MEANING = frozenset({401, 403, 404, 405, 413, 429})  # statuses that say more than their body
VALIDATED = "valid; not recorded, as validate_only is set"


class EventLog(Struct, frozen=True, kw_only=True):
    status: str | None = None
    event: int | None = None
    errors: Any = None


class Answer(Struct, frozen=True, kw_only=True):
    """What decides is typed; words are taken in whatever form they come."""

    status: str | None = None
    event: int | None = None
    reason: Any = None
    errors: Any = None
    event_logs: list[EventLog] | None = None


def verdicts_of(response: Response, payloads: Sequence[Payload], token: Secret, *, is_test: bool) -> list[Verdict]:
    """One verdict per payload, in Snapchat's own words without the token and without personal data."""
    return conceal_all(_verdicts(response, payloads, is_test), [token], payloads)


def _verdicts(response: Response, payloads: Sequence[Payload], is_test: bool) -> list[Verdict]:
    answer = _read(response)
    if is_test and answer.event_logs and (found := _validated(response, answer.event_logs, len(payloads))):
        return found
    words = _words(response, answer.reason, answer.errors)
    if answer.status == "INVALID" and response.status < 500 and response.status not in OWN_MEANING:
        return _refused(answer.event, words, len(payloads))
    if answer.status == "VALID" and response.status == 200:
        return all_of(Delivered(VALIDATED if is_test else ""), payloads)
    return all_of(_by_status(response, words), payloads)


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
            return Retry(words, after_s=retry_after_s(response), is_throttle=True)
        case status if status >= 500:
            return Retry(words, after_s=retry_after_s(response))
    return unforeseen(response)


def _read(response: Response) -> Answer:
    try:
        return msgspec.json.decode(response.body, type=Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer()  # an HTML page, a proxy's text: the status is all there is


def _words(response: Response, reason: object, errors: object) -> str:
    """`400, code, code: message; message; reason`"""
    codes, messages = list(_texts(errors, "codes")), list(_texts(errors, "error_msgs"))
    told = "; ".join([*messages, str(reason)] if reason else messages)
    if not told and not codes:
        return f"answer {response.status}: {response.words()}"
    return f"{', '.join([str(response.status), *codes])}: {told}"


def _texts(errors: object, name: str) -> Iterator[str]:
    found = errors.get(name) if isinstance(errors, dict) else None
    if isinstance(found, list):
        yield from (str(entry) for entry in found)
