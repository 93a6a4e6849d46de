"""Klaviyo as the simulator plays it: "create event" and "bulk create events", as strict as its page.

Source: contracts/klaviyo.md. klaviyo_records.py holds the page's tables; an unknown field of a profile or an
event is a fault. A job is taken whole or refused whole, and each error names its place. Klaviyo drops a repeat in
silence; here it is kept, under the same key, so that tests can count it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from bench.simulator.base import Accepted, SimRequest, SimResponse
from bench.simulator.klaviyo_records import EventFields, Group, ProfileData, Single

NEWEST = date(2026, 7, 15)
LIFE_DAYS = 731  # a revision lives two years
REQUEST_BYTES = 5_000_000
JOB_EVENTS = 1_000
YEAR_MS = 366 * 86_400_000
OLDEST_MS = 946_684_800_000  # 2000: the later of the page's two bounds
MEDIA_TYPES = frozenset({"application/vnd.api+json", "application/json"})
PLACE = "/data/attributes/events-bulk-create/data/"
IDENTIFIERS = ("_kx", "email", "phone_number", "external_id", "anonymous_id")

_AT = re.compile(r" - at `\$\.?(.*)`$")


class Error(Struct, frozen=True, kw_only=True):
    """One entry of `errors`."""

    detail: str
    pointer: str
    code: str = "invalid"


class KlaviyoSim:
    """Any private key, unless told which it knows."""

    name = "klaviyo"

    def __init__(self, *, api_key: str | None = None) -> None:
        self.api_key = api_key
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        refusal = self._not_even_read(request)
        if refusal is not None:
            return refusal
        data = _data(request.body)
        if request.path == "/api/events":
            found, errors = _single(data, request.at_ms)
        else:
            found, errors = _job(data, request.at_ms)
        if errors:
            return self._note(_errors(400, errors))
        self.accepted += found
        return SimResponse(status=202)

    def bad_token(self) -> SimResponse:
        words = "Missing or invalid private key."
        return _error(401, "authentication_failed", "Incorrect authentication credentials.", words)

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        answer = _error(429, "throttled", "Request was throttled.", "Expected available in a moment.")
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        return SimResponse(status=429, headers=(*answer.headers, *headers), body=answer.body)

    def failed(self, status: int) -> SimResponse:
        return _error(status, "error", "A server error occurred.", "A server error occurred.")

    def _not_even_read(self, request: SimRequest) -> SimResponse | None:
        if request.path.rstrip("/") not in ("/api/events", "/api/event-bulk-create-jobs"):
            return self._note(_error(404, "not_found", "Not found.", f"no such path: {request.path}"))
        if request.method != "POST":
            return self._note(_error(405, "method_not_allowed", "Method not allowed.", request.method))
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or not key or (self.api_key is not None and key != self.api_key):
            return self._note(self.bad_token())
        if request.headers.get("content-type", "").partition(";")[0].strip() not in MEDIA_TYPES:
            return self._note(_error(415, "unsupported_media_type", "Unsupported media type.", "content-type"))
        if len(request.body) > REQUEST_BYTES:
            return self._note(_error(413, "payload_too_large", "Payload too large.", f"{len(request.body)} bytes"))
        return self._bad_revision(request)

    def _bad_revision(self, request: SimRequest) -> SimResponse | None:
        sent = request.headers.get("revision", "")
        try:
            revision = date.fromisoformat(sent)
        except ValueError:
            revision = date.max
        if revision > NEWEST:
            source = {"parameter": "revision"}
            return self._note(_error(400, "invalid", "Invalid revision.", f"no such revision: {sent!r}", source))
        if (datetime.fromtimestamp(request.at_ms / 1000, UTC).date() - revision).days > LIFE_DAYS:
            return self._note(_error(410, "revision_retired", "Revision retired.", f"revision {sent} is retired"))
        return None

    def _note(self, refusal: SimResponse) -> SimResponse:
        self.refused.append(refusal.body.decode())
        return refusal


def _single(data: object, now_ms: int) -> tuple[list[Accepted], list[Error]]:
    try:
        event = msgspec.convert(data, Single)
    except msgspec.ValidationError as error:
        return [], [_schema_error(error, "/data")]
    fields = event.attributes
    errors = [
        *_profile_faults(fields.profile, "/data/attributes/profile"),
        *_faults(fields, "/data/attributes", now_ms),
    ]
    key = _key(fields.profile, fields)
    return [Accepted(key=key, event=data, at_ms=now_ms)], errors


def _job(data: Any, now_ms: int) -> tuple[list[Accepted], list[Error]]:
    match data:
        case {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": [*groups]}}}:
            return _groups(groups, now_ms)
    return [], [Error(detail="not a job of events", pointer="/data")]


def _groups(groups: list[Any], now_ms: int) -> tuple[list[Accepted], list[Error]]:
    found: list[Accepted] = []
    errors: list[Error] = []
    keys: set[str] = set()
    for index, raw in enumerate(groups):
        place = f"{PLACE}{index}"
        try:
            group = msgspec.convert(raw, Group).attributes
        except msgspec.ValidationError as error:
            errors.append(_schema_error(error, place))
            continue
        errors += _profile_faults(group.profile, f"{place}/attributes/profile")
        for number, event in enumerate(group.events.data):
            at = f"{place}/attributes/events/data/{number}/attributes"
            errors += _faults(event.attributes, at, now_ms)
            key = _key(group.profile, event.attributes)
            if key in keys:
                errors.append(Error(detail="unique_id stands twice in the job", pointer=f"{at}/unique_id"))
            keys.add(key)
            own = raw["attributes"]["events"]["data"][number]
            found.append(Accepted(key=key, event={**own, "profile": raw["attributes"]["profile"]}, at_ms=now_ms))
    if len(found) > JOB_EVENTS or not (found or errors):
        errors.append(Error(detail=f"a job holds 1 to {JOB_EVENTS} events", pointer="/data/attributes"))
    return found, errors


def _profile_faults(profile: ProfileData, place: str) -> Iterator[Error]:
    fields = profile.data.attributes
    if profile.data.id is UNSET and all(getattr(fields, name) is UNSET for name in IDENTIFIERS):
        yield Error(detail="a profile needs an identifier", pointer=f"{place}/data")


def _faults(event: EventFields, place: str, now_ms: int) -> Iterator[Error]:
    if event.time is not UNSET:
        at_ms = event.time.timestamp() * 1000 if event.time.tzinfo else OLDEST_MS
        if not OLDEST_MS < at_ms < now_ms + YEAR_MS:
            yield Error(detail="time is out of range or without a zone", pointer=f"{place}/time")
    for name, value in event.properties.items():
        if not _fits(value, 9):
            yield Error(detail="nested too deep or too long", pointer=f"{place}/properties/{name}")
        if name in ("$event_id", "$value"):
            yield Error(detail="an old form of unique_id and value", pointer=f"{place}/properties/{name}")


def _fits(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels > 0 and all(_fits(entry, levels - 1) for entry in value.values())
        case list():
            return levels > 0 and len(value) <= 4_000 and all(_fits(entry, levels - 1) for entry in value)
        case str():
            return len(value.encode()) <= 100_000
    return True


def _key(profile: ProfileData, event: EventFields) -> str:
    """Profile, metric and `unique_id`; without one, the second (section "Deduplication and time limits")."""
    fields = profile.data.attributes
    who = profile.data.id or next((value for name in IDENTIFIERS if (value := getattr(fields, name))), "")
    when = event.time.isoformat()[:19] if event.time else ""
    return f"{who}/{event.metric.data.attributes.name}/{event.unique_id or when}"


def _data(body: bytes) -> object:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value.get("data") if isinstance(value, dict) and value.keys() == {"data"} else None


def _schema_error(error: msgspec.ValidationError, base: str) -> Error:
    """msgspec's path as a JSON pointer."""
    text = str(error)
    found = _AT.search(text)
    path = re.sub(r"\[(\d+)\]", r".\1", found[1]) if found else ""
    return Error(
        detail=text[: found.start()] if found else text, pointer="/".join([base, *path.split(".")]).rstrip("/")
    )


def _errors(status: int, errors: list[Error]) -> SimResponse:
    listed = [
        _entry(status, error.code, "Invalid input.", error.detail, {"pointer": error.pointer}) for error in errors
    ]
    return _json(status, {"errors": listed})


def _error(status: int, code: str, title: str, detail: str, source: dict[str, str] | None = None) -> SimResponse:
    return _json(status, {"errors": [_entry(status, code, title, detail, source or {})]})


def _entry(status: int, code: str, title: str, detail: str, source: dict[str, str]) -> dict[str, Any]:
    return {
        "id": "67ed6dbf-1653-499b-a11d-30310aa01ff7",
        "status": status,
        "code": code,
        "title": title,
        "detail": detail,
        "source": source,
        "meta": {},
    }


def _json(status: int, body: object) -> SimResponse:
    headers = (("content-type", "application/vnd.api+json"),)
    return SimResponse(status=status, headers=headers, body=msgspec.json.encode(body))
