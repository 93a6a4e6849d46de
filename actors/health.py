"""Whether too many deliveries to a destination fail: an error share over a time. Pure but for state.

An error is a delivery that the platform refuses for good, or an attempt that failed. A throttle is none, nor is what
is dropped before a request. The destination is to be paused where of the deliveries of the last `after_s`, which must
reach back that whole time and be at least `least`, a larger share than `share` were errors, told by several answers:
a platform that takes a thousand events a request is not to be paused for one request that failed.
"""

from collections import deque
from typing import Final

from msgspec import Struct

BAD_ANSWERS: Final = 3  # at least
BUCKETS: Final = 20  # the time is counted in so many parts: memory is bounded, whatever comes


class Counted(Struct):
    """Deliveries of one part of the time."""

    from_s: float
    deliveries: int = 0
    errors: int = 0
    bad_answers: int = 0  # that told an error


class Share(Struct, frozen=True, kw_only=True):
    deliveries: int
    errors: int
    bad_answers: int

    @property
    def of_all(self) -> float:
        return self.errors / self.deliveries if self.deliveries else 0.0


class ErrorShare:
    """`saw` what became of deliveries; `is_over` then says whether it is too much."""

    def __init__(self, share: float, after_s: float, least: int) -> None:
        """A `share` of 0 turns it off: it is never over."""
        self._share, self._after_s, self._least = share, after_s, max(1, least)
        self._width_s = after_s / BUCKETS
        self._parts: deque[Counted] = deque()
        self._since_s: float | None = None  # since when there have been deliveries, without a gap as long as the time

    def saw(self, now_s: float, deliveries: int, errors: int) -> None:
        """What one answer told."""
        if deliveries <= 0 or self._share <= 0:
            return
        self._forget(now_s)
        if self._since_s is None:
            self._since_s = now_s
        if not self._parts or now_s - self._parts[-1].from_s >= self._width_s:
            self._parts.append(Counted(now_s))
        self._parts[-1].deliveries += deliveries
        self._parts[-1].errors += errors
        self._parts[-1].bad_answers += errors > 0

    def is_over(self, now_s: float) -> bool:
        found = self.found(now_s)
        if found.deliveries < self._least or found.bad_answers < BAD_ANSWERS:
            return False
        is_whole = self._since_s is not None and now_s - self._since_s >= self._after_s
        return self._share > 0 and is_whole and found.of_all > self._share

    def found(self, now_s: float) -> Share:
        """Of the last `after_s`, give or take a part of it."""
        self._forget(now_s)
        return Share(
            deliveries=sum(part.deliveries for part in self._parts),
            errors=sum(part.errors for part in self._parts),
            bad_answers=sum(part.bad_answers for part in self._parts),
        )

    def clear(self) -> None:
        """Begins anew: what was seen before a pause says nothing about the time after it."""
        self._parts.clear()
        self._since_s = None

    def _forget(self, now_s: float) -> None:
        while self._parts and now_s - self._parts[0].from_s > self._after_s:
            self._parts.popleft()
        if not self._parts:
            self._since_s = None
