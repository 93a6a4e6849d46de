"""What an answer of LinkedIn's Conversions API means for the events of its request.

Source: contracts/linkedin.md, "Batching" and "Errors"; "Error handling", learn.microsoft.com/linkedin, read 2026-11-20.
A refused request took nothing. Which events were at fault stands only in the text: `Index: 3, ERROR :: …` (422, more
lines of the same event may follow without it), `indices [0, 2] (0-indexed)` or `batchIndex=3` (400). The others of the
request go again at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from actors.destinations.base import (
    DAY_S,
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
    encode_json,
    unforeseen,
)
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.secret import Secret

AGE_MS = 90 * DAY_S * 1_000
REVOKED = 65601  # serviceErrorCode: the member took the token back
TEXT_CHARS = 4_000  # of a message that names thousands of events; a verdict keeps less
TEMPORARY = frozenset({408, 500, 502, 503, 504})
SETTINGS: Mapping[int, str] = {  # whole request, none of them an event's fault
    403: "the conversion rule's id may be wrong, or the token has no rights on its ad account",
    404: "base_url may be wrong",
    405: "base_url may be wrong",
    411: "base_url may be wrong",
    426: "this api_version has ended: give a newer one",
}

_LINE = re.compile(r"(?:Index: (?P<index>\d{1,6}), )?(?P<words>ERROR :: .*)")
_INDICES = re.compile(r"indices \[([\d, ]{1,60000})\]|batchIndex=(\d{1,6})")
_TIME = re.compile(r"conversion time|CONVERSION_TIME", re.IGNORECASE)
_RULE = re.compile(r"method should be|deleted|not enabled|disabled|inactive", re.IGNORECASE)
_USER_INFO = re.compile(r"/userInfo\b")


def verdicts_of(
    response: Response, payloads: Sequence[Payload], secrets: Sequence[Secret], *, can_refresh: bool
) -> Sequence[Verdict]:
    """One verdict for each payload, its reason LinkedIn's own words without secrets and personal data."""
    verdicts = _verdicts(response, payloads, can_refresh)
    if all(isinstance(verdict, Delivered) for verdict in verdicts):
        return verdicts
    return conceal_all(verdicts, secrets, [_person(payload) for payload in payloads])


def is_about_time(response: Response) -> bool:
    """Whether a refusal is for when an event happened, which LinkedIn looks at last."""
    return bool(_TIME.search(_words(response)))


def _verdicts(response: Response, payloads: Sequence[Payload], can_refresh: bool) -> Sequence[Verdict]:
    status, words = response.status, _words(response)
    if status in (200, 201):
        return _taken(response, payloads)
    if status == 422:
        return _structure(response, payloads)
    if status == 400:
        return _rule_or_time(response, payloads)
    if status == 401:
        is_gone = _field(response, "serviceErrorCode") == REVOKED or not can_refresh
        return all_of(Pause(words) if is_gone else Refresh(words), payloads)
    if status in SETTINGS:
        return all_of(Pause(f"{words}; {SETTINGS[status]}"), payloads)
    if status == 413:  # LinkedIn names no size limit, so an answer that does is taken at its word
        return all_of(Split(words), payloads)
    if status == 429:
        return all_of(Retry(words, after_s=retry_after_s(response), is_throttle=True), payloads)
    if status in TEMPORARY:
        return all_of(Retry(words, after_s=retry_after_s(response)), payloads)
    return all_of(unforeseen(response), payloads)


