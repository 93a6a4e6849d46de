"""Whose a visitor's events are while they name nothing new: settled once, and looked up anew after a while.

Most events of a visitor tell of its person what the one before told. The identity that it came to is remembered with
the visitor, with digests of what was named then. Such an event goes to that identity at once, which changes nothing of
itself; where the identity is this visitor's alone and would add nothing, it is not even asked. An identity that learns
something tells its visitors, and they look it up again. So what an identity remembers of when a value was given last is
true to SETTLED_MS.
"""

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from actors.event import Event, UserData

SETTLED_MS: Final = 6 * 3_600_000
DAY_MS: Final = 86_400_000  # visitors of an identifier are counted by the day
MARKS_KEPT: Final = 4  # pages that name nobody and orders that do take turns

_encoder = msgspec.msgpack.Encoder()


class Mark(Struct, frozen=True, array_like=True):
    """`digest`: of what an event named. `is_alone`: the identity has nothing to add to it."""

    digest: bytes
    is_alone: bool


class Settled(Struct, frozen=True, array_like=True):
    """`marks`: the newest last."""

    identity: str
    until_ms: int
    marks: tuple[Mark, ...]

    def mark(self, event: Event) -> Mark | None:
        """That of what the event names; None where it was not settled, or long ago."""
        if event.received_at_ms >= self.until_ms:
            return None
        digest = digest_of(event.user_data)
        return next((one for one in self.marks if one.digest == digest), None)


def digest_of(user: UserData) -> bytes:
    """Of all that an event tells of its person; what is sealed differs each time though it says the same."""
    if user.sealed is not None:
        user = msgspec.structs.replace(user, sealed=None)
    return blake2b(_encoder.encode(user), digest_size=8).digest()


def settled_after(before: Settled | None, identity: str, mark: Mark, now_ms: int) -> Settled:
    if before is not None and before.identity == identity and now_ms < before.until_ms:
        others = tuple(one for one in before.marks if one.digest != mark.digest)
        return Settled(identity, before.until_ms, (*others[1 - MARKS_KEPT :], mark))
    until_ms = min(now_ms + SETTLED_MS, (now_ms // DAY_MS + 1) * DAY_MS)
    return Settled(identity, until_ms, (mark,))
