"""What the API tells of events and deliveries, read from the store in short steps."""

from collections.abc import Callable
from typing import Any

import pytest
from trio.testing import MockClock

from gateway.api import deliveries
from tests.gateway.api_client import Api, api_on
from tests.gateway.told_store import Told
from tests.support.making import event, purchase
from tests.support.platform import FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]


def api_of(told: Told) -> Api:
    return api_on(told.world.store, now_ms=told.world.clock.now_ms)


async def pages(api: Api, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page from the first to the last."""
    found, after = [], None
    while True:
        asked = {**query, "after": after} if after is not None else query
        page = (await api.get("/api/deliveries", **asked)).json()
        found.append(page["deliveries"])
        after = page["next"]
        if after is None:
            return found


async def shop(make_world: MakeWorld, events: int = 7) -> Told:
    """Two destinations, one of which refuses everything; each event sent twice."""
    told = Told(make_world, Single(id="acme"), Single(id="bad"), bad=FakeSender(play=lambda _: "drop"))
    await told.begin()
    await told.take(*(event(f"e-{number}") for number in range(events)))
    await told.take(*(event(f"e-{number}") for number in range(events)))
    return told


async def test_an_event_is_told_with_its_whole_story(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world, events=1)
    [story] = (await api_of(told).get("/api/events/shop/e-0")).json()["events"]
    assert (story["event_id"], story["status"], len(story["copies"])) == ("e-0", "processed", 2)
    assert {one["destination"]: one["status"] for one in story["destinations"]} == {
        "acme": "delivered",
        "bad": "dropped",
    }
    assert story == told.json("explain", "e-0")


async def test_an_id_of_any_characters_is_found(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(event("a/b ?%é"))
    [story] = (await api_of(told).get("/api/events/shop/a%2Fb%20%3F%25%C3%A9")).json()["events"]
    assert story["event_id"] == "a/b ?%é"


async def test_the_id_of_a_copy_leads_to_the_event_in_its_place(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(purchase("order-1", "server"), purchase("px-1"), seconds=10)
    [story] = (await api_of(told).get("/api/events/shop/order-1")).json()["events"]
    assert (story["event_id"], story["asked_for"]) == ("px-1", "order-1")
    [of_order] = (await api_of(told).get("/api/orders/shop/o-1")).json()["events"]
    assert of_order == {**story, "asked_for": None}


@pytest.mark.parametrize(
    "path",
    ["/api/events/shop/e-99", "/api/events/nowhere/e-0", "/api/orders/shop/e-0", "/api/events/shop/" + "x" * 3_000],
)
async def test_an_unknown_event_is_answered_404(autojump_clock: MockClock, make_world: MakeWorld, path: str) -> None:
    answered = await api_of(await shop(make_world, events=1)).get(path)
    assert (answered.status_code, answered.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 14, 500])
async def test_the_pages_together_have_every_delivery_once_the_newest_first(
    autojump_clock: MockClock, make_world: MakeWorld, limit: int
) -> None:
    told = await shop(make_world)
    found = await pages(api_of(told), limit=limit)
    assert all(len(page) <= limit for page in found)
    flat = [(one["event_id"], one["destination"]) for page in found for one in page]
    assert flat == [(f"e-{number}", name) for number in reversed(range(7)) for name in ("acme", "bad")]


async def test_pages_go_through_several_sites_in_one_order(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin("shop", "empty", "other")
    await told.take(*(event(f"e-{number}") for number in range(9)))
    found = await pages(api_of(told), limit=4)
    assert [one["event_id"] for page in found for one in page] == [f"e-{number}" for number in reversed(range(9))]
    assert await pages(api_of(told), site="empty") == [[]]


async def test_a_page_looks_at_a_bounded_number_of_events_and_the_next_goes_on(
    autojump_clock: MockClock, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await shop(make_world, events=9)
    monkeypatch.setattr(deliveries, "STEP", 2)
    monkeypatch.setattr(deliveries, "LOOKED_MOST", 4)
    found = await pages(api_of(told), destination="bad", status="dropped")
    assert len(found) >= 4
    assert [one["event_id"] for page in found for one in page] == [f"e-{number}" for number in reversed(range(9))]


async def test_deliveries_are_chosen_by_destination_status_and_time(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = await shop(make_world, events=2)
    api = api_of(told)
    assert {one["destination"] for one in (await pages(api, destination="acme"))[0]} == {"acme"}
    assert {one["status"] for one in (await pages(api, status="dropped"))[0]} == {"dropped"}
    assert await pages(api, status="failed") == [[]]
    assert await pages(api, since="2999-01-01T00:00:00Z") == [[]]
    assert len((await pages(api, since="7d"))[0]) == 4
    escaped_or_not = ("2020-01-01T00:00:00%2B01:00", "2020-01-01T00:00:00+01:00")
    assert [len((await api.get(f"/api/deliveries?since={one}")).json()["deliveries"]) for one in escaped_or_not] == [
        4,
        4,
    ]


BAD = {
    "limit": ["0", "501", "x", "1.5", ""],
    "after": ["x", "1.2.3", "1.70000.1.0", "9" * 16 + ".1.1.0", "1.1.1.1.1"],
    "since": ["x", "24", "2026-13-01T00:00:00Z", ""],
    "status": ["done", ""],
    "site": ["x" * 64],
    "unknown": ["1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
async def test_a_wrong_parameter_is_named(
    autojump_clock: MockClock, make_world: MakeWorld, name: str, value: str
) -> None:
    told = Told(make_world)
    answered = await api_of(told).get("/api/deliveries", **{name: value})
    assert (answered.status_code, answered.json()["error"]["field"]) == (400, name)
    assert answered.json()["error"]["faults"][0]["field"] == name
