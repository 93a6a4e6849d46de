"""Segment's tracking API, for the clients of Segment, RudderStack and Jitsu (contracts/segment.md).

200 once the messages are on disk, also where some of a batch are refused; 401 for an unknown key, 400 and 413 for a
body that cannot be read, 503 with `Retry-After` while nothing can be taken, so that the client sends it again.
"""

from typing import Final

import msgspec
from msgspec import Struct

from actors.bots import NO_BOT
from actors.event import Event
from gateway import cors
from gateway.call import SEGMENT_CALLS, SEGMENT_METRICS, Answer, Call
from gateway.client import address_key, user_agent
from gateway.edge import (
    Caller,
    Edge,
    address_of,
    ip_bucket,
    judged,
    key_bucket,
    limited,
    of_browser,
    plain_body,
    rejected,
    take,
    unavailable,
    unread,
)
from gateway.incoming import Intake, Invalid
from gateway.sources.segment_answers import RefusedMessage, as_clients_read, failure, refusal, success
from gateway.sources.segment_body import Envelope, read_envelope, read_message
from gateway.sources.segment_event import Reading, event_of_message
from gateway.sources.segment_key import Shown, key_beside, key_inside, shown
from gateway.sources.segment_people import Connection
from gateway.sources.visitor_view import read_visitor, session_of

SOURCE: Final = "segment"
JITSU: Final = "/api/s/"
IMPORT: Final = "/v1/import"
UNPACKED_BYTES: Final = 4 << 20  # RudderStack's Python client fills a batch up to 4 MB
TOLD: Final = 100  # refused messages that an answer lists


class Request(Struct, frozen=True, kw_only=True):
    """A request that was let in."""

    caller: Caller
    is_public: bool
    envelope: Envelope


async def collect(edge: Edge, call: Call) -> Answer:
    if call.path in SEGMENT_METRICS:
        return success()
    request = _open(edge, call)
    if isinstance(request, Answer):
        return as_clients_read(call, request)
    site, raws = request.caller.site, request.envelope.batch or []
    edge.observer.event_received(site.id, SOURCE, len(raws))
    reading = _reading(edge, call, request)
    named = SEGMENT_CALLS[call.path]
    read = [_read(raw, request.envelope, named, reading) for raw in raws]
    refused = [(index, fault) for index, fault in enumerate(read) if isinstance(fault, Invalid)]
    if refused:
        _tell_refused(edge, site.id, refused)
    if refused and named is not None:
        return refusal(refused[0][1])
    good = [event for event in read if isinstance(event, Event)]
    if good and (failed := await take(edge, good, request.caller, _session_id(edge, good))) is not None:
        return as_clients_read(call, failed)
    return success(tuple(_refused(index, fault) for index, fault in refused[:TOLD]))


def _open(edge: Edge, call: Call) -> Request | Answer:
    """Key, origin, room and rate; then the body."""
    beside = key_beside(call)
    who = shown(edge.snapshot, beside)
    if beside is not None and who is None:
        return _unknown_key(edge)
    body = plain_body(call, UNPACKED_BYTES)
    envelope = body if isinstance(body, Answer) else read_envelope(body, is_batch=SEGMENT_CALLS[call.path] is None)
    if who is None:
        told = envelope.write_key if isinstance(envelope, Envelope) else None
        who = shown(edge.snapshot, key_inside(call, told))
        if who is None:
            return _unknown_key(edge)
    site = who.site
    if who.is_public and cors.origin_of(call) not in site.origins:
        rejected(edge, site.id, SOURCE, "wrong_origin")
        return failure(403, "wrong_origin", "the page's origin is not one of the site's `origins`")
    caller = _caller(edge, call, who)
    if (refused := unavailable(edge)) is not None:
        rejected(edge, site.id, SOURCE, "no_room")
        return refused
    if (refused := limited(edge, caller)) is not None:
        rejected(edge, site.id, SOURCE, "rate_limited")
        return refused
    if not isinstance(envelope, Envelope):
        rejected(edge, site.id, SOURCE, unread(envelope))
        return envelope if isinstance(envelope, Answer) else refusal(envelope)
    return Request(caller=caller, is_public=who.is_public, envelope=envelope)


def _unknown_key(edge: Edge) -> Answer:
    rejected(edge, "", SOURCE, "unknown_key")
    message = "this key is unknown; give one of the site's `write_keys`, or in a page one of its `public_keys`"
    return failure(401, "invalid_write_key", message)


def _caller(edge: Edge, call: Call, who: Shown) -> Caller:
    if not who.is_public:
        return Caller(site=who.site, bucket=key_bucket(who.site, who.key))
    address = address_of(edge, call)
    return Caller(site=who.site, address=address, bucket=ip_bucket(address) if who.site.ip_rate > 0 else "")


def _reading(edge: Edge, call: Call, request: Request) -> Reading:
    site = request.caller.site
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
        cookies=call.headers.get("cookie"),
        bot=judged(edge, call, request.caller) if request.is_public else NO_BOT,
    )
    connection = Connection(
        address=_kept_address(address_of(edge, call), call.headers.get("x-ip-policy", "")),
        user_agent=user_agent(call.headers),
        is_browser=request.is_public,
    )
    return Reading(
        intake=of_browser(edge, call, site, intake) if request.is_public else intake,
        connection=connection,
        categories=site.consent_categories,
        is_import=call.path == IMPORT,
        needs_id=not call.path.startswith(JITSU),
    )


def _kept_address(address: str, policy: str) -> str | None:
    """By Jitsu's `X-IP-Policy`; of an address of version 6 half is the network's."""
    match policy.lower():
        case "remove":
            return None
        case "striplastoctet":
            address = address_key(address).partition("/")[0]
            return address if ":" in address else f"{address.rpartition('.')[0]}.0"
    return address


def _read(raw: msgspec.Raw, envelope: Envelope, call: str | None, reading: Reading) -> Event | Invalid:
    message = read_message(raw, envelope, call)
    return message if isinstance(message, Invalid) else event_of_message(message, reading)


def _session_id(edge: Edge, events: list[Event]) -> str:
    """The visit of a browser's request; of events that a server sends each joins that of its time, if there is one."""
    visitor = events[0].user_data.anonymous_id
    is_one = all(event.is_from_browser and event.user_data.anonymous_id == visitor for event in events)
    if visitor is None or not is_one:
        return ""
    return session_of(edge, read_visitor(edge.store, events[0].site, visitor), events[0])


def _tell_refused(edge: Edge, site: str, refused: list[tuple[int, Invalid]]) -> None:
    large = sum(fault.code == "too_large" for _, fault in refused)
    if large:
        rejected(edge, site, SOURCE, "too_large", large)
    if large < len(refused):
        rejected(edge, site, SOURCE, "invalid_field", len(refused) - large)
    first = refused[0][1]
    edge.log("messages_refused", site=site, count=len(refused), field=first.field, code=first.code)


def _refused(index: int, fault: Invalid) -> RefusedMessage:
    return RefusedMessage(index=index, code=fault.code, field=fault.field, message=fault.message)
