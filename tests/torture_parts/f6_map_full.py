"""The disk budget is used up while a destination is down (RELIABILITY F6).

Bars: events are shed at 85 % of the budget, turns of those acknowledged stop at 93 %, and no process ends; when the
destination is back, all that waits is delivered at the limit; what is past its time can be purged at the limit, and
then there is room again. The budget may also be changed under load, to a larger one, which makes room, and back to one
that is less than what is there: nothing is lost, and no worker ends.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from bench.simulator import Fault
from store import retention
from store.env import OWED_BYTES, ROOM_SHARE, TURNS_SHARE, Store
from store.writer import InlineWriter
from tests.torture_parts import compare
from tests.torture_parts.harness import Gateway, Platforms, Setup, folder, free_port, platforms, running
from tests.torture_parts.load import Load, loading

DAY_MS = 24 * 3_600_000
RETENTION_MS = 30 * DAY_MS
LATER_MS = 40 * DAY_MS
OVER = 0.05  # of the budget: what was under way when a bound was reached
LEAST = 16 << 20  # the least budget there is
MOST_RESIZED = 64 << 20
QUIET_S = 2.0
RETRIED = 16  # deliveries that met the fault before the breaker opened; they wait 150 s for their next attempt


class Purged(Struct, frozen=True, kw_only=True):
    rows: int
    used_share: float
    has_room: bool
    fault: str


class Outcome(Struct, frozen=True, kw_only=True):
    acknowledged: int
    lost: int
    shed_at: str
    delivered_at_the_limit_s: float
    waiting_for_their_retry: int
    purged_rows: int
    used_after_purge: str
    missed: list[str]


class Resized(Struct, frozen=True, kw_only=True):
    acknowledged: int
    lost: int
    taken_again_s: float  # from the order to stop, with the larger budget
    missed: list[str]


async def run(full: bool) -> dict[str, object]:
    """In full, with the least budget and small events too, which leave more pages to change when they go."""
    figures: dict[str, object] = {}
    missed: list[str] = []
    for mib, padding_bytes in ((16, 1_000), (24, 4_000), (64, 1_000), (64, 8_000)) if full else ((16, 8_000),):
        outcome = await _fill_and_drain(mib << 20, padding_bytes)
        name = f"{mib} MiB, events of {padding_bytes} bytes"
        figures[name] = msgspec.to_builtins(outcome)
        missed += [f"{name}: {fault}" for fault in outcome.missed]
    resized = await _resize(MOST_RESIZED if full else LEAST)
    figures["resized under load"] = msgspec.to_builtins(resized)
    return {**figures, "missed": [*missed, *(f"resized: {fault}" for fault in resized.missed)]}


async def _fill_and_drain(budget: int, padding_bytes: int) -> Outcome:
    async with platforms() as held:
        held.simulator.fail("webhook", Fault(kind="status", status=503))
        with folder() as directory:
            setup = Setup(
                directory=directory, platforms=held, port=free_port(), has_meta=False,
                server=(f"disk_budget = {budget}",),
            )  # fmt: skip
            async with running(setup) as gateway:
                async with loading(setup.port, "budget", 4, padding_bytes=padding_bytes, pause_s=0.0) as load:
                    share = await _shed_share(gateway, load, budget)
                held.simulator.heal("webhook")
                drain_s = await _wait_delivered(load, held)
                missed = [f"workers ended with {gateway.codes()}"] if gateway.codes() else []
                code = await gateway.stop()
            compared = await compare.compare(load.acked, held, setup.store, has_meta=False)
            purged = purge_later(setup.store, budget)
    missed += compared.missed()
    missed += [f"exit code {code}"] if code else []
    missed += [f"shed at {share:.0%} of the budget"] if not ROOM_SHARE - OVER < share < TURNS_SHARE + OVER else []
    missed += [f"{compared.waiting} deliveries still wait"] if compared.waiting > RETRIED else []
    missed += [] if purged.has_room and not purged.fault else [f"the purge at the limit: {purged}"]
    return Outcome(
        acknowledged=compared.acknowledged,
        lost=compared.lost,
        shed_at=f"{share:.1%}",
        delivered_at_the_limit_s=drain_s,
        waiting_for_their_retry=compared.waiting,
        purged_rows=purged.rows,
        used_after_purge=f"{purged.used_share:.1%}",
        missed=missed,
    )


async def _resize(budget: int) -> Resized:
    """Stopped at the limit, started with twice the budget, and again with the old one, while events keep coming."""
    missed: list[str] = []
    async with platforms() as held:
        with folder() as directory:
            port = free_port()
            async with loading(port, "resized", 4, padding_bytes=8_000, pause_s=0.0) as load:
                async with _budgeted(directory, held, port, budget, missed):
                    await load.wait_refused(20)
                began_s = time.time()
                async with _budgeted(directory, held, port, 2 * budget, missed):
                    again_s = await load.wait_ack(began_s)
                async with _budgeted(directory, held, port, budget, missed):
                    await load.wait_refused(20)
                    await load.end()
                    await compare.wait_drained(load.acked, held, 60, has_meta=False)
            compared = await compare.compare(load.acked, held, directory / "data", has_meta=False)
    missed += compared.missed()
    return Resized(
        acknowledged=compared.acknowledged, lost=compared.lost, taken_again_s=round(again_s, 1), missed=missed
    )


@asynccontextmanager
async def _budgeted(
    directory: Path, held: Platforms, port: int, budget: int, missed: list[str]
) -> AsyncIterator[Gateway]:
    """A gateway with that budget, stopped in good order at the end of the block."""
    setup = Setup(
        directory=directory, platforms=held, port=port, has_meta=False, server=(f"disk_budget = {budget}",)
    )  # fmt: skip
    async with running(setup) as gateway:
        yield gateway
        code = await gateway.stop()
        missed += [f"ended with {gateway.codes()} and {code}"] if code or gateway.codes() else []


async def _shed_share(gateway: Gateway, load: Load, budget: int) -> float:
    """The share of the budget in use, or kept for deliveries that wait, once events have been refused for a while."""
    await load.wait_refused(100)
    await trio.sleep(1.0)
    metrics = await gateway.metrics()
    owed_bytes = metrics["gateway_outbox_deliveries"] * OWED_BYTES
    return (metrics["gateway_store_used_bytes"] + owed_bytes) / budget


async def _wait_delivered(load: Load, held: Platforms) -> float:
    """Seconds until all but those few are delivered that met the fault; then nothing has come for a while."""
    began_s = last_s = trio.current_time()
    before = -1
    with trio.move_on_after(120):
        while (lacking := len(load.acked.keys() - held.webhook().keys())) > RETRIED or not _is_quiet(last_s):
            last_s = last_s if lacking == before else trio.current_time()
            before = lacking
            await trio.sleep(0.1)
    return round(last_s - began_s, 1)


def _is_quiet(last_s: float) -> bool:
    return trio.current_time() - last_s > QUIET_S


def purge_later(path: Path, budget: int) -> Purged:
    """What retention does once the events are past their time, in the store as it was left: at its limit."""
    store = Store(path, budget_bytes=budget)
    try:
        writer = InlineWriter(store)
        rows, fault = 0, ""
        now_ms = time.time_ns() // 1_000_000 + LATER_MS
        for plan, apply in retention.steps(store, {"shop": RETENTION_MS}, now_ms):
            error = writer.submit(apply).error
            fault = f"{len(plan.doomed)} in one commit: {error}" if error is not None else fault
            rows += len(plan.doomed) if error is None else 0
        usage = store.usage()
        return Purged(rows=rows, used_share=usage.used_bytes / budget, has_room=usage.has_room, fault=fault)
    finally:
        store.close()
