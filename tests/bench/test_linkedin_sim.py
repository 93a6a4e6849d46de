"""The simulated LinkedIn refuses what LinkedIn refuses, in its words, and the adapter understands them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Again, Delivered, Drop, Pause, Payload, Response, Retry, Verdict
from actors.destinations.linkedin import LinkedIn
from actors.secret import Secret
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.linkedin import LinkedInSim

AT_MS = 1_795_166_130_250
HEADERS = {
    "authorization": "Bearer t",
    "linkedin-version": "202609",
    "x-restli-method": "BATCH_CREATE",
    "content-type": "application/json",
}
EVENT: dict[str, Any] = {
    "conversion": "urn:lla:llaPartnerConversion:12345678",
    "conversionHappenedAt": AT_MS,
    "conversionValue": {"currencyCode": "XXX", "amount": "96.40"},
    "eventId": "e-1",
    "user": {"userIds": [{"idType": "PLAINTEXT_IP_ADDRESS", "idValue": "999.0.113.24"}]},
}


def ask(sim: LinkedInSim, *events: dict[str, Any], body: object = None, **changes: Any) -> SimResponse:
    sent = {"elements": list(events or [EVENT])} if body is None else body
    request: dict[str, Any] = {"method": "POST", "path": "/rest/conversionEvents", "query": {}, "at_ms": AT_MS}
    request |= {"headers": HEADERS, "body": json.dumps(sent).encode()}
    return sim.answer(SimRequest(**(request | changes)))


def verdicts(answer: SimResponse, *events: dict[str, Any]) -> list[type[Verdict]]:
    destination = LinkedIn(id="l", conversion_rules={"purchase_placed": "12345678"}, access_token=Secret("t"))
    payloads = [Payload(json.dumps(event).encode()) for event in events or [EVENT]]
    response = Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
    return [type(verdict) for verdict in destination.judge(response, payloads)]


def test_right_event_is_taken_though_its_content_is_invented() -> None:
    sim = LinkedInSim()
    answer = ask(sim, EVENT, EVENT)
    assert (answer.status, json.loads(answer.body)) == (200, {"elements": [{"status": 201}, {"status": 201}]})
    assert [one.key for one in sim.accepted] == ["12345678/e-1"] * 2
    assert verdicts(answer, EVENT, EVENT) == [Delivered, Delivered]


def test_bare_event_is_created_without_a_body() -> None:
    bare = {name: value for name, value in HEADERS.items() if name != "x-restli-method"}
    assert ask(LinkedInSim(), body=EVENT, headers=bare) == SimResponse(status=201)


STRUCTURE: dict[str, dict[str, Any]] = {
    "amount as number": {"conversionValue": {"currencyCode": "USD", "amount": 96.4}},
    "amount without currency": {"conversionValue": {"amount": "96.40"}},
    "unknown field": {"orderId": "1048"},
    "other urn": {"conversion": "urn:li:conversion:1"},
    "seconds for milliseconds": {"conversionHappenedAt": AT_MS // 1000},
    "time as text": {"conversionHappenedAt": str(AT_MS)},
    "long id": {"eventId": "x" * 65},
    "no user ids": {"user": {"externalIds": ["c"]}},
    "nobody": {"user": {"userIds": []}},
    "two external ids": {"user": {"userIds": [], "externalIds": ["a", "b"]}},
    "unknown kind of id": {"user": {"userIds": [{"idType": "ORACLE_MOAT_ID", "idValue": "x"}]}},
    "plain email": {"user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": "j@example.com"}]}},
    "ipv6": {"user": {"userIds": [{"idType": "PLAINTEXT_IP_ADDRESS", "idValue": "2001:db8::1"}]}},
    "lead of the shop": {"user": {"userIds": [], "lead": "lead-1"}},
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_one_bad_event_refuses_all_and_is_named(name: str) -> None:
    sim, bad = LinkedInSim(), {**EVENT, **STRUCTURE[name]}
    answer = ask(sim, EVENT, bad)
    assert (answer.status, sim.accepted, len(sim.refused)) == (422, [], 1)
    assert json.loads(answer.body)["message"].startswith("Index: 1, ERROR :: /")
    assert verdicts(answer, EVENT, bad) == [Again, Drop]


@given(st.lists(st.sampled_from([*STRUCTURE, None]), min_size=1, max_size=8))
def test_whichever_events_are_bad_they_alone_are_dropped(names: list[str | None]) -> None:
    events = [{**EVENT, **STRUCTURE[name]} if name else EVENT for name in names]
    found = verdicts(ask(LinkedInSim(), *events), *events)
    innocent = Again if any(names) else Delivered
    assert found == [Drop if name else innocent for name in names]


def test_second_fault_of_an_event_has_no_index() -> None:
    bad = {**EVENT, "user": {"userIds": [], "userInfo": {"countryCode": "US"}}}
    lines = json.loads(ask(LinkedInSim(), bad).body)["message"].splitlines()
    assert [line.startswith("Index: 0") for line in lines] == [True, False]


def test_time_beyond_ninety_days_and_in_the_future_is_named() -> None:
    old, ahead = (
        {**EVENT, "conversionHappenedAt": AT_MS - 91 * 86_400_000},
        {**EVENT, "conversionHappenedAt": AT_MS + 1},
    )
    answer = ask(LinkedInSim(), old, EVENT, ahead)
    assert (answer.status, "indices [0, 2]" in answer.body.decode()) == (400, True)
    assert verdicts(answer, old, EVENT, ahead) == [Retry, Again, Retry]  # this answer carries no Date


@pytest.mark.parametrize(("state", "status"), [("insight_tag", 400), ("disabled", 400), (None, 403)])
def test_wrong_rule_pauses_the_adapter(state: Any, status: int) -> None:
    answer = ask(LinkedInSim(rules={"12345678": state} if state else {}))
    assert (answer.status, verdicts(answer)) == (status, [Pause])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"path": "/rest/conversions"}, 404),
        ({"method": "GET"}, 405),
        ({"headers": {**HEADERS, "authorization": ""}}, 401),
        ({"headers": {**HEADERS, "authorization": "Bearer other"}}, 401),
        ({"headers": {**HEADERS, "linkedin-version": "202511"}}, 426),
        ({"headers": {name: value for name, value in HEADERS.items() if name != "linkedin-version"}}, 400),
    ],
)
def test_stranger_is_refused_and_the_adapter_pauses(changes: dict[str, Any], status: int) -> None:
    answer = ask(LinkedInSim(access_token="t"), **changes)
    assert (answer.status, verdicts(answer)) == (status, [Pause])


@pytest.mark.parametrize("elements", [[], [EVENT] * 5_001, "x"])
def test_request_of_another_size_is_refused(elements: object) -> None:
    assert ask(LinkedInSim(), body={"elements": elements}).status == 400


def test_adapter_understands_the_faults_it_plays() -> None:
    sim = LinkedInSim()
    assert verdicts(sim.bad_token()) == [Pause]
    assert verdicts(sim.rate_limited(30)) == verdicts(sim.rate_limited(None)) == verdicts(sim.failed(500)) == [Retry]
