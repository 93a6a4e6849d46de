"""`gateway traffic`, /api/traffic, and how what the edge refuses gets into the counters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.event import Consent, UserData
from gateway.refusals import EVERY_S, Refusals
from store import traffic
from store.env import Store
from store.errors import StoreError, StoreFull
from store.writer import Apply, InlineWriter, Ticket
from tests.gateway.api_client import Api, api_on
from tests.gateway.told_store import Told
from tests.support.making import DAY_MS, HOUR_MS, START_MS, VISITOR, event, purchase
from tests.support.platform import FakeSender, Single
from tests.support.running import running_gateway
from tests.support.world import World

MakeWorld = Callable[..., World]
GRANTED = Consent(analytics="granted", marketing="granted")


async def shop(make_world: MakeWorld) -> Told:
    told = Told(make_world, Single(id="acme"), Single(id="bad"), bad=FakeSender(play=lambda _: "drop"))
    await told.begin()
    seen = UserData(anonymous_id=VISITOR)
    await told.take(
        event("e-1", user_data=seen, consent=GRANTED),
        event("e-2", "cart_viewed", user_data=seen),
        event("e-1", user_data=seen),
        purchase("p-1", "server", value="12.50"),
        purchase("p-2", order_id="o-1", value="12.50"),
        event("b-1", bot_score=100, bot_reasons=("known_bot",)),
        seconds=10,
    )
    return told


def api_of(told: Told) -> Api:
    return api_on(told.world.store, now_ms=told.world.clock.now_ms)


async def test_the_totals_balance(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    report = (await shop(make_world)).json("traffic")
    [one] = report["periods"]
    assert (one["received"], one["accepted"], one["refused"], one["bots"]) == (6, 6, 0, 1)
    parts = ("processed", "held", "duplicates", "merged", "lost")
    assert {name: one[name] for name in parts} == {
        "processed": 4,
        "held": 0,
        "duplicates": 1,
        "merged": 1,
        "lost": 0,
    }
    for destination in report["destinations"]:
        ends = ("delivered", "queued", "failed", "dropped", "not_routed")
        assert destination["processed"] == 4 == sum(destination[name] for name in ends)
    assert (one["visitors"], one["new_visitors"], one["visits"], one["conversions"]) == (1, 1, 1, 1)


async def test_counters_are_told_by_what_they_are_asked_for(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)

    def counts(by: str, *names: str) -> dict[tuple[str, ...], Any]:
        lines = told.json("traffic", "--by", by)["counts"]
        return {(line["kind"], *(line[name] for name in names)): line["count"] for line in lines}

    assert counts("event", "event_name") == {
        ("events", "page_viewed"): 2,
        ("events", "cart_viewed"): 1,
        ("events", "purchase_placed"): 1,
    }
    assert counts("consent", "consent") == {("events", "granted"): 3, ("events", "unknown"): 1}
    assert counts("copy", "key", "event_name") == {
        ("duplicates", "event_id", "page_viewed"): 1,
        ("merged", "order_id", "purchase_placed"): 1,
    }
    assert counts("source", "source")["accepted", "browser"] == 5
    assert counts("bot", "reason") == {("bots", "known_bot"): 1}
    [conversion] = told.json("traffic", "--by", "conversion")["counts"]
    assert (conversion["event_name"], conversion["currency"], conversion["amount"]) == (
        "purchase_placed",
        "EUR",
        "12.50",
    )


async def test_days_and_hours_are_told_apart(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    told.world.clock.jump_ms += HOUR_MS
    await told.take(event("e-9"))
    hours = told.json("traffic", "--by", "hour")["periods"]
    assert [one["accepted"] for one in hours] == [6, 1]
    days = told.json("traffic", "--by", "day", "--since", "2d")["periods"]
    assert sum(one["accepted"] for one in days) == 7
    assert all(one["since"].endswith("T00:00:00.000Z") for one in days)


@pytest.mark.parametrize("by", ["total", "hour", "day", "event", "source", "refusal", "copy", "destination"])
async def test_the_page_shows_it(autojump_clock: MockClock, make_world: MakeWorld, by: str) -> None:
    page = (await shop(make_world)).run("traffic", "--by", by)
    assert page.exit_code == 0, page.output
    assert ("nothing was counted" in page.stdout) == (by == "refusal")


async def test_the_api_tells_the_same(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    for by in ("total", "event", "destination"):
        answer = await api_of(told).get("/api/traffic", by=by, since="2026-01-01T00:00:00Z")
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"since": ""} == told.json("traffic", "--by", by, "--since", "2026-01-01T00:00:00Z") | {
            "since": ""
        }


@pytest.mark.parametrize(("name", "value"), [("by", "week"), ("since", "x"), ("site", "nowhere"), ("limit", "1")])
async def test_a_wrong_parameter_is_named(
    autojump_clock: MockClock, make_world: MakeWorld, name: str, value: str
) -> None:
    answer = await api_of(await shop(make_world)).get("/api/traffic", **{name: value})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, name)


async def test_where_there_are_several_sites_one_has_to_be_named(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin("shop", "other")
    answer = await api_of(told).get("/api/traffic")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "site")
    assert (await api_of(told).get("/api/traffic", site="other")).status_code == 200


# --- what the edge refuses -----------------------------------------------------------------------------------------


def refused(store: Store) -> dict[str, int]:
    return {column: count for hour in traffic.hours(store, "shop", 0, 1 << 60) for column, count in hour.counts.items()}


async def test_refusals_are_written_now_and_then_by_site_source_and_reason(
    store: Store, autojump_clock: MockClock
) -> None:
    told = Refusals()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.run, InlineWriter(store))
        told.add("shop", "browser", "wrong_origin", 2, START_MS)
        told.add("shop", "browser", "wrong_origin", 1, START_MS)
        told.add("", "server", "unknown_key", 1, START_MS)
        assert refused(store) == {}
        await trio.sleep(EVERY_S + 1)
        nursery.cancel_scope.cancel()
    assert refused(store) == {"refused:browser:wrong_origin": 3}


@pytest.mark.parametrize("error", [StoreFull(), StoreError("writing: a row that is none")])
async def test_refusals_that_could_not_be_written_are_written_later(
    store: Store, autojump_clock: MockClock, error: StoreError
) -> None:
    class Full(InlineWriter):
        def submit(self, apply: Apply) -> Ticket:
            raise error

    told = Refusals()
    told.add("shop", "server", "malformed", 1, START_MS)
    await told.write(Full(store))
    told.add("shop", "server", "malformed", 1, START_MS + DAY_MS)
    await told.write(InlineWriter(store))
    assert [hour.counts for hour in traffic.hours(store, "shop", 0, 1 << 60)] == [{"refused:server:malformed": 1}] * 2


def test_what_a_running_gateway_refuses_is_counted_when_it_has_stopped(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as running:
        assert running.send({"event_name": "page_viewed", "event_id": "e-1"}).status_code == 202
        assert running.send({"event_name": ""}).status_code == 400
        assert running.stop() == 0
        told = running.command("traffic", "--by", "refusal", "--json")
    assert '"source":"server","consent":"","key":"","reason":"invalid_field","currency":"","count":1' in told.stdout
