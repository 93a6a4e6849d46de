"""`POST /i` and `POST /i/identify`: browsers, by `fetch` or `sendBeacon`, with a site's public key and a checked
origin.

The answer tells the visitor id and the visit, and sets the first-party cookie where the visitor's consent allows one.
The visit is read from the visitor as the store has it; should this event open a new one, the id told here is proposed
to it. With `new=1` in the query the visitor is another one from here on, whatever the cookie says: somebody logged out.

Beside what any event has, one of a browser may name the `landing_url`: where the visitor came in, if that page could
not tell by itself. Click ids and campaign are read from there.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from actors.consent import standing_of
from actors.event import Event
from actors.snapshot import Site
from actors.visitor import VisitorState
from gateway import cors
from gateway.answers import JSON, error_answer
from gateway.call import Answer, Call
from gateway.client import is_https, is_visitor_id, set_cookie_header, user_agent, visitor_id
from gateway.edge import (
    Caller,
    Edge,
    address_of,
    ip_bucket,
    judged,
    limited,
    of_browser,
    plain_body,
    rejected,
    take,
    unavailable,
    unread,
)
from gateway.incoming import Body, Intake, Invalid, parse_body, to_event
from gateway.sources.parting import parted
from gateway.sources.visitor_view import identity_id, is_known, read_visitor, session_of

SOURCE: Final = "browser"
BODY_BYTES = 64 * 1024
IDENTIFY = "identify"


class _Collected(Struct, frozen=True, kw_only=True, omit_defaults=True):
    visitor_id: str
    session_id: str
    event_ids: list[str | None]
    errors: list[Invalid] = []


class _Identified(Struct, frozen=True, kw_only=True):
    visitor_id: str
    session_id: str
    identity_id: str
    known: bool


class _Peek(Struct, frozen=True):
    """What is read of a browser's event beside its form."""

    user_data: dict[str, Any] = {}
    landing_url: Any = None


class Request(Struct, frozen=True, kw_only=True):
    """A browser's request that was let in."""

    caller: Caller
    body: Body
    visitor: str
    state: VisitorState


async def collect(edge: Edge, call: Call) -> Answer:
    request = open_request(edge, call)
    if isinstance(request, Answer):
        return request
    edge.observer.event_received(request.caller.site.id, SOURCE, len(request.body.events))
    intake = intake_of(edge, call, request)
    read = [_read(raw, request.body.place(index), intake) for index, raw in enumerate(request.body.events)]
    errors = [event for event in read if isinstance(event, Invalid)]
    good = [event for event in read if isinstance(event, Event)]
    if errors:
        rejected(edge, request.caller.site.id, SOURCE, "invalid_field", len(errors))
    if not good:
        return Answer(status=400, headers=(JSON,), body=errors[0].body())
    session = session_of(edge, request.state, good[0])
    told = parted(edge, good, request.visitor, request.state)
    failed = await take(edge, told.events, request.caller, session, told.sessions)
    if failed is not None:
        return failed
    request = msgspec.structs.replace(request, visitor=told.visitor, state=told.state)
    session = told.sessions.get(told.visitor, session)
    ids = [event.event_id if isinstance(event, Event) else None for event in read]
    result = _Collected(visitor_id=request.visitor, session_id=session, event_ids=ids, errors=errors)
    return answered(edge, call, request, told.events[-1], msgspec.json.encode(result))


async def identify(edge: Edge, call: Call) -> Answer:
    request = open_request(edge, call)
    if isinstance(request, Answer):
        return request
    if len(request.body.events) > 1:
        rejected(edge, request.caller.site.id, SOURCE, "malformed")
        return error_answer(400, "too_many_events", f"{len(request.body.events)} events; give one at /i/identify")
    edge.observer.event_received(request.caller.site.id, SOURCE)
    event = _identify_event(request.body.events[0], intake_of(edge, call, request))
    if isinstance(event, Invalid):
        rejected(edge, request.caller.site.id, SOURCE, "invalid_field")
        return Answer(status=400, headers=(JSON,), body=event.body())
    told = parted(edge, [event], request.visitor, request.state)
    request, event = msgspec.structs.replace(request, visitor=told.visitor, state=told.state), told.events[0]
    session = session_of(edge, request.state, event)
    failed = await take(edge, [event], request.caller, session)
    if failed is not None:
        return failed
    result = _Identified(
        visitor_id=request.visitor,
        session_id=session,
        identity_id=identity_id(edge, event),
        known=is_known(event, request.state),
    )
    return answered(edge, call, request, event, msgspec.json.encode(result))


