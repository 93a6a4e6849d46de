"""Keeps a task running: an exception in one actor's or worker's task ends neither its neighbours nor the process."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from store.errors import StoreError

FIRST_WAIT_S: Final = 0.5
MOST_WAIT_S: Final = 30.0
STEADY_S: Final = 60.0  # a task that ran so long starts its waits anew

log = structlog.get_logger()


async def keep_running(name: str, start: Callable[[], Awaitable[None]], on_crash: Callable[[str], None]) -> None:
    """Runs `start` again whenever it raises, later and later. A broken store passes: the process has to stop."""
    wait_s = FIRST_WAIT_S
    while True:
        began_s = trio.current_time()
        try:
            await start()
            return
        except* StoreError:
            raise
        except* Exception as failures:
            first = _innermost(failures)
            log.error("task_crashed", task=name, error=type(first).__name__, exc_info=first)
            on_crash(name)
        if trio.current_time() - began_s > STEADY_S:
            wait_s = FIRST_WAIT_S
        await trio.sleep(wait_s)
        wait_s = min(MOST_WAIT_S, wait_s * 2)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
