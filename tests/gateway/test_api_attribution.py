"""/api/attribution and /api/conversions tell what the commands tell, page by page and within bounds."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from gateway.api import attribution, conversions
from tests.gateway.api_client import Api, api_on
from tests.gateway.test_attribution import bought, landing, now, shop
from tests.gateway.told_store import Told
from tests.support.making import HOUR_MS
from tests.support.world import World

MakeWorld = Callable[..., World]
ALWAYS = "2026-01-01T00:00:00Z"


def api_of(told: Told) -> Api:
    return api_on(told.world.store, now_ms=told.world.clock.now_ms, snapshot=lambda: told.world.snapshot)


async def pages(api: Api, **query: Any) -> list[list[dict[str, Any]]]:
    found, after = [], None
    while True:
        answer = await api.get("/api/conversions", **query, **({"after": after} if after is not None else {}))
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["conversions"])
        after = answer.json()["next"]
        if after is None:
            return found


async def orders(make_world: MakeWorld, count: int = 7) -> Told:
    told = Told(make_world)
    await told.begin()
    told.world.clock.jump_ms -= 6 * HOUR_MS
    await now(told, landing("l", "https://shop.test/?gclid=Cj0abc"))
    for number in range(count):
        await now(told, bought(f"p-{number}", f"o-{number}"), later_ms=1_000)
    return told


@pytest.mark.parametrize("query", [{}, {"model": "all"}, {"by": "campaign", "model": "linear"}, {"model": "markov"}])
async def test_the_report_is_that_of_the_command(
    autojump_clock: MockClock, make_world: MakeWorld, query: dict[str, str]
) -> None:
    told = await shop(make_world)
    answer = await api_of(told).get("/api/attribution", since=ALWAYS, **query)
    options = [part for name, value in query.items() for part in (f"--{name}", value)]
    assert answer.json() == told.json("attribution", "--since", ALWAYS, *options)


async def test_conversions_are_those_of_the_command(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    assert (await pages(api_of(told), model="linear"))[0] == told.lines("conversions", "--model", "linear")


@pytest.mark.parametrize("limit", [1, 3, 7, 500])
async def test_the_pages_together_have_every_conversion_once_the_newest_first(
    autojump_clock: MockClock, make_world: MakeWorld, limit: int
) -> None:
    found = await pages(api_of(await orders(make_world)), limit=limit)
    assert all(len(page) <= limit for page in found)
    assert [one["event_id"] for page in found for one in page] == [f"p-{number}" for number in reversed(range(7))]


async def test_a_page_looks_at_a_bounded_number_and_the_next_goes_on(
    autojump_clock: MockClock, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "STEP", 1)
    monkeypatch.setattr(conversions, "LOOKED_MOST", 2)
    found = await pages(api_of(await orders(make_world, 5)), conversion="lead_submitted")
    assert found == [[], [], []]


async def test_a_period_with_too_much_in_it_is_refused_with_what_to_do(
    autojump_clock: MockClock, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "READ_MOST", 2)
    answer = await api_of(await orders(make_world, 5)).get("/api/attribution")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "too_much", "since")
    assert "gateway attribution" in error["message"]


async def test_the_default_model_is_the_sites(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await orders(make_world, 1)
    own = msgspec.structs.replace(told.shop.attribution, default_model="linear")
    site = msgspec.structs.replace(told.shop, attribution=own)
    told.world.snapshot = msgspec.structs.replace(told.world.snapshot, sites={"shop": site})
    report = (await api_of(told).get("/api/attribution")).json()
    assert {line["model"] for line in report["lines"]} == {"linear"}
    assert (await pages(api_of(told)))[0][0]["model"] == "linear"


async def test_an_events_story_tells_its_credit(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    [story] = (await api_of(told).get("/api/events/shop/p-1")).json()["events"]
    assert story == told.json("explain", "p-1")
    assert story["conversion"]["path_summary"] == "email > paid_search"
    assert [step["touchpoints"] for step in story["conversion"]["exposure_path"]] == [1, 1]


BAD = {
    "/api/attribution": {"model": "best", "by": "day", "since": "x", "site": "nowhere", "limit": "1"},
    "/api/conversions": {"after": "1.2", "limit": "0", "gap": "no_gap", "model": "markov", "since": ""},
}


@pytest.mark.parametrize(
    ("path", "name", "value"), [(path, *pair) for path, pairs in BAD.items() for pair in pairs.items()]
)
async def test_a_wrong_parameter_is_named(
    autojump_clock: MockClock, make_world: MakeWorld, path: str, name: str, value: str
) -> None:
    told = Told(make_world)
    await told.begin()
    answer = await api_of(told).get(path, **{name: value})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, name)
