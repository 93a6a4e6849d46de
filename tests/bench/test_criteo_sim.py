"""The simulated Criteo says yes to any content and keeps the faults."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Delivered, Drop, Pause, Payload, Response, Retry, Verdict
from actors.destinations.criteo import NAMES, Criteo
from actors.event import CustomData, Item
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.criteo import CriteoSim
from tests.actors.destinations.cases import purchase

SALE: dict[str, Any] = {"event": "trackTransaction", "id": "100234", "item": [{"id": "a", "price": 1.5, "quantity": 1}]}
MESSAGE: dict[str, Any] = {
    "version": "gateway_1.0",
    "account": "98765",
    "site_type": "d",
    "id": {"mapping_key": "4321", "mapped_user_id": "k-1"},
    "events": [SALE],
}


def ask(sim: CriteoSim, body: object = None, **changes: Any) -> SimResponse:
    request: dict[str, Any] = {"method": "POST", "path": "/m/event", "query": {"version": "s2s_v0"}, "at_ms": 1}
    request |= {"headers": {"content-type": "application/json"}, "body": json.dumps(body or MESSAGE).encode()}
    return sim.answer(SimRequest(**(request | changes)))


def verdict(answer: SimResponse) -> type[Verdict]:
    destination = Criteo(id="c", partner_id="98765", caller_id="4321")
    response = Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
    [found] = destination.judge(response, [Payload(json.dumps(MESSAGE).encode())])
    return type(found)


def test_sale_is_taken_under_its_transaction() -> None:
    sim = CriteoSim()
    assert verdict(ask(sim)) is Delivered
    assert [(one.key, one.event) for one in sim.accepted] == [("trackTransaction/100234", MESSAGE)]
    assert sim.refused == []


FAULTS: dict[str, dict[str, Any]] = {
    "account with letters": {"account": "x1"},
    "country in lower case": {"country": "us"},
    "language in upper case": {"language": "EN"},
    "user agent with an underscore": {"user_agent": "Mozilla/5.0"},
    "nobody": {"id": {"mapping_key": "4321"}},
    "no caller": {"id": {"mapped_user_id": "k-1"}},
    "plain email": {"id": {"mapping_key": "4321", "email": {"raw": "j@example.com"}}},
    "no event": {"events": []},
    "sale without a transaction": {"events": [{"event": "trackTransaction"}]},
    "page view with a transaction": {"events": [{"event": "viewPage", "id": "1"}]},
    "login with items": {"events": [{"event": "login", "item": [{"id": "a"}]}]},
    "basket without prices": {"events": [{"event": "viewBasket", "item": [{"id": "a"}]}]},
    "items spelled as a plural": {"events": [{"event": "viewItem", "items": [{"id": "a"}]}]},
    "unknown event": {"events": [{"event": "Purchase"}]},
    "time in seconds": {"events": [{"event": "viewPage", "timestamp": 1_795_166_130}]},
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_the_content_is_kept_and_the_answer_says_yes(name: str) -> None:
    sim = CriteoSim()
    assert ask(sim, MESSAGE | FAULTS[name]).status == 200
    assert (sim.accepted, len(sim.refused)) == ([], 1)


@pytest.mark.parametrize(
    "changes", [{"path": "/event"}, {"query": {}}, {"method": "GET"}, {"headers": {"content-type": "text/plain"}}]
)
def test_request_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    sim = CriteoSim()
    assert verdict(ask(sim, **changes)) is Drop
    assert len(sim.refused) == 1


ITEMS = st.lists(
    st.builds(
        Item,
        id=st.none() | st.text(max_size=3),
        price=st.none() | st.decimals(min_value=-5, max_value=5, places=2),
        quantity=st.none() | st.integers(0, 5),
    ),
    max_size=4,
)


@given(ITEMS, st.sampled_from(sorted(name for name, own in NAMES.items() if own)))
def test_whatever_the_items_are_criteo_keeps_no_fault(items: list[Item], name: str) -> None:
    event = purchase(event_name=name, custom_data=CustomData(items=tuple(items)))
    encoded = Criteo(id="c", partner_id="98765", caller_id="4321").encode(event)
    assert isinstance(encoded, Payload)
    sim = CriteoSim()
    ask(sim, json.loads(encoded.body))
    assert (sim.refused, len(sim.accepted)) == ([], 1)


def test_other_region_is_told_by_a_redirect() -> None:
    answer = ask(CriteoSim(region="https://widget.eu.criteo.com"))
    assert (answer.status, verdict(answer)) == (307, Pause)


def test_adapter_understands_the_faults_it_plays() -> None:
    sim = CriteoSim()
    assert verdict(sim.rate_limited(30)) is verdict(sim.rate_limited(None)) is Retry
    assert verdict(sim.bad_token()) is Delivered
