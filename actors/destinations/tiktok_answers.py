"""What an answer of TikTok's Events API means for the events of its request.

Source: contracts/tiktok.md, sections 3 and 9. The `code` of the body decides: a refusal comes with http 200 too. Every
answer concerns the whole request, but a bad parameter is named with its event's index. That index is trusted only in
the form that was seen, `Batch.0.…`, which counts from 0; any other form splits the request instead of guessing.
"""

import re
from collections.abc import Sequence
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
from actors.secret import Secret

OK, PARTLY_DONE, REPEATED, WRITE_CONFLICT, MAINTENANCE = 0, 20001, 40050, 40202, 60001
BAD_PARAMETER = frozenset({40000, 40002, 40700})
SETTINGS = frozenset({40001, 40006, 40007, 40008, 40010, 40051, 41000})
TOKEN = frozenset({40101, 40102, 40104, 40105, 40106, 40110, 40113, 40118, 40119, 40124, 40125})
RATE_LIMITED = frozenset({40016, 40100, 40132, 40133})
TIKTOKS_FAULT = frozenset({50000, 50002, 51305})

FIVE_MINUTES_S = 300.0  # over a minute's limit TikTok blocks so long, and asks for so long after a fault of its own
MAINTENANCE_S = 3_600.0  # "backoff, long"

_INDEX = re.compile(r"\bBatch\.(\d{1,4})\b")


class Answer(Struct, frozen=True, kw_only=True):
    """What decides is typed; words are taken in whatever form they come."""

    code: int | None = None
    message: Any = None
    request_id: Any = None


def verdicts_of(response: Response, payloads: Sequence[Payload], token: Secret) -> list[Verdict]:
    """One verdict per payload, in TikTok's own words without the token and without personal data."""
    return conceal_all(_verdicts(response, payloads), [token], payloads)


def _verdicts(response: Response, payloads: Sequence[Payload]) -> list[Verdict]:
    answer = _read(response)
    words = _words(response, answer)
    if answer.code in BAD_PARAMETER:
        return _refused(str(answer.message), words, len(payloads))
    if answer.code is not None and (verdict := _by_code(answer.code, words)):
        return all_of(verdict, payloads)
    return all_of(_by_status(response, words), payloads)


def _refused(message: str, words: str, events: int) -> list[Verdict]:
    """The event that is named is dropped and the others go again; where none is named for certain, a split finds it."""
    found = _INDEX.search(message)
    named = int(found[1]) if found else events
    if named >= events:
        return [Split(words)] * events
    return [Drop(words) if index == named else Again(words) for index in range(events)]


def _by_code(code: int, words: str) -> Verdict | None:
    if code == OK:
        return Delivered()
    if code in (PARTLY_DONE, REPEATED):
        return Delivered(words)  # neither is to be sent again; the words stay on record
    if code in RATE_LIMITED:
        return Retry(words, after_s=FIVE_MINUTES_S, is_throttle=True)
    if code in SETTINGS or code in TOKEN:
        return Pause(words)
    if code == WRITE_CONFLICT:
        return Retry(words)
    if code in TIKTOKS_FAULT:
        return Retry(words, after_s=FIVE_MINUTES_S)
    return Retry(words, after_s=MAINTENANCE_S) if code == MAINTENANCE else None


def _by_status(response: Response, words: str) -> Verdict:
    status = response.status
    if status == 404:
        return Pause(f"{words}; is the address right? TikTok's ends with a slash")
    if status == 413:
        return Split(words)
    if status == 429:
        return Retry(words, after_s=FIVE_MINUTES_S, is_throttle=True)
    return Retry(words, after_s=FIVE_MINUTES_S) if status >= 500 else unforeseen(response)


def _read(response: Response) -> Answer:
    try:
        return msgspec.json.decode(response.body, type=Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer()  # an HTML page, a proxy's text: the status is all there is


def _words(response: Response, answer: Answer) -> str:
    """`200, 40002: message, request_id …, log id …`"""
    if answer.code is None:
        return f"answer {response.status}: {response.words()}"
    request_id = f", request_id {answer.request_id}" if answer.request_id else ""
    log_id = response.headers.get("x-tt-logid", "")
    trace = f"{request_id}, log id {log_id[:64]}" if log_id else request_id
    return f"{response.status}, {answer.code}: {answer.message or ''}{trace}"