def _taken(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """A batch answers 200 with a status for each event; a 201 says created, and no more."""
    if response.status == 201:
        return all_of(Delivered(), payloads)
    elements = _field(response, "elements")
    if not isinstance(elements, list) or len(elements) != len(payloads):
        return all_of(unforeseen(response), payloads)
    return [_element(element, response) for element in elements]


def _element(element: object, response: Response) -> Verdict:
    """Documented is only 201; another status of one event is read as that of a request would be."""
    match element:
        case {"status": 200 | 201}:
            return Delivered()
        case {"status": 400 | 422 as status}:
            return Drop(f"{status} {encode_json(element).decode()}")
        case {"status": int() as status}:
            return Retry(f"{status} {encode_json(element).decode()}", is_throttle=status == 429)
    return unforeseen(response)


def _structure(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """422: an event that LinkedIn's schema does not take; it never will."""
    found = _lines(_message(response))
    if any(_USER_INFO.search(words) for words in found.values()):
        return all_of(Pause(f"{_words(response)}; leave user_info out"), payloads)
    named = {
        index: f"422 {words[:TEXT_CHARS]}"
        for index, words in found.items()
        if index is not None and index < len(payloads)
    }
    if not named:
        return all_of(Split(_words(response)), payloads)
    return [
        Drop(named[index]) if index in named else Again("422 another event of the request was refused")
        for index in range(len(payloads))
    ]


def _rule_or_time(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """400: the rule is wrong, which concerns all (a request holds one rule), or some event's time is."""
    words = _words(response)
    named = {index for index in _indices(_message(response)) if index < len(payloads)}
    if _TIME.search(words):
        if not named:
            return all_of(Split(words) if len(payloads) > 1 else _time(response, payloads[0]), payloads)
        return [
            _time(response, payload) if index in named else Again("400 another event's time was refused")
            for index, payload in enumerate(payloads)
        ]
    if "VERSION_MISSING" in words:
        return all_of(Pause(f"{words}; something on the way removes the header LinkedIn-Version"), payloads)
    if _RULE.search(words):
        return all_of(Pause(f"{words}; mend the rule in Campaign Manager or conversion_rules"), payloads)
    return all_of(Split(words) if len(payloads) > 1 else unforeseen(response), payloads)


def _time(response: Response, payload: Payload) -> Verdict:
    """Too old is final; ahead of LinkedIn's clock passes. Without its `Date` it is tried again: an event past its age
    is dropped before it is sent, so what is refused all the same is most likely ahead."""
    happened_ms: int = msgspec.json.decode(payload.body)["conversionHappenedAt"]
    answered_ms = _date_ms(response)
    is_old = answered_ms is not None and answered_ms - happened_ms > AGE_MS // 2
    return Drop(_words(response)) if is_old else Retry(_words(response))


def _date_ms(response: Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp() * 1_000
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _lines(message: str) -> dict[int | None, str]:
    """The words about each event. A line without an index goes on about the event of the line before."""
    found: dict[int | None, str] = {}
    index: int | None = None
    for line in message.splitlines():
        if match := _LINE.search(line):
            index = int(match["index"]) if match["index"] else index
            found[index] = f"{found[index]}; {match['words']}" if index in found else match["words"]
    return found


def _indices(message: str) -> Iterator[int]:
    for match in _INDICES.finditer(message):
        yield from (int(part) for part in re.findall(r"\d{1,6}", match[1] or match[2]))


def _words(response: Response) -> str:
    """`401 INVALID_ACCESS_TOKEN (65600): message`, and with a fault of LinkedIn's the id its support asks for."""
    code, number = _field(response, "code"), _field(response, "serviceErrorCode")
    told = f"{code} " if isinstance(code, str) else ""
    told += f"({number}) " if isinstance(number, int) else ""
    uuid = response.headers.get("x-li-uuid")
    trace = f", x-li-uuid {uuid[:100]}" if uuid and response.status >= 500 else ""
    return f"{response.status} {told}{_message(response)[:TEXT_CHARS]}{trace}"


def _message(response: Response) -> str:
    message = _field(response, "message")
    return message if isinstance(message, str) else response.words()


def _field(response: Response, name: str) -> Any:
    body = response.json()
    return body.get(name) if isinstance(body, dict) else None


def _person(payload: Payload) -> Payload:
    """What of the event is a person's, where words are searched for it."""
    user = msgspec.json.decode(payload.body)["user"]
    values = [identifier["idValue"] for identifier in user.get("userIds", ())]
    return Payload(encode_json({"user_data": [values, *(user[name] for name in user.keys() - {"userIds"})]}))