def open_request(edge: Edge, call: Call) -> Request | Answer:
    """Key, origin, room and rate; then who the visitor is."""
    raw = plain_body(call, BODY_BYTES)
    body = parse_body(raw) if not isinstance(raw, Answer) else raw
    key = cors.public_key(call) or (body.key if isinstance(body, Body) else None)
    site = edge.snapshot.site_by_public_key(key) if key is not None else None
    if site is None:
        rejected(edge, "", SOURCE, "unknown_key")
        message = "this public key is unknown" if key is not None else "give the site's public key: ?k=<key>"
        return error_answer(401, "unknown_key", message)
    if cors.origin_of(call) not in site.origins:
        rejected(edge, site.id, SOURCE, "wrong_origin")
        return error_answer(403, "wrong_origin", "the page's origin is not one of the site's `origins`")
    if not isinstance(body, Body):
        rejected(edge, site.id, SOURCE, unread(body))
        return body if isinstance(body, Answer) else Answer(status=400, headers=(JSON,), body=body.body())
    address = address_of(edge, call)
    caller = Caller(site=site, address=address, bucket=ip_bucket(address) if site.ip_rate > 0 else "")
    refused = unavailable(edge)
    if refused is not None:
        rejected(edge, site.id, SOURCE, "no_room")
        return refused
    refused = limited(edge, caller)
    if refused is not None:
        rejected(edge, site.id, SOURCE, "rate_limited")
        return refused
    visitor = (None if _is_new(call) else visitor_id(call.headers)) or _claimed_visitor(body) or edge.make_id()
    return Request(caller=caller, body=body, visitor=visitor, state=read_visitor(edge.store, site.id, visitor))


def _is_new(call: Call) -> bool:
    return "new=1" in call.query.split("&")


def _claimed_visitor(body: Body) -> str | None:
    """An id that the page made up, where no cookie travels; only in the form of our own."""
    claimed = _peek(body.events[0]).user_data.get("anonymous_id")
    return claimed if isinstance(claimed, str) and is_visitor_id(claimed) else None


def _peek(raw: Raw) -> _Peek:
    try:
        return msgspec.json.decode(raw, type=_Peek)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Peek()


def _landed(raw: Raw, intake: Intake) -> Intake:
    url = _peek(raw).landing_url if b'"landing_url"' in bytes(raw) else None
    return msgspec.structs.replace(intake, landing_url=url) if isinstance(url, str) else intake


def intake_of(edge: Edge, call: Call, request: Request) -> Intake:
    site = request.caller.site
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
        bot=judged(edge, call, request.caller),
        client_ip=request.caller.address,
        client_user_agent=user_agent(call.headers),
        anonymous_id=request.visitor,
        cookies="; ".join(filter(None, (call.headers.get("cookie"), request.body.cookies))) or None,
    )
    return of_browser(edge, call, site, intake)


def _read(raw: Raw, place: str, intake: Intake) -> Event | Invalid:
    event = to_event(raw, _landed(raw, intake))
    return event.under(place) if isinstance(event, Invalid) else event


def _identify_event(raw: Raw, intake: Intake) -> Event | Invalid:
    """The request's identifiers and consent, as an event that goes to no platform."""
    intake = _landed(raw, intake)
    event = to_event(raw, intake)
    if isinstance(event, Invalid) and event.field == "event_name":
        fields = msgspec.json.decode(raw)
        event = to_event(msgspec.json.encode({**fields, "event_name": IDENTIFY}), intake)
    return msgspec.structs.replace(event, event_name=IDENTIFY) if isinstance(event, Event) else event


def answered(edge: Edge, call: Call, request: Request, event: Event, body: bytes) -> Answer:
    site = request.caller.site
    headers = [JSON, ("cache-control", "no-store")]
    if may_set_cookie(event, request.state, site):
        headers.append(set_cookie_header(request.visitor, is_https(call, edge.trusted_proxies), site.cookie_domain))
    return Answer(status=200, headers=tuple(headers), body=body)


def may_set_cookie(event: Event, state: VisitorState, site: Site) -> bool:
    """Measuring or marketing is allowed: by the event, else by what the visitor stated last, else by the default."""
    absent = standing_of(event, event.consent, site.consent_default, site.consent).absent
    choices = (
        getattr(event.consent, purpose) or getattr(state.consent, purpose) or absent
        for purpose in ("analytics", "marketing")
    )
    return "granted" in choices
