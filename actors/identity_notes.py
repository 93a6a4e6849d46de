"""What an identity takes down of an event: name, address, ids of clicks and browsers, and what is set aside."""

from typing import Any

import msgspec

from actors.actor import Turn
from actors.enrichment import CLICKS, TRAITS
from actors.event import Event
from actors.identifying import Named
from actors.identity_state import IdentityState, Value, with_value


def noted(state: IdentityState, event: Event, identity: str) -> IdentityState:
    """With the name, the address and the ids of clicks and browsers that the event brought."""
    user, now_ms = event.user_data, event.received_at_ms
    fields = (*TRAITS, *CLICKS) if user.anonymous_id is not None else TRAITS
    for field in fields:
        value = getattr(user, field)
        if value is not None and field not in ("kx", "ga_session_id"):
            given = value if isinstance(value, str) else msgspec.to_builtins(value)
            state = with_value(state, field, Value(given, now_ms, now_ms, event.source, event.event_id, identity))
    return state


def set_aside(state: IdentityState, one: Named, event: Event, turn: Turn) -> IdentityState:
    turn.graph.set_aside(event.site, one.kind, one.value)
    turn.count("identifier_set_aside", site=event.site, kind=one.kind)
    kept = tuple(value for value in state.values.get(one.kind, ()) if value.standard != one.value)
    today = {name: value for name, value in state.today.items() if name != f"{one.kind}\x1f{one.value}"}
    return msgspec.structs.replace(state, values={**state.values, one.kind: kept}, today=today)


def with_rows(state: IdentityState, rows: list[bytes]) -> IdentityState:
    return msgspec.structs.replace(state, rows=tuple(dict.fromkeys((*state.rows, *rows))))


def form_of(event: Event, one: Named) -> Any:
    """All forms of the identifier, as the event has it; of one that its visitor remembers the standard form."""
    value = getattr(event.user_data, one.kind)
    if value is None:
        return {"sha256": one.value} if one.kind in ("email", "phone") else one.value
    return value if isinstance(value, str) else msgspec.to_builtins(value)
