"""`POST /webhooks/{kind}/{site}` and `POST /webhooks/{site}/{source}`: senders that sign what they post. After either,
`/{topic}` may follow for senders whose bodies do not name theirs.

200 once the events are on disk, and for what will never be one: a sender that is told no comes again with the same
bytes, and gives up the subscription in the end. 401 where the signature is wrong, 400 only where a sender does not
come again for it, 503 with `Retry-After` while nothing
can be taken.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.event import Event
from actors.snapshot import Site
from gateway.answers import JSON, error_answer
from gateway.call import Answer, Call
from gateway.edge import Caller, Edge, address_of, plain_body, rejected, take, unavailable, unread
from gateway.incoming import Intake, Invalid, to_event
from gateway.sources.base import Decoded, Draft, Hook, Refused, WebhookSource
from gateway.sources.lending import lent
from gateway.sources.registry import Senders
from gateway.sources.setting_apart import tamed, tamed_name
from gateway.wishes import grant

PREFIX: Final = "/webhooks/"
EVENT_BYTES: Final = 2 << 20
DEEPEST: Final = 64  # of what is kept of a payload

_encoder = msgspec.json.Encoder(decimal_format="string")


class _Taken(Struct, frozen=True, kw_only=True):
    accepted: int


class Found(Struct, frozen=True, kw_only=True):
    """Whom a path is for."""

    site: str
    sender: WebhookSource
    topic: str


async def collect(edge: Edge, call: Call) -> Answer:
    found = find(edge.senders, call.path)
    site = edge.snapshot.sites.get(found.site) if found is not None else None
    if found is None or site is None:
        rejected(edge, "", "webhook", "unknown_key")
        return error_answer(404, "not_found", "no source of webhooks is configured at this path")
    sender = found.sender
    if (refused := unavailable(edge)) is not None:
        rejected(edge, site.id, sender.source, "no_room")
        return refused
    body = bounded_body(call, sender.most_bytes)
    if isinstance(body, Answer):
        rejected(edge, site.id, sender.source, unread(body))
        return body
    hook = Hook(
        headers=call.headers, body=body, received_at_ms=edge.now_ms(), topic=found.topic, query=call.query,
        address=address_of(edge, call),
    )  # fmt: skip
    verified = sender.verify(hook)
    if isinstance(verified, Refused):
        rejected(edge, site.id, sender.source, "unknown_key")
        return error_answer(401, "wrong_signature", verified.reason)
    decoded = sender.decode(hook)
    if decoded.malformed:
        rejected(edge, site.id, sender.source, "malformed")
        return error_answer(400, "malformed", decoded.malformed)
    return await _take(edge, site, sender, hook, decoded)


def bounded_body(call: Call, most_bytes: int) -> bytes | Answer:
    """The unpacked body; 413 where it is larger than this source's are."""
    if len(call.body) > most_bytes:
        return error_answer(413, "too_large", f"the body is larger than {most_bytes} bytes")
    return plain_body(call, most_bytes)


def find(senders: Senders, path: str) -> Found | None:
    """By kind and site, else by site and the source's own id."""
    first, second, topic = (*path.removeprefix(PREFIX).split("/", 2), "", "")[:3]
    site, sender = second, senders.of_kind(first, second)
    if sender is None:
        site, sender = first, senders.of_id(first, second)
    if sender is None or (topic and not sender.has_topics):
        return None
    return Found(site=site, sender=sender, topic=topic)


async def _take(edge: Edge, site: Site, sender: WebhookSource, hook: Hook, decoded: Decoded) -> Answer:
    edge.observer.event_received(site.id, sender.source, max(1, len(decoded.drafts)))
    if decoded.note:
        edge.log("webhook_ignored", site=site.id, sender=sender.id, note=decoded.note)
    events = [_event(edge, site, sender, hook, draft) for draft in decoded.drafts]
    if decoded.wish is not None and (failed := await grant(edge, site, decoded.wish)) is not None:
        return failed
    if events and (failed := await take(edge, events, Caller(site=site))) is not None:
        return failed
    return Answer(status=200, headers=(JSON,), body=msgspec.json.encode(_Taken(accepted=len(events))))


def _event(edge: Edge, site: Site, sender: WebhookSource, hook: Hook, draft: Draft) -> Event:
    """The canonical event; what cannot be one is told, and kept for somebody to look at."""
    intake = Intake(
        site=site.id,
        source=sender.source,
        received_at_ms=hook.received_at_ms,
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
        max_event_bytes=EVENT_BYTES,
        is_internal=draft.is_internal,
        landing_url=draft.landing_url,
    )
    event = read_draft(draft, intake)
    if isinstance(event, Event):
        return lent(edge.store, event, draft.order_id) if draft.order_id is not None else event
    rejected(edge, site.id, sender.source, "invalid_field")
    edge.log("webhook_unfit", site=site.id, sender=sender.id, field=event.field, code=event.code)
    return set_apart(draft.event, event, intake)


def read_draft(draft: Draft, intake: Intake) -> Event | Invalid:
    """The canonical event, as it is without what the store could lend."""
    return draft.fault or to_event(_encoder.encode(draft.event), intake)


def set_apart(event: Any, fault: Invalid, intake: Intake) -> Event:
    """What a sender's event said, under a name that no platform gets."""
    told = {"payload": tamed(event), "field": tamed(fault.field), "code": fault.code}
    kept = {"event_name": f"unfit {tamed_name(event.get('event_name', ''))}".strip(), "custom_data": told}
    found = to_event(_encoder.encode(kept), msgspec.structs.replace(intake, is_internal=True))
    assert isinstance(found, Event), "what is tamed passes every check"
    return found
