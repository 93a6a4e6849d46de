"""A second customer at one browser: a new visitor id for them, so that the first one keeps the old.

Rules of contracts/dedup_and_identity.md, section 2.4. What the request says before it names the second customer stays
the first one's. After three ids in a day it is staff who enter orders for customers: no further id is given, and the
core takes the visitor for a shared one.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from actors.event import Event
from actors.graph import Graph
from actors.identity import is_blocked
from actors.identity_state import IdentityState, standards
from actors.person_identities import read
from actors.visitor import ROTATED, VisitorState
from gateway.edge import Edge
from gateway.sources.visitor_view import session_of

DAY_MS = 86_400_000
ROTATIONS_A_DAY = 3


class Parted(Struct, frozen=True, kw_only=True):
    """`visitor`: whose the last event is; `sessions`: the visit that is proposed to a new visitor."""

    events: tuple[Event, ...]
    visitor: str
    state: VisitorState
    sessions: Mapping[str, str] = {}


def parted(edge: Edge, events: Sequence[Event], visitor: str, state: VisitorState) -> Parted:
    """The events, those of a second customer with another visitor id."""
    same = Parted(events=tuple(events), visitor=visitor, state=state)
    second = next((index for index, event in enumerate(events) if is_named(event)), None)
    if second is None or not state.is_joined or state.is_shared:
        return same
    known = standards(_identity(edge, events[0].site, visitor), "external_id")
    first = next((index for index, one in enumerate(events) if is_named(one) and _name(one) not in known), None)
    count = 1 + (state.rotations if edge.now_ms() - state.first_seen_at_ms < DAY_MS else 0)
    if first is None or not known or count > ROTATIONS_A_DAY:
        return same
    new, blank = edge.make_id(), VisitorState()
    theirs = [_moved(event, new, count) for event in events[first:]]
    sessions = {new: session_of(edge, blank, theirs[0])}
    return Parted(events=(*events[:first], *theirs), visitor=new, state=blank, sessions=sessions)


def is_named(event: Event) -> bool:
    return event.user_data.external_id is not None and not is_blocked(event.user_data.external_id)


def _name(event: Event) -> str:
    return event.user_data.external_id or ""


def _identity(edge: Edge, site: str, visitor: str) -> IdentityState:
    with edge.store.read() as txn:
        identity = Graph(edge.store, txn, edge.id_key).of_visitor(site, visitor)
        found = read(txn, edge.store, site, identity)
    return found.state if found is not None else IdentityState()


def _moved(event: Event, visitor: str, count: int) -> Event:
    user_data = msgspec.structs.replace(event.user_data, anonymous_id=visitor)
    return msgspec.structs.replace(event, user_data=user_data, marks=(*event.marks, f"{ROTATED}{count}"))
