"""The landing by a tracked link: the touchpoint says what the link says (contracts/attribution.md, sections 3.1, 8)."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio.testing

from actors.attribution.paths import summary
from actors.attribution.settings import AttributionRules
from actors.event import Event, Page, UserData
from gateway.reattributing import Reattributing
from store import journeys, keys, links
from store.journey_records import TOUCH, TouchRow
from store.journeys import TOUCH_DB
from store.records import LinkRow
from tests.support.making import VISITOR, event, purchase, site, snapshot
from tests.support.world import World

MakeWorld = Callable[..., World]
TEA = LinkRow(
    site="shop", slug="tea", target="https://shop.example.com/", source="magazine", medium="print", campaign="autumn",
    channel="display",
)  # fmt: skip


def landing(url: str, event_id: str = "e-1", **more: Any) -> Event:
    return event(event_id, page=Page(url=url), user_data=UserData(anonymous_id=VISITOR), **more)


async def touches(world: World, *events: Event) -> list[TouchRow]:
    await links.change(world.writer, "shop", "tea", lambda _: TEA)
    world.take(*events)
    await world.settle()
    with world.store.read() as txn, txn.cursor(db=world.store.dbs[TOUCH_DB]) as cursor:
        rows = [bytes(raw) for _, raw in cursor if len(raw) > 40]
    return [TOUCH.decode(raw) for raw in rows]


async def test_the_touchpoint_of_a_landing_says_what_its_link_says(make_world: MakeWorld) -> None:
    world = make_world(snapshot(site()))
    [row] = await touches(world, landing("https://shop.example.com/?gw_lid=tea&gw_jid=1&utm_source=other"))
    assert (row.source, row.medium, row.campaign, row.channel) == ("magazine", "print", "autumn", "display")
    assert (row.evidence, row.link_id) == ("link", "tea")


async def test_a_link_that_nobody_made_says_nothing(make_world: MakeWorld) -> None:
    world = make_world(snapshot(site()))
    [row] = await touches(world, landing("https://shop.example.com/?gw_lid=nobody&utm_source=other"))
    assert (row.source, row.evidence) == ("other", "parameters")


async def test_the_click_itself_makes_no_touchpoint_and_opens_no_visit(make_world: MakeWorld) -> None:
    world = make_world(snapshot(site()))
    url = "https://shop.example.com/?gw_lid=tea&gw_jid=1&utm_source=magazine"
    assert await touches(world, landing(url, name="link_clicked", source="link", is_internal=True)) == []
    assert world.events()["e-1"].session_id is None


async def test_a_bot_that_lands_by_a_link_makes_no_touchpoint(make_world: MakeWorld) -> None:
    world = make_world(snapshot(site()))
    assert await touches(world, landing("https://shop.example.com/?gw_lid=tea", bot_score=100)) == []


async def test_what_a_link_tells_now_is_applied_to_the_past_where_that_is_set(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock
) -> None:
    other = msgspec.structs.replace(TEA, source="blog", channel="affiliate", version=2)
    for is_applied, channel in ((False, "display"), (True, "affiliate")):
        world = make_world(snapshot(site(purchase_hold_ms=0, attribution=AttributionRules(apply_to_past=is_applied))))
        url = "https://shop.example.com/?gw_lid=tea"
        await touches(world, landing(url), purchase("p-1", user_data=UserData(anonymous_id=VISITOR), value="120"))
        working = Reattributing(world.core, world.store, world.writer, world.clock.now_ms)
        await working.work()
        await links.change(world.writer, "shop", "tea", lambda _: other)
        for _ in range(2):
            await working.work()
        row = journeys.conversion(world.store, keys.event("shop", "p-1", "purchase_placed"))
        assert row is not None
        assert (summary(row.path), row.version) == (channel, 1 + is_applied)
