"""Whether a request may go out to one destination now, and what its answers change about that. Pure but for state.

    paused      by its operator, disabled, or refused credentials: nothing; for its error share: a probe now and then
    breaker     after failures in a row: a probe now and then
    throttle    the platform asked to wait
    allowance   the rate that was set, or learnt, and the quota that headers tell
    window      requests in flight

A probe is one delivery, later and later. A pause for the error share ends when the platform takes the probe; the
breaker closes when it answers at all.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.destinations.base import Delivered, Destination, Drop, Pause, Retry, Verdict
from actors.health import ErrorShare
from actors.pacing import Breaker, Throttle, Window
from actors.rates import Allowance, Quota
from store.records import StandingCause, StandingState

if TYPE_CHECKING:
    from actors.observer import PauseCause

NEAR_EVERY_S = 60.0  # a usage that is nearly at its bound halves the rate no more often: it sinks slowly by itself
OPERATORS_WORDS = "paused by its operator"
DISABLED_WORDS = "disabled: it gets nothing new, and what waits stays"


class Heard(Struct, frozen=True, kw_only=True):
    """How a request went. `has_answer`: False where the platform was not reached."""

    sent_s: float
    latency_s: float
    has_answer: bool
    is_probe: bool
    quota: Quota = Quota()


class Gate:
    """`may_send` before each request, `begin` for it, `judge` after it. Times are seconds of one clock."""

    def __init__(self, destination: Destination, random: Random, redact: Callable[[str], str]) -> None:
        self.breaker = Breaker(random)
        self.paused_for: PauseCause | None = None
        self.words = ""
        if not destination.enabled:
            self.paused_for, self.words = "disabled", DISABLED_WORDS
        elif destination.paused:
            self.paused_for, self.words = "operator", OPERATORS_WORDS
        self._redact = redact
        self._window = Window(destination.concurrency, destination.latency_goal_s)
        self._throttle = Throttle()
        self._allowance = Allowance(destination.rate, destination.platform_rate())
        self._errors = ErrorShare(destination.pause_share, destination.pause_after_s, destination.pause_least)
        self._share, self._after_s = destination.pause_share, destination.pause_after_s
        self._under_way = 0

    @property
    def is_shut(self) -> bool:
        """Nothing goes out, not even a probe, until the destination's settings change."""
        return self.paused_for in ("operator", "disabled", "credentials")

    @property
    def under_way(self) -> int:
        """Requests begun and not ended."""
        return self._under_way

    @property
    def in_flight_most(self) -> int:
        return self._window.size if self.breaker.state == "closed" else 1

    def requests_per_s(self, now_s: float) -> float:
        """Infinite where there is no bound."""
        return self._allowance.per_s(now_s)

    def standing(self) -> tuple[StandingState, StandingCause, str]:
        if self.paused_for:
            return "paused", self.paused_for, self.words
        return ("sending", "", "") if self.breaker.state == "closed" else ("probing", "breaker", self.words)

    # --- before a request ---

    def may_send(self, now_s: float) -> bool:
        """Where it says yes while the breaker is open, the request that is begun now is the probe."""
        if self.is_shut or self._under_way >= self.in_flight_most:
            return False
        if self._throttle.wait_s(now_s) > 0 or self._allowance.wait_s(now_s) > 0:
            return False
        return self.breaker.may_send(now_s)

    def wait_s(self, now_s: float) -> float | None:
        """How long until `may_send` can say yes; None where that is not a matter of time."""
        if self.is_shut or self._under_way >= self.in_flight_most or self.breaker.is_probing:
            return None
        breaker_s = self.breaker.wait_s(now_s) or 0.0
        return max(self._throttle.wait_s(now_s), self._allowance.wait_s(now_s), breaker_s)

    def begin(self, now_s: float) -> None:
        self._under_way += 1
        self._allowance.take(now_s)

    def end(self) -> None:
        """The request is over, and its deliveries are settled."""
        self._under_way -= 1

    def probe_now(self) -> None:
        """Somebody has looked after it: the next probe need not wait."""
        self.breaker.probe_now()

    def go_on_paused(self, now_s: float, words: str) -> None:
        """When it last ran it was paused for its error share: it begins with a probe, not with the queue."""
        if self.paused_for is None:
            self.paused_for, self.words = "error_share", words
            self.breaker.trip(now_s)
            self.breaker.probe_now()

    # --- after it ---

    def judge(self, now_s: float, verdicts: Sequence[Verdict], heard: Heard) -> None:
        """What the whole answer says about the platform: healthy, failing, asking for less, refusing us."""
        self._allowance.told(now_s, heard.quota, self._under_way - 1)
        refused = next((verdict for verdict in verdicts if isinstance(verdict, Pause)), None)
        if refused is not None:
            self.refuse(refused.reason)
            return
        throttles = [verdict for verdict in verdicts if isinstance(verdict, Retry) and verdict.is_throttle]
        if throttles:
            self._slow_down(now_s, throttles, heard)
            return
        if heard.quota.is_near:
            self._allowance.refused(now_s, heard.sent_s - NEAR_EVERY_S, now_s)
        self._heed_health(now_s, verdicts, heard)
        self._watch_errors(now_s, verdicts, heard)

    def refuse(self, reason: str) -> None:
        """The credentials are refused: nothing goes out until the destination's settings change; its queue stays."""
        if not self.is_shut:
            self.paused_for, self.words = "credentials", self._redact(reason)
        self.breaker.answered()

    def _slow_down(self, now_s: float, throttles: Sequence[Retry], heard: Heard) -> None:
        wait_s = max(*(verdict.after_s or 0.0 for verdict in throttles), heard.quota.wait_s)
        self._throttle.ask(now_s, wait_s or 1.0)
        self._allowance.refused(now_s, heard.sent_s, now_s + self._throttle.wait_s(now_s))
        self._window.failed()
        if self.paused_for != "error_share":
            self.breaker.answered()
        elif heard.is_probe:
            self._end_probe(now_s, is_good=False)

    def _heed_health(self, now_s: float, verdicts: Sequence[Verdict], heard: Heard) -> None:
        is_failure = not heard.has_answer or all(isinstance(verdict, Retry) for verdict in verdicts)
        if is_failure:
            self._window.failed()
        else:
            self._window.succeeded(heard.latency_s)
        if heard.quota.wait_s > 0:  # any answer may ask to be left alone, most often a 503
            self._throttle.ask(now_s, heard.quota.wait_s)
        if self.paused_for == "error_share":
            if heard.is_probe:  # what was under way when the pause began says nothing new
                self._end_probe(now_s, is_good=any(isinstance(verdict, Delivered) for verdict in verdicts))
        elif is_failure:
            self._fail(now_s, verdicts)
        else:
            self.breaker.succeeded()

    def _fail(self, now_s: float, verdicts: Sequence[Verdict]) -> None:
        self.breaker.failed(now_s)
        if self.breaker.state == "open":
            self.words = self._redact(_reason(verdicts))

    def _end_probe(self, now_s: float, *, is_good: bool) -> None:
        """How a probe of a destination that is paused for its error share ended."""
        if not is_good:
            self.breaker.failed(now_s)
            return
        self.breaker.succeeded()
        self._errors.clear()
        self.paused_for, self.words = None, ""

    def _watch_errors(self, now_s: float, verdicts: Sequence[Verdict], heard: Heard) -> None:
        if heard.is_probe or self.paused_for:
            return
        errors = [verdict for verdict in verdicts if isinstance(verdict, Drop | Retry)]
        delivered = sum(isinstance(verdict, Delivered) for verdict in verdicts)
        self._errors.saw(now_s, len(errors) + delivered, len(errors))
        if errors and self._errors.is_over(now_s):
            found = self._errors.found(now_s)
            self.paused_for = "error_share"
            self.words = (
                f"{found.errors} of {found.deliveries} deliveries failed within {self._after_s:g} s, "
                f"more than {self._share:.0%}; the last: {self._redact(_reason(errors))}"
            )
            self.breaker.trip(now_s)


def _reason(verdicts: Sequence[Verdict]) -> str:
    """The words of the last of them that is no success."""
    return next((one.reason for one in reversed(verdicts) if not isinstance(one, Delivered)), "")
