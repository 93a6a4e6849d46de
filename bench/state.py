"""Throughput and memory of a gateway that knows ten thousand, a hundred thousand and a million visitors.

Three gateways, each with a store of its own, are up at the same time and loaded in turn; events go to all of a store's
visitors one after the other, so that with more visitors than are kept warm each state is read from the store.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.backlog import Backlog, open_backlog
from bench.gateway_process import Gateway, running_gateway
from bench.known_visitors import write_visitors
from bench.load_plan import Plan
from bench.report import Goal, Report, Section, spread_of
from bench.setting import Setting

VISITORS: Final = (10_000, 100_000, 1_000_000)
QUICK: Final = (100, 1_000, 10_000)
ROUNDS: Final = 3
USUAL_S: Final = 10.0
WARM_UP_S: Final = 2.0
GOAL_SHARE: Final = 0.8
GOAL_MIB: Final = 400.0

METHOD: Final = (
    "the visitors' states are written before the start by the visitor actor's own code, not by events through the door",
    "a closed loop of 64 connections through the fast lane; rate: events over the time until the last of them is "
    "processed, acknowledged and committed",
    "memory: RssAnon of the process that does all the work, at its most after the loads",
)


class Row(Struct, frozen=True, kw_only=True):
    visitors: int
    per_s: float
    spread: float  # between the rounds: how noisy the machine was
    share: float  # of the rate with the fewest visitors
    cpu_us: float  # of the gateway for one event
    ack_p50_ms: float
    ack_p99_ms: float
    anonymous_mib: float
    file_mib: float


class Known(Struct, frozen=True, kw_only=True):
    """A gateway that knows so many visitors."""

    visitors: int
    gateway: Gateway
    backlog: Backlog


class Measured(Struct, frozen=True, kw_only=True):
    visitors: int
    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    anonymous_mib: float
    file_mib: float


def run(setting: Setting) -> Report:
    counts = QUICK if setting.is_quick else VISITORS
    with ExitStack() as stack:
        known = [_open(setting, stack, visitors) for visitors in counts]
        for one in known:
            _measure(setting, one, min(WARM_UP_S, setting.seconds(WARM_UP_S)))
        rounds = range(1 if setting.is_quick else ROUNDS)
        measured = [_measure(setting, one, setting.seconds(USUAL_S)) for _ in rounds for one in known]
    rows = _rows(measured, counts)
    return setting.report("state", METHOD, [Section(title="known visitors", rows=rows)], _goals(rows[-1]))


def _open(setting: Setting, stack: ExitStack, visitors: int) -> Known:
    directory = setting.directory / str(visitors)
    started = time.perf_counter()
    write_visitors(directory / "data", visitors, time.time_ns() // 1_000_000)
    setting.tell(f"{visitors:,} visitors written in {time.perf_counter() - started:.1f} s")
    gateway = stack.enter_context(running_gateway(directory, setting.cores))
    return Known(visitors=visitors, gateway=gateway, backlog=stack.enter_context(open_backlog(gateway.data_dir)))


def _measure(setting: Setting, one: Known, seconds: float) -> Measured:
    started = time.perf_counter()
    cpu_s = one.gateway.cpu_s()
    figures = setting.run(Plan(port=one.gateway.port, seconds=seconds, visitors=one.visitors))
    took_s = one.backlog.wait_empty() - started
    setting.tell(f"{one.visitors:,} visitors: {figures.requests / took_s:,.0f}/s")
    return Measured(
        visitors=one.visitors,
        per_s=figures.requests / took_s,
        cpu_us=(one.gateway.cpu_s() - cpu_s) / figures.requests * 1e6,
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        anonymous_mib=one.gateway.anonymous_mib(),
        file_mib=_file_mib(one.gateway.data_dir),
    )


def _file_mib(data_dir: Path) -> float:
    return (data_dir / "data.mdb").stat().st_blocks * 512 / (1 << 20)


def _rows(measured: Sequence[Measured], counts: Sequence[int]) -> list[Row]:
    fewest = statistics.median(one.per_s for one in measured if one.visitors == counts[0])
    return [_row([one for one in measured if one.visitors == visitors], fewest) for visitors in counts]


def _row(mine: Sequence[Measured], fewest_per_s: float) -> Row:
    per_s = statistics.median(one.per_s for one in mine)
    return Row(
        visitors=mine[0].visitors,
        per_s=per_s,
        spread=spread_of(one.per_s for one in mine),
        share=per_s / fewest_per_s,
        cpu_us=statistics.median(one.cpu_us for one in mine),
        ack_p50_ms=statistics.median(one.p50_ms for one in mine),
        ack_p99_ms=statistics.median(one.p99_ms for one in mine),
        anonymous_mib=max(one.anonymous_mib for one in mine),
        file_mib=mine[-1].file_mib,
    )


def _goals(most: Row) -> list[Goal]:
    return [
        Goal(
            what=f"rate with {most.visitors:,} visitors known, share of that with the fewest",
            figure=most.share,
            goal=f"at least {GOAL_SHARE:g}",
            is_met=most.share >= GOAL_SHARE,
        ),
        Goal(
            what=f"anonymous memory with {most.visitors:,} visitors known, MiB",
            figure=most.anonymous_mib,
            goal=f"under {GOAL_MIB:g}",
            is_met=most.anonymous_mib < GOAL_MIB,
        ),
    ]
