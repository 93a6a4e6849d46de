"""How long a backlog takes to go out when platforms that were down answer again.

Both platforms fail from the start, so that the breakers are open before the backlog is made: its deliveries wait
untried, as they do in an outage of any length. Then the platforms are healed, and the breaker's next probe finds that.
"""

import time
from typing import Final

from msgspec import Struct

from bench.backlog import Backlog, open_backlog
from bench.errors import BenchFailed
from bench.gateway_process import Gateway, Platforms, running_gateway, running_platforms
from bench.load_plan import Plan
from bench.report import Report, Section
from bench.setting import Setting

PAIR: Final = ("meta", "google_ads")
DELIVERIES: Final = 200_000
QUICK: Final = 4_000
BATCH: Final = 100  # events in a request
OPENING: Final = 8  # single events sent before, one after the other: a breaker opens after 5 failures in a row
OPENING_S: Final = 0.2
FILL_S: Final = 600.0
PROBE_MOST_S: Final = 330.0  # the breaker's longest wait, and its jitter
DRAIN_MOST_S: Final = 600.0
LOOK_S: Final = 0.05

METHOD: Final = (
    "Meta and Google Ads answer 503 until their breakers are open; then the backlog comes in, half of it for each",
    "probe: from the platforms' recovery to the first delivery, which is the breaker's wait (5 s × 2ⁿ, at most 300 s)",
    "drain: from the first delivery to the last of the backlog, nothing else coming in",
)


class Row(Struct, frozen=True, kw_only=True):
    platforms: str
    deliveries: int
    fill_s: float
    fill_events_per_s: float
    probe_s: float
    drain_s: float
    deliveries_per_s: float
    gateway_cpu: float
    anonymous_mib: float


class Drained(Struct, frozen=True, kw_only=True):
    probe_s: float
    drain_s: float
    cpu_s: float


def run(setting: Setting) -> Report:
    with (
        running_platforms(setting.cores) as platforms,
        running_gateway(setting.directory / "gateway", setting.cores, platforms, PAIR) as gateway,
        open_backlog(gateway.data_dir) as backlog,
    ):
        row = _recover(setting, gateway, platforms, backlog)
        platforms.check()
    return setting.report("recovery", METHOD, [Section(title="after an outage", rows=[row])], [])


def _recover(setting: Setting, gateway: Gateway, platforms: Platforms, backlog: Backlog) -> Row:
    for name in PAIR:
        platforms.fail(name, 503)
    _open_breakers(setting, gateway)
    tried = backlog.depth().deliveries
    deliveries = QUICK if setting.is_quick else DELIVERIES
    fill_s = _fill(setting, gateway, backlog, tried, deliveries)
    setting.tell(f"{deliveries:,} deliveries wait after {fill_s:.1f} s; the platforms answer again")
    drained = _drain(gateway, platforms, deliveries)
    return Row(
        platforms=" and ".join(PAIR),
        deliveries=deliveries,
        fill_s=fill_s,
        fill_events_per_s=deliveries / len(PAIR) / fill_s,
        probe_s=drained.probe_s,
        drain_s=drained.drain_s,
        deliveries_per_s=deliveries / drained.drain_s,
        gateway_cpu=drained.cpu_s / drained.drain_s,
        anonymous_mib=gateway.anonymous_mib(),
    )


def _open_breakers(setting: Setting, gateway: Gateway) -> None:
    """Each of these events is a failed attempt of its own, as it is alone in its batch."""
    for _ in range(OPENING):
        setting.run(Plan(port=gateway.port, connections=1, requests=1, seconds=10))
        time.sleep(OPENING_S)


def _fill(setting: Setting, gateway: Gateway, backlog: Backlog, tried: int, deliveries: int) -> float:
    """How long it took until all of the backlog was in the outboxes."""
    started = time.perf_counter()
    requests = deliveries // len(PAIR) // BATCH
    setting.run(Plan(port=gateway.port, connections=8, requests=requests, batch=BATCH, seconds=FILL_S))
    while (depth := backlog.depth()).messages or depth.deliveries < tried + deliveries:
        if time.perf_counter() - started > FILL_S:
            raise BenchFailed(f"{depth.deliveries} deliveries wait, not {tried + deliveries}")
        time.sleep(LOOK_S)
    return time.perf_counter() - started


def _drain(gateway: Gateway, platforms: Platforms, deliveries: int) -> Drained:
    """The few that were tried at the start wait for their own time, so the backlog is out when so many have gone."""
    before = platforms.accepted(PAIR)
    for name in PAIR:
        platforms.heal(name)
    healed, cpu_s = time.perf_counter(), gateway.cpu_s()
    first = _wait_accepted(platforms, before + 1, PROBE_MOST_S)
    last = _wait_accepted(platforms, before + deliveries, DRAIN_MOST_S)
    return Drained(probe_s=first - healed, drain_s=last - first, cpu_s=gateway.cpu_s() - cpu_s)


def _wait_accepted(platforms: Platforms, accepted: int, within_s: float) -> float:
    """When the platforms had taken so many."""
    ends = time.perf_counter() + within_s
    while (taken := platforms.accepted(PAIR)) < accepted:
        if time.perf_counter() > ends:
            raise BenchFailed(f"the platforms took {taken} deliveries, not {accepted}, within {within_s:.0f} s")
        time.sleep(LOOK_S)
    return time.perf_counter()
