"""`gateway dry-run` and its API: what routes would do with an event, live and by the draft."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from actors.event import Consent, CustomData, EmailDigests, Event, UserData
from gateway.clock import wall_ms
from tests.gateway.api_client import Api, api_on
from tests.gateway.dry_running import TOKEN, Shop, at
from tests.support.making import VISITOR, event

BIG = {
    "id": "big",
    "destination": "meta",
    "filter": "event.custom_data.value > 50.0 && has(event.custom_data.currency)",
}
HALF = {"id": "half", "destination": "hook", "sample": {"rate": 0.5, "key": "event_id"}}
GRANTED = Consent(analytics="granted", marketing="granted")
AT = "/api/sites/shop/dry-run"


def cart(event_id: str, value: int, **changes: Any) -> Event:
    data = CustomData(value=Decimal(value), currency="EUR")
    user = UserData(anonymous_id=VISITOR, email=EmailDigests(sha256="ab" * 32))
    fields = {"source": "server", "consent": GRANTED, "custom_data": data, "user_data": user}
    return event(event_id, "cart_item_added", **{**fields, **changes})


def body(value: int, **consent: str) -> str:
    given = {"event_name": "cart_item_added", "event_id": "given", "custom_data": {"value": value, "currency": "EUR"}}
    user = {"email": "jane@example.com", "anonymous_id": VISITOR}
    return json.dumps({**given, "user_data": user, "consent": consent})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path)
    yield found
    found.world.close()


@pytest.fixture
def api(shop: Shop) -> Api:
    store = shop.world.store
    return api_on(store, make_control=shop.control, snapshot=lambda: shop.snapshot, now_ms=wall_ms)


async def test_live_and_the_draft_stand_side_by_side(shop: Shop) -> None:
    await shop.take(cart("c-1", 30))
    await shop.draft(BIG)
    told = shop.json("c-1", "--draft")
    live, draft = told["sides"]
    assert (at(live, "meta")["outcome"], at(draft, "meta")["outcome"]) == ("sent", "filtered")
    [route] = at(draft, "meta")["routes"]
    assert (route["route"], route["step"], route["part"]) == ("big", "filter", "event.custom_data.value > 50.0")
    assert told["differences"] == [{"destination": "meta", "what": "lost", "live": "sent", "draft": "filtered"}]


async def test_the_request_is_shown_without_secrets_and_of_a_stored_event_without_its_person(shop: Shop) -> None:
    await shop.take(cart("c-1", 30))
    [side] = shop.json("c-1")["sides"]
    request = at(side, "meta")["request"]
    assert request["method"] == "POST"
    assert request["body"]["data"][0]["custom_data"] == {"value": 30, "currency": "EUR"}
    shown = shop.run("c-1").stdout
    for hidden in (TOKEN, "not-set-in-this-terminal", "ab" * 32, VISITOR, "whsec_", "MfKQ9r8G"):
        assert hidden not in shown + json.dumps(side), hidden


async def test_a_transformation_is_shown_before_and_after(shop: Shop) -> None:
    await shop.take(cart("c-1", 80))
    steps = [{"step": "remove", "path": "user_data.email"}, {"step": "event_name", "name": "big_cart"}]
    await shop.draft({**BIG, "transform": steps})
    told = shop.json("c-1", "--draft")
    draft = at(told["sides"][1], "meta")
    assert draft["outcome"] == "sent"
    changes = {one["path"]: (one["before"], one["after"]) for one in draft["changes"]}
    assert changes.pop("event_name") == ("cart_item_added", "big_cart")
    assert changes == {"user_data.email": ("***", None)} or set(changes.values()) == {("***", None)}
    assert [one["what"] for one in told["differences"]] == ["payload"]


async def test_sampling_tells_what_was_drawn(shop: Shop) -> None:
    await shop.take(cart("c-1", 30))
    await shop.draft(HALF)
    found = at(shop.json("c-1", "--draft")["sides"][1], "hook")
    sample = found["sample"]
    assert (sample["rate"], sample["key"], sample["is_kept"]) == (0.5, "event_id", sample["u"] < 0.5)
    assert found["outcome"] == ("sent" if sample["is_kept"] else "sampled")


async def test_consent_tells_what_is_needed_and_where_it_was_learnt(shop: Shop) -> None:
    await shop.take(cart("c-1", 30, source="browser"))
    [side] = shop.json("-", stdin=body(80))["sides"]
    consent = at(side, "meta")["consent"]
    assert (consent["needed"], consent["states"]) == (["marketing"], {"marketing": "granted"})
    assert consent["learnt_from"] == "visitor"
    [side] = shop.json("-", stdin=body(80, marketing="denied"))["sides"]
    refused = at(side, "meta")
    assert (refused["outcome"], refused["words"]) == ("consent_denied", "consent is denied: marketing")


async def test_an_event_that_is_given_leaves_no_trace(shop: Shop) -> None:
    await shop.take(cart("c-1", 30))
    await shop.draft(BIG)
    before = shop.rows()
    shop.run("-", "--draft", stdin=body(80))
    shop.run("--last", "24h", "--draft")
    assert shop.rows() == before


async def test_a_published_route_is_live_for_a_dry_run_too(shop: Shop) -> None:
    number = await shop.publish(BIG)
    [side] = shop.json("-", stdin=body(30, marketing="granted"))["sides"]
    assert (side["version"], at(side, "meta")["outcome"]) == (number, "filtered")


async def test_many_events_are_summed_against_live(shop: Shop) -> None:
    await shop.take(*(cart(f"c-{value}", value) for value in (10, 20, 60, 70, 80)))
    await shop.take(cart("denied", 90, consent=Consent(marketing="denied", analytics="granted")))
    await shop.draft({**BIG, "transform": [{"step": "remove", "path": "user_data.email"}]})
    told = shop.json("--last", "1h", "--draft")
    assert (told["events"], told["is_cut"]) == (6, False)
    live, draft = (at(side, "meta") for side in told["sides"])
    assert (live["sent"], live["not_sent"]) == (5, {"consent_denied": 1})
    assert (draft["sent"], draft["not_sent"]) == (3, {"filtered": 2, "consent_denied": 1})
    assert (draft["new"], draft["lost"], draft["changed"]) == (0, 2, 3)
    assert (live["requests"], live["takes_s"]) == (1, 0.1)
    assert at(told["sides"][1], "hook")["changed"] == 0


async def test_what_a_platform_has_already_is_told_apart(shop: Shop, autojump_clock: MockClock) -> None:
    await shop.take(cart("c-1", 30))
    assert await shop.world.run_for(30)
    [side] = shop.json("--last", "1h")["sides"]
    assert (at(side, "meta")["in_window"], at(side, "hook")["past_window"]) == (1, 1)


async def test_no_more_than_asked_for_are_looked_at(shop: Shop) -> None:
    await shop.take(*(cart(f"c-{number}", 30) for number in range(5)))
    told = shop.json("--last", "1h", "--most", "3")
    assert (told["events"], told["is_cut"]) == (3, True)


async def test_copies_and_what_waits_are_left_out_of_the_sums(shop: Shop) -> None:
    await shop.take(cart("c-1", 30))
    await shop.take(cart("c-1", 30))
    await shop.take(event("p-1", "purchase_placed", custom_data=CustomData(order_id="o-1")))
    told = shop.json("--last", "1h")
    assert (told["events"], told["left_out"]) == (1, 1)


def test_what_cannot_be_tried_is_an_answer(shop: Shop) -> None:
    for arguments, stdin, code, words in (
        ((), "", 2, "say what to try"),
        (("x", "--last", "1h"), "", 2, "say what to try"),
        (("nothing-of-this-id",), "", 1, "no processed event of shop has the id"),
        (("nowhere.json",), "", 1, "nowhere.json: cannot be read"),
        (("-",), "{", 1, "JSON"),
        (("-",), '{"event_name": 3}', 1, "event_name"),
        (("-", "--site", "other"), "{}", 1, "'other' is not in the configuration"),
    ):
        done = shop.run(*arguments, stdin=stdin)
        assert (done.exit_code, words in done.stderr) == (code, True), done.output


async def test_the_page_tells_what_the_json_does(shop: Shop) -> None:
    await shop.take(cart("c-1", 80))
    await shop.draft(BIG, HALF)
    page = shop.run("c-1", "--draft").stdout
    for line in ("big decides by event.custom_data.value > 50.0", "rate 0.5 by event_id", "marketing granted"):
        assert line in page
    assert "meta" in shop.run("--last", "1h", "--draft").stdout


async def test_the_api_answers_as_the_command_does(shop: Shop, api: Api) -> None:
    await shop.take(cart("c-1", 30))
    await shop.draft(BIG)
    stored = (await api.ask("POST", AT, json={"event_id": "c-1", "draft": True})).json()
    assert [at(side, "meta")["outcome"] for side in stored["events"][0]["sides"]] == ["sent", "filtered"]
    given = await api.ask("POST", AT, json={"event": json.loads(body(80, marketing="granted"))})
    assert at(given.json()["events"][0]["sides"][0], "meta")["outcome"] == "sent"
    many = (await api.ask("POST", AT, json={"last": "1h", "draft": True})).json()["many"]
    assert at(many["sides"][1], "meta")["not_sent"] == {"filtered": 1}


async def test_the_api_refuses_what_cannot_be_tried(api: Api) -> None:
    for asked, status, field in (
        ({}, 400, "event"),
        ({"event_id": "x", "last": "1h"}, 400, "event"),
        ({"last": "soon"}, 400, "last"),
        ({"event": {"event_name": 3}}, 400, "event.event_name"),
        ({"event_id": "nothing"}, 404, ""),
    ):
        answer = await api.ask("POST", AT, json=asked)
        assert (answer.status_code, answer.json()["error"]["field"]) == (status, field), answer.text
    assert (await api.ask("POST", "/api/sites/nowhere/dry-run", json={"event_id": "x"})).status_code == 404
