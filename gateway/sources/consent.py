"""`POST /i/consent` and `POST /v1/consent`: what a visitor allows, told by a page or by a server.

The body has the purposes and signals of an event's `consent` (docs/consent.md), under that name or by themselves, with
`visitor_id` from a server. Purposes that are not named stay as they are. The answer tells what is in force with this,
and its version. It is an event for the gateway alone: it goes to no platform.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.consent import choices_of
from actors.event import Consent, Event
from actors.visitor import VisitorState
from gateway.answers import JSON
from gateway.call import Answer, Call
from gateway.consent_form import ConsentForm
from gateway.edge import Edge, plain_body, rejected, take, unread
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid, invalid_field, invalid_json
from gateway.sources import browser, server
from gateway.sources.visitor_view import read_visitor, session_of

NAME: Final = "consent"  # of the event
FIELDS: Final = frozenset(ConsentForm.__struct_fields__)
CONSENT_BYTES: Final = 64 * 1024


class _Told(Struct, frozen=True, kw_only=True):
    """`version`: counted up with each change of this visitor's mind."""

    visitor_id: str
    consent: dict[str, str]
    version: int


async def of_browser(edge: Edge, call: Call) -> Answer:
    request = browser.open_request(edge, call)
    if isinstance(request, Answer):
        return request
    site = request.caller.site.id
    edge.observer.event_received(site, browser.SOURCE)
    intake = msgspec.structs.replace(browser.intake_of(edge, call, request), is_internal=True)
    event = _event(bytes(request.body.events[0]), intake, request.visitor)
    if isinstance(event, Invalid):
        rejected(edge, site, browser.SOURCE, "invalid_field")
        return Answer(status=400, headers=(JSON,), body=event.body())
    failed = await take(edge, [event], request.caller, session_of(edge, request.state, event))
    if failed is not None:
        return failed
    return browser.answered(edge, call, request, event, _told(event, request.state))


async def of_server(edge: Edge, call: Call) -> Answer:
    caller = server.admitted(edge, call)
    if isinstance(caller, Answer):
        return caller
    body, site = plain_body(call, CONSENT_BYTES), caller.site
    if isinstance(body, Answer):
        rejected(edge, site.id, server.SOURCE, unread(body))
        return body
    edge.observer.event_received(site.id, server.SOURCE)
    event = _event(body, msgspec.structs.replace(server.intake_of(edge, site), is_internal=True), None)
    if isinstance(event, Invalid):
        rejected(edge, site.id, server.SOURCE, "invalid_field")
        return Answer(status=400, headers=(JSON,), body=event.body())
    state = read_visitor(edge.store, site.id, event.user_data.anonymous_id or "")
    failed = await take(edge, [event], caller)
    return failed if failed is not None else Answer(status=202, headers=(JSON,), body=_told(event, state))


def _event(body: bytes, intake: Intake, visitor: str | None) -> Event | Invalid:
    """`visitor`: whose browser it is; None: the body has to say."""
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return invalid_json(error)
    named = visitor or told.get("visitor_id")
    if not isinstance(named, str) or not named.strip():
        return invalid_field("visitor_id", "names no visitor; give the anonymous_id of its events")
    said = told["consent"] if "consent" in told else {name: told[name] for name in FIELDS & told.keys()}
    fields: dict[str, Any] = {name: told[name] for name in ("event_id", "occurred_at") if name in told}
    form: dict[str, Any] = {**fields, "event_name": NAME, "consent": said, "user_data": {"anonymous_id": named}}
    event = to_event(msgspec.json.encode(form), intake)
    if isinstance(event, Event) and event.consent == Consent() and event.consent_note is None:
        return invalid_field("consent", 'says nothing; give a purpose such as "marketing": "granted", or a signal')
    return event


def _told(event: Event, state: VisitorState) -> bytes:
    """`state`: the visitor's before; it is this request's own copy."""
    state.learn(event)
    visitor = event.user_data.anonymous_id or ""
    told = _Told(visitor_id=visitor, consent=dict(choices_of(state.consent)), version=state.consent_version)
    return msgspec.json.encode(told)
