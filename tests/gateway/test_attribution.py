"""`gateway attribution`, `gateway conversions` and the credit in `gateway explain`, over a store with journeys."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from actors.event import Consent, CustomData, Event, Page, UserData
from gateway.commands.attribution_defaults import shown_for
from store import versions
from tests.gateway.told_store import Told
from tests.support.making import HOUR_MS, VISITOR, event, purchase
from tests.support.platform import FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
GRANTED = Consent(analytics="granted", marketing="granted")


def landing(event_id: str, url: str, visitor: str = VISITOR, referrer: str | None = None) -> Event:
    return event(
        event_id, page=Page(url=url, referrer=referrer), user_data=UserData(anonymous_id=visitor), consent=GRANTED
    )


def bought(event_id: str, order_id: str) -> Event:
    user = UserData(anonymous_id=VISITOR)
    return purchase(event_id, order_id=order_id, value="30.00", user_data=user, consent=GRANTED)


async def now(told: Told, *events: Event, later_ms: int = 10 * 60_000) -> None:
    """They happen as they arrive, ten minutes after what came before."""
    for one in events:
        told.world.clock.jump_ms += later_ms
        await told.take(msgspec.structs.replace(one, occurred_at_ms=told.world.clock.now_ms()), seconds=10)


async def shop(make_world: MakeWorld) -> Told:
    """A visitor who came by e-mail and by a search ad and bought, and one of whom nothing is known but the order."""
    told = Told(make_world)
    await told.begin()
    told.world.clock.jump_ms -= 6 * HOUR_MS
    await now(
        told,
        landing("l-1", "https://shop.test/?utm_source=klaviyo&utm_medium=email&utm_campaign=autumn"),
        landing("l-2", "https://shop.test/?gclid=Cj0abc"),
        bought("p-1", "o-1"),
        purchase("p-2", "server", "o-2", value="12.50"),
    )
    return told


def told_lines(report: dict[str, Any], model: str) -> dict[str, str | None]:
    return {line["name"]: line["net"] for line in report["lines"] if line["model"] == model}


async def test_credit_adds_up_to_the_value_of_all_conversions(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    report = (await shop(make_world)).json("attribution", "--model", "all")
    [total] = report["totals"]
    assert (total["currency"], total["conversions"], total["net"]) == ("EUR", 2, "42.50")
    for model in {line["model"] for line in report["lines"]}:
        amounts = [Decimal(line["net"]) for line in report["lines"] if line["model"] == model]
        assert sum(amounts) == Decimal("42.50"), model
    assert told_lines(report, "last_non_direct")["paid_search"] == "30.00"
    assert told_lines(report, "linear") | {"(unattributed)": ""} == {
        "email": "15.00",
        "paid_search": "15.00",
        "(unattributed)": "",
    }


async def test_gaps_say_why_and_what_to_do(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    report = (await shop(make_world)).json("attribution")
    [gap] = report["gaps"]
    assert (gap["gap"], gap["conversions"], gap["net"]) == ("no_identity", 1, "12.50")
    assert "cart attributes" in gap["what_to_do"]


async def test_credit_is_told_by_source_and_by_campaign(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    by_source = told_lines(told.json("attribution", "--by", "source", "--model", "linear"), "linear")
    assert {"klaviyo": "15.00", "google": "15.00"}.items() <= by_source.items()
    by_campaign = told_lines(told.json("attribution", "--by", "campaign", "--model", "first_touch"), "first_touch")
    assert by_campaign["autumn"] == "30.00"


@pytest.mark.parametrize("model", ["markov", "shapley"])
async def test_learnt_models_say_that_there_is_not_enough_data(
    autojump_clock: MockClock, make_world: MakeWorld, model: str
) -> None:
    told = await shop(make_world)
    [rests_on] = told.json("attribution", "--model", model)["rests_on"]
    assert rests_on["why"] == "not enough data: 1 conversions, it takes 300"
    assert "not enough data" in told.run("attribution", "--model", model).stdout


@pytest.mark.parametrize("arguments", [(), ("--model", "all"), ("--by", "campaign"), ("--since", "7d")])
async def test_the_page_shows_totals_lines_and_gaps(
    autojump_clock: MockClock, make_world: MakeWorld, arguments: tuple[str, ...]
) -> None:
    told = await shop(make_world)
    page = told.run("attribution", *arguments)
    assert page.exit_code == 0, page.output
    assert "no_identity" in page.stdout
    assert ("paid_search" in page.stdout) == ("campaign" not in arguments)


async def test_a_time_without_conversions_says_so(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    assert "no conversions" in told.run("attribution", "--since", "2999-01-01T00:00:00Z").stdout
    assert told.lines("conversions", "--since", "2999-01-01T00:00:00Z") == []


async def test_conversions_are_listed_the_newest_first_with_winner_and_path(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    lost, won = (await shop(make_world)).lines("conversions")
    assert (won["order_id"], won["path"], won["status"]) == ("o-1", "email > paid_search", "provisional")
    assert (won["winner"]["source"], won["winner"]["net"], won["confidence"]) == ("google", "30.00", "high")
    assert (lost["order_id"], lost["winner"], lost["gap"]) == ("o-2", None, "no_identity")


async def test_conversions_are_chosen_by_gap_and_by_model(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    assert [line["order_id"] for line in told.lines("conversions", "--gap", "no_identity")] == ["o-2"]
    assert told.lines("conversions", "--gap", "direct_only") == []
    first = told.lines("conversions", "--model", "first_touch")[-1]
    assert (first["winner"]["source"], first["winner"]["campaign"]) == ("klaviyo", "autumn")
    assert len(told.lines("conversions", "--limit", "1")) == 1
    assert "accepted 1 of 1" in told.run("conversions").stdout


async def test_what_platforms_got_is_compared_with_the_credit(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world, Single(id="meta-main"), Single(id="ads"), ads=FakeSender(play=lambda _: "drop"))
    told.world.clock.jump_ms -= 6 * HOUR_MS
    await _publish(told, {"shop": ["meta-main (meta)", "ads (google_ads)"]})
    await now(told, landing("l", "https://shop.test/?gclid=Cj0abc"), bought("p-1", "o-1"))
    [line] = told.lines("conversions")
    delivery = line["delivery"]
    assert delivery["summary"] == "accepted 1 of 2"
    assert (delivery["credited_not_accepted"], delivery["accepted_without_touchpoint"]) == (["ads"], ["meta-main"])
    page = told.run("explain", "p-1").stdout
    assert "ads has credit and did not take the conversion" in page


async def _publish(told: Told, sites: dict[str, list[str]]) -> None:
    text = msgspec.json.encode(sites).decode()
    await versions.publish(told.world.store, told.world.writer, at_ms=1, fingerprint=text, summary=text)


async def test_explain_tells_path_credit_and_confidence(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    story = told.json("explain", "p-1")["conversion"]
    assert [touch["channel"] for touch in story["path"]] == ["email", "paid_search"]
    assert (story["net"], story["version"], story["cause"], story["gap"]) == ("30.00", 1, "conversion", "")
    models = {one["model"]: one for one in story["models"]}
    assert len(models) == 8
    assert [one["net"] for one in models["linear"]["credits"]] == ["15.00", "15.00"]
    assert (models["last_non_direct"]["winner"], models["last_non_direct"]["confidence"]) == (2, "high")
    page = told.run("explain", "p-1").stdout
    assert all(word in page for word in ("Attribution", "email > paid_search", "time_decay", "version 1 (conversion)"))


async def test_explain_tells_a_gap_and_what_to_do(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    page = (await shop(make_world)).run("explain", "p-2").stdout
    assert "no_identity" in page
    assert "cart attributes" in page


async def test_a_refund_is_a_version_with_its_cause_and_lowers_the_net_value(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = await shop(make_world)
    data = CustomData(order_id="o-1", value=Decimal("10.00"), currency="EUR")
    await now(told, event("r-1", "order_refunded", source="shopify_webhook", custom_data=data), later_ms=1_000)
    story = told.json("explain", "p-1")["conversion"]
    assert (story["version"], story["cause"], story["gross"], story["net"]) == (2, "refund", "30.00", "20.00")
    assert [(one["version"], one["cause"], one["net"]) for one in story["versions"]] == [(1, "conversion", "30.00")]
    assert told.json("attribution")["totals"][0]["net"] == "32.50"


async def test_an_event_that_is_no_conversion_has_no_credit(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    assert told.json("explain", "l-1")["conversion"] is None
    assert "Attribution" not in told.run("explain", "l-1").stdout


def test_the_default_model_is_the_one_that_the_file_names_for_the_site(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[[sites]]\nid = "a"\n[sites.attribution]\ndefault_model = "linear"\ndirect_credit = "always"\n'
        '[[sites]]\nid = "b"\n[sites.attribution]\ndefault_model = "nonsense"\n'
    )
    assert (shown_for(file, "a").default_model, shown_for(file, "a").direct_credit) == ("linear", "always")
    assert shown_for(file, "b").default_model == "last_non_direct"
    assert shown_for(tmp_path / "absent.toml", "a").default_model == "last_non_direct"


async def test_an_unknown_site_is_named(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await shop(make_world)
    for command in ("attribution", "conversions"):
        assert "no site 'other'" in told.run(command, "--site", "other").output
