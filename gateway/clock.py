"""The wall clock, and how late the event loop is."""

import time
from collections.abc import Callable

import trio

LOOK_S = 0.5


def wall_ms() -> int:
    """Unix time in milliseconds. It may jump: nothing may rely on its growing."""
    return time.time_ns() // 1_000_000


async def watch_lag(tell: Callable[[float], None]) -> None:
    """Tells, twice a second, by how much a sleep took longer than it should."""
    while True:
        started = trio.current_time()
        await trio.sleep(LOOK_S)
        tell(max(0.0, trio.current_time() - started - LOOK_S))
