"""The simulated Taboola refuses the little that the real one does, and tells what that would lose."""

import json
from typing import Any

import pytest

from bench.simulator import SimRequest, SimResponse
from bench.simulator.taboola import POSTBACK, TaboolaSim
from tests.actors.destinations.cases import AT_MS

BULK = "/1234567/log/3/bulk-s2s-action"
ACTION: dict[str, Any] = {"click-id": "GiExample_-1", "timestamp": AT_MS, "name": "make_purchase", "orderid": "o-1"}
PARAMETERS = {"click-id": "GiExample_-1", "name": "make_purchase", "revenue": "9.9", "currency": "USD", "orderid": "o"}


def post(sim: TaboolaSim, body: object, path: str = BULK, content_type: str = "application/json") -> SimResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type}
    return sim.answer(SimRequest(method="POST", path=path, query={}, headers=headers, body=raw, at_ms=AT_MS))


def get(sim: TaboolaSim, path: str = POSTBACK, **query: str) -> SimResponse:
    return sim.answer(SimRequest(method="GET", path=path, query=query, headers={}, body=b"", at_ms=AT_MS))


def test_action_is_taken_by_both_ways() -> None:
    sim = TaboolaSim(account_id="1234567")
    assert [post(sim, {"actions": [ACTION]}).status, get(sim, **PARAMETERS).status] == [204, 204]
    assert [one.key for one in sim.accepted] == ["make_purchase/o-1/GiExample_-1", "make_purchase/o/GiExample_-1"]
    assert sim.refused == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("click-id", "giexample"),
        ("timestamp", AT_MS // 1000),
        ("timestamp", str(AT_MS)),
        ("name", ""),
        ("revenue", "9.90"),
        ("currency", "usd"),
        ("currency", "CHF"),
        ("quantity", 1.5),
        ("email", "jane@example.com"),
    ],
)
def test_bad_action_is_lost_in_silence_and_told_here(name: str, value: object) -> None:
    sim = TaboolaSim()
    assert post(sim, {"actions": [ACTION, {**ACTION, name: value}]}).status == 204
    assert (len(sim.accepted), len(sim.refused)) == (1, 1)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"click-id": ""}, 400),
        ({"click-id": "not one"}, 400),
        ({"name": ""}, 400),
        ({"currency": "usd"}, 204),
        ({"revenue": "much"}, 204),
        ({"clickid": "x"}, 204),
    ],
)
def test_bad_postback_is_refused_or_told_here(change: dict[str, str], status: int) -> None:
    sim = TaboolaSim()
    assert get(sim, **{**PARAMETERS, **change}).status == status
    assert (len(sim.refused), sim.accepted) == (1, [])


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"no JSON", {}, 400),
        ({"actions": []}, {}, 400),
        ({"actions": [ACTION] * 1_001}, {}, 400),
        ({"actions": [ACTION], "account": 1}, {}, 400),
        ({"actions": [ACTION]}, {"content_type": "text/plain"}, 400),
        ({"actions": [ACTION]}, {"path": "/my-shop/log/3/bulk-s2s-action"}, 404),
        ({"actions": [ACTION]}, {"path": "/7/log/3/bulk-s2s-action"}, 404),
    ],
)
def test_request_of_the_wrong_form_is_refused_whole(body: object, more: dict[str, str], status: int) -> None:
    sim = TaboolaSim(account_id="1234567")
    assert post(sim, body, **more).status == status
    assert (len(sim.refused), sim.accepted) == (1, [])


def test_no_account_and_too_many_requests_are_answered() -> None:
    sim = TaboolaSim()
    assert sim.bad_token().status == 404
    assert [sim.rate_limited(5).headers, sim.rate_limited(None).headers] == [(("retry-after", "5"),), ()]
