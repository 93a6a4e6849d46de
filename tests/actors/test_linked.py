"""The landing by a tracked link: the touchpoint says what the link says (contracts/attribution.md, sections 3.1, 8)."""

from collections.abc import Callable
from typing import Any

from actors.event import Event, Page, UserData
from store import links
from store.journey_records import TOUCH, TouchRow
from store.journeys import TOUCH_DB
from store.records import LinkRow
from tests.support.making import VISITOR, event, site, snapshot
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
