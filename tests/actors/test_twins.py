"""What is tried out: it goes the whole way, and is counted, joined and learnt from nowhere."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.destinations.base import InTestMode
from actors.event import CustomData, Event
from store import keys
from store.books import TEST_EVENTS, hours
from store.env import fetch
from tests.support.making import START_MS, VISITOR, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]


class Tried(Single, frozen=True, kw_only=True, tag="test_tried"):
    """Its platform has a test mode."""

    def in_test_mode(self) -> InTestMode:
        return InTestMode(self, "nothing is counted")


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(snapshot(site(Tried(id="one"), Single(id="live"), purchase_hold_ms=0)))


def tried(event_id: str = "test-1", **changes: Any) -> Event:
    return purchase(event_id, "test", **{"user_data": purchase().user_data, **changes})


def books(world: World) -> dict[str, dict[str, int]]:
    found = hours(world.store, "shop", 0, 10 * START_MS)
    return {row.destination: {name: count for name, count in row.counts.items() if count} for row in found}


async def test_a_test_event_goes_to_the_twin_of_each_destination_that_has_one(world: World) -> None:
    world.take(tried())
    await world.settle()
    row = world.events()["test-1"]
    assert row.routed == ("one~test",)
    assert row.not_routed == {"live~test": "test_event"}


async def test_a_test_event_is_in_no_total_of_real_ones_and_the_books_balance(world: World) -> None:
    world.take(tried(), purchase("e-9", "server", "o-9"))
    await world.settle()
    assert books(world) == {
        "": {"accepted": 1, "processed": 1},
        "one": {"processed": 1, "queued": 1},
        "live": {"processed": 1, "queued": 1},
        TEST_EVENTS: {"accepted": 1, "processed": 1},
        "one~test": {"processed": 1, "queued": 1},
        "live~test": {"processed": 1, "not_routed:test_event": 1},
    }
    assert world.check().problems == ()


async def test_a_test_event_of_an_order_keeps_no_real_one_of_it_from_being_sent(world: World) -> None:
    world.take(tried(custom_data=CustomData(order_id="o-1")))
    await world.settle()
    world.take(purchase("e-1", "server", "o-1"))
    await world.settle()
    assert world.events()["e-1"].routed == ("one", "live")
    assert world.events()["e-1"].copies == ()


async def test_a_test_event_teaches_nothing_about_its_visitor_and_is_in_nobodys_story(world: World) -> None:
    world.take(tried())
    await world.settle()
    with world.store.read() as txn:
        assert fetch(txn, world.store.dbs["state"], keys.state(1, f"shop\x1f{VISITOR}")) is None
    assert [world.rows(name) for name in ("visitor_event", "order_event", "dedup", "state")] == [[], [], [], []]
