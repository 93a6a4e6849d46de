"""Deliveries share requests, and a batch that one event spoils is taken apart."""

from typing import Any

from actors.event import CustomData
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, batching, one, single
from tests.support.making import event
from tests.support.platform import Sent


async def test_deliveries_that_wait_share_a_request(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(batching())
    world.take(*(event(f"{number:03}") for number in range(250)))
    assert await world.run_for(5)
    assert sorted(len(sent.ids) for sent in world.senders["one"].sent) == [50, 100, 100]
    assert sorted(world.senders["one"].ids()) == [f"{number:03}" for number in range(250)]


async def test_deliveries_of_different_envelopes_never_share_a_request(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(batching())
    world.take(*(event(f"{n}", custom_data=CustomData(properties={"envelope": n % 3})) for n in range(30)))
    assert await world.run_for(5)
    assert sorted(sorted({int(one) % 3 for one in sent.ids}) for sent in world.senders["one"].sent) == [[0], [1], [2]]


async def test_a_refused_batch_is_split_until_the_bad_one_stands_alone(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(sent: Sent) -> str:
        return "split" if "e13" in sent.ids else "ok"

    world = make_world(batching(), one(play=play))
    world.take(*(event(f"e{number}") for number in range(32)))
    assert await world.run_for(20)
    statuses = {f"e{number}": world.delivery(f"e{number}", "one") for number in range(32)}
    assert {name for name, found in statuses.items() if found.status == "dropped"} == {"e13"}
    assert {found.status for name, found in statuses.items() if name != "e13"} == {"delivered"}
    assert len(world.senders["one"].sent) <= 1 + 2 * 5
    row = statuses["e13"].row
    assert row is not None
    assert (row.tries, row.attempts[-1].batch) == (1, 1)


async def test_the_innocent_go_again_at_once_and_it_costs_them_no_attempt(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    def play(sent: Sent) -> Any:
        return ["drop" if one == "bad" else "again" for one in sent.ids] if "bad" in sent.ids else "ok"

    world = make_world(batching(), one(play=play))
    world.take(event("a"), event("bad"), event("b"))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.tries, [one.outcome for one in found.attempts]) == (
        "delivered",
        1,
        ["again", "delivered"],
    )
    assert world.delivery("bad", "one").status == "dropped"


async def test_an_innocent_that_is_refused_for_ever_ends_by_the_schedule(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "again"))
    world.take(event("a"))
    assert await world.run_for(30 * HOUR_S)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.tries) == ("dropped", 5)
