"""Whether destinations feel each other: one platform hangs, one answers 500, and the third's deliveries are timed.

Each of three platforms is the third once. Before each such phase comes one in which all are well: so the machine's
noise is in both. Every phase has a gateway and platforms of its own, since a queue that waits for a platform outlives
its fault.
"""

import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bench.backlog import open_backlog
from bench.errors import BenchFailed
from bench.gateway_process import Platforms, running_gateway, running_platforms
from bench.load_plan import Plan
from bench.raw_load import share_of
from bench.report import Goal, Report, Section, spread_of
from bench.setting import Setting

THREE: Final = ("meta", "ga4", "webhook")
RATE: Final = 100.0  # events a second: far from what the gateway can do, so that queueing hides nothing
USUAL_S: Final = 40.0
LEAD_S: Final = 1.0  # connections are opened, and the first failures made, before the time that is measured
GOAL: Final = 1.1

METHOD: Final = (
    f"{RATE:.0f} events a second, each for three platforms; in the phases with faults one hangs (a request to it ends "
    "after 15 s) and one answers 500, all the time",
    "delivery: from an event's arrival to the platform's yes, by the gateway's own record of each delivery",
    "quiet: the median of the phases in which all are well, and how far these lie apart",
)


class Row(Struct, frozen=True, kw_only=True):
    platform: str
    hangs: str
    answers_500: str
    deliveries: int
    quiet_p50_ms: float
    p50_ms: float
    quiet_p99_ms: float
    quiet_p99_spread: float
    p99_ms: float
    p99_ratio: float


Latencies = Mapping[str, Sequence[int]]  # of each platform, ascending


def run(setting: Setting) -> Report:
    quiet: list[Latencies] = []
    troubled: list[tuple[str, str, str, Latencies]] = []
    for index, platform in enumerate(THREE[:1] if setting.is_quick else THREE):
        hangs, fails = THREE[index - 2], THREE[index - 1]
        quiet.append(_phase(setting, f"quiet-{index}", {}))
        troubled.append((platform, hangs, fails, _phase(setting, f"faults-{index}", {hangs: "hang", fails: "status"})))
    rows = [_row(*one, quiet) for one in troubled]
    worst = max(row.p99_ratio for row in rows)
    goal = Goal(
        what="p99 of a delivery beside two broken platforms, times that of a quiet phase",
        figure=worst,
        goal=f"at most {GOAL:g}",
        is_met=worst <= GOAL,
    )
    return setting.report("isolation", METHOD, [Section(title="the third platform", rows=rows)], [goal])


def _phase(setting: Setting, name: str, faults: Mapping[str, str]) -> Latencies:
    directory = setting.directory / name
    with (
        running_platforms(setting.cores) as platforms,
        running_gateway(directory, setting.cores, platforms, THREE) as gateway,
        open_backlog(gateway.data_dir) as backlog,
    ):
        _break(platforms, faults)
        seconds = setting.seconds(USUAL_S)
        load = setting.start(Plan(port=gateway.port, connections=8, seconds=seconds + 2 * LEAD_S, rate=RATE))
        time.sleep(LEAD_S)
        from_ms = time.time_ns() // 1_000_000
        time.sleep(seconds)
        until_ms = time.time_ns() // 1_000_000
        figures = load.wait()
        if figures.failed:
            raise BenchFailed(f"{figures.failed} of {figures.requests} requests failed")
        found = {one: backlog.latencies_ms(from_ms, until_ms, one) for one in THREE if one not in faults}
        platforms.check()
    shutil.rmtree(directory)
    told = ", ".join(f"{one} p99 {share_of(values, 0.99):.0f} ms" for one, values in found.items())
    setting.tell(f"{name}: {told}")
    return found


def _break(platforms: Platforms, faults: Mapping[str, str]) -> None:
    for name, kind in faults.items():
        if kind == "hang":
            platforms.hang(name)
        else:
            platforms.fail(name, 500)


def _row(platform: str, hangs: str, fails: str, latencies: Latencies, quiet: Sequence[Latencies]) -> Row:
    """Raises BenchFailed where nothing was delivered."""
    own, p99s = latencies[platform], [share_of(phase[platform], 0.99) for phase in quiet]
    if not own:
        raise BenchFailed(f"{platform} got nothing while {hangs} hung and {fails} answered 500")
    return Row(
        platform=platform,
        hangs=hangs,
        answers_500=fails,
        deliveries=len(own),
        quiet_p50_ms=statistics.median(share_of(phase[platform], 0.5) for phase in quiet),
        p50_ms=share_of(own, 0.5),
        quiet_p99_ms=statistics.median(p99s),
        quiet_p99_spread=spread_of(p99s),
        p99_ms=share_of(own, 0.99),
        p99_ratio=share_of(own, 0.99) / statistics.median(p99s),
    )
