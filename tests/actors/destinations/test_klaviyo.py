"""Klaviyo: what is sent alone and in a job, what each answer means."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import (
    DAY_S,
    Again,
    Attempt,
    Delivered,
    Drop,
    Pause,
    Payload,
    Response,
    Retry,
    Split,
    Verdict,
)
from actors.destinations.klaviyo import NAMES, Klaviyo
from actors.event import CustomData, Event, Plaintext, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from bench.simulator import SimRequest
from bench.simulator.klaviyo import KlaviyoSim
from tests.actors.destinations.cases import AT_MS, case_names, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
KEY = "pk_EXAMPLE"
PLACE = "/data/attributes/events-bulk-create/data/"


def klaviyo(**settings: Any) -> Klaviyo:
    return Klaviyo(**{"id": "k", "api_key": Secret(KEY), **settings})


def customer(number: int = 1, **changes: Any) -> Event:
    """An event of a customer of whom the plaintext is opened."""
    plain = Plaintext(email=f"jane{number}@example.com", phone=f"+1831555014{number}")
    user = UserData(external_id=f"cust_{number}", plain=plain, city="Santa Cruz")
    return purchase(**{"event_id": f"e-{number}", "user_data": user, **changes})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = klaviyo(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def sent(*events: Event) -> Any:
    return json.loads(klaviyo().request([payload(event) for event in events], ATTEMPT).body)


def errors(*pointers: str, code: str = "invalid") -> dict[str, Any]:
    told = [
        {"code": code, "title": "Invalid input.", "detail": f"no {pointer}", "source": {"pointer": pointer}}
        for pointer in pointers
    ]
    return {"errors": told}


def judged(status: int, body: object = None, events: int = 3, **headers: str) -> list[Verdict]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    batch = [payload(customer(number)) for number in range(1, events + 1)]
    return list(klaviyo().judge(Response(status=status, headers=named, body=raw), batch))


@pytest.mark.parametrize("name", case_names("klaviyo"))
def test_case(name: str) -> None:
    case, event = read_case("klaviyo", name)
    destination = klaviyo(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_goes_with_the_headers_of_the_page() -> None:
    request = klaviyo().request([payload(customer())], ATTEMPT)
    assert (request.method, request.url) == ("POST", "https://a.klaviyo.com/api/events")
    assert dict(request.headers) == {
        "authorization": "Klaviyo-API-Key pk_EXAMPLE",
        "revision": "2026-07-15",
        "content-type": "application/vnd.api+json",
        "accept": "application/vnd.api+json",
    }


def test_example_of_a_job_is_the_pages() -> None:
    case, event = read_case("klaviyo", "worked_example_of_a_site_that_keeps_hashes")
    destination = klaviyo(plaintext=False)
    request = destination.request([payload(event), payload(customer())], ATTEMPT)
    body = json.loads(request.body)
    attributes = dict(case.body["data"]["attributes"])
    profile = attributes.pop("profile")
    group = {"profile": profile, "events": {"data": [{"type": "event", "attributes": attributes}]}}
    jobs = body["data"]["attributes"]["events-bulk-create"]["data"]
    assert request.url == "https://a.klaviyo.com/api/event-bulk-create-jobs"
    assert body["data"]["type"] == "event-bulk-create-job"
    assert jobs[0] == {"type": "event-bulk-create", "attributes": group}
    assert len(jobs) == 2


def test_revision_and_host_are_settings() -> None:
    destination = klaviyo(api_version="2026-04-15", base_url="http://127.0.0.1:1/klaviyo/")
    request = destination.request([payload(customer())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/klaviyo/api/events"
    assert dict(request.headers)["revision"] == "2026-04-15"


def test_every_canonical_name_is_mapped_or_left_out_on_purpose() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert [name for name in CANONICAL_NAMES if not klaviyo().takes(name)] == ["message_clicked"]


def test_plaintext_is_opened_unless_the_setting_says_no() -> None:
    assert klaviyo().opens_plaintext()
    assert not klaviyo(plaintext=False).opens_plaintext()


def test_purchase_with_ordered_products_shares_no_request() -> None:
    items = msgspec.convert([{"id": "a", "quantity": 1}], tuple[Any, ...])
    data = msgspec.convert({"items": list(items), "order_id": "7"}, CustomData)
    first, second = (payload(customer(number, custom_data=data), ordered_products=True) for number in (1, 2))
    assert b"" != first.envelope != second.envelope
    assert payload(customer(custom_data=data)).envelope == b""


def test_time_is_never_later_than_the_arrival() -> None:
    assert sent(customer(occurred_at_ms=AT_MS + 60_000))["data"]["attributes"]["time"] == "2026-11-20T09:15:30.250Z"


def test_properties_keep_within_klaviyos_bounds() -> None:
    deep: Any = 1
    for _ in range(10):
        deep = {"a": deep}
    properties = {"deep": deep, "ok": deep["a"], "long": [1] * 4_001, **{f"p{index}": index for index in range(500)}}
    found = sent(customer(custom_data=CustomData(properties=properties)))["data"]["attributes"]["properties"]
    assert len(found) == 400
    assert {"deep", "long"} & found.keys() == set()
    assert "ok" in found


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_text_makes_the_strict_platform_refuse(identifier: str, phone: str) -> None:
    plain = Plaintext(email=identifier, phone=phone, first_name=identifier, street=phone)
    user = UserData(external_id="x" + identifier, klaviyo_id=identifier, kx=phone, city=phone, plain=plain)
    event = purchase(user_data=user, custom_data=CustomData(coupon=phone, properties={identifier: phone}))
    request = klaviyo().request([payload(event)], ATTEMPT)
    sim = KlaviyoSim()
    headers = dict(request.headers)
    asked = SimRequest(method="POST", path="/api/events", query={}, headers=headers, body=request.body, at_ms=AT_MS)
    assert sim.answer(asked).status == 202, sim.refused


ANSWERS: dict[str, tuple[int, object, Any]] = {
    "accepted": (202, b"", Delivered),
    "any other 2xx": (200, b"", Delivered),
    "a 2xx with errors is a failure": (200, errors("/data"), Split),
    "key missing, wrong or revoked": (401, errors("", code="not_authenticated"), Pause),
    "key without events:write": (403, {"errors": []}, Pause),
    "wrong path": (404, b"", Pause),
    "wrong method": (405, b"", Pause),
    "wrong media type": (415, b"", Pause),
    "retired revision": (410, errors(code="revision_retired"), Pause),
    "fault in a header": (400, {"errors": [{"detail": "no", "source": {"parameter": "revision"}}]}, Pause),
    "conflict in a job": (409, errors(PLACE + "0/attributes"), Split),
    "refused without a place": (400, {"errors": [{"detail": "no"}]}, Split),
    "refused in a place that is no event's": (400, errors("/data/attributes"), Split),
    "refused in a place that was not sent": (400, errors(PLACE + "7/attributes"), Split),
    "refused by a proxy": (400, b"<html>", Split),
    "too large": (413, b"", Split),
    "rate limit": (429, errors(), Retry),
    "klaviyo's side": (503, b"", Retry),
    "unforeseen": (302, b"", Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, expected = ANSWERS[name]
    assert [type(verdict) for verdict in judged(status, body)] == [expected] * 3


@pytest.mark.parametrize(("status", "body"), [(400, errors("/data")), (409, errors("/data")), (413, b"")])
def test_event_refused_alone_is_dropped(status: int, body: object) -> None:
    [verdict] = judged(status, body, events=1)
    assert isinstance(verdict, Drop)
    assert str(status) in verdict.reason


def test_named_events_are_dropped_and_the_others_go_out_again() -> None:
    pointers = [PLACE + "0/attributes/profile/data/attributes/email", PLACE + "2/attributes/events/data/0/attributes"]
    verdicts = judged(400, errors(*pointers))
    assert [type(verdict) for verdict in verdicts] == [Drop, Again, Drop]
    assert isinstance(verdicts[0], Drop)
    assert verdicts[0].reason == f"400 invalid: Invalid input.: no {pointers[0]} ({pointers[0]})"


def test_repeats_in_a_job_are_parted_and_none_is_lost() -> None:
    batch = [payload(customer(1)), payload(customer(2)), payload(customer(1))]
    body = json.dumps(errors(PLACE + "0/attributes", PLACE + "2/attributes")).encode()
    verdicts = klaviyo().judge(Response(status=400, body=body), batch)
    assert [type(verdict) for verdict in verdicts] == [Split, Again, Split]


@pytest.mark.parametrize(("header", "after_s"), [("30", 30.0), ("9999999", DAY_S), ("soon", None), ("-5", None)])
def test_rate_limit_waits_as_long_as_klaviyo_says(header: str, after_s: float | None) -> None:
    [verdict] = judged(429, b"", events=1, retry_after=header)
    assert isinstance(verdict, Retry)
    assert (verdict.after_s, verdict.is_throttle) == (after_s, True)


def test_reason_holds_neither_key_nor_person() -> None:
    echo = f"{KEY} jane1@example.com +18315550141 cust_1 Santa Cruz profile".encode()
    verdicts = klaviyo().judge(Response(status=400, body=echo), [payload(customer())])
    assert verdicts == [Drop("400 *** *** *** *** *** profile")]


def test_settings_at_fault_are_named() -> None:
    wrong = klaviyo(api_key=Secret("Klaviyo-API-Key pk"), api_version="v3")
    assert [field for field, _ in wrong.problems()] == ["api_key", "api_version"]
    assert list(klaviyo().problems()) == []
