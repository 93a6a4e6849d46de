"""The simulated Reddit refuses what Reddit refuses, and the adapter understands its words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Delivered, Drop, Pause, Payload, Response, Retry, Verdict
from actors.destinations.reddit import Reddit
from actors.event import Consent, UserData
from actors.secret import Secret
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.reddit import RedditSim
from tests.actors.destinations.cases import purchase

AT_MS = 1_795_166_130_250
HASH = "a" * 64
HEADERS = {"authorization": "Bearer t", "content-type": "application/json"}
PATH = "/api/v3/pixels/a2_abc/conversion_events"
EVENT: dict[str, Any] = {
    "event_at": AT_MS,
    "action_source": "WEBSITE",
    "type": {"tracking_type": "PURCHASE"},
    "user": {"email": HASH},
    "metadata": {"conversion_id": "e-1", "value": 10.5, "currency": "EUR"},
}


def ask(sim: RedditSim, *events: object, test_id: object = None, **changes: Any) -> SimResponse:
    data = {"events": list(events or [EVENT])} | ({"test_id": test_id} if test_id is not None else {})
    request: dict[str, Any] = {"method": "POST", "path": PATH, "query": {}, "at_ms": AT_MS, "headers": HEADERS}
    return sim.answer(SimRequest(**(request | {"body": json.dumps({"data": data}).encode()} | changes)))


def verdict(answer: SimResponse) -> type[Verdict]:
    destination = Reddit(id="r", pixel_id="a2_abc", access_token=Secret("t"))
    response = Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
    [found] = destination.judge(response, [Payload(json.dumps(EVENT).encode())])
    return type(found)


def test_right_events_are_taken_under_channel_kind_and_id() -> None:
    sim = RedditSim()
    custom = {**EVENT, "type": {"tracking_type": "CUSTOM", "custom_event_name": "quiz"}, "action_source": "APP"}
    answer = ask(sim, EVENT, custom)
    assert (answer.status, verdict(answer), sim.refused) == (200, Delivered, [])
    assert [one.key for one in sim.accepted] == ["WEBSITE/PURCHASE/e-1", "APP/quiz/e-1"]


def test_test_events_do_not_count() -> None:
    sim = RedditSim()
    assert ask(sim, test_id="t2_x").status == 200
    assert sim.accepted == []


FAULTS: dict[str, object] = {
    "seconds for milliseconds": {**EVENT, "event_at": AT_MS // 1000},
    "older than a week": {**EVENT, "event_at": AT_MS - 8 * 86_400_000},
    "in the future": {**EVENT, "event_at": AT_MS + 600_000},
    "time as text": {**EVENT, "event_at": "2026-11-20T09:15:30Z"},
    "lower-case channel": {**EVENT, "action_source": "website"},
    "name of version 2": {**EVENT, "type": {"tracking_type": "Purchase"}},
    "custom without a name": {**EVENT, "type": {"tracking_type": "CUSTOM"}},
    "standard with a name": {**EVENT, "type": {"tracking_type": "LEAD", "custom_event_name": "x"}},
    "long name": {**EVENT, "type": {"tracking_type": "CUSTOM", "custom_event_name": "x" * 65}},
    "plain email": {**EVENT, "user": {"email": "j@example.com"}},
    "unknown identifier": {**EVENT, "user": {"email": HASH, "city": "x"}},
    "address and user agent alone": {**EVENT, "user": {"ip_address": HASH, "user_agent": "Mozilla/5.0"}},
    "value without currency": {**EVENT, "metadata": {"value": 1}},
    "value as text": {**EVENT, "metadata": {"value": "1", "currency": "EUR"}},
    "page of an app": {**EVENT, "action_source": "APP", "event_source_url": "https://shop.example.com/"},
    "no object": [],
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_bad_event_refuses_the_whole_request(name: str) -> None:
    sim = RedditSim()
    answer = ask(sim, EVENT, FAULTS[name])
    assert (answer.status, sim.accepted, len(sim.refused)) == (400, [], 1)
    assert json.loads(answer.body)["error"]["code"] == 400
    assert verdict(answer) is Drop


def test_test_id_inside_an_event_is_an_unknown_field() -> None:
    answer = ask(RedditSim(), {**EVENT, "test_id": "t2_x"})
    assert (answer.status, verdict(answer)) == (400, Pause)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {**HEADERS, "authorization": "Bearer other"}}, 401),
        ({"headers": {**HEADERS, "authorization": ""}}, 401),
        ({"path": PATH.replace("a2_abc", "a2_other")}, 404),
        ({"path": PATH.replace("v3", "v2.0")}, 404),
        ({"method": "GET"}, 404),
    ],
)
def test_stranger_is_refused_and_the_adapter_pauses(changes: dict[str, Any], status: int) -> None:
    answer = ask(RedditSim(pixel_id="a2_abc", access_token="t"), **changes)
    assert (answer.status, verdict(answer)) == (status, Pause)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"events":[]}', b'{"data":{"events":[]}}', b'{"data":{"event":[]}}'])
def test_other_envelope_is_refused(body: bytes) -> None:
    assert ask(RedditSim(), body=body).status == 400


@given(st.text(max_size=12) | st.sampled_from(["California", "US-NY", "ca", "new york"]), st.text(max_size=4))
def test_place_beside_limited_data_use_has_a_form_that_reddit_takes(region: str, country: str) -> None:
    user = UserData(external_id="c-1", region=region, country=country)
    event = purchase(user_data=user, consent=Consent(sale_of_data="denied"))
    destination, sim = Reddit(id="r", pixel_id="a2_abc", access_token=Secret("t")), RedditSim()
    encoded = destination.encode(event)
    assert isinstance(encoded, Payload)
    assert ask(sim, json.loads(encoded.body)).status == 200
    assert sim.accepted[0].event["user"]["data_processing_options"]["modes"] == ["LDU"]


def test_more_than_a_thousand_events_are_refused() -> None:
    assert ask(RedditSim(), *[EVENT] * 1_001).status == 400


def test_adapter_understands_the_faults_it_plays() -> None:
    sim = RedditSim()
    assert verdict(sim.bad_token()) is Pause
    assert {verdict(answer) for answer in (sim.rate_limited(30), sim.rate_limited(None), sim.failed(500))} == {Retry}
