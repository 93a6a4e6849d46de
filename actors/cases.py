"""One event whose person is looked for: what it names, what that leads to, and what it leaves in the index."""

import msgspec
from msgspec import Struct

from actors.actor import Processing, Ref, Turn
from actors.event import Event
from actors.graph import DEVICE, SHARED
from actors.identifying import BY_PRIORITY, FOUNDS, JOINS, VISITOR, IdentityRules, Named, leads_in, named_in
from actors.identity import is_blocked
from actors.visitor import Joined
from store.identity_records import IdentifierRow

DAY_MS = 86_400_000
LED_MOST = 4  # identities that the orders and the like of one event lead to
NO_RULES = IdentityRules()


class Case(Struct, frozen=True, kw_only=True):
    """One event whose person is looked for. `founders`: by identity the visitor whose own it is, and since when."""

    processing: Processing
    named: tuple[Named, ...]
    led: tuple[str, ...]
    made: dict[str, str]
    founders: dict[str, tuple[str, int]]
    is_shared: bool = False


def rules_of(turn: Turn, site: str) -> IdentityRules:
    rules = turn.snapshot.sites.get(site)
    return rules.identity if rules is not None else NO_RULES


def case_of(processing: Processing, turn: Turn) -> Case:
    event, graph, site = processing.event, turn.graph, processing.event.site
    visitor = event.user_data.anonymous_id
    is_shared = visitor is not None and graph.find(site, SHARED, visitor) is not None
    named: list[Named] = []
    founders: dict[str, tuple[str, int]] = {}
    for one in _all_named(processing, rules_of(turn, site)):
        row = graph.find(site, one.kind, one.value)
        if row is None:
            named.append(one)
        elif not row.is_set_aside:
            named.append(msgspec.structs.replace(one, identity=graph.current(site, row.identity)))
    if visitor is not None and not is_shared and not is_blocked(visitor):
        own = graph.id_of(site, VISITOR, visitor)
        founders[own] = (visitor, processing.visitor.since_ms)
        named.append(Named(VISITOR, visitor, graph.current(site, own), joins=True))
    led: list[str] = []
    for kind, value in leads_in(event.custom_data):
        row = graph.find(site, kind, value)
        identity = graph.current(site, row.identity) if row is not None else ""
        if row is not None and identity not in led:
            led.append(identity)
            if row.visitor:
                founders.setdefault(identity, (row.visitor, row.at_ms))
    made = {
        one.kind: graph.current(site, graph.id_of(site, one.kind, one.value)) for one in named if one.kind in FOUNDS
    }
    return Case(
        processing=processing, named=tuple(named), led=tuple(led[:LED_MOST]), made=made, founders=founders,
        is_shared=is_shared,
    )  # fmt: skip


def _all_named(processing: Processing, rules: IdentityRules) -> list[Named]:
    """The event's identifiers, and those that its visitor was given before identities were kept."""
    found = list(named_in(processing.event, rules))
    kinds = {one.kind for one in found}
    for kind, value in processing.visitor.named.items():
        if kind not in kinds and value not in rules.blocked:
            found.append(Named(kind, value, joins=kind in JOINS and value not in rules.links_only))
    return sorted(found, key=lambda one: BY_PRIORITY.index(one.kind))


def lead(event: Event, identity: str, turn: Turn, visitor: str = "") -> None:
    """From now on the event's order and the like lead to this identity."""
    rules = turn.snapshot.sites.get(event.site)
    kept_ms = rules.retention_ms if rules is not None else 90 * DAY_MS
    for kind, value in leads_in(event.custom_data):
        if turn.graph.find(event.site, kind, value) is None:
            until_ms = event.received_at_ms + kept_ms
            row = IdentifierRow(
                site=event.site, identity=identity, at_ms=event.received_at_ms, until_ms=until_ms, visitor=visitor
            )
            turn.graph.put(event.site, kind, value, row)


def share(event: Event, turn: Turn) -> None:
    """The visitor is several persons' from now on."""
    visitor = event.user_data.anonymous_id
    assert visitor is not None, "only a visitor is shared"
    rules = turn.snapshot.sites.get(event.site)
    kept_ms = rules.retention_ms if rules is not None else 90 * DAY_MS
    device = turn.graph.id_of(event.site, DEVICE, visitor)
    until_ms = event.received_at_ms + kept_ms
    row = IdentifierRow(site=event.site, identity=device, at_ms=event.received_at_ms, until_ms=until_ms)
    turn.graph.put(event.site, SHARED, visitor, row)
    turn.send(Ref("visitor", f"{event.site}\x1f{visitor}"), Joined(is_shared=True))
    turn.count("visitor_shared", site=event.site)
