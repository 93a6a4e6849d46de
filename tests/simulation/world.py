"""The simulated world: one wall clock, one machine that lives, dies and lives again, platforms and traffic; one seed.

`simulate(seed, folder)` runs it on virtual time and tells what broke, with the trace of all that happened.
"""

import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import structlog
import trio
import trio.testing
from msgspec import Struct, structs
from trio._core import _run as scheduler  # the order of tasks is Trio's own draw: it has to come from the seed

from actors.destinations.base import Destination
from actors.observer import Observer
from actors.sender import Sender
from actors.snapshot import Snapshot
from gateway.call import Answer, Call
from gateway.identities import ask_split
from store.check import check
from store.env import ID_KEY, Store
from store.errors import StoreBroken
from store.writer import InlineWriter
from tests.simulation import choices, credit, decisions, invariants, ledger, shops
from tests.simulation.machine import SHARDS, Life
from tests.simulation.plan import HOUR_S, Crash, Plan, plan_of, stream
from tests.simulation.platforms import Station, StationSender
from tests.simulation.rules import SiteRules, drawn
from tests.simulation.shops import SITES
from tests.simulation.traffic import Traffic

BEGIN_MS: Final = 1_795_166_130_000  # 2026-11-20
KEY: Final = b"k" * 32
BUDGET: Final = 1 << 30
LOOK_S: Final = 300.0
HOLDS_S: Final = 31 * 60.0  # what waits for a choice waits no longer
PICKY_S: Final = 12 * HOUR_S  # of calm; then also what was never taken is
PATIENCE_S: Final = 60 * HOUR_S  # a day of retries, and a clock that went back a day
FAILURES: Final = frozenset({"task_crashed", "adapter_failed"})  # lines of the log that must not be there
SHM: Final = Path("/dev/shm")


class Outcome(Struct, frozen=True, kw_only=True):
    seed: int
    problems: list[str]
    trace: list[str]
    events: int
    lives: int
    spoiled: int  # requests with bad events among good ones

    @property
    def digest(self) -> str:
        return blake2b("\n".join(self.trace).encode(), digest_size=16).hexdigest()


