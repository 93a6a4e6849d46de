"""The other door, opened beside the fast lane: what it is built of takes longest to load, and few requests need it.

A worker that was started anew takes events again at once; a request for the other door waits until it is open.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import trio

from gateway.door import DoorBounds, Share
from gateway.failures import FailureReport
from gateway.fast_lane import OtherDoor
from gateway.request_head import Head
from gateway.wire import Wire

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

LOAD_AFTER_S = 0.5  # unless a request wants it sooner: the rest of the worker starts first

MakeApp = Callable[[], "ASGIFramework"]  # called in a thread, so that loading it holds nobody up
OpenDoor = Callable[["ASGIFramework", DoorBounds, FailureReport, Share], AbstractAsyncContextManager[OtherDoor]]


class LateDoor:
    def __init__(self) -> None:
        self._wanted = trio.Event()
        self._opened = trio.Event()
        self._door: OtherDoor | None = None

    async def serve_request(self, wire: Wire, head: Head) -> bool:
        self._wanted.set()
        await self._opened.wait()
        assert self._door is not None
        return await self._door.serve_request(wire, head)

    async def hold_open(
        self, make_app: MakeApp, bounds: DoorBounds, report: FailureReport, share: Share, life: trio.CancelScope
    ) -> None:
        """Opens the door and keeps it open until `life` is cancelled. Raises what loading the application raises."""
        with life:
            with trio.move_on_after(LOAD_AFTER_S):
                await self._wanted.wait()
            open_door, app = await trio.to_thread.run_sync(_load, make_app)
            async with open_door(app, bounds, report, share) as self._door:
                self._opened.set()
                await trio.sleep_forever()


def _load(make_app: MakeApp) -> tuple[OpenDoor, "ASGIFramework"]:
    from gateway.guard import open_guarded_door

    return open_guarded_door, make_app()
