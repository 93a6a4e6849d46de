"""The simulated Awin refuses what the real one would."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bench.simulator import SimRequest, SimResponse
from bench.simulator.awin import AwinSim
from tests.actors.destinations.cases import AT_MS
from tests.actors.destinations.test_awin import SREAD_EXAMPLE

HEADERS = {"x-api-key": "t", "content-type": "application/json"}
ORDER: dict[str, Any] = {
    "orderReference": "o-1",
    "amount": 10.5,
    "channel": "aw",
    "currency": "EUR",
    "awc": "12345_1795032251_0f3c5e0b",
    "commissionGroups": [{"code": "DEFAULT", "amount": 10.5}],
}


def post(sim: AwinSim, body: object, path: str = "/s2s/advertiser/12345/orders", **headers: str) -> SimResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = json.dumps(body).encode()
    return sim.answer(
        SimRequest(method="POST", path=path, query={}, headers={**HEADERS, **named}, body=raw, at_ms=AT_MS)
    )


def get(sim: AwinSim, **changes: str) -> SimResponse:
    query = {**dict(parse_qsl(urlsplit(SREAD_EXAMPLE).query)), **changes}
    return sim.answer(SimRequest(method="GET", path="/sread.php", query=query, headers={}, body=b"", at_ms=AT_MS))


def test_order_is_taken_under_its_reference_by_both_ways() -> None:
    sim = AwinSim()
    assert [post(sim, {"orders": [ORDER]}).status, get(sim).status] == [200, 200]
    assert [one.key for one in sim.accepted] == ["order/o-1", "order/100234"]
    assert sim.refused == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("orderReference", "x" * 51),
        ("orderReference", ""),
        ("amount", "10.50"),
        ("amount", -1),
        ("currency", "eur"),
        ("channel", ""),
        ("commissionGroups", []),
        ("commissionGroups", [{"code": "default", "amount": 10.5}]),
        ("commissionGroups", [{"code": "DEFAULT", "amount": 9}]),
        ("awc", "a b"),
        ("awc", None),
        ("customerAcquisition", "new"),
        ("transactionTime", AT_MS),
        ("basket", [{"id": "a|b", "name": "a", "price": 1, "quantity": 1}]),
        ("basket", [{"id": "a", "name": "a", "price": 1}]),
        ("custom", {"128": "x"}),
        ("custom", {"1": ["x"]}),
        ("email", "jane@example.com"),
    ],
)
def test_bad_order_fails_alone_and_is_named(name: str, value: object) -> None:
    sim, bad = AwinSim(), {**ORDER, "orderReference": "o-2", name: value}
    answer = post(sim, {"orders": [ORDER, {field: bad[field] for field in bad if bad[field] is not None}]})
    assert answer.status == 206
    assert [one["orderReference"] for one in json.loads(answer.body)["failedOrders"]] == [bad["orderReference"]]
    assert ([one.key for one in sim.accepted], len(sim.refused)) == (["order/o-1"], 1)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"orders": []}, {}, 400),
        ({"orders": [ORDER] * 1_001}, {}, 400),
        ({"orders": [ORDER], "more": 1}, {}, 400),
        ({"orders": [ORDER]}, {"content_type": "text/plain"}, 400),
        ({"orders": [ORDER]}, {"x_api_key": "Bearer t"}, 401),
        ({"orders": [ORDER]}, {"x_api_key": "other"}, 401),
        ({"orders": [ORDER]}, {"path": "/s2s/advertiser/9/orders"}, 403),
        ({"orders": [ORDER]}, {"path": "/advertisers/12345/conversions"}, 404),
    ],
)
def test_call_that_has_no_right_or_no_form_is_refused(body: object, headers: dict[str, str], status: int) -> None:
    sim = AwinSim(api_key="t", advertiser_id="12345")
    assert post(sim, body, **headers).status == status
    assert (len(sim.refused), sim.accepted) == (1, [])


@pytest.mark.parametrize(
    "change",
    [
        {"tt": "ns"},
        {"merchant": ""},
        {"amount": "109.8"},
        {"parts": "default:109.80"},
        {"cks": "x y"},
        {"ref": "x" * 51},
        {"testmode": "yes"},
        {"bd[0]": "AW:P|12345|100234"},
        {"email": "jane@example.com"},
    ],
)
def test_sread_loses_a_fault_in_silence_and_it_is_told_here(change: dict[str, str]) -> None:
    sim = AwinSim()
    assert get(sim, **change).status == 200
    assert (len(sim.refused), sim.accepted) == (1, [])


def test_refusals_are_in_awins_words() -> None:
    assert json.loads(AwinSim().bad_token().body)["error"] == "unauthorized"
    assert [AwinSim().rate_limited(5).status, AwinSim().failed(503).status] == [429, 503]
