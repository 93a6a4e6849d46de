"""The simulated Pinterest judges each event, and refuses a whole request for one unknown property."""

import json
from typing import Any

import pytest

from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.pinterest import PinterestSim

AT_MS = 1_795_166_130_250
PATH = "/v5/ad_accounts/549700000123/events"
HASH = "a" * 64
EVENT: dict[str, Any] = {
    "event_name": "checkout",
    "action_source": "web",
    "event_time": AT_MS // 1000,
    "event_id": "e-1",
    "user_data": {"em": [HASH]},
    "custom_data": {"value": "10.50", "currency": "EUR"},
}


def ask(sim: PinterestSim, *events: object, token: str = "Bearer t", path: str = PATH, **query: str) -> SimResponse:
    headers = {"content-type": "application/json", "authorization": token}
    raw = json.dumps({"data": list(events)}).encode()
    return sim.answer(SimRequest(method="POST", path=path, query=query, headers=headers, body=raw, at_ms=AT_MS))


def test_each_event_is_judged_alone() -> None:
    sim = PinterestSim()
    answer = json.loads(ask(sim, EVENT, EVENT | {"user_data": {"ph": [HASH]}}).body)
    assert [event["status"] for event in answer["events"]] == ["processed", "failed"]
    assert (answer["num_events_received"], answer["num_events_processed"]) == (2, 1)
    assert [accepted.key for accepted in sim.accepted] == ["checkout/e-1"]
    assert len(sim.refused) == 1


MALFORMED: dict[str, dict[str, Any]] = {
    "unknown property": EVENT | {"referrer_url": "https://x.example"},
    "unknown identifier": EVENT | {"user_data": {"em": [HASH], "customer_type": "new"}},
    "unknown fact": EVENT | {"custom_data": {"tax": "1.00"}},
    "value as a number": EVENT | {"custom_data": {"value": 10.5, "currency": "EUR"}},
    "plain email": EVENT | {"user_data": {"em": ["jane@example.com"]}},
    "hash outside an array": EVENT | {"user_data": {"em": HASH}},
    "milliseconds for seconds": EVENT | {"event_time": AT_MS},
    "unknown kind": EVENT | {"action_source": "website"},
    "no event id": {name: value for name, value in EVENT.items() if name != "event_id"},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_event_refuses_the_whole_request(name: str) -> None:
    sim = PinterestSim()
    answer = ask(sim, EVENT, MALFORMED[name])
    assert (answer.status, json.loads(answer.body)["code"]) == (400, 4196)
    assert (sim.accepted, len(sim.refused)) == ([], 1)


FAILED: dict[str, dict[str, Any]] = {
    "only half of the pair": EVENT | {"user_data": {"client_ip_address": "203.0.113.7"}},
    "address of nobody": EVENT | {"user_data": {"em": [HASH], "client_ip_address": "0.0.0.0"}},
    "value of zero": EVENT | {"custom_data": {"value": "0.00", "currency": "EUR"}},
    "LDP without a place": EVENT | {"custom_data": {"opt_out_type": "LDP"}},
}


@pytest.mark.parametrize("name", FAILED)
def test_event_at_fault_fails_alone(name: str) -> None:
    sim = PinterestSim()
    [result] = json.loads(ask(sim, FAILED[name]).body)["events"]
    assert result["status"] == "failed"
    assert (sim.accepted, len(sim.refused)) == ([], 1)


def test_advertiser_has_at_most_15_names_of_its_own() -> None:
    sim = PinterestSim()
    names = [*(f"own_{number}" for number in range(16)), "OWN_1"]
    answer = json.loads(ask(sim, *(EVENT | {"event_name": name} for name in names)).body)
    assert [event["status"] for event in answer["events"]] == ["processed"] * 15 + ["failed", "processed"]


def test_of_a_test_request_nothing_is_recorded_and_20_events_are_looked_at() -> None:
    sim = PinterestSim()
    answer = json.loads(ask(sim, *[EVENT] * 21, test="true").body)
    assert (len(answer["events"]), sim.accepted) == (20, [])


def test_token_and_account_are_checked() -> None:
    sim = PinterestSim(ad_account_id="549700000123", access_token="t")
    assert ask(sim, EVENT, token="Bearer other").status == 401
    assert ask(sim, EVENT, token="t").status == 401
    assert ask(sim, EVENT, path="/v5/ad_accounts/1/events").status == 404
    assert ask(sim, *[EVENT] * 1_001).status == 400
    assert ask(sim, EVENT).status == 200
