"""`POST /v1/events`: a merchant's server, with a write key. One event, an array, or `{"events": […]}`.

202 with one entry per event. In a batch the good events are taken together in one commit, and each bad one is
answered in its place; 400 where none is good.
"""

import base64
import binascii
from typing import Final

import msgspec
from msgspec import Raw, Struct

from actors.event import Event
from actors.snapshot import Site
from gateway.answers import JSON, error_answer
from gateway.call import Answer, Call
from gateway.edge import Caller, Edge, key_bucket, limited, plain_body, rejected, take, unavailable, unread
from gateway.incoming import Body, Intake, Invalid, parse_body, to_event

SOURCE: Final = "server"
CHALLENGE = ("www-authenticate", 'Bearer realm="events"')


class _Taken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    event_id: str
    status: str
    marks: tuple[str, ...] = ()


class _Refused(Struct, frozen=True, kw_only=True):
    index: int
    error: Invalid
    status: str = "rejected"


class _Result(Struct, frozen=True, kw_only=True):
    accepted: int
    rejected: int
    events: list[_Taken | _Refused]


async def collect(edge: Edge, call: Call) -> Answer:
    caller = admitted(edge, call)
    if isinstance(caller, Answer):
        return caller
    raw, site = plain_body(call), caller.site
    if isinstance(raw, Answer):
        rejected(edge, site.id, SOURCE, unread(raw))
        return raw
    body = parse_body(raw)
    if isinstance(body, Invalid):
        rejected(edge, site.id, SOURCE, unread(body))
        return Answer(status=400, headers=(JSON,), body=body.body())
    return await _take_all(edge, site, caller, body)


def admitted(edge: Edge, call: Call) -> Caller | Answer:
    """Key, room and rate."""
    key = _write_key(call)
    site = edge.snapshot.site_by_write_key(key) if key is not None else None
    if key is None or site is None:
        rejected(edge, "", SOURCE, "unknown_key")
        message = "this write key is unknown" if key is not None else "give a write key: Authorization: Bearer <key>"
        return error_answer(401, "unknown_key", message, CHALLENGE)
    caller = Caller(site=site, bucket=key_bucket(site, key))
    refused = unavailable(edge)
    if refused is not None:
        rejected(edge, site.id, SOURCE, "no_room")
        return refused
    refused = limited(edge, caller)
    if refused is not None:
        rejected(edge, site.id, SOURCE, "rate_limited")
        return refused
    return caller


def intake_of(edge: Edge, site: Site) -> Intake:
    return Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
    )


async def _take_all(edge: Edge, site: Site, caller: Caller, body: Body) -> Answer:
    edge.observer.event_received(site.id, SOURCE, len(body.events))
    intake = intake_of(edge, site)
    parsed = [_read(raw, body.place(index), intake) for index, raw in enumerate(body.events)]
    good = [event for event in parsed if isinstance(event, Event)]
    if len(good) < len(parsed):
        rejected(edge, site.id, SOURCE, "invalid_field", len(parsed) - len(good))
    if not good and not body.is_batch:
        assert isinstance(parsed[0], Invalid)
        return Answer(status=400, headers=(JSON,), body=parsed[0].body())
    if good:
        failed = await take(edge, good, caller)
        if failed is not None:
            return failed
    result = _Result(
        accepted=len(good),
        rejected=len(parsed) - len(good),
        events=[_entry(index, event) for index, event in enumerate(parsed)],
    )
    return Answer(status=202 if good else 400, headers=(JSON,), body=msgspec.json.encode(result))


def _read(raw: Raw, place: str, intake: Intake) -> Event | Invalid:
    event = to_event(raw, intake)
    return event.under(place) if isinstance(event, Invalid) else event


def _entry(index: int, event: Event | Invalid) -> _Taken | _Refused:
    if isinstance(event, Invalid):
        return _Refused(index=index, error=event)
    return _Taken(event_id=event.event_id, status="accepted", marks=event.marks)


def _write_key(call: Call) -> str | None:
    """`Authorization: Bearer`, the user name of `Basic`, or `X-Write-Key`."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip() or None
        case "basic":
            try:
                user = base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError, ValueError):
                return None
            return user or None
    return call.headers.get("x-write-key", "").strip() or None
