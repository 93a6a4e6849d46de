"""The visitor as the edge may see it: read from the store without a round trip to its actor."""

import msgspec

from actors.contacts import meet
from actors.event import Event
from actors.graph import DEVICE, SHARED, Graph
from actors.identifying import FOUNDS, named_in
from actors.visitor import Visitor, VisitorState
from gateway.edge import Edge
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.journeys import has_touch
from store.records import STATE

KNOWN_BY = ("external_id", "email", "phone")


def read_visitor(store: Store, site: str, visitor_id: str) -> VisitorState:
    """What is on disk of the visitor; a blank one where nothing is, or nothing that can be read."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["state"], keys.state(Visitor.number, f"{site}\x1f{visitor_id}"))
    if raw is None:
        return VisitorState()
    try:
        row = STATE.decode(raw)
        return msgspec.msgpack.decode(row.data, type=VisitorState) if row.version == Visitor.version else VisitorState()
    except (Unreadable, msgspec.DecodeError):
        return VisitorState()


def is_known(event: Event, state: VisitorState) -> bool:
    """Whether the visitor has told who they are, now or earlier."""
    return _strongest(event, state) is not None


def identity_id(edge: Edge, event: Event) -> str:
    """The id of the person as far as the store knows them; it stays good, as another name, when identities merge."""
    visitor = event.user_data.anonymous_id or ""
    rules = edge.snapshot.sites[event.site].identity
    with edge.store.read() as txn:
        graph = Graph(edge.store, txn, edge.id_key)
        for one in named_in(event, rules):
            row = graph.find(event.site, one.kind, one.value) if one.joins else None
            if row is not None and not row.is_set_aside:
                return graph.current(event.site, row.identity)
        if graph.find(event.site, SHARED, visitor) is None:
            return graph.of_visitor(event.site, visitor)
        made = next((one for one in named_in(event, rules) if one.kind in FOUNDS), None)
        if made is not None:
            return graph.current(event.site, graph.id_of(event.site, made.kind, made.value))
        return graph.id_of(event.site, DEVICE, visitor)


def session_of(edge: Edge, state: VisitorState, event: Event) -> str:
    """The visit that is open, or the id that the event's new one shall have: the same for all requests that come before
    it is on disk, whichever of them opens it."""
    contact = meet(event, state.visit, edge.snapshot.sites.get(event.site), lambda one: has_touch(edge.store, one), str)
    if not contact.is_new_visit and contact.visit.id:
        return contact.visit.id
    touch = contact.campaign
    campaign = (touch.source, touch.medium, touch.campaign, touch.click_id) if touch is not None else ()
    before = state.visit.id if state.visit is not None else ""
    return edge.opaque_id("visit", event.site, event.user_data.anonymous_id or "", before, *campaign)


def _strongest(event: Event, state: VisitorState) -> tuple[str, str] | None:
    for field in KNOWN_BY:
        value = getattr(event.user_data, field)
        if value is not None:
            return field, value if isinstance(value, str) else value.sha256
        if known := state.seen.get(field):
            return field, known[-1].value
    return None
