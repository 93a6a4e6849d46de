"""A generated year of a shop through the gateway, beside the same figures worked out from its plan.

The bar: every model's credit to every channel in every currency, to the cent; the number of conversions without credit
by reason; each event taken, each purchase delivered once; the consistency check. In full 200,000 visitors, 1.5 million
events and 30,000 orders.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from actors.attribution.settings import AttributionRules
from actors.destinations import Webhook
from actors.observer import Observer
from actors.secret import Secret
from actors.snapshot import Site, Snapshot, key_digest
from bench.simulator.webhook import SECRET
from store.check import check
from store.env import Store
from tests.torture_parts.harness import folder, in_memory
from tests.torture_parts.virtual import on_virtual_time
from tests.year.compare import differences, report
from tests.year.drive import PUBLIC_KEY, SHARDS, WRITE_KEY, Driver, now_ms, running
from tests.year.expected import figures
from tests.year.landings import CHECKOUT, SHOP
from tests.year.plan import Plan, Sale, Visit

PEOPLE: Final = 152_500
FEW_PEOPLE: Final = 300
SITE: Final = "year"
PATIENCE_S: Final = 3_600.0
SHOWN: Final = 20


class Failures(Observer):
    """No turn and no task may fail."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def dead_letter(self, kind: str) -> None:
        self.found.append(f"a turn or a task failed: {kind}")


async def run(full: bool) -> dict[str, object]:
    plan = Plan(PEOPLE if full else FEW_PEOPLE)

    async def scene() -> dict[str, object]:
        with folder(None if full else in_memory()) as path:
            return await _year(plan, path)

    return await on_virtual_time(scene)


async def _year(plan: Plan, path: Path) -> dict[str, object]:
    failures = Failures()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    async with running(path, snapshot(), failures) as (store, driver):
        await driver.play(plan)
        await _drain(driver)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        missed = [*failures.found, *_missed(plan, store, driver)]
    return {
        "visitors": len({step.device for step in plan.steps() if isinstance(step, Visit)}),
        "events": driver.events,
        "orders": len(_orders(plan)),
        "seconds": round(took_s, 1),
        "events_per_s": round(driver.events / took_s),
        "cpu_us_per_event": round(cpu_s / driver.events * 1e6),
        "store_mib": _size_mib(path),
        "missed": missed[:SHOWN],
    }


def _missed(plan: Plan, store: Store, driver: Driver) -> Iterator[str]:
    expected = figures(plan)
    yield from differences(report(store, SITE, now_ms()), expected)
    handovers = sum(isinstance(step, Visit) and step.is_handover for step in plan.steps())
    if driver.rotated != handovers:
        yield f"{driver.rotated} devices were given another visitor id, {handovers} expected"
    yield from check(store, SHARDS).problems


async def _drain(driver: Driver) -> None:
    """Until nothing waits any more."""
    with trio.fail_after(PATIENCE_S):
        while any(driver.service.core.depths.values()) or driver.service.core.waiting():  # noqa: ASYNC110  no event tells
            await trio.sleep(10)
        await trio.sleep(60)


def _size_mib(path: Path) -> float:
    """On the disk."""
    return round(sum(one.stat().st_blocks * 512 for one in path.rglob("*") if one.is_file()) / (1 << 20), 1)


def _orders(plan: Plan) -> list[int]:
    return [step.order.number for step in plan.steps() if isinstance(step, Visit | Sale) and step.order is not None]


def snapshot() -> Snapshot:
    hook = Webhook(
        id="hook", url="http://hook.example.com/in", secret=Secret(SECRET), events=("purchase_placed",), consent=()
    )
    site = Site(
        id=SITE,
        destinations=(hook,),
        origins=frozenset({SHOP}),
        retention_ms=365 * 86_400_000,
        ip_rate=0,
        attribution=AttributionRules(own_hosts=(CHECKOUT.removeprefix("https://"),)),
    )
    return Snapshot(
        version=1,
        sites={SITE: site},
        write_keys={key_digest(WRITE_KEY): SITE},
        public_keys={key_digest(PUBLIC_KEY): SITE},
    )
