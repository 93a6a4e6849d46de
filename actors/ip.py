"""The IP actor: the activity guard of one address (IPv6: of its /64) or of one write key, as a token bucket.

Each event takes a token; tokens come back at the site's rate. An empty bucket publishes a verdict, which the edge reads
without a round trip and answers with 429 until a quarter of the burst is there again. The verdict stays on record for
`SUSPECT_MS` longer, as a sign of a bot (bots.py); an alarm takes it back then.
"""

from typing import Any, ClassVar

from msgspec import Struct

from actors.actor import Actor, Message, Turn

SHORTEST_MS = 1_000  # a verdict lasts at least so long, so that it does not flicker
LONGEST_MS = 60_000
SUSPECT_MS = 600_000


class Activity(Message, frozen=True, kw_only=True):
    """One event of this caller."""

    at_ms: int


class IpState(Struct, kw_only=True, omit_defaults=True):
    tokens: float = 0.0
    filled_at_ms: int = 0  # 0: never seen, the bucket is full
    limited_until_ms: int = 0
    limited: int = 0  # verdicts so far


class Ip(Actor[IpState]):
    kind: ClassVar[str] = "ip"
    number: ClassVar[int] = 2
    state_type: ClassVar[type[Any]] = IpState

    def receive(self, message: Activity, turn: Turn) -> None:
        site, caller = self.key.split("\x1f", 1)
        rules = turn.snapshot.sites.get(site)
        if rules is None:
            return
        is_key = caller.startswith("key:")
        rate, burst = (rules.key_rate, rules.key_burst) if is_key else (rules.ip_rate, rules.ip_burst)
        if rate <= 0:
            return
        state = self.state
        state.tokens = self._filled(message.at_ms, rate, burst) - 1
        state.filled_at_ms = (
            message.at_ms if self._was_clock_set(message.at_ms) else max(state.filled_at_ms, message.at_ms)
        )
        if state.tokens <= 0 and not 0 < state.limited_until_ms - turn.now_ms <= LONGEST_MS:
            self._limit(site, caller, rate, burst, turn)

    def alarm(self, turn: Turn) -> None:
        site, caller = self.key.split("\x1f", 1)
        self.state.limited_until_ms = 0
        turn.publish_verdict(site, caller, None)

    def _filled(self, at_ms: int, rate: float, burst: float) -> float:
        """Tokens after what has come back since; a clock that went back gives none."""
        if self.state.filled_at_ms == 0 or self._was_clock_set(at_ms):
            return burst
        waited_s = max(0, at_ms - self.state.filled_at_ms) / 1000
        return min(burst, max(0.0, self.state.tokens) + waited_s * rate)

    def _was_clock_set(self, at_ms: int) -> bool:
        """Back by more than messages of one caller can overtake each other."""
        return at_ms < self.state.filled_at_ms - LONGEST_MS

    def _limit(self, site: str, caller: str, rate: float, burst: float, turn: Turn) -> None:
        wait_ms = int(min(LONGEST_MS, max(SHORTEST_MS, burst / 4 / rate * 1000)))
        self.state.limited_until_ms = turn.now_ms + wait_ms
        self.state.limited += 1
        turn.publish_verdict(site, caller, self.state.limited_until_ms)
        turn.alarm_at(self.state.limited_until_ms + SUSPECT_MS)
        turn.count("caller_limited", site=site, kind="key" if caller.startswith("key:") else "ip")
