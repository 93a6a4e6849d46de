"""What a batch writes about consent: which of an event's destinations wait for a choice, and what is not to be kept.

An event whose person allows neither measuring nor marketing, and which goes nowhere, leaves its message, its row and
the index by visitor without the person in the same commit (contracts/consent.md, section 5).
"""

from collections.abc import Sequence

import msgspec

from actors.actor import Position, Ref
from actors.consent import kept_of_refused, may_wait, unknown_of
from actors.event import PURPOSES, Consent, Event, Purpose
from actors.holds import HELD, Held, Hold
from actors.routing import Decision
from actors.snapshot import Site
from actors.writes import Writes
from store import keys
from store.records import LOG, Copy, LogRecord

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


def hold(
    decisions: Sequence[Decision], event: Event, consent: Consent, site: Site, key: bytes, now_ms: int, writes: Writes
) -> list[Decision]:
    """With what is unknown held by the event's visitor, who is told of it. What nobody can answer for is not held."""
    unknown = {one.destination for one in decisions if one.reason == "consent_unknown"}
    if not unknown or not may_wait(event, site.consent):
        return list(decisions)
    needed = {purpose for one in decisions if one.destination in unknown for purpose in _unknown(one, consent, site)}
    waits_for = tuple(purpose for purpose in PURPOSES if purpose in needed)
    held = Hold(event_key=key, until_ms=now_ms + site.consent.hold_ms, waits_for=waits_for)
    writes.sent.append((Ref("visitor", f"{event.site}\x1f{event.user_data.anonymous_id}"), Held(held)))
    return [msgspec.structs.replace(one, reason=HELD) if one.destination in unknown else one for one in decisions]


def _unknown(decision: Decision, consent: Consent, site: Site) -> set[Purpose]:
    """What the destination, and the route that decided, ask for and nobody has answered."""
    destination = site.destination(decision.destination)
    more = [purpose for route in site.routes if route.id == decision.route for purpose in route.consent]
    return unknown_of(consent, destination, more) if destination is not None else set()


def forget_event(
    event: Event, at: Position, key: bytes, copies: Sequence[Copy], writes: Writes, *, is_merged: bool
) -> None:
    """Of the one event, with every message that it was made of."""
    merged = [Position(copy.shard, copy.sequence) for copy in copies if copy.is_merged]
    for place in (at, *merged):
        told = event if not is_merged else _message(place, writes)
        if told is not None:
            forget_message(told, place, key if told.event_id == event.event_id else writes.known.key_of(told), writes)


def forget_message(event: Event, at: Position, key: bytes, writes: Writes) -> None:
    """The message, the row that it has by itself, and the index that leads to it by visitor."""
    record = LogRecord(
        kind="visitor", actor_key="", received_at_ms=event.received_at_ms, body=_encoder.encode(kept_of_refused(event))
    )
    writes.puts.append(("log", keys.log(at.shard, at.sequence), LOG.encode(record)))
    visitor = event.user_data.anonymous_id
    if visitor is not None:
        writes.puts.append(("visitor_event", keys.visitor_event(event.site, visitor, event.received_at_ms, key), None))
    row = writes.known.event(key)
    if row is not None:
        body = _encoder.encode(kept_of_refused(_decoder.decode(row.body))) if row.body is not None else None
        writes.known.events[key] = msgspec.structs.replace(
            row, visitor_id=None, session_id=None, identity="", added={}, added_from={}, body=body
        )


def _message(at: Position, writes: Writes) -> Event | None:
    body = writes.known.message_at(at.shard, at.sequence)
    try:
        return _decoder.decode(body) if body is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
