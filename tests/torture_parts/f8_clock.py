"""The wall clock jumps: hours and a day back and forth, ten years ahead, and then right again (RELIABILITY F8).

On virtual time: core, dispatcher and retention with a wall clock that is set wrong. Bars: no delivery is tried more
often than its schedule says nor twice at once after a jump; all are delivered in the end; nothing is purged; a copy
that comes within the window is a duplicate, by a right clock and by one that is wrong, unless that one says that the
window is over. One limit is counted, not barred: set ahead by about a
day, the clock says that the 24 hours of a retried delivery are over; it is dropped, with that reason on record.
"""

from collections import Counter
from functools import partial
from pathlib import Path

import trio
from msgspec import Struct

from store import retention
from tests.support.making import DAY_MS, HOUR_MS, event, site, snapshot
from tests.support.platform import FakeSender, Sent, Single
from tests.support.world import World
from tests.torture_parts.harness import folder, in_memory
from tests.torture_parts.virtual import on_virtual_time

A_DAY_AHEAD = "+1 day"
JUMPS_MS = {
    "+1 h": HOUR_MS,
    "-1 h": -HOUR_MS,
    A_DAY_AHEAD: DAY_MS,
    "-1 day": -DAY_MS,
    "+10 years": 3_650 * DAY_MS,
    "-10 years": -3_650 * DAY_MS,
}
ATTEMPTS = 5  # in 24 hours: DESIGN.md, "The dispatcher"
MINUTE_S = 60.0
WRONG_S = 600.0  # how long the clock stays wrong
REST_S = 36 * 3_600.0
RETENTION_MS = 30 * DAY_MS
WINDOW_MS = DAY_MS  # of duplicates, by default


class Outcome(Struct, frozen=True, kw_only=True):
    requests: int
    most_attempts: int
    expired: int  # dropped since their schedule was over
    missed: list[str]


async def run(full: bool) -> dict[str, object]:
    """In full, 2,000 events a jump."""
    events = 2_000 if full else 100
    figures: dict[str, object] = {}
    missed: list[str] = []
    for name, jump_ms in JUMPS_MS.items():
        with folder(in_memory()) as directory:
            outcome = await on_virtual_time(partial(_jump, directory, jump_ms, events))
        figures[name] = (
            f"{outcome.requests} requests, at most {outcome.most_attempts} a delivery, {outcome.expired} expired"
        )
        missed += [f"{name}: {fault}" for fault in outcome.missed]
        missed += [f"{name}: {outcome.expired} expired"] if outcome.expired and name != A_DAY_AHEAD else []
    return {"events_a_jump": events, "jumps": figures, "missed": missed}


async def _jump(directory: Path, jump_ms: int, events: int) -> Outcome:
    """Every tenth delivery is refused twice; the clock jumps between its attempts. More would open the breaker."""
    tried: Counter[str] = Counter()
    ids = [f"e-{number}" for number in range(events)]
    stubborn = frozenset(ids[::10])

    def refuse_twice(sent: Sent) -> str:
        tried.update(sent.ids)
        return "retry" if sent.ids[0] in stubborn and tried[sent.ids[0]] <= 2 else "ok"

    sender = FakeSender(play=refuse_twice)
    shop = snapshot(site(Single(id="one"), retention_ms=RETENTION_MS))
    world = World(directory / "store", shop, {"one": sender}, outbox_limit=10_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(retention.run, world.store, world.writer, lambda: shop, world.clock.now_ms)
        async with world.running():
            world.take(*map(event, ids))
            await trio.sleep(MINUTE_S)
            before = tried.copy()
            world.clock.jump_ms = jump_ms
            await trio.sleep(MINUTE_S)
            most_at_once = max((tried - before).values(), default=0)
            if jump_ms < WINDOW_MS:
                world.take(*map(event, ids[20:40]))
            await trio.sleep(WRONG_S)
            world.clock.jump_ms = 0
            world.take(*map(event, ids[:20]))
            await trio.sleep(REST_S)
        nursery.cancel_scope.cancel()
    return _outcome(world, ids, stubborn, tried, most_at_once)


def _outcome(world: World, ids: list[str], stubborn: frozenset[str], tried: Counter[str], most_at_once: int) -> Outcome:
    found = [world.delivery(one, "one") for one in ids]
    expired = sum(one.row is not None and one.row.reason == "attempts_exhausted" for one in found)
    undelivered = sum(one.status != "delivered" for one in found) - expired
    purged = len(ids) - len(world.events().keys() & set(ids))
    again = sum(tried[one] > (3 if one in stubborn else 1) for one in ids)
    faults = {
        f"a delivery was tried {max(tried.values())} times": max(tried.values()) > ATTEMPTS,
        f"a delivery was tried {most_at_once} times in the minute after the jump": most_at_once > 1,
        f"{undelivered} are not delivered": undelivered > 0,
        f"{purged} are purged": purged > 0,
        f"{again} copies were sent again": again > 0,
    }
    missed = [fault for fault, is_there in faults.items() if is_there] + list(world.check().problems[:3])
    world.close()
    return Outcome(requests=tried.total(), most_attempts=max(tried.values()), expired=expired, missed=missed)
