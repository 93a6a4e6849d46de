"""The runtime: a bad turn stands alone, actors leave memory without loss, alarms are durable, damage is set aside."""

import gc
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from actors.actor import Actor, Message, Ref, Turn
from actors.event import CustomData, UserData
from actors.order import Copied, Opened, Order
from actors.runtime import KINDS
from actors.site import Seen, Site
from actors.visitor import Visitor
from store import keys
from store.errors import StoreBroken
from store.records import DEAD, SET_ASIDE, STATE, StateRow
from store.writer import InlineWriter
from tests.support.making import HOUR_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one")))


def is_poison(event_id: str) -> bool:
    return event_id.startswith("poison")


class PickyVisitor(Visitor):
    """Raises after it has changed its state and asked for much."""

    def receive(self, message: Any, turn: Turn) -> None:
        super().receive(message, turn)
        if is_poison(message.event.event_id):
            raise ZeroDivisionError(f"{message.event.event_id}@example.com divided by zero")


class PickyOrder(Order):
    def receive(self, message: Opened | Copied, turn: Turn) -> None:
        super().receive(message, turn)
        if is_poison(message.carried.event_id):
            raise KeyError("poison")


class PickySite(Site):
    def receive(self, message: Seen, turn: Turn) -> None:
        if message.event_name == "search_performed":
            raise ValueError
        super().receive(message, turn)


def set_aside(world: World) -> dict[bytes, bytes]:
    return {key: SET_ASIDE.decode(raw).raw for key, raw in world.rows("quarantine")}


def letters(world: World) -> list[Any]:
    return [DEAD.decode(raw) for _, raw in world.rows("dead")]


def state_of(world: World, number: int, key: str, kind: Any) -> Any:
    row = STATE.decode(dict(world.rows("state"))[keys.state(number, key)])
    return msgspec.msgpack.decode(row.data, type=kind)


# --- poison --------------------------------------------------------------------------------------------------------


async def test_a_bad_turn_is_undone_alone_and_its_message_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE, kinds={**KINDS, "visitor": PickyVisitor})
    visitor = UserData(anonymous_id=VISITOR)
    world.take(*(event(name, user_data=visitor) for name in ("a", "poison1", "b", "poison2", "c")))
    assert await world.run_for(5)
    assert world.senders["one"].ids() == ["a", "b", "c"]
    assert world.core.waiting() == 0
    assert state_of(world, 1, f"shop\x1f{VISITOR}", Visitor.state_type).events == 3
    assert len(letters(world)) == world.observer.count_of("dead_letter") == 2


async def test_a_dead_letter_has_the_message_and_its_traceback_but_nobodys_values(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE, kinds={**KINDS, "visitor": PickyVisitor})
    world.take(event("poison"))
    await world.settle()
    [letter] = letters(world)
    assert (letter.kind, letter.message, letter.error) == ("visitor", "Arrived", "ZeroDivisionError")
    assert letter.shard is not None
    assert "poison@example.com" not in letter.traceback + letter.error
    assert "in receive" in letter.traceback
    assert msgspec.msgpack.decode(letter.body)["event"]["event_id"] == "poison"


async def test_a_bad_nested_turn_is_undone_alone(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE, kinds={**KINDS, "order": PickyOrder, "site": PickySite})
    world.take(purchase("p", order_id="1"), purchase("poison", order_id="2"), purchase("q", order_id="3"))
    await world.settle()
    world.take(purchase("poison2", "server", order_id="1"), event("s", "search_performed"))
    assert await world.run_for(30)
    assert sorted(world.senders["one"].ids()) == ["p", "q", "s"]
    assert sorted((one.kind, one.message) for one in letters(world)) == [
        ("order", "Copied"), ("order", "Opened"), ("site", "Seen"),
    ]  # fmt: skip


async def test_bad_turns_of_the_same_actor_in_one_batch_leave_a_letter_each(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE, kinds={**KINDS, "visitor": PickyVisitor, "site": PickySite})
    world.take(*(event(f"poison{number}") for number in range(12)))
    world.take(*(event(f"s{number}", "search_performed") for number in range(5)))
    await world.settle()
    assert sorted(one.kind for one in letters(world)) == ["site", *["visitor"] * 12]
    [site_letter] = [one for one in letters(world) if one.kind == "site"]
    assert msgspec.msgpack.decode(site_letter.body)["count"] == 5


async def test_an_alarm_whose_turn_raises_is_tried_again(make_world: MakeWorld, autojump_clock: Clock) -> None:
    class Stuck(Order):
        def alarm(self, turn: Turn) -> None:
            if trio.current_time() < 150:
                raise RuntimeError
            super().alarm(turn)

    world = make_world(ONE, kinds={**KINDS, "order": Stuck})
    world.take(purchase("p"), event("a"))
    assert await world.run_for(100)
    assert world.senders["one"].ids() == ["a"]
    assert {one.message for one in letters(world)} == {"alarm"}
    assert await world.run_for(200)
    assert world.senders["one"].ids() == ["a", "p"]


