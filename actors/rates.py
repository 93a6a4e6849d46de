"""How many requests a destination may be sent: the rate that was set, what refusals taught, what headers told.

A rate counts requests, since that is what platforms count; a request may carry many events. Three bounds hold at once:

    the set rate     a bucket of tokens; holds at most a twentieth of the period's requests, and no more than a second's
    the learnt rate  after a refusal for asking too often (429) half of what was sent; grows back slowly, in a minute
    the quota        requests that remain until a time, as the platform's own headers say

Pure but for state; the caller hands in the time.
"""

import math
import re
from typing import Final

from msgspec import Struct

PERIODS_S: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0}
_FORM: Final = re.compile(r"(\d{1,7})\s*/\s*(s|min|h)", re.ASCII)
FAULT: Final = 'is no rate; give requests in a time, such as "100/s", "20/min" or "1000/h"'
MOST_PER_S: Final = 100_000.0
RESERVE: Final = 0.95  # of a platform's own limit: its windows begin when it likes, and the bucket adds its content
BURST_SHARE: Final = 0.05  # what a bucket holds, of the requests of its period
MEASURED_S: Final = 2.0  # over which it is measured how many requests were sent
LEAST_PER_S: Final = 0.1  # no refusal slows a destination down further; longer waits are asked for in so many words
LEARN_LEAST_PER_S: Final = 1.0  # the learnt rate grows back as if at least this had been refused
GROWTH_PER_S: Final = 0.01  # of the refused rate: from half of it back to it in 50 s
FORGET_FACTOR: Final = 2.0  # a learnt rate that has grown to this, where none was set, is none any more
QUOTA_MOST_S: Final = 3_600.0  # a header that says longer is asked again then
LEAST_WAIT_S: Final = 0.001
WHOLE: Final = 1 - 1e-6  # of a token: sums of floats


class Rate(str):
    """Requests in a time: `100/s`, `20/min`, `1000/h`. Made by `read_rate`, or of a literal in that very form."""

    __slots__ = ()

    @property
    def requests(self) -> int:
        return int(self.partition("/")[0])

    @property
    def period_s(self) -> float:
        return PERIODS_S[self.partition("/")[2]]

    @property
    def per_s(self) -> float:
        return self.requests / self.period_s


def read_rate(value: object) -> Rate:
    """Raises ValueError saying what would be right."""
    match = _FORM.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} {FAULT}")
    rate = Rate(f"{int(match[1])}/{match[2]}")
    if not 0 < rate.per_s <= MOST_PER_S:
        raise ValueError(f'{value!r} is out of range; give 1 request an hour ("1/h") to {MOST_PER_S:,.0f} a second')
    return rate


class Quota(Struct, frozen=True, kw_only=True):
    """What an answer's headers say about asking again. `wait_s`: not before; `remaining`: so many more requests
    within `reset_s`; `is_near`: most of it is used up, so that sending slower is wise."""

    wait_s: float = 0.0
    remaining: int | None = None
    reset_s: float | None = None
    is_near: bool = False


class Allowance:
    """`take` for each request that is begun; before, `wait_s` has to be 0."""

    def __init__(self, rate: Rate | None, platform: Rate | None = None) -> None:
        """`rate`: as set; `platform`: the platform's own limit, kept with a reserve where no rate is set."""
        known = rate or platform
        self._most_per_s = math.inf if known is None else known.per_s * (1.0 if rate else RESERVE)
        self._burst_s = min(1.0, BURST_SHARE * (known.period_s if known is not None else 1.0))
        self._per_s = self._most_per_s
        self._refused_per_s = LEARN_LEAST_PER_S
        self._measured_per_s = 0.0
        self._cut_s = -math.inf  # when the rate was cut last
        self._at_s = -math.inf
        self._tokens = math.inf
        self._left: int | None = None  # of the quota
        self._left_until_s = 0.0

    def per_s(self, now_s: float) -> float:
        """The rate in force; infinite where there is none."""
        self._advance(now_s)
        return self._per_s

    def wait_s(self, now_s: float) -> float:
        """How long until the next request may go out."""
        self._advance(now_s)
        wait_s = max(LEAST_WAIT_S, (1 - self._tokens) / self._per_s) if self._tokens < WHOLE else 0.0
        if self._left is not None and self._left <= 0:
            wait_s = max(wait_s, LEAST_WAIT_S, self._left_until_s - now_s)
        return wait_s

    def take(self, now_s: float) -> None:
        self._advance(now_s)
        self._tokens -= 1
        self._measured_per_s += 1 / MEASURED_S
        if self._left is not None:
            self._left -= 1

    def refused(self, now_s: float, sent_s: float, until_s: float) -> None:
        """The platform was asked too often. Requests that were under way together are refused together: only one that
        was sent after the last cut cuts again. Nothing grows back before `until_s`."""
        self._advance(now_s)
        if sent_s < self._cut_s:
            return
        sent_per_s = min(self._per_s, self._measured_per_s)
        self._per_s = max(min(LEAST_PER_S, self._most_per_s), sent_per_s / 2)
        self._refused_per_s = max(LEARN_LEAST_PER_S, sent_per_s)
        self._cut_s = now_s
        self._tokens = min(self._tokens, self._capacity())
        self._at_s = max(now_s, until_s)

    def told(self, now_s: float, quota: Quota, under_way: int) -> None:
        """`under_way`: requests begun that the platform may not have counted yet."""
        self._advance(now_s)
        if quota.remaining is None or not quota.reset_s:
            return
        until_s = now_s + min(quota.reset_s, QUOTA_MOST_S)
        left = quota.remaining - under_way
        is_other_window = self._left is None or until_s > self._left_until_s + 1
        if is_other_window or (self._left is not None and left < self._left):
            self._left, self._left_until_s = left, until_s

    def _capacity(self) -> float:
        return max(1.0, self._per_s * self._burst_s)

    def _advance(self, now_s: float) -> None:
        """Brings tokens, the learnt rate and what is measured up to that time."""
        if self._left is not None and now_s >= self._left_until_s:
            self._left = None
        if now_s <= self._at_s:
            return
        passed_s = now_s - self._at_s
        self._at_s = now_s
        self._measured_per_s *= math.exp(-passed_s / MEASURED_S)
        if not math.isinf(self._per_s):
            self._tokens = min(self._capacity(), self._tokens + self._per_s * min(passed_s, QUOTA_MOST_S))
            self._grow(passed_s)

    def _grow(self, passed_s: float) -> None:
        if self._per_s >= self._most_per_s:
            return
        grown = self._per_s + self._refused_per_s * GROWTH_PER_S * passed_s
        if math.isinf(self._most_per_s) and grown >= FORGET_FACTOR * self._refused_per_s:
            grown = math.inf
            self._tokens = math.inf
        self._per_s = min(grown, self._most_per_s)
