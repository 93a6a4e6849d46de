"""Actors, dispatchers and the writer crash (RELIABILITY F16).

Bars: an event whose turn raises is set aside as a dead letter, alone; a dispatcher that raises is started again and
loses and delays nothing but its own work; a commit that fails, or a part that cannot start, ends the worker with its
exit code. Actors and dispatchers crash on virtual time, the worker is the real one.
"""

import random
import socket
from functools import partial
from pathlib import Path

import trio

from actors.actor import Arrived, Turn
from actors.holds import Held
from actors.observer import Observer
from actors.person_consent import OfPerson
from actors.runtime import KINDS
from actors.visitor import Joined, Settles, Visitor
from gateway.core_service import CoreService, CoreSettings
from gateway.exit_codes import ADDRESS
from store.check import check
from store.env import Store
from store.records import DEAD
from store.writer import InlineWriter
from tests.support.making import event, site, snapshot
from tests.support.platform import Batching, FakeSender, Single
from tests.support.world import BUDGET, SHARDS, World
from tests.torture_parts.harness import Setup, folder, in_memory, platforms, running
from tests.torture_parts.virtual import on_virtual_time

POINTS = ("before_request", "after_answer", "before_settle", "after_settle")
IN_FLIGHT = 8
QUIET_S = 4 * 3_600.0


class Faulty(Visitor):
    """Raises for every event whose id says so."""

    def receive(self, message: Arrived | Held | Joined | OfPerson | Settles, turn: Turn) -> None:
        if isinstance(message, Arrived) and message.event.event_id.startswith("poison"):
            raise ZeroDivisionError
        super().receive(message, turn)


class Crashing:
    """Raises at named points of a dispatcher, by chance, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._chance = random.Random(16)

    def at_point(self, name: str) -> None:
        if self.left and name in POINTS and self._chance.random() < 0.02:
            self.left -= 1
            raise RuntimeError(name)


async def run(full: bool) -> dict[str, object]:
    events, crashes = (20_000, 200) if full else (1_000, 10)
    with folder(in_memory()) as directory:
        actors = await on_virtual_time(partial(_crashing_actors, directory / "actors", events))
        dispatchers = await on_virtual_time(partial(_crashing_dispatchers, directory / "dispatchers", events, crashes))
    code, missed = await _part_that_cannot_start()
    return {
        "events": events,
        "poison_events_set_aside": actors[0],
        "dispatcher_crashes": crashes,
        "repeats_a_crash": round(dispatchers[0] / crashes, 2),
        "code_of_a_part_that_cannot_start": code,
        "missed": [*actors[1], *dispatchers[1], *missed],
    }


async def _crashing_actors(directory: Path, events: int) -> tuple[int, list[str]]:
    """One event in ten raises."""
    sender = FakeSender()
    world = World(
        directory, snapshot(site(Single(id="one"))), {"one": sender}, outbox_limit=events,
        kinds={**KINDS, "visitor": Faulty},
    )  # fmt: skip
    good = {f"e-{number}" for number in range(events)}
    poison = {f"poison-{number}" for number in range(events // 10)}
    names = [*good, *poison]
    random.Random(1).shuffle(names)
    for start in range(0, len(names), 500):
        world.take(*map(event, names[start : start + 500]))
    await world.run_for(QUIET_S)
    dead = [DEAD.decode(raw) for _, raw in world.rows("dead")]
    missed = [] if sorted(sender.ids()) == sorted(good) else [f"{len(sender.ids())} of {len(good)} good events sent"]
    missed += [] if len(dead) == len(poison) else [f"{len(dead)} dead letters of {len(poison)} poison events"]
    missed += world.check().problems[:3]
    world.close()
    return len(dead), missed


async def _crashing_dispatchers(directory: Path, events: int, crashes: int) -> tuple[int, list[str]]:
    """Two destinations crash time and again; repeats to the one without batches, and what is wrong in the end."""
    senders = {"one": FakeSender(delay_s=0.01), "many": FakeSender(delay_s=0.01)}
    shop = snapshot(site(Single(id="one"), Batching(id="many")))
    names = {f"e-{number}" for number in range(events)}
    world = World(directory, shop, outbox_limit=events)
    world.take(*map(event, sorted(names)))
    await world.settle()
    world.close()
    crashing = Crashing(crashes)
    store = Store(directory, budget_bytes=BUDGET)
    service = CoreService(
        store, InlineWriter(store), shop, now_ms=world.clock.now_ms, random=random.Random(2), observer=Observer(),
        make_sender=lambda destination: senders[destination.id], sealers={},
        settings=CoreSettings(shards=SHARDS, outbox_limit=events), at_point=crashing.at_point,
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await trio.sleep(QUIET_S)
        nursery.cancel_scope.cancel()
    repeats = len(senders["one"].ids()) - len(names)
    missed = [f"{crashing.left} crashes did not happen"] if crashing.left else []
    missed += [f"{name} did not get all" for name, sender in senders.items() if set(sender.ids()) != names]
    missed += [f"{repeats} repeats"] if repeats > IN_FLIGHT * crashes else []
    missed += check(store, SHARDS).problems[:3]
    store.close()
    return repeats, missed


async def _part_that_cannot_start() -> tuple[int, list[str]]:
    """The metrics page's address is taken: the worker must end, and with it the tree."""
    with folder() as directory, socket.create_server(("127.0.0.1", 0)) as taken:
        async with platforms() as held:
            setup = Setup(directory=directory, platforms=held, metrics_port=taken.getsockname()[1])
            async with running(setup, is_ready=False) as gateway:
                code = await gateway.wait_end()
    return code, [] if code == ADDRESS else [f"a metrics address that is taken: ended with {code}"]
