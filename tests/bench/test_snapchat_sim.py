"""The simulated Snapchat stops at the first bad event, names it and takes nothing of its request."""

import json
from typing import Any

import pytest

from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.snapchat import SnapchatSim

AT_MS = 1_795_166_130_250
PATH = "/v3/3f2b8c1e-0d57/events"
HASH = "a" * 64
EVENT: dict[str, Any] = {
    "event_name": "PURCHASE",
    "action_source": "WEB",
    "event_time": AT_MS // 1000,
    "event_id": "e-1",
    "event_source_url": "https://shop.example.com/",
    "user_data": {"em": [HASH]},
    "custom_data": {"value": 10.5, "currency": "EUR"},
}


def ask(sim: SnapchatSim, *events: object, path: str = PATH, **query: str) -> SimResponse:
    headers = {"content-type": "application/json"}
    raw = json.dumps({"data": list(events)}).encode()
    query = query or {"access_token": "t"}
    return sim.answer(SimRequest(method="POST", path=path, query=query, headers=headers, body=raw, at_ms=AT_MS))


def test_right_event_is_taken_under_its_asset_name_and_id() -> None:
    sim = SnapchatSim()
    assert json.loads(ask(sim, EVENT).body)["status"] == "VALID"
    assert [accepted.key for accepted in sim.accepted] == ["3f2b8c1e-0d57/PURCHASE/e-1"]
    assert sim.refused == []


FAULTS: dict[str, dict[str, Any]] = {
    "unknown name": EVENT | {"event_name": "LEAD"},
    "older than 7 days": EVENT | {"event_time": AT_MS // 1000 - 8 * 86_400},
    "in the future": EVENT | {"event_time": AT_MS // 1000 + 3_600},
    "milliseconds for seconds": EVENT | {"event_time": AT_MS},
    "purchase without value": EVENT | {"custom_data": {"currency": "EUR"}},
    "purchase without currency": EVENT | {"custom_data": {"value": 1}},
    "plain email": EVENT | {"user_data": {"em": ["jane@example.com"]}},
    "click id alone": EVENT | {"user_data": {"sc_click_id": "x"}},
    "half of the pair": EVENT | {"user_data": {"client_user_agent": "Mozilla/5.0"}},
    "birth date": EVENT | {"user_data": {"em": [HASH], "db": [HASH]}},
    "web without a page": {name: value for name, value in EVENT.items() if name != "event_source_url"},
    "app without app_data": EVENT | {"action_source": "MOBILE_APP"},
    "price as a number": EVENT | {"custom_data": {**EVENT["custom_data"], "contents": [{"id": "a", "item_price": 1}]}},
    "unknown kind": EVENT | {"action_source": "EMAIL"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_refuses(name: str) -> None:
    sim = SnapchatSim()
    answer = ask(sim, EVENT, FAULTS[name], EVENT)
    fields = json.loads(answer.body)
    assert (answer.status, fields["status"], fields["event"]) == (400, "INVALID", 1)
    assert (sim.accepted, len(sim.refused)) == ([], 1)


def test_test_endpoint_records_nothing_and_judges_each_event() -> None:
    sim = SnapchatSim()
    fields = json.loads(ask(sim, EVENT, EVENT | {"event_name": "LEAD"}, path=f"{PATH}/validate").body)
    assert [log["status"] for log in fields["event_logs"]] == ["VALID", "INVALID"]
    assert sim.accepted == []


def test_token_asset_path_and_size_are_checked() -> None:
    sim = SnapchatSim(asset_id="3f2b8c1e-0d57", access_token="t")
    assert ask(sim, EVENT, access_token="other").status == 401
    assert ask(sim, EVENT, test="true").status == 401
    assert ask(sim, EVENT, path="/v3/another/events").status == 403
    assert ask(sim, EVENT, path="/v2/conversion").status == 404
    assert ask(sim).status == ask(sim, *[EVENT] * 2_001).status == 400
    assert ask(sim, EVENT).status == 200
