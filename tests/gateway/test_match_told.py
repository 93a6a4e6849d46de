"""The estimated match quality as the commands tell it: explain, deliveries, stream."""

from collections.abc import Callable

import pytest
from trio.testing import MockClock

from gateway import exit_codes
from gateway.commands.match_story import match_story, match_words
from store.records import MatchRow
from tests.actors.test_match_of_deliveries import FULL, META, Anywhere, visitor
from tests.gateway.api_client import api_on
from tests.gateway.told_store import Told
from tests.support.making import purchase
from tests.support.platform import answer
from tests.support.world import World

MakeWorld = Callable[..., World]


async def told_of(make_world: MakeWorld, *fields: str) -> Told:
    """One event with these identifiers, delivered to Meta."""
    told = Told(make_world, META, meta=Anywhere())
    await told.begin()
    await told.take(visitor(*fields), seconds=10)
    return told


async def test_explain_tells_the_estimate_and_what_is_missing(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await told_of(make_world, "email", "external_id", "fbp", "client_ip", "client_user_agent")
    match = told.json("explain", "e-1")["destinations"][0]["match_quality"]
    assert match["estimated"] == 5.1
    assert match["counted"] == ["email", "external_id", "fbp", "client_user_agent"]
    assert match["missing"][0] == {"identifier": "phone", "adds": 2.0, "is_there": False}
    text = " ".join(told.run("explain", "e-1").stdout.split())
    assert "match quality 5.1 of 10 estimated; phone would add 2.0, fbc 2.0, name 0.3" in text
    assert "there, but not sent or not valid: client_ip (0.3)" in text  # an address of the documentation


async def test_deliveries_and_stream_show_the_estimate(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await told_of(make_world, "email", "external_id")
    assert [line["match_quality_estimated"] for line in told.lines("deliveries")] == [4.0]
    assert "match est." in told.run("deliveries").stdout
    assert told.lines("stream")[0]["match_quality_estimated"] == {"meta": 4.0}
    assert "match est.: meta 4.0" in told.run("stream").stdout


async def test_the_api_tells_the_estimate(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world, META, meta=Anywhere())
    await told.begin()
    await told.take(visitor("email", "external_id"), seconds=10)
    api = api_on(told.world.store, now_ms=told.world.clock.now_ms)
    [line] = (await api.get("/api/deliveries")).json()["deliveries"]
    [story] = (await api.get("/api/events/shop/e-1")).json()["events"]
    assert line["match_quality_estimated"] == 4.0
    assert story["destinations"][0]["match_quality"]["estimated"] == 4.0


async def test_the_summary_tells_mean_and_share_by_event_name_and_source(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world, META, meta=Anywhere(answer(400, {"error": {"code": 100, "message": "no"}})))
    await told.begin()
    await told.take(visitor("email"), seconds=10)  # refused: it counts nowhere
    good = visitor("email", "phone", "external_id", "fbp", "fbc").user_data
    for number, user in enumerate((visitor("email").user_data, good)):
        await told.take(purchase(f"p-{number}", "server", f"o-{number}", user_data=user), seconds=10)
    [line] = told.lines("deliveries", "--summary")
    assert (line["event_name"], line["source"], line["delivered"]) == ("purchase_placed", "server", 2)
    assert (line["mean_estimated"], line["share_at_7_or_more"]) == (5.9, 0.5)
    assert (line["carried"]["email"], line["carried"]["fbc"], line["carried"]["client_ip"]) == (1.0, 0.5, 0.0)
    shown = told.run("deliveries", "--summary").stdout
    assert "match quality, estimated" in shown
    assert "fbc 50%" in shown


async def test_a_summary_of_a_status_is_refused(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await told_of(make_world, "email")
    assert told.run("deliveries", "--summary", "--status", "failed").exit_code == exit_codes.USAGE


@pytest.mark.parametrize(
    ("platform", "name"), [("reddit", "rdt_cid"), ("klaviyo", "kx or klaviyo_id"), ("gone", "click_id")]
)
def test_a_click_id_is_told_by_the_platforms_own_name(platform: str, name: str) -> None:
    match = match_story(MatchRow(tenths=0, counted=0, taken=0b100), platform, None)
    assert match_words(match) == f"match quality 0.0 of 10 estimated; {name} would add 10.0"


def test_an_event_that_lacks_nothing_is_told_without_gaps() -> None:
    match = match_story(MatchRow(tenths=100, counted=0x1FF, taken=0x1FF), "meta", FULL)
    assert match_words(match) == "match quality 10.0 of 10 estimated"
