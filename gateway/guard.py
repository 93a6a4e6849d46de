"""The other door: an ASGI application on Hypercorn, guarded so that no connection can do anything to another.

Stock Hypercorn on Trio lets an exception of one connection end the server, speaks HTTP/2 to whoever asks, leaves idle
connections behind Quart-Trio open and waits without end for a client that does not read. Here a connection is
Hypercorn's for one checked request at a time, every failure ends in this module, every wait has its bound, and idle
time is the fast lane's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, LifespanState

from gateway.door import HEAD_BYTES, DoorBounds, Share
from gateway.failures import FailureReport
from gateway.handover import Handover
from gateway.request_head import Head
from gateway.wire import Wire

APP_START_S = 10.0


class GuardedDoor:
    def __init__(
        self, app: ASGIFramework, bounds: DoorBounds, report: FailureReport, share: Share, state: LifespanState
    ) -> None:
        self._app = ASGIWrapper(app)
        self._bounds = bounds
        self._report = report
        self._share = share
        self._state = state
        self._config = hypercorn_config()
        self._context = WorkerContext(None)

    async def serve_request(self, wire: Wire, head: Head) -> bool:
        """Whether the connection can go on. Contains every failure; only cancellation passes."""
        handover = Handover(wire, head, self._bounds.app_read_s, self._share)
        try:
            await handover.run(self._app, self._config, self._context, self._state)
        except* Exception as failures:  # noqa: BLE001 - the boundary of a connection: counted, logged once
            self._report.contained("app", failures)
        if handover.status:
            self._report.observer.answered("app", handover.status)
        return handover.can_go_on and not wire.is_closing


@asynccontextmanager
async def open_guarded_door(
    app: ASGIFramework, bounds: DoorBounds, report: FailureReport, share: Share
) -> AsyncIterator[GuardedDoor]:
    """Starts the application and, at the end, stops it."""
    state: LifespanState = {}
    lifespan = Lifespan(ASGIWrapper(app), hypercorn_config(), state)
    life = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        try:
            nursery.start_soon(_hold_lifespan, lifespan, life)  # `start`, cancelled, would wait for what is shielded
            await lifespan.wait_for_startup()
            try:
                yield GuardedDoor(app, bounds, report, share, state)
            finally:
                with trio.CancelScope(shield=True):
                    await lifespan.wait_for_shutdown()
        finally:
            life.cancel()


async def _hold_lifespan(lifespan: Lifespan, life: trio.CancelScope) -> None:
    """Shielded: the application is stopped after the last request, not by the order to stop."""
    with life:
        await lifespan.handle_lifespan()


def hypercorn_config() -> Config:
    config = Config()
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = None  # the application contains and reports its failures itself
    config.h11_max_incomplete_size = HEAD_BYTES
    config.startup_timeout = config.shutdown_timeout = APP_START_S
    return config
