"""The link actor: one tracked link of one site; how often people followed it, and when first and last."""

from typing import Any, ClassVar

from msgspec import Struct

from actors.actor import Actor, Message, Turn


class Clicked(Message, frozen=True, kw_only=True):
    """One click on it."""

    at_ms: int


class LinkState(Struct, kw_only=True, omit_defaults=True):
    clicks: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0


class Link(Actor[LinkState]):
    kind: ClassVar[str] = "link"
    number: ClassVar[int] = 6
    state_type: ClassVar[type[Any]] = LinkState

    def receive(self, message: Clicked, turn: Turn) -> None:
        state = self.state
        state.clicks += 1
        state.first_at_ms = state.first_at_ms or message.at_ms
        state.last_at_ms = max(state.last_at_ms, message.at_ms)


def link_key(site: str, slug: str) -> str:
    return f"{site}\x1f{slug}"
