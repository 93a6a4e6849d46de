"""An alarm whose turn raises: when it is tried again, and what is remembered of it."""

from typing import Final

from store.records import AlarmFault

FIRST_WAIT_MS: Final = 60_000
MOST_WAIT_MS: Final = 86_400_000  # less than the farthest alarm that the runtime believes (runtime.py)


def fault_after(before: AlarmFault | None, error: str, now_ms: int) -> AlarmFault:
    """What is remembered once it has raised `error` (its class) at `now_ms`."""
    is_same = before is not None and before.error == error
    return AlarmFault(
        error=error,
        since_ms=before.since_ms if before is not None and is_same else now_ms,
        last_at_ms=now_ms,
        times=before.times + 1 if before is not None and is_same else 1,
        tries=before.tries + 1 if before is not None else 1,
    )


def again_at_ms(fault: AlarmFault) -> int:
    """A minute later, then twice as long each time, at most a day."""
    doublings = min(fault.tries - 1, MOST_WAIT_MS.bit_length())
    return fault.last_at_ms + min(FIRST_WAIT_MS << doublings, MOST_WAIT_MS)
