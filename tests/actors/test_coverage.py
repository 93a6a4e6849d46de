"""Which identifiers an event carries: each its own bit, and an event counted once whatever copies it has."""

from collections.abc import Callable

import msgspec
import pytest
from trio.testing import MockClock

from actors.coverage import IDENTIFIERS, coverage
from actors.event import UserData
from tests.actors.destinations.cases import full_user_data
from tests.support.making import purchase, site, snapshot
from tests.support.world import World

MakeWorld = Callable[..., World]
FULL = full_user_data()


def named(user: UserData) -> set[str]:
    return {name for bit, name in enumerate(IDENTIFIERS) if coverage(user) >> bit & 1}


def only(*fields: str) -> UserData:
    return UserData(**{name: getattr(FULL, name) for name in fields})


def test_an_event_with_everything_carries_every_identifier() -> None:
    assert named(FULL) == set(IDENTIFIERS)
    assert named(UserData()) == set()


@pytest.mark.parametrize("name", [name for name in IDENTIFIERS if name in UserData.__struct_fields__])
def test_an_identifier_of_one_field_is_told_by_it_alone(name: str) -> None:
    assert named(only(name)) == {name}


@pytest.mark.parametrize(
    ("name", "enough", "too_little"),
    [
        ("google_click_id", [["gclid"], ["gbraid"], ["wbraid"]], []),
        ("klaviyo_id", [["kx"], ["klaviyo_id"]], []),
        ("name", [["first_name", "last_name"]], [["first_name"], ["last_name"]]),
        ("place", [["country", "city"], ["country", "postal_code"]], [["country"], ["city", "postal_code"]]),
        ("ip_and_user_agent", [["client_ip", "client_user_agent"]], [["client_ip"], ["client_user_agent"]]),
    ],
)
def test_an_identifier_of_several_fields_needs_what_makes_it_whole(
    name: str, enough: list[list[str]], too_little: list[list[str]]
) -> None:
    assert [named(only(*fields)) for fields in enough] == [{name}] * len(enough)
    assert [named(only(*fields)) for fields in too_little] == [set()] * len(too_little)


async def test_an_order_of_two_copies_is_counted_once_with_the_identifiers_of_both(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = make_world(snapshot(site(purchase_hold_ms=5_000)))
    pixel = purchase("px-1", user_data=msgspec.structs.replace(only("fbp"), anonymous_id=FULL.anonymous_id))
    world.take(pixel, purchase("order-1", "server", user_data=only("email")))
    await world.run_for(10)
    world.take(purchase("px-1"))
    await world.run_for(10)
    told = [list(values.values()) for name, values in world.observer.told if name == "event_identifiers"]
    both = coverage(only("fbp", "email"))
    assert told == [["shop", "server", "purchase_placed", both, 1]]