class World:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.trace: list[str] = []
        self.problems: list[str] = []
        self._folder = folder
        self._shift_ms = 0
        self._tokens: dict[tuple[str, str], int] = {}
        self._rules: dict[str, SiteRules] = {}
        self._published: dict[int, Mapping[str, SiteRules]] = {}
        self._operator = stream(plan.seed, "operator")
        self._routing = stream(plan.seed, "routes")
        for site in SITES:
            self._draw_rules(site, 1)
        self._snapshot = self._made(1)
        self._up: list[tuple[float, float]] = []  # when the machine was up
        self._ids = stream(plan.seed, "ids")
        self._life: Life | None = None
        self._lives = 0
        self._crashes: list[Crash] = list(plan.crashes)
        self._is_ending = False
        self._ended = trio.Event()
        self.traffic = Traffic(plan, stream(plan.seed, "traffic"), self.true_ms, self.post)
        self._stations = {
            place: Station(*place, place[1], stream(plan.seed, "/".join(place)), self.true_ms, self.note)
            for place in plan.places
        }

    def now_ms(self) -> int:
        """The time of the machine, which jumps in some seeds."""
        return self.true_ms() + self._shift_ms

    def true_ms(self) -> int:
        """The time of all others: visitors and platforms have clocks that are right."""
        return BEGIN_MS + int(trio.current_time() * 1000)

    def note(self, *words: Any) -> None:
        self.trace.append(f"{trio.current_time():.6f} {self._lives} " + " ".join(map(str, words)))

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live)
            nursery.start_soon(self._set_clock)
            nursery.start_soon(self._publish)
            nursery.start_soon(self._split)
            weather = trio.CancelScope()
            nursery.start_soon(self._weather, weather)
            await self.traffic.play()
            weather.cancel()
            await self._settle_down()
            nursery.cancel_scope.cancel()
        self.problems += self.traffic.unforeseen

    def outcome(self) -> Outcome:
        return Outcome(
            seed=self.plan.seed, problems=self.problems, trace=self.trace, events=len(self.traffic.sent),
            lives=self._lives, spoiled=sum(len(one.families.all) for one in self._stations.values()),
        )  # fmt: skip

    async def post(self, call: Call) -> Answer | None:
        """A client's request; None where nobody answers."""
        life = self._life
        answer = await life.post(call) if life is not None else None
        if answer is None:
            await trio.sleep(0.01)
        self.note("answer", call.path, answer.status if answer is not None else None)
        return answer

    # --- the machine ---

    async def _live(self) -> None:
        while not self._is_ending:
            crash = self._crashes.pop(0) if self._crashes else None
            self._lives += 1
            store = Store(self._folder / "store", budget_bytes=BUDGET)
            try:
                store.fix_shards(SHARDS)
                InlineWriter(store).submit(lambda write: write.put("meta", ID_KEY, KEY))  # a seed tells one story
                life = self._new_life(store, crash)
                self.note("start")
                began_s = trio.current_time()
                await life.run(partial(self._come_up, life))
                self._life = None
                self._up.append((began_s, trio.current_time()))
                self._examine(store, life)
            finally:
                store.close()
            if crash is not None:
                await trio.sleep(crash.down_s)

    def _come_up(self, life: Life) -> None:
        self._life = life

    def _new_life(self, store: Store, crash: Crash | None) -> Life:
        number = self._lives

        def make_sender(destination: Destination) -> Sender:
            site = next(site.id for site in self._snapshot.sites.values() if destination in site.destinations)
            return StationSender(self._stations[site, destination.id], number)

        return Life(
            number, store, self._snapshot, crash, random=stream(self.plan.seed, f"life {number}"), now_ms=self.now_ms,
            make_id=lambda: f"{self._ids.getrandbits(128):032x}", make_sender=make_sender,
            observer=Watcher(self.problems), rescan_s=self.plan.rescan_s, note=self.note,
        )  # fmt: skip

    def _examine(self, store: Store, life: Life) -> None:
        """What holds at every instant, held at this one."""
        found = ledger.read(store, SHARDS)
        waiting = ledger.waiting_keys(found, self._snapshot)
        for place, station in self._stations.items():
            station.crashed(life.number, waiting.get(place, Counter()))
        self.note("examine", len(found.messages), len(found.events), len(found.outbox), life.writer.commits)
        self._hold(store, found)

    def _hold(self, store: Store, found: ledger.Ledger) -> None:
        self.problems += invariants.after_crash(found, self._snapshot, self.traffic.acknowledged)
        self.problems += check(store, SHARDS).problems
        self.problems += decisions.hold(found, self._snapshot, self._published)
        self.problems += credit.hold(found)
        self.problems += choices.hold(found, self.traffic, has_jumps=bool(self.plan.jumps))

    # --- what happens around it ---

    async def _set_clock(self) -> None:
        for jump in self.plan.jumps:
            await trio.sleep_until(jump.at_s)
            self._shift_ms += jump.shift_ms
            self.note("clock", jump.shift_ms)

    async def _weather(self, scope: trio.CancelScope) -> None:
        if self.plan.is_calm:
            return
        for station in self._stations.values():
            station.is_picky, station.is_strict = station.platform == "webhook", True
        with scope:
            async with trio.open_nursery() as nursery:
                for place, station in self._stations.items():
                    nursery.start_soon(station.weather, self.plan.span_s)
                    nursery.start_soon(self._look_after, place, station)

    async def _look_after(self, place: tuple[str, str], station: Station) -> None:
        """The operator replaces credentials that are refused, sooner or later."""
        while True:
            await station.is_locked.wait()
            await trio.sleep(self._operator.uniform(1, self.plan.span_s / 6))
            station.heal()
            self._replace_token(place)

    def _replace_token(self, place: tuple[str, str]) -> None:
        self._tokens[place] = self._tokens.get(place, 0) + 1
        self._stations[place].families.end()
        self.note("publish", *place)
        self._switch()

    async def _publish(self) -> None:
        """The operator publishes other routes of a site."""
        for at_s in self.plan.publishes_at_s:
            await trio.sleep_until(at_s)
            site = self._routing.choice(SITES)
            self._draw_rules(site, self._snapshot.version + 1)
            self.note("routes", site)
            self._switch()

    async def _split(self) -> None:
        """Now and then the operator undoes the newest merge."""
        random = stream(self.plan.seed, "splits")
        for at_s in self.plan.splits_at_s:
            await trio.sleep_until(at_s)
            life = self._life
            if life is None or life.is_over:
                continue
            merges = ledger.merges(life.edge.store)
            if not merges:
                continue
            site, merge_id = random.choice(merges)
            self.note("split", site, merge_id)
            with suppress(StoreBroken):
                await ask_split(life.edge.store, life.writer, site, merge_id, self.now_ms())
                life.service.wake()

    def _draw_rules(self, site: str, version: int) -> None:
        destinations = [one for at, one in self.plan.places if at == site]
        self._rules[site] = drawn(self._routing, version, destinations, self._rules.get(site))

    def _made(self, version: int) -> Snapshot:
        self._published[version] = dict(self._rules)
        return shops.snapshot(version, self.plan.hold_ms, self.plan.places, self._tokens, self._rules)

    def _switch(self) -> None:
        self._snapshot = self._made(self._snapshot.version + 1)
        if self._life is not None and not self._life.is_over:
            self._life.publish(self._snapshot)

    # --- the end ---

    async def _settle_down(self) -> None:
        """Everything is well again; then all that waits must go out."""
        await trio.sleep_until(max([0.0, *(jump.at_s + 1 for jump in self.plan.jumps)]))
        self._shift_ms = 0
        self.note("calm")
        self._crashes.clear()
        self._rules = {site: structs.replace(rules, disabled=frozenset()) for site, rules in self._rules.items()}
        for place, station in self._stations.items():
            station.heal()
            station.is_strict = False
            self._replace_token(place)
        if self._life is not None:
            self._life.spare()
        began_s = trio.current_time()
        while trio.current_time() < began_s + PATIENCE_S:
            await trio.sleep(LOOK_S)
            if trio.current_time() > began_s + PICKY_S:
                for station in self._stations.values():
                    station.is_picky = False
            life = self._life
            is_decided = trio.current_time() > began_s + HOLDS_S
            if life is not None and is_decided and not any(life.service.core.depths.values()):
                break
        self._is_ending = True
        self._check_end()

    def _check_end(self) -> None:
        life = self._life
        if life is None:
            self.problems.append("the machine does not come up any more")
            return
        found = ledger.read(life.edge.store, SHARDS)
        self.note("end", len(found.messages), len(found.events), len(found.deliveries), digest(life.edge.store))
        self._hold(life.edge.store, found)
        self.problems += invariants.at_end(found, self._snapshot, self.plan)
        up = [*self._up, (life.began_s, trio.current_time())]
        for station in self._stations.values():
            self.problems += invariants.of_platform(station, found, self._snapshot, self.plan)
            self.problems += decisions.of_platform(station, found, self._snapshot, self._published)
            if not self.plan.jumps:
                self.problems += choices.of_platform(station, found, self._snapshot, self._published, self.traffic, up)
        if not self.plan.jumps:  # an end that was set by a clock that was ahead is not over yet
            self.problems += choices.at_end(found)


