"""From the door to the platform's yes: how many events a second go all the way, for as long as one likes.

Two pairs of platforms: Meta and Google Ads, which take batches, and GA4 and a webhook, which take one event a request;
and, as a bench of its own, all platforms at once.
The rate is found from above: events come at even intervals, and where the backlog (mailbox and outboxes) grows by more
than a quarter of a second's events, the rate was too high. The rate that lasts is then held for a minute.
"""

import shutil
import statistics
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bench.backlog import Backlog, open_backlog
from bench.destinations import PLATFORMS as PLATFORM_OF
from bench.errors import BenchFailed
from bench.gateway_process import Gateway, Platforms, Server, running_gateway, running_hello, running_platforms
from bench.load_plan import Figures, Kind, Plan
from bench.raw_load import share_of
from bench.report import Goal, Report, Section, spread_of
from bench.setting import Setting

PAIRS: Final = (("meta", "google_ads"), ("ga4", "webhook"))
USUAL_S: Final = 60.0
PROBE_S: Final = 10.0
FLOOD_S: Final = 2.0
HELLO_S: Final = 5.0
ABOVE: Final = 1.15  # the first rate that is tried, to what a flood of events came to
QUICK_SHARE: Final = 0.3  # where only the way is to be shown, a rate that lasts at once
LESS: Final = 0.94  # and each that is tried after one that was too high
TRIES: Final = 12
SLACK_S: Final = 0.25
SAMPLE_S: Final = 0.5
LEAD_S: Final = 0.5  # the load runs before and after the time that is measured
GOAL_RATIO: Final = 1.2
BEST_RATIO: Final = 2.0

METHOD: Final = (
    "events of four names, each delivered to both platforms of its pair; every delivery is a platform's yes",
    "a rate lasts where the backlog's median in the last third of the time is at most a quarter of a second's events "
    "above that in the first third, and no request failed",
    "delivery: from an event's arrival to the platform's yes, by the gateway's own record of each delivery",
    "ratio: events a second to the hello world's (GET /, 64 connections) in the same run; cpu: shares of one core",
)


ALL: Final = "all, Google Ads by both ways"
ALL_METHOD: Final = (
    "events of four names with all that platforms know a buyer by; each platform gets what it takes of them",
    *METHOD[1:],
)


class Row(Struct, frozen=True, kw_only=True):
    platforms: str
    events_per_s: float
    deliveries_per_s: float
    hello_per_s: float
    hello_spread: float  # between its runs: how noisy the machine was
    ratio: float
    ack_p50_ms: float
    ack_p99_ms: float
    delivery_p50_ms: float
    delivery_p99_ms: float
    backlog_median: float
    backlog_most: float
    gateway_cpu: float
    cpu_us_per_event: float
    cpu_us_per_delivery: float
    platforms_cpu: float
    anonymous_mib: float
    seconds: float