async def test_an_alarm_that_goes_on_raising_is_tried_ever_later_and_leaves_one_letter(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    tried_at_s: list[float] = []

    class Stuck(Order):
        def alarm(self, turn: Turn) -> None:
            if trio.current_time() not in tried_at_s:
                tried_at_s.append(trio.current_time())
            raise RuntimeError

    world = make_world(ONE, kinds={**KINDS, "order": Stuck})
    world.take(purchase("p"))
    assert await world.run_for(3 * 86_400)
    waits_s = [later - earlier for earlier, later in pairwise(tried_at_s)]
    # It is looked round every 300 s in this world.
    assert waits_s[:12] == pytest.approx([min(60 * 2**number, 86_400) for number in range(12)], abs=301)
    assert len(tried_at_s) == world.observer.count_of("dead_letter") <= 14
    [letter] = letters(world)
    assert (letter.times, letter.at_ms - letter.since_ms) == (len(tried_at_s), 1000 * (tried_at_s[-1] - tried_at_s[0]))


async def test_the_wait_of_an_alarm_that_raises_outlives_a_restart_and_ends_with_a_good_turn(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    class Stuck(Order):
        def alarm(self, turn: Turn) -> None:
            if trio.current_time() < 2_000:
                raise RuntimeError if trio.current_time() < 1_000 else ValueError
            super().alarm(turn)

    world = make_world(ONE, kinds={**KINDS, "order": Stuck})
    world.take(purchase("p"))
    assert await world.run_for(700)
    world.restart()
    assert await world.run_for(1_400)
    assert [(one.error, one.times) for one in letters(world)] == [("RuntimeError", 5), ("ValueError", 1)]
    assert await world.run_for(2_500)
    assert world.senders["one"].ids() == ["p"]
    assert {STATE.decode(raw).alarm_fault for _, raw in world.rows("state")} == {None}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.sampled_from(["a", "b", "c", "poison1", "poison2", "poison3"]), max_size=14))
def test_poison_changes_nothing_for_anybody_else(make_world: MakeWorld, names: list[str]) -> None:
    def states(ids: list[str]) -> Any:
        async def run() -> World:
            world = make_world(ONE, kinds={**KINDS, "visitor": PickyVisitor})
            world.take(*(event(one, user_data=UserData(anonymous_id=VISITOR)) for one in ids))
            await world.settle()
            assert world.check().problems == ()
            return world

        world = trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
        visitors = [key for key, _ in world.rows("state") if key[0] == Visitor.number]
        return [state_of(world, 1, f"shop\x1f{VISITOR}", Visitor.state_type).events for _ in visitors], set(
            world.events()
        )

    assert states(names) == states([one for one in names if not is_poison(one)])


# --- memory --------------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=40)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_actors_that_leave_memory_lose_nothing(make_world: MakeWorld, steps: list[tuple[int, int, bool]]) -> None:
    def rows(actors_kept: int) -> Any:
        async def run() -> World:
            world = make_world(ONE, actors_kept=actors_kept)
            for number, (visitor, order, is_purchase) in enumerate(steps):
                who = UserData(anonymous_id=f"{visitor:032x}", gclid=f"g{number}")
                one = purchase if is_purchase else event
                world.take(one(f"e{number}", user_data=who, custom_data=CustomData(order_id=f"o{order}")))
                await trio.sleep(order * 2)
                await world.settle()
            assert len(world.core._warm) <= actors_kept
            return world

        world = trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
        return {name: world.rows(name) for name in ("state", "alarm", "event", "outbox", "books", "dedup")}

    assert rows(1) == rows(100_000)


async def test_what_a_restart_finds_is_what_was_in_memory(make_world: MakeWorld, autojump_clock: Clock) -> None:
    worlds = [make_world(ONE), make_world(ONE)]
    for number in range(30):
        for index, world in enumerate(worlds):
            who = UserData(anonymous_id=f"{number % 4:032x}", gclid=f"{number}")
            world.take(event(f"e{number}", user_data=who, source="server"))  # opens no visit, whose id is random
            await world.settle()
            if index:
                world.restart()
    assert worlds[0].rows("state") == worlds[1].rows("state")


# --- alarms, versions, damage --------------------------------------------------------------------------------------


class Tick(Message, frozen=True):
    """Wake me so many seconds from now; below zero: never mind."""

    after_s: int


class ClockState(Struct, kw_only=True, omit_defaults=True):
    rang: int = 0