class Watcher(Observer):
    """Nothing in a simulation may crash a task or damage a row."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems

    def dead_letter(self, kind: str) -> None:
        self._problems.append(f"a turn or a task failed: {kind}")

    def unreadable_row(self, database: str) -> None:
        self._problems.append(f"an unreadable row in {database}")


def digest(store: Store) -> str:
    """Of every row of the store but `meta`, whose key for ids is drawn for each store."""
    hashed = blake2b(digest_size=8)
    with store.read() as txn:
        for name in sorted(set(store.dbs) - {"meta"}):
            with txn.cursor(db=store.dbs[name]) as cursor:
                for key, value in cursor:
                    hashed.update(bytes(key) + bytes(value))
    return hashed.hexdigest()


def simulate(seed: int) -> Outcome:
    """One seed from its beginning to its end, in a folder of its own that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder,
        _seeded_scheduler(seed),
        structlog.testing.capture_logs() as logs,
    ):
        world = World(plan_of(seed), Path(folder))
        try:
            trio.run(world.run, clock=trio.testing.MockClock(autojump_threshold=0))
        except Exception as error:  # noqa: BLE001  whatever ends the world is what its seed found
            world.problems.append("".join(traceback.format_exception(error)))
    world.problems.extend(str(line) for line in logs if line["event"] in FAILURES)
    return world.outcome()


@contextmanager
def _seeded_scheduler(seed: int) -> Iterator[None]:
    """Tasks that are ready together run in an order drawn from the seed (as Trio's plug-in for Hypothesis has it)."""
    kept_state, kept = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    scheduler._r.seed(random.Random(seed).getrandbits(64))
    try:
        yield
    finally:
        vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = kept
        scheduler._r.setstate(kept_state)
