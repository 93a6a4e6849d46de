"""The site's counters: by event name and by source, copies apart, custom names bounded."""

from collections.abc import Callable

import msgspec
import trio
import trio.testing

from actors.site import CUSTOM_KEPT, Site, SiteState
from store import keys
from store.records import STATE
from tests.support.making import START_MS, event, purchase, site, snapshot
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock


def state(world: World, name: str = "shop") -> SiteState:
    row = STATE.decode(dict(world.rows("state"))[keys.state(Site.number, name)])
    return msgspec.msgpack.decode(row.data, type=SiteState)


async def test_events_and_copies_are_counted_apart_by_name_and_source(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site()))
    world.take(event("a"), event("b"), event("a"), purchase("p"), event("s", source="server"))
    await world.settle()
    found = state(world)
    assert {name: (tally.events, tally.copies) for name, tally in found.by_name.items()} == {
        "page_viewed": (3, 1), "purchase_placed": (1, 0),
    }  # fmt: skip
    assert {name: (tally.events, tally.copies) for name, tally in found.by_source.items()} == {
        "browser": (3, 1), "server": (1, 0),
    }  # fmt: skip


async def test_first_and_last_times_are_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site()))
    for number in range(3):
        world.take(event(f"{number}"))
        await world.settle()
        await trio.sleep(10)
    tally = state(world).by_name["page_viewed"]
    assert (tally.first_at_ms, tally.last_at_ms) == (START_MS, START_MS + 20_000)
    assert state(world).last_seen_at_ms == START_MS + 20_000


async def test_custom_names_are_bounded_and_the_rest_counted_together(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site()))
    world.take(*(event(f"{number}", f"my_event_{number}") for number in range(CUSTOM_KEPT + 50)))
    world.take(event("late", "page_viewed"))
    await world.settle()
    names = state(world).by_name
    assert len(names) <= CUSTOM_KEPT + 2
    assert names["custom"].events == 50
    assert names["page_viewed"].events == 1
    assert sum(tally.events for tally in names.values()) == CUSTOM_KEPT + 51


async def test_sites_are_counted_apart(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(), site(id="other")))
    world.take(event("a"), event("a", site="other"), event("b", site="other"))
    await world.settle()
    assert state(world).by_name["page_viewed"].events == 1
    assert state(world, "other").by_name["page_viewed"].events == 2