class ClockActor(Actor[ClockState]):
    kind: ClassVar[str] = "order"
    number: ClassVar[int] = 3
    state_type: ClassVar[type[Any]] = ClockState

    def receive(self, message: Any, turn: Turn) -> None:
        turn.alarm_at(turn.now_ms + message.after_s * 1000 if message.after_s >= 0 else None)

    def alarm(self, turn: Turn) -> None:
        self.state.rang += 1


class Winding(Visitor):
    """Sends the number in an event's id to the clock."""

    def receive(self, message: Any, turn: Turn) -> None:
        turn.process(_processing(message))
        turn.send(Ref("order", "clock"), Tick(int(message.event.event_id.split(":")[0])))


def _processing(message: Any) -> Any:
    from actors.actor import Processing

    return Processing(event=message.event, at=message.at)


def rang(world: World) -> int:
    return int(state_of(world, 3, "clock", ClockState).rang)


async def test_an_actor_has_one_alarm_the_last_it_asked_for(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE, kinds={**KINDS, "visitor": Winding, "order": ClockActor})
    world.take(event("100:a"), event("20:b"))
    async with world.running():
        await trio.sleep(10)
        assert len(world.rows("alarm")) == 1
        await trio.sleep(200)
        assert rang(world) == 1
        world.take(event("50:c"))
        await trio.sleep(10)
        world.take(event("-1:d"))
        await trio.sleep(200)
    assert rang(world) == 1
    assert world.rows("alarm") == []


async def test_alarms_survive_a_restart_and_are_late_rather_than_never(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE, kinds={**KINDS, "visitor": Winding, "order": ClockActor})
    world.take(event("100:a"))
    await world.settle()
    world.restart()
    assert await world.run_for(90)
    assert rang(world) == 0
    world.restart()
    await trio.sleep(HOUR_MS / 1000)
    assert await world.run_for(1)
    assert rang(world) == 1


async def test_an_older_version_of_a_state_is_upgraded_when_it_is_read(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    class Newer(ClockActor):
        version: ClassVar[int] = 2

        @classmethod
        def upgrade(cls, version: int, data: bytes) -> Any:
            assert version == 1
            return ClockState(rang=msgspec.msgpack.decode(data)["rang"] + 100)

    world = make_world(ONE, kinds={**KINDS, "visitor": Winding, "order": Newer})
    row = StateRow(actor_key="clock", version=1, data=msgspec.msgpack.encode({"rang": 7}), touched_at_ms=1)
    InlineWriter(world.store).submit(lambda write: write.put("state", keys.state(3, "clock"), STATE.encode(row)))
    world.take(event("1:a"))
    assert await world.run_for(10)
    assert rang(world) == 108


@pytest.mark.parametrize("raw", [b"\x01damaged", b""])
async def test_a_state_that_cannot_be_read_costs_its_memory_but_no_event(
    make_world: MakeWorld, autojump_clock: Clock, raw: bytes
) -> None:
    world = make_world(ONE)
    visitor = UserData(anonymous_id=VISITOR)
    world.take(event("a", user_data=visitor))
    assert await world.run_for(1)
    world.restart()
    key = keys.state(1, f"shop\x1f{VISITOR}")
    InlineWriter(world.store).submit(lambda write: write.put("state", key, raw))
    world.take(event("b", user_data=visitor))
    assert await world.run_for(1)
    assert world.senders["one"].ids() == ["a", "b"]
    assert set_aside(world) == {b"state\x00" + key: raw}
    assert letters(world) == []


async def test_a_message_that_cannot_be_read_is_set_aside_and_the_shard_goes_on(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    world.take(event("a"), event("b"))
    [key, _] = [key for key, _ in world.rows("log")]
    InlineWriter(world.store).submit(lambda write: write.put("log", key, b"\x01damaged"))
    assert await world.run_for(1)
    assert len(world.senders["one"].ids()) == 1
    assert set_aside(world) == {b"log\x00" + key: b"\x01damaged"}
    assert world.core.waiting() == 0
    assert world.observer.count_of("unreadable_row") == 1


async def test_a_batch_that_is_over_is_no_reader_of_the_store_any_more(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    gc.disable()  # it would come by in time, here
    try:
        for number in range(20):
            world.take(event(f"e-{number}"))
            await world.core.step()
        readers = len(world.store.env.readers().splitlines()) - 1  # the first line has the headings
    finally:
        gc.enable()
    assert readers < 5


async def test_a_commit_that_fails_stops_the_core(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(event("a"))
    world.writer.crash_at(0, is_after_commit=False)
    with pytest.raises(StoreBroken):
        await world.core.run()


async def test_the_observer_is_told_after_the_commit_only(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one", events=()))))
    world.take(event("a"))
    world.writer.crash_at(0, is_after_commit=False)
    with pytest.raises(StoreBroken):
        await world.core.step()
    assert world.observer.count_of("not_routed") == 0
    world.restart()
    await world.settle()
    assert world.observer.count_of("not_routed") == 1