class Window(Struct, frozen=True, kw_only=True):
    """What was seen of the gateway while it was under load. The backlog is in events, sampled at even intervals."""

    from_ms: int
    until_ms: int
    events: int
    deliveries: int
    backlog: Sequence[float]
    gateway_cpu_s: float
    platforms_cpu_s: float
    anonymous_mib: float

    @property
    def seconds(self) -> float:
        return (self.until_ms - self.from_ms) / 1000

    def growth(self) -> float:
        third = max(1, len(self.backlog) // 3)
        return statistics.median(self.backlog[-third:]) - statistics.median(self.backlog[:third])


class Held(Struct, frozen=True, kw_only=True):
    """A rate that was held for some time."""

    rate: float
    seconds: float
    figures: Figures
    window: Window

    @property
    def lasts(self) -> bool:
        """Nothing failed, and neither the sender nor the gateway fell behind by more than the slack."""
        slack = SLACK_S * self.rate
        return self.figures.failed == 0 and self.unsent <= slack and self.window.growth() <= slack

    @property
    def unsent(self) -> float:
        """Requests that were due and found no free connection."""
        return self.rate * self.seconds - self.figures.requests


def run(setting: Setting) -> Report:
    rows = [_pair(setting, pair) for pair in PAIRS]
    best = rows[0]
    goal = Goal(
        what="Meta and Google Ads, times the hello world",
        figure=best.ratio,
        goal=f"{GOAL_RATIO:g}, at best {BEST_RATIO:g}",
        is_met=best.ratio >= GOAL_RATIO,
    )
    return setting.report("pipeline", METHOD, [Section(title="rates that last", rows=rows)], [goal])


def run_all(setting: Setting) -> Report:
    row = _pair(setting, tuple(PLATFORM_OF), "rich")
    return setting.report("pipeline-all", ALL_METHOD, [Section(title="the rate that lasts", rows=[row])], [])


def _pair(setting: Setting, pair: Sequence[str], kind: Kind = "usual") -> Row:
    directory = setting.directory / "-".join(pair[:2])
    with (
        running_hello(setting.cores) as hello,
        running_platforms(setting.cores) as platforms,
        running_gateway(directory, setting.cores, platforms, pair) as gateway,
        open_backlog(gateway.data_dir) as backlog,
    ):
        row = _Pair(setting, pair, kind, gateway, platforms, backlog, hello).run()
        platforms.check()
    shutil.rmtree(directory)
    return row


class _Pair:
    """One pair of platforms, or all, behind one gateway, and the hello world beside it."""

    def __init__(
        self,
        setting: Setting,
        pair: Sequence[str],
        kind: Kind,
        gateway: Gateway,
        platforms: Platforms,
        backlog: Backlog,
        hello: Server,
    ) -> None:
        self._setting = setting
        self._pair = pair
        self._told = ALL if len(pair) > 2 else " and ".join(pair)
        self._kind: Kind = kind
        self._an_event = float(len(pair))  # deliveries that come of it
        self._gateway = gateway
        self._platforms = platforms
        self._backlog = backlog
        self._hello_server = hello
        self._hello: list[float] = []

    def run(self) -> Row:
        """Raises BenchFailed where no rate lasts."""
        self._ask_hello()
        rate = self._flood() * (QUICK_SHARE if self._setting.is_quick else ABOVE)
        usual_s = self._setting.seconds(USUAL_S)
        for _ in range(TRIES):
            if self._setting.is_quick or self._hold(rate, min(PROBE_S, usual_s)).lasts:
                self._ask_hello()
                held = self._hold(rate, usual_s)
                self._ask_hello()
                if held.lasts:
                    return self._row(held)
            rate *= LESS
        raise BenchFailed(f"{self._told}: no rate was found that lasts; {rate / LESS:,.0f}/s does not")

    def _ask_hello(self) -> None:
        plan = Plan(
            port=self._hello_server.port, path="/", shape="get", seconds=min(HELLO_S, self._setting.seconds(HELLO_S))
        )
        self._hello.append(self._setting.run_other(plan).per_s)
        self._setting.tell(f"hello world: {self._hello[-1]:,.0f}/s")

    def _flood(self) -> float:
        """Events a second that went all the way when as many as can be taken came in."""
        started = time.perf_counter()
        seconds = min(FLOOD_S, self._setting.seconds(FLOOD_S))
        figures = self._setting.run(Plan(port=self._gateway.port, kind=self._kind, seconds=seconds))
        per_s = figures.requests / (self._backlog.wait_empty() - started)
        self._an_event = self._platforms.accepted(self._pair) / max(1, self._backlog.processed())
        self._setting.tell(f"{self._told}: a flood went through at {per_s:,.0f}/s")
        return per_s

    def _hold(self, rate: float, seconds: float) -> Held:
        plan = Plan(port=self._gateway.port, kind=self._kind, seconds=seconds + 2 * LEAD_S, rate=rate)
        load = self._setting.start(plan)
        time.sleep(LEAD_S)
        window = self._watch(seconds)
        held = Held(rate=rate, seconds=plan.seconds, figures=load.wait(), window=window)
        self._backlog.wait_empty()
        told = "lasts" if held.lasts else f"is too much: backlog {window.growth():+,.0f}, {held.unsent:,.0f} unsent"
        self._setting.tell(f"{rate:,.0f}/s for {seconds:.0f} s {told}")
        return held

    def _watch(self, seconds: float) -> Window:
        gateway_s, platforms_s = self._gateway.cpu_s(), self._platforms.cpu_s()
        accepted, processed = self._platforms.accepted(self._pair), self._backlog.processed()
        from_ms = _now_ms()
        backlog: list[float] = []
        while _now_ms() - from_ms < seconds * 1000:
            depth = self._backlog.depth()
            backlog.append(depth.messages + depth.deliveries / self._an_event)
            time.sleep(min(SAMPLE_S, seconds / 10))
        return Window(
            from_ms=from_ms,
            events=self._backlog.processed() - processed,
            deliveries=self._platforms.accepted(self._pair) - accepted,
            until_ms=_now_ms(),
            backlog=backlog,
            gateway_cpu_s=self._gateway.cpu_s() - gateway_s,
            platforms_cpu_s=self._platforms.cpu_s() - platforms_s,
            anonymous_mib=self._gateway.anonymous_mib(),
        )

    def _row(self, held: Held) -> Row:
        window, hello_per_s = held.window, statistics.median(self._hello)
        latencies = self._backlog.latencies_ms(window.from_ms, window.until_ms)
        deliveries_per_s = window.deliveries / window.seconds
        return Row(
            platforms=self._told,
            events_per_s=window.events / window.seconds,
            deliveries_per_s=deliveries_per_s,
            hello_per_s=hello_per_s,
            hello_spread=spread_of(self._hello),
            ratio=window.events / window.seconds / hello_per_s,
            ack_p50_ms=held.figures.p50_ms,
            ack_p99_ms=held.figures.p99_ms,
            delivery_p50_ms=share_of(latencies, 0.5),
            delivery_p99_ms=share_of(latencies, 0.99),
            backlog_median=statistics.median(window.backlog),
            backlog_most=max(window.backlog),
            gateway_cpu=window.gateway_cpu_s / window.seconds,
            cpu_us_per_event=window.gateway_cpu_s / max(1, window.events) * 1e6,
            cpu_us_per_delivery=window.gateway_cpu_s / max(1, window.deliveries) * 1e6,
            platforms_cpu=window.platforms_cpu_s / window.seconds,
            anonymous_mib=window.anonymous_mib,
            seconds=window.seconds,
        )


def _now_ms() -> int:
    """As the gateway stamps what it settles."""
    return time.time_ns() // 1_000_000
