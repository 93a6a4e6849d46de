"""What a door tells about a failure it contained: its kind and where it arose, never what was being handled."""

import traceback

from msgspec import Struct

from actors.observer import Observer
from gateway.door import DoorLog


class FailureReport(Struct, frozen=True, kw_only=True):
    observer: Observer
    log: DoorLog

    def contained(self, door: str, error: BaseException) -> None:
        """Counts it and logs it once. An exception's text may quote a body, so only its kind and place are told."""
        leaf = innermost(error)
        frames = traceback.extract_tb(leaf.__traceback__)
        where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "unknown"
        self.observer.connection_failed("contained")
        self.log("connection_failure_contained", door=door, error=type(leaf).__name__, where=where)


def innermost(error: BaseException) -> BaseException:
    """The first exception of a group that is no group itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
