"""When a destination may be asked again: retry times, the breaker, the window of requests in flight. Pure but for
state.

Retries: up to 5 attempts within 24 h; waits of 150 s × 4ⁿ, ±10 %; a platform's own delay wins when longer.
"""

import math
from random import Random
from typing import Final, Literal

MOST_ATTEMPTS: Final = 5
MOST_MS: Final = 24 * 3_600_000
FIRST_WAIT_S: Final = 150.0
FACTOR: Final = 4
JITTER: Final = 0.1
CLOCK_JUMP_MS: Final = 400 * 24 * 3_600_000  # nothing is kept for so long
BREAKER_AFTER: Final = 5  # failures in a row
PROBE_FIRST_S: Final = 5.0
PROBE_MOST_S: Final = 300.0
FIRST_IN_FLIGHT: Final = 2.0
SLOW_STEP: Final = 0.5  # for each slow answer: a round of them halves the window
OUTAGE_MOST_MS: Final = 7 * 24 * 3_600_000  # an event that arrived longer ago is not kept for a platform that is gone
PROBES_COUNTED: Final = 16  # more do not lengthen the wait: after days, the power of two would be no float any more


def next_attempt_ms(now_ms: int, tries: int, first_ms: int, asked_s: float | None, random: Random) -> int | None:
    """When a delivery that was tried `tries` times is tried next; None where the schedule is over.

    `first_ms`: time of its first attempt. `asked_s`: the delay that the platform asked for.
    """
    if tries >= MOST_ATTEMPTS:
        return None
    wait_s = FIRST_WAIT_S * FACTOR ** (tries - 1) * random.uniform(1 - JITTER, 1 + JITTER)
    wait_s = min(max(wait_s, asked_s or 0.0), MOST_MS / 1000)
    wait_ms = int(wait_s * 1000)
    return now_ms + wait_ms if elapsed_ms(now_ms, first_ms) + wait_ms <= MOST_MS else None


def elapsed_ms(now_ms: int, then_ms: int) -> int:
    """Wall time between two moments; 0 where that cannot be, since the clock was set in between."""
    elapsed = now_ms - then_ms
    return elapsed if 0 <= elapsed <= CLOCK_JUMP_MS else 0


def age_s(occurred_at_ms: int, received_at_ms: int, now_ms: int) -> int:
    """How old an event is: what had passed when it arrived, by its sender's clock, and what has since, by ours."""
    return (max(0, received_at_ms - occurred_at_ms) + elapsed_ms(now_ms, received_at_ms)) // 1000


class Breaker:
    """Opens after failures in a row; then one probe at a time, later and later, until one succeeds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._probes = 0
        self._probe_at_s = 0.0
        self.state: Literal["closed", "open", "half_open"] = "closed"

    def may_send(self, now_s: float) -> bool:
        """Whether a request may go out; in the half-open state only the probe may."""
        if self.state == "open" and now_s >= self._probe_at_s:
            self.state = "half_open"
            return True
        return self.state == "closed"

    @property
    def is_probing(self) -> bool:
        return self.state == "half_open"

    def wait_s(self, now_s: float) -> float | None:
        """How long until a probe is allowed; None where the breaker is not open."""
        return max(0.0, self._probe_at_s - now_s) if self.state == "open" else None

    def succeeded(self) -> None:
        self._failures = self._probes = 0
        self.state = "closed"

    def answered(self) -> None:
        """The platform is alive but takes nothing now: a probe that ends so is over without opening or closing more."""
        if self.state == "half_open":
            self.succeeded()

    def not_sent(self) -> None:
        """There was nothing to probe with: the next delivery is the probe."""
        if self.state == "half_open":
            self.state = "open"

    def failed(self, now_s: float) -> None:
        self._failures += 1
        if self.state == "closed" and self._failures < BREAKER_AFTER:
            return
        if self.state == "open":
            return
        self.trip(now_s)

    def probe_now(self) -> None:
        """The next probe need not wait."""
        self._probe_at_s = -math.inf

    def trip(self, now_s: float) -> None:
        """Opens, whatever went before; the next probe comes later than the one before it."""
        wait_s = min(PROBE_MOST_S, PROBE_FIRST_S * 2**self._probes)
        self._probes = min(self._probes + 1, PROBES_COUNTED)
        self._probe_at_s = now_s + wait_s * self._random.uniform(1 - JITTER, 1 + JITTER)
        self.state = "open"


class Window:
    """Requests in flight: one more for each round that was answered well and fast, half as many after a refusal or a
    timeout, fewer while answers take longer than the goal."""

    def __init__(self, most: int, latency_goal_s: float = math.inf) -> None:
        self._most = float(most)
        self._goal_s = latency_goal_s
        self._size = min(FIRST_IN_FLIGHT, self._most)

    @property
    def size(self) -> int:
        return int(self._size)

    def succeeded(self, latency_s: float = 0.0) -> None:
        if latency_s <= self._goal_s:
            self._size = min(self._most, self._size + 1 / self._size)
        elif (
            self._size > FIRST_IN_FLIGHT
        ):  # slowness alone never makes it one at a time: some platforms are so by nature
            self._size = max(FIRST_IN_FLIGHT, self._size - SLOW_STEP)

    def failed(self) -> None:
        self._size = max(1.0, self._size / 2)


class Throttle:
    """A pause that the platform asked for: nothing goes out before it is over."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def ask(self, now_s: float, wait_s: float) -> None:
        self._until_s = max(self._until_s, now_s + min(wait_s, MOST_MS / 1000))

    def wait_s(self, now_s: float) -> float:
        return max(0.0, self._until_s - now_s)
