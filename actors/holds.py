"""Events that wait until their visitor has said what is needed: how many, for how long, and what ends it. Pure.

What waits is a pair of an event and a destination; the visitor keeps one entry for each event, with the purposes that
nobody has answered (contracts/consent.md, section 5). Each entry ends exactly once: all that it waits for was
answered, its time was over, or too many wait and it is the oldest.
"""

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from actors.actor import Message
from actors.event import Consent, Purpose

HELD: Final = "held"  # the reason not to route what waits
HELD_MOST: Final = 100  # events of one visitor
LONGEST_MS: Final = 86_400_000  # that a site may let an event wait


class Hold(Struct, frozen=True, kw_only=True):
    """`event_key`: of the event's row. `until_ms`: then it ends, whatever is known."""

    event_key: bytes
    until_ms: int
    waits_for: tuple[Purpose, ...]


class Held(Message, frozen=True):
    """Tells a visitor of an event that waits."""

    hold: Hold


class Ended(Struct, frozen=True):
    """`is_last`: what is still unknown now is not waited for."""

    hold: Hold
    is_last: bool


def end(held: list[Hold], consent: Consent, now_ms: int) -> tuple[list[Hold], list[Ended]]:
    """(what goes on waiting, what is to be decided now), by what the visitor has said and by the time. An end farther
    than any event may wait was set while the clock was ahead."""
    waiting: list[Hold] = []
    ended: list[Ended] = []
    for index, one in enumerate(held):
        hold = Hold(event_key=one.event_key, until_ms=min(one.until_ms, now_ms + LONGEST_MS), waits_for=one.waits_for)
        unknown = unanswered(hold.waits_for, consent)
        if not unknown or hold.until_ms <= now_ms or index < len(held) - HELD_MOST:
            ended.append(Ended(hold, is_last=True))
            continue
        if len(unknown) < len(hold.waits_for):
            hold = Hold(event_key=hold.event_key, until_ms=hold.until_ms, waits_for=unknown)
            ended.append(Ended(hold, is_last=False))
        waiting.append(hold)
    return waiting, ended


def next_end_ms(held: Collection[Hold]) -> int | None:
    return min((hold.until_ms for hold in held), default=None)


def unanswered(purposes: Collection[Purpose], consent: Consent) -> tuple[Purpose, ...]:
    return tuple(purpose for purpose in purposes if getattr(consent, purpose) is None)
