"""The site actor: counters by event name and source, and when each was last seen."""

from typing import Any, ClassVar

from msgspec import Struct

from actors.actor import Actor, Message, Turn
from actors.names import label

CUSTOM_KEPT = 200  # custom names counted by name; the rest together, under "custom"


class Seen(Message, frozen=True):
    """Events of this site that are alike, of one batch of turns."""

    event_name: str
    source: str
    is_copy: bool
    first_at_ms: int
    last_at_ms: int
    count: int = 1


class Tally(Struct, kw_only=True, omit_defaults=True):
    events: int = 0
    copies: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0


class SiteState(Struct, kw_only=True, omit_defaults=True):
    by_name: dict[str, Tally] = {}
    by_source: dict[str, Tally] = {}
    last_seen_at_ms: int = 0


class Site(Actor[SiteState]):
    kind: ClassVar[str] = "site"
    number: ClassVar[int] = 4
    state_type: ClassVar[type[Any]] = SiteState

    def receive(self, message: Seen, turn: Turn) -> None:
        state = self.state
        state.last_seen_at_ms = max(state.last_seen_at_ms, message.last_at_ms)
        name = message.event_name
        if name not in state.by_name and label(name) == "custom" and len(state.by_name) >= CUSTOM_KEPT:
            name = "custom"
        for tallies, key in ((state.by_name, name), (state.by_source, message.source)):
            _add(tallies, key, message)


def _add(tallies: dict[str, Tally], key: str, message: Seen) -> None:
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally(first_at_ms=message.first_at_ms)
    if message.is_copy:
        tally.copies += message.count
    else:
        tally.events += message.count
    tally.last_at_ms = max(tally.last_at_ms, message.last_at_ms)
