"""What an answer of Klaviyo means for the events of its request.

Source: contracts/klaviyo.md, sections "Batching" and "Errors"; "Rate limits, status codes, and errors",
developers.klaviyo.com, read 2026-11-20. A job is refused whole for one bad event, and each error names its place: the
named events are dropped, the others go out again without them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

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
)
from actors.destinations.waits import retry_after_s

# The key, its rights, the revision, the path or the media type: nothing is wrong with the events.
CONFIGURATION = frozenset({401, 403, 404, 405, 410, 415})
REFUSED = frozenset({400, 409, 413, 422})
DUPLICATE = 409

_PLACE = re.compile(r"/data/attributes/events-bulk-create/data/(\d{1,6})(?:/.*)?")


class Fault(Struct, frozen=True, kw_only=True):
    """One entry of `errors`. `index`: of the event in the job, where the pointer names one."""

    words: str
    index: int | None
    is_of_the_call: bool  # a header or query parameter, which no event has a part in


def verdicts_of(response: Response, payloads: Sequence[Payload]) -> list[Verdict]:
    """One verdict per payload, their words not yet concealed."""
    status, faults = response.status, list(_faults(response))
    words = f"{status} " + ("; ".join(fault.words for fault in faults[:5]) or response.words())
    if 200 <= status < 300 and not faults:
        return all_of(Delivered(), payloads)
    if status in CONFIGURATION or (status == 400 and faults and all(fault.is_of_the_call for fault in faults)):
        return all_of(Pause(words), payloads)
    if status == 429:
        return all_of(Retry(words, after_s=retry_after_s(response), is_throttle=True), payloads)
    if status >= 500:
        return all_of(Retry(words, after_s=retry_after_s(response)), payloads)
    if status in REFUSED or faults:  # also a 2xx with errors
        return _refused(status, words, faults, payloads)
    return all_of(Retry(f"unforeseen answer {words}"), payloads)


def has_words(verdict: Verdict) -> bool:
    return not isinstance(verdict, Delivered) or bool(verdict.note)


def _refused(status: int, words: str, faults: Sequence[Fault], payloads: Sequence[Payload]) -> list[Verdict]:
    if len(payloads) == 1:
        return [Drop(words)]
    named = {fault.index: f"{status} {fault.words}" for fault in reversed(faults) if fault.index is not None}
    named = {index: told for index, told in named.items() if index < len(payloads)}
    if not named or status == DUPLICATE:
        return all_of(Split(words), payloads)
    repeated = _repeated(payloads)
    return [_one(index, named, index in repeated) for index in range(len(payloads))]


def _one(index: int, named: dict[int, str], is_repeated: bool) -> Verdict:
    """A `unique_id` that stands twice in a job refuses it, and neither is at fault: alone the repeat is ignored. The
    words stay with the event that they name: they may quote a person."""
    if index not in named:
        return Again("another event of the job was refused")
    return Split(named[index]) if is_repeated else Drop(named[index])


class _Event(Struct, frozen=True):
    attributes: "_Attributes"


class _Attributes(Struct, frozen=True):
    unique_id: str


class _Events(Struct, frozen=True):
    data: list[_Event]


class _Group(Struct, frozen=True):
    events: _Events


class _Entry(Struct, frozen=True):
    attributes: _Group


def _repeated(payloads: Sequence[Payload]) -> set[int]:
    decoder = msgspec.json.Decoder(_Entry)
    ids = [decoder.decode(payload.body).attributes.events.data[0].attributes.unique_id for payload in payloads]
    counts = Counter(ids)
    return {index for index, unique_id in enumerate(ids) if counts[unique_id] > 1}


def _faults(response: Response) -> Iterator[Fault]:
    body = response.json()
    errors = body.get("errors") if isinstance(body, dict) else None
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            yield _fault(error)


def _fault(error: dict[str, object]) -> Fault:
    source = error.get("source")
    source = source if isinstance(source, dict) else {}
    pointer = source.get("pointer")
    place = _PLACE.fullmatch(pointer) if isinstance(pointer, str) else None
    told = ": ".join(str(error[name]) for name in ("code", "title", "detail") if error.get(name))
    return Fault(
        words=f"{told} ({pointer})" if pointer else told,
        index=int(place[1]) if place else None,
        is_of_the_call=not pointer and bool(source.get("parameter") or source.get("header")),
    )
