"""GA4: what is sent, what each answer means, which names it takes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import DAY_S, Attempt, Delivered, Drop, Payload, Response, Retry, Split, Verdict
from actors.destinations.ga4 import Ga4
from actors.destinations.ga4_names import NAMES, RESERVED_EVENTS, fault_in_name, own_name, param_name
from actors.event import Consent, CustomData, Event, Item, UserData
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, case_names, everything, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
SECRET = "s3cr3t/+"
INVALID = {"validationMessages": [{"fieldPath": "events", "description": "bad", "validationCode": "NAME_INVALID"}]}


def ga4(**settings: Any) -> Ga4:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    basics: dict[str, Any] = {"id": "g", "measurement_id": "G-ABCDE12345", "api_secret": Secret(SECRET)}
    return Ga4(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = ga4(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def params(event: Event, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload(event, **settings).body)["params"]
    return found


def judged(status: int, body: bytes = b"", headers: dict[str, str] | None = None, **settings: Any) -> Verdict:
    batch = [payload(purchase(), **settings)] * 2
    verdicts = ga4(**settings).judge(Response(status=status, headers=headers or {}, body=body), batch)
    assert list(verdicts) == [verdicts[0]] * 2
    return verdicts[0]


@pytest.mark.parametrize("name", case_names("ga4"))
def test_case(name: str) -> None:
    case, event = read_case("ga4", name)
    destination = ga4(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    request = ga4(api_secret=Secret("abc")).request([payload(purchase())], ATTEMPT)
    assert request.method == "POST"
    assert request.url == "https://www.google-analytics.com/mp/collect?measurement_id=G-ABCDE12345&api_secret=abc"
    assert dict(request.headers)["content-type"] == "application/json"


def test_secret_is_escaped_in_the_address() -> None:
    assert ga4().request([payload(purchase())], ATTEMPT).url.endswith("api_secret=s3cr3t%2F%2B")


def test_eu_host_and_validation_endpoint_are_settings() -> None:
    destination = ga4(base_url="https://region1.google-analytics.com", validate_only=True)
    url = destination.request([payload(purchase())], ATTEMPT).url
    assert url.startswith("https://region1.google-analytics.com/debug/mp/collect?")


def test_several_events_of_a_client_each_carry_their_own_time() -> None:
    batch = [payload(purchase(event_id=f"e-{index}", occurred_at_ms=AT_MS - index)) for index in range(3)]
    body = json.loads(ga4().request(batch, ATTEMPT).body)
    assert "timestamp_micros" not in body
    assert [event["timestamp_micros"] for event in body["events"]] == [(AT_MS - index) * 1000 for index in range(3)]


def test_events_that_differ_at_request_level_share_no_request() -> None:
    base = payload(purchase()).envelope
    other_client = purchase(user_data=UserData(ga_client_id="9.9"))
    other_consent = purchase(consent=Consent(marketing="granted"))
    assert len({base, payload(other_client).envelope, payload(other_consent).envelope}) == 3
    assert payload(purchase(event_id="e-2", occurred_at_ms=AT_MS - 1)).envelope == base


def test_event_has_at_most_25_parameters_and_its_own_come_first() -> None:
    flood = CustomData(order_id="o-1", properties={f"p{index}": index for index in range(100)})
    found = params(purchase(custom_data=flood))
    assert len(found) == 25
    assert found["transaction_id"] == "o-1"


def test_items_are_bounded() -> None:
    many = CustomData(order_id="o-1", items=tuple(Item(id=str(index)) for index in range(300)))
    assert len(params(purchase(custom_data=many))["items"]) == 200


def test_long_event_id_stands_in_whole_for_an_order_id() -> None:
    first, second = (purchase(event_id="x" * 110 + end, custom_data=CustomData()) for end in "ab")
    ids = [params(event)["transaction_id"] for event in (first, second)]
    assert len(set(ids)) == 2
    assert max(len(one) for one in ids) <= 100


ANSWERS: dict[str, tuple[int, Verdict | type[Verdict]]] = {
    "no content": (204, Delivered()),
    "any other 2xx": (200, Delivered()),
    "malformed": (400, Drop("answer 400: no")),
    "no such path": (404, Drop("answer 404: no")),
    "too large": (413, Split),
    "too many": (429, Retry("answer 429: no", is_throttle=True)),
    "server error": (500, Retry("answer 500: no")),
    "unavailable": (503, Retry("answer 503: no")),
    "request timeout": (408, Retry("answer 408: no")),
    "redirect": (307, Retry("answer 307: no")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, expected = ANSWERS[name]
    verdict = judged(status, b"no")
    assert isinstance(verdict, expected) if isinstance(expected, type) else verdict == expected


@pytest.mark.parametrize(("header", "after_s"), [("30", 30.0), ("9999999", DAY_S), ("soon", None), ("-5", None)])
def test_retry_after_is_kept_within_a_day(header: str, after_s: float | None) -> None:
    assert judged(503, headers={"retry-after": header}) == Retry("answer 503: ", after_s=after_s)


def test_validation_endpoint_tells_what_is_wrong() -> None:
    assert isinstance(judged(200, b'{"validationMessages":[]}', validate_only=True), Delivered)
    assert isinstance(judged(200, b"<html>", validate_only=True), Retry)
    refused = judged(200, json.dumps(INVALID).encode(), validate_only=True)
    assert isinstance(refused, Split)
    assert "NAME_INVALID" in refused.reason


def test_reason_holds_neither_secret_nor_person() -> None:
    user = everything().user_data
    echo = f"{SECRET} s3cr3t%2F%2B {user.client_ip} {user.external_id} {user.ga_client_id} new york 10001"
    verdicts = ga4().judge(Response(status=400, body=echo.encode()), [payload(everything())])
    assert verdicts == [Drop("answer 400: *** *** *** *** *** *** ***")]


@pytest.mark.parametrize("name", [*sorted(RESERVED_EVENTS), "_x", "firebase_x", "ga_x", "google_x", "query_id1"])
def test_reserved_event_name_is_dropped(name: str) -> None:
    encoded = ga4().encode(purchase(event_name=name))
    assert isinstance(encoded, Drop)
    assert "reserved" in encoded.reason


@pytest.mark.parametrize("name", ["1st_visit", "", " ", "!!!", "é", "x" * 41])
def test_event_name_that_cannot_be_put_right_is_dropped(name: str) -> None:
    assert isinstance(ga4().encode(purchase(event_name=name)), Drop)


def test_own_names_of_ga4_are_never_reserved() -> None:
    assert [name for name in NAMES.values() if name is None or fault_in_name(name)] == []


@given(st.text(max_size=60))
def test_name_that_passes_is_made_of_letters_digits_and_underscore(text: str) -> None:
    for name in (own_name(text), param_name(text)):
        if name is not None and fault_in_name(name) is None:
            assert name.isascii()
            assert name.replace("_", "a").isalnum()
            assert name[0].isalpha()
            assert len(name) <= 40


@given(st.text(max_size=60))
def test_putting_a_name_right_twice_changes_nothing(text: str) -> None:
    assert own_name(own_name(text)) == own_name(text)


def test_settings_at_fault_are_named() -> None:
    wrong = ga4(measurement_id="UA-1234-5", api_secret=Secret(""))
    assert [field for field, _ in wrong.problems()] == ["measurement_id", "api_secret"]
    assert list(ga4().problems()) == []
