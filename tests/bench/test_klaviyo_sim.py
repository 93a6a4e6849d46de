"""The simulated Klaviyo refuses what the real one would, and names the place."""

import copy
import json
from typing import Any

import pytest

from actors.destinations.base import Attempt, Payload
from actors.destinations.klaviyo import Klaviyo
from actors.event import Event, UserData
from actors.secret import Secret
from bench.simulator import SimRequest, SimResponse
from bench.simulator.klaviyo import KlaviyoSim
from tests.actors.destinations.cases import AT_MS, purchase

DESTINATION = Klaviyo(id="k", api_key=Secret("pk"))
OF_PROFILE = ("profile", "data", "attributes")


def customer(number: int) -> Event:
    return purchase(event_id=f"e-{number}", user_data=UserData(external_id=f"cust_{number}"))


def ask(sim: KlaviyoSim, *events: Event, path: str | None = None, body: Any = None, **headers: str) -> SimResponse:
    payloads = [payload for event in events if isinstance(payload := DESTINATION.encode(event), Payload)]
    made = DESTINATION.request(payloads, Attempt(at_ms=AT_MS))
    raw = made.body if body is None else json.dumps(body).encode()
    return sim.answer(
        SimRequest(
            method="POST",
            path=path or made.url.removeprefix("https://a.klaviyo.com"),
            query={},
            headers={**dict(made.headers), **headers},
            body=raw,
            at_ms=AT_MS,
        )
    )


def changed(path: tuple[str, ...], value: object) -> Any:
    """A good event with one place set; None takes it out."""
    payload = DESTINATION.encode(customer(1))
    assert isinstance(payload, Payload)
    body = copy.deepcopy(json.loads(DESTINATION.request([payload], Attempt(at_ms=AT_MS)).body))
    place = body["data"]["attributes"]
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return body


def pointers(answer: SimResponse) -> list[str]:
    return [error["source"].get("pointer") for error in json.loads(answer.body)["errors"]]


def test_event_alone_and_a_job_are_taken_under_profile_metric_and_unique_id() -> None:
    sim = KlaviyoSim()
    assert [ask(sim, customer(1)).status, ask(sim, customer(2), customer(3)).status] == [202, 202]
    assert [one.key for one in sim.accepted] == [f"cust_{number}/Placed Order/e-{number}" for number in (1, 2, 3)]
    assert sim.refused == []


def test_bad_event_refuses_the_job_and_is_named() -> None:
    sim, good = KlaviyoSim(), DESTINATION.encode(customer(1))
    assert isinstance(good, Payload)
    bad = Payload(good.body.replace(b'"external_id"', b'"email"'))
    made = DESTINATION.request([good, bad], Attempt(at_ms=AT_MS))
    answer = ask(sim, customer(1), customer(2), body=json.loads(made.body))
    place = "/data/attributes/events-bulk-create/data/1/attributes/profile/data/attributes/email"
    assert (answer.status, pointers(answer), sim.accepted) == (400, [place], [])


def test_repeat_in_a_job_refuses_it_and_alone_is_taken() -> None:
    sim = KlaviyoSim()
    assert ask(sim, customer(1), customer(1)).status == 400
    assert [ask(sim, customer(1)).status, ask(sim, customer(1)).status] == [202, 202]
    assert len({one.key for one in sim.accepted}) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metric", "data", "attributes", "name"), "x" * 128),
        (("metric",), None),
        (("time",), "2026-11-20T09:15:30"),
        (("time",), "1999-12-31T23:59:59Z"),
        (("time",), "2028-01-01T00:00:00Z"),
        (("value",), "10.50"),
        (("value_currency",), "eur"),
        (("properties",), {str(index): 1 for index in range(401)}),
        (("properties",), {"$event_id": "x"}),
        (("properties",), {"a": [1] * 4_001}),
        (("unknown",), 1),
        ((*OF_PROFILE, "email"), "a" * 64),
        ((*OF_PROFILE, "phone_number"), "8315550142"),
        ((*OF_PROFILE, "external_id"), "x" * 256),
        ((*OF_PROFILE, "external_id"), None),
        ((*OF_PROFILE, "gender"), "f"),
    ],
)
def test_event_with_one_fault_is_refused(path: tuple[str, ...], value: object) -> None:
    sim = KlaviyoSim()
    assert ask(sim, customer(1), body=changed(path, value)).status == 400
    assert (len(sim.refused), sim.accepted) == (1, [])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"authorization": "Bearer pk"}, 401),
        ({"authorization": "Klaviyo-API-Key other"}, 401),
        ({"revision": ""}, 400),
        ({"revision": "2026-10-15"}, 400),
        ({"revision": "2024-10-15"}, 410),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_call_with_a_wrong_header_is_refused(change: dict[str, str], status: int) -> None:
    sim = KlaviyoSim(api_key="pk")
    assert ask(sim, customer(1), **change).status == status
    assert len(sim.refused) == 1


def test_wrong_path_too_large_and_too_many_are_refused() -> None:
    sim = KlaviyoSim()
    assert ask(sim, customer(1), path="/client/events").status == 404
    assert ask(sim, customer(1), body="x" * 5_000_001).status == 413
    assert ask(sim, *(customer(number) for number in range(1_001))).status == 400


def test_rate_limit_says_when_to_come_back() -> None:
    assert KlaviyoSim().rate_limited(30).headers[-1] == ("retry-after", "30")
    assert KlaviyoSim().rate_limited(None).status == 429
