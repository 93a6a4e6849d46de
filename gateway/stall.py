"""Ends a process whose event loop stands still: pages of a damaged file can lead who reads them in a circle, in C.

What is counted is processor time, so that a machine that is slow, asleep or stopped is no stall; the kernel counts it,
and ends the process by SIGPROF, so that neither a thread nor the interpreter has to get a turn.
"""

import signal
from typing import Final

import trio

STALL_S: Final = 10.0  # of processor time between two rounds of the loop: batches and reads are bounded by milliseconds
LOOK_S: Final = 1.0
STALLED: Final = -signal.SIGPROF  # how such a process ends


def arm(seconds: float = STALL_S) -> None:
    """From now on the process may use so much processor time, until it is armed again."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


async def keep_armed() -> None:
    """Never returns; cancelled, it takes the bound away."""
    try:
        while True:
            arm()
            await trio.sleep(LOOK_S)
    finally:
        arm(0)
