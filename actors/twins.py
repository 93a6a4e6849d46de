"""Where a test event goes: to the *test twin* of each destination, the same account in its platform's own test mode.

A twin has an id of its own, `<destination>~test`, and with it an outbox, a dispatcher, a pace, a breaker and rows of
the books of its own: what is tried out is told apart everywhere, shares no request with live events and pauses nothing
but itself. A platform without a test mode, or one that may count what it is sent there, has no twin.
"""

from typing import Final

import msgspec

from actors.destinations.base import Destination, InTestMode

MARK: Final = "~test"  # no configured id has a tilde


def twin_id(destination_id: str) -> str:
    return destination_id + MARK


def is_twin(destination_id: str) -> bool:
    return destination_id.endswith(MARK)


def real_id(destination_id: str) -> str:
    """The id of the destination that a twin is of; of any other its own."""
    return destination_id.removesuffix(MARK)


def twin_of(destination: Destination) -> Destination | None:
    """None where a test event may not go."""
    mode = destination.in_test_mode()
    if not isinstance(mode, InTestMode) or mode.may_count:
        return None
    return msgspec.structs.replace(mode.destination, id=twin_id(destination.id))


def why_no_twin(destination: Destination) -> str:
    """For people: why a test event does not go there."""
    mode = destination.in_test_mode()
    return mode.effect if isinstance(mode, InTestMode) else mode.why
