"""What an answer of Reddit's Conversions API means for the events of its request.

Source: contracts/reddit.md, section 9, read 2026-11-20. v3 answers `{"error": {"code", "message"}}`. `invalid_events`
with a copy of each bad event was seen in v2 only, both in a 400 and in a 2xx; it is read wherever it comes. A copy is
known by its `conversion_id`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

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
from actors.destinations.google_shared import records
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.secret import Secret

_JSON_FAULT = re.compile(r"\bjson\b", re.IGNORECASE)


def verdicts_of(response: Response, payloads: Sequence[Payload], token: Secret) -> Sequence[Verdict]:
    """One verdict for each payload, its reason Reddit's own words without the token and without personal data."""
    verdicts = _verdicts(response, payloads)
    if all(isinstance(verdict, Delivered) for verdict in verdicts):
        return verdicts
    return conceal_all(verdicts, [token], [_person(payload) for payload in payloads])


def _verdicts(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    body = response.json()
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    if 200 <= response.status < 300:
        return _taken(response, fields, payloads)
    if response.status == 400:
        return _refused(response, fields, payloads)
    return all_of(_whole(response, fields), payloads)


def _taken(response: Response, fields: dict[str, Any], payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """A yes, unless it names bad events or is an error after all."""
    if invalid := list(_invalid_events(fields)):
        return _named(response, invalid, payloads, Delivered())
    if fields.get("error") or fields.get("success") is False or (response.body and not fields):
        return all_of(unforeseen(response), payloads)
    return all_of(Delivered(), payloads)


def _refused(response: Response, fields: dict[str, Any], payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """400: nothing was taken; what is named never will be, the others may go again at once."""
    words = _words(response, fields)
    if invalid := list(_invalid_events(fields)):
        return _named(response, invalid, payloads, Again("400 another event of the request was refused"))
    if "test_id" in words:
        return all_of(Pause(f"{words}; mend test_id, or leave it out"), payloads)
    return all_of(Split(words) if len(payloads) > 1 else Drop(words), payloads)


def _named(
    response: Response, invalid: Sequence[tuple[str | None, str]], payloads: Sequence[Payload], innocent: Verdict
) -> Sequence[Verdict]:
    """Bad events by their `conversion_id`. Where one cannot be told, all are sent apart: repeats are harmless."""
    reasons = {key: f"{response.status} {words}" for key, words in invalid if key is not None}
    keys = [_conversion_id(payload) for payload in payloads]
    if len(reasons) < len(invalid) or any(keys.count(key) != 1 for key in reasons):
        words = f"{response.status} {invalid[0][1]}"
        return all_of(Split(words) if len(payloads) > 1 else Drop(words), payloads)
    return [Drop(reasons[key]) if key in reasons else innocent for key in keys]


def _whole(response: Response, fields: dict[str, Any]) -> Verdict:
    """Section 9, whole request."""
    words = _words(response, fields)
    match response.status:
        case 403 if _JSON_FAULT.search(words):  # seen in v2: a type error in the body, told with a 403
            return Split(words)
        case 401 | 403 | 404 | 410:
            return Pause(words)
        case 413:  # Reddit names no size limit, so an answer that does is taken at its word
            return Split(words)
        case 429:
            return Retry(words, after_s=retry_after_s(response), is_throttle=True)
        case status if status >= 500 or status == 408:
            return Retry(words, after_s=retry_after_s(response))
    return unforeseen(response)


def _invalid_events(fields: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Each bad event's `conversion_id`, if it is told, and what is wrong with it."""
    data = fields.get("data")
    found = records(fields.get("invalid_events")) + records(data.get("invalid_events") if isinstance(data, dict) else 0)
    for entry in found:
        event = entry.get("event")
        copy: dict[str, Any] = event if isinstance(event, dict) else {}
        metadata = copy.get("metadata") or copy.get("event_metadata")
        key = metadata.get("conversion_id") if isinstance(metadata, dict) else None
        yield key if isinstance(key, str) else None, str(entry.get("error_message", ""))


def _words(response: Response, fields: dict[str, Any]) -> str:
    """Status and message: v3's `error.message`, v2's `message` or `error.explanation`, else the body's head."""
    error = fields.get("error")
    inner: dict[str, Any] = error if isinstance(error, dict) else {}
    told = inner.get("message") or inner.get("explanation") or fields.get("message") or response.words()
    code = f" {inner['reason']}:" if isinstance(inner.get("reason"), str) else ""
    return f"{response.status}{code} {told}"


def _conversion_id(payload: Payload) -> str:
    key: str = msgspec.json.decode(payload.body)["metadata"]["conversion_id"]
    return key


def _person(payload: Payload) -> Payload:
    """What of the event is a person's, where words are searched for it."""
    fields = msgspec.json.decode(payload.body)
    return Payload(msgspec.json.encode({"user_data": [fields.get("user"), fields.get("click_id")]}))
