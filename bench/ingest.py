"""How many events a second are made durable and acknowledged, and how fast, beside a hello world that keeps nothing.

The hello world is sent the very same requests: it reads the body and says hello. What it does for a bare `GET /` is
told too. Each door at 1, 16, 64 and 256 connections, the actors running. Gateway and hello world are both up, one is
loaded at a time, and they take turns (A B A B …), so that what the machine does besides meets all of them; figures are
medians.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bench.backlog import Backlog, open_backlog
from bench.gateway_process import Gateway, Server, running_gateway, running_hello
from bench.load_plan import EVENTS_PATH, Figures, Plan, Shape
from bench.report import Goal, Report, Section, spread_of
from bench.setting import Setting

CONNECTIONS: Final = (1, 16, 64, 256)
QUICK: Final = (1, 64)
GOAL_CONNECTIONS: Final = 64
ROUNDS: Final = 3
HELLO: Final = "hello world"
HELLO_GET: Final = "hello world, GET /"
USUAL_S: Final = 5.0
GOAL_RATIO: Final = 3.0
BEST_RATIO: Final = 5.0
GOAL_P99_MS: Final = 20.0

METHOD: Final = (
    "an acknowledgement is a 202 whose event is synced to disk; the actors take the events at the same time",
    "each round, in turn: hello world given the same events, hello world for GET /, fast lane, other door (chunked)",
    "ratio, to_get: to the hello world at as many connections in the same run; processed: turns done while loaded",
    "half the top rate: requests at even intervals, latency from the moment each was due, waits in the sender included",
)


class Target(Struct, frozen=True, kw_only=True):
    """One of the things that take turns."""

    name: str
    server: Server
    path: str = EVENTS_PATH
    shape: Shape = "plain"
    is_gateway: bool = True


class Row(Struct, frozen=True, kw_only=True):
    server: str
    connections: int
    per_s: float
    spread: float  # between the rounds: how noisy the machine was
    ratio: float  # to the hello world that is given the same events
    to_get: float  # to its GET /
    p50_ms: float
    p99_ms: float
    processed_per_s: float
    cpu_us: float  # of the server for one event, until it is processed


class PacedRow(Struct, frozen=True, kw_only=True):
    server: str
    rate: float
    per_s: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    sender_late_p99_ms: float


class Measured(Struct, frozen=True, kw_only=True):
    target: Target
    connections: int
    figures: Figures
    processed_per_s: float
    cpu_us: float


def run(setting: Setting) -> Report:
    with (
        running_hello(setting.cores) as hello,
        running_gateway(setting.directory / "gateway", setting.cores) as gateway,
        open_backlog(gateway.data_dir) as backlog,
    ):
        measured = _rounds(setting, _targets(hello, gateway), backlog)
        rows = _rows(measured)
        top = max(row.per_s for row in rows if row.server == "fast lane")
        paced = _paced(setting, gateway, backlog, top / 2)
    sections = (Section(title="acknowledged", rows=rows), Section(title="at half the top rate", rows=(paced,)))
    return setting.report("ingest", METHOD, sections, _goals(rows, paced))


def _targets(hello: Server, gateway: Gateway) -> tuple[Target, ...]:
    return (
        Target(name=HELLO, server=hello, is_gateway=False),
        Target(name=HELLO_GET, server=hello, path="/", shape="get", is_gateway=False),
        Target(name="fast lane", server=gateway),
        Target(name="other door", server=gateway, shape="chunked"),
    )


def _rounds(setting: Setting, targets: Sequence[Target], backlog: Backlog) -> list[Measured]:
    measured: list[Measured] = []
    for number in range(1 if setting.is_quick else ROUNDS):
        for connections in QUICK if setting.is_quick else CONNECTIONS:
            for target in targets:
                found = _measure(setting, target, connections, backlog)
                measured.append(found)
                setting.tell(f"round {number + 1}: {target.name}, {connections}: {found.figures.per_s:,.0f}/s")
    return measured


def _measure(setting: Setting, target: Target, connections: int, backlog: Backlog) -> Measured:
    """One load; then the gateway ends what it was given, so that the next target has the core to itself."""
    plan = Plan(
        port=target.server.port,
        path=target.path,
        shape=target.shape,
        connections=connections,
        seconds=setting.seconds(USUAL_S),
    )
    before, cpu_s, started = backlog.processed(), target.server.cpu_s(), time.perf_counter()
    figures = setting.run(plan) if target.is_gateway else setting.run_other(plan)
    processed_per_s = (backlog.processed() - before) / (time.perf_counter() - started)
    backlog.wait_empty()
    return Measured(
        target=target,
        connections=connections,
        figures=figures,
        processed_per_s=processed_per_s,
        cpu_us=(target.server.cpu_s() - cpu_s) / figures.requests * 1e6,
    )


def _rows(measured: Sequence[Measured]) -> list[Row]:
    groups: dict[tuple[str, int], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.target.name, one.connections), []).append(one)
    per_s = {place: statistics.median(one.figures.per_s for one in mine) for place, mine in groups.items()}
    rows = [_row(name, connections, mine, per_s) for (name, connections), mine in groups.items()]
    return sorted(rows, key=lambda row: (not row.server.startswith(HELLO), row.server, row.connections))


def _row(name: str, connections: int, mine: Sequence[Measured], medians: Mapping[tuple[str, int], float]) -> Row:
    per_s = medians[name, connections]
    return Row(
        server=name,
        connections=connections,
        per_s=per_s,
        spread=spread_of(one.figures.per_s for one in mine),
        ratio=per_s / medians[HELLO, connections],
        to_get=per_s / medians[HELLO_GET, connections],
        p50_ms=statistics.median(one.figures.p50_ms for one in mine),
        p99_ms=statistics.median(one.figures.p99_ms for one in mine),
        processed_per_s=statistics.median(one.processed_per_s for one in mine),
        cpu_us=statistics.median(one.cpu_us for one in mine),
    )


def _paced(setting: Setting, gateway: Gateway, backlog: Backlog, rate: float) -> PacedRow:
    found: list[Figures] = []
    for _ in range(1 if setting.is_quick else ROUNDS):
        plan = Plan(port=gateway.port, connections=GOAL_CONNECTIONS, seconds=setting.seconds(2 * USUAL_S), rate=rate)
        found.append(setting.run(plan))
        backlog.wait_empty()
        setting.tell(f"at {rate:,.0f}/s: p99 {found[-1].p99_ms:.1f} ms")
    return PacedRow(
        server="fast lane",
        rate=rate,
        per_s=statistics.median(one.per_s for one in found),
        p50_ms=statistics.median(one.p50_ms for one in found),
        p99_ms=statistics.median(one.p99_ms for one in found),
        longest_ms=max(one.longest_ms for one in found),
        sender_late_p99_ms=statistics.median(one.late_p99_ms for one in found),
    )


def _goals(rows: Sequence[Row], paced: PacedRow) -> list[Goal]:
    fast = next(row for row in rows if row.server == "fast lane" and row.connections == GOAL_CONNECTIONS)
    return [
        Goal(
            what="fast lane at 64 connections, times the hello world given the same events",
            figure=fast.ratio,
            goal=f"{GOAL_RATIO:g}, at best {BEST_RATIO:g}",
            is_met=fast.ratio >= GOAL_RATIO,
        ),
        Goal(
            what="p99 of an acknowledgement at half the top rate, ms",
            figure=paced.p99_ms,
            goal=f"at most {GOAL_P99_MS:g}",
            is_met=paced.p99_ms <= GOAL_P99_MS,
        ),
    ]
