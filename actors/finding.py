"""Looks through a site's messages and visitors for what one person gave, a bounded part at a time.

What is learnt late may make earlier messages the person's, so the messages are gone through again until nothing new is
found.
"""

from typing import Final

import msgspec

from actors import person as persons
from actors import person_identities
from actors.consent_record import ConsentRecord
from actors.event import Event
from actors.person import Kind, Values, may_hold
from actors.visitor import Visitor, VisitorState
from store import keys
from store.env import Store
from store.errors import Unreadable
from store.messages import read_on, rows_after
from store.records import LOG, STATE, PrivacyRow, StateRow

LOOKED_AT: Final = 400  # messages in one part at most: some milliseconds of the loop
PASSES_MOST: Final = 6
VISITORS: Final = bytes((Visitor.number,))

_events = msgspec.msgpack.Decoder(Event)
_states = msgspec.msgpack.Decoder(VisitorState)


def find(store: Store, job: PrivacyRow) -> PrivacyRow:
    """The job after the next part of its messages."""
    person = persons.decode(job.person)
    cursor, is_again, looked_at = job.cursor, job.is_again, 0
    with store.read() as txn:
        if not cursor:
            person_identities.learn(txn, store, job.site, person)
        needles = person.needles()
        for message in read_on(txn, store, job.site, job.cursor, job.asked_at_ms):
            cursor, looked_at = message.place, looked_at + 1
            event = event_of(message.raw) if not person.sources and may_hold(needles, message.raw) else None
            if event is not None and person.learn(event):
                is_again, needles = True, person.needles()
            if looked_at >= LOOKED_AT:
                break
    return msgspec.structs.replace(
        job,
        person=persons.encode(person),
        looked_at=job.looked_at + looked_at,
        is_again=is_again,
        words="",
        phase="find" if looked_at >= LOOKED_AT else "states",
        cursor=cursor if looked_at >= LOOKED_AT else b"",
    )


def find_visitors(store: Store, job: PrivacyRow) -> PrivacyRow:
    """The job after the next part of the visitors, who remember more than the messages that are kept."""
    person = persons.decode(job.person)
    needles, is_again = person.needles(), job.is_again
    with store.read() as txn:
        rows = rows_after(txn, store, "state", VISITORS, job.cursor, LOOKED_AT)
    for _, raw in rows:
        row = state_of(raw) if may_hold(needles, raw) else None
        site, _, visitor_id = row.actor_key.partition("\x1f") if row is not None else ("", "", "")
        if row is not None and site == job.site:
            is_again = person.learn_visitor(visitor_id, seen(row)) or is_again
    if len(rows) < LOOKED_AT:
        with store.read() as txn:
            is_again = person_identities.learn(txn, store, job.site, person) or is_again
    after = msgspec.structs.replace(job, person=persons.encode(person), is_again=is_again)
    if len(rows) == LOOKED_AT:
        return msgspec.structs.replace(after, cursor=rows[-1][0])
    if is_again and job.passes + 1 < PASSES_MOST:
        return msgspec.structs.replace(after, phase="find", cursor=b"", passes=job.passes + 1, is_again=False)
    return msgspec.structs.replace(
        after, phase="write" if job.kind == "export" else "erase", cursor=b"", passes=0, is_again=False
    )


def event_of(raw: bytes | None) -> Event | None:
    """The event in a row of the log; None where it is gone or cannot be read."""
    try:
        return decode_event(LOG.decode(raw).body) if raw is not None else None
    except Unreadable:
        return None


def decode_event(body: bytes) -> Event | None:
    try:
        return _events.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def state_of(raw: bytes) -> StateRow | None:
    try:
        return STATE.decode(raw)
    except Unreadable:
        return None


def visitor_of(row: StateRow) -> VisitorState | None:
    try:
        return _states.decode(row.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def seen(row: StateRow) -> Values:
    """Who was named to a visitor."""
    state = visitor_of(row)
    found: dict[Kind, frozenset[str]] = {kind: frozenset() for kind in persons.KINDS}
    for kind in ("external_id", "email", "phone"):
        if state is not None:
            found[kind] = frozenset(one.value for one in state.seen.get(kind, ()))
    return found


def consent_key(site: str, visitor_id: str) -> bytes:
    """Of the record of what a visitor said about consent."""
    return keys.state(ConsentRecord.number, f"{site}\x1f{visitor_id}")


def visitor_key(site: str, visitor_id: str) -> bytes:
    return keys.state(Visitor.number, f"{site}\x1f{visitor_id}")
