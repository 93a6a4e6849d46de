"""Runs a part's scene on virtual time: in a thread of its own, since the caller's loop lives on real time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from trio.testing import MockClock

T = TypeVar("T")


async def on_virtual_time(scene: Callable[[], Awaitable[T]]) -> T:
    """What the scene returns; its hours take as long as its work."""

    def play() -> T:
        return trio.run(scene, clock=MockClock(autojump_threshold=0))

    return await trio.to_thread.run_sync(play)
