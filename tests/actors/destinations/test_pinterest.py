"""Pinterest: what is sent, what each answer means for each event."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations import ads_shared as shared
from actors.destinations.base import (
    DAY_S,
    Attempt,
    Delivered,
    Drop,
    Pause,
    Payload,
    Response,
    Retry,
    Split,
    Verdict,
    sha256,
)
from actors.destinations.pinterest import NAMES, Pinterest
from actors.event import Event, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, case_names, everything, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "pina_AEXAMPLE"


def pinterest(**settings: Any) -> Pinterest:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    basics: dict[str, Any] = {"id": "p", "ad_account_id": "549700000123", "access_token": Secret(TOKEN)}
    return Pinterest(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = pinterest(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def judged_each(status: int, body: object, **headers: str) -> list[Verdict]:
    """The verdicts on a request of three events."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(status=status, headers=named, body=raw)
    return list(pinterest().judge(response, [payload(everything())] * 3))


def judged(status: int, body: object, **headers: str) -> Verdict:
    verdicts = judged_each(status, body, **headers)
    assert verdicts == [verdicts[0]] * 3
    return verdicts[0]


def results(*statuses: str, message: str | None = "unknown event", warning: str | None = None) -> dict[str, Any]:
    events = [
        {"status": status, "error_message": message if status == "failed" else None, "warning_message": warning}
        for status in statuses
    ]
    return {"num_events_received": 3, "num_events_processed": statuses.count("processed"), "events": events}


def refusal(code: int, **more: Any) -> dict[str, Any]:
    return {"code": code, "message": "words of Pinterest", **more}


@pytest.mark.parametrize("name", case_names("pinterest"))
def test_case(name: str) -> None:
    case, event = read_case("pinterest", name)
    destination = pinterest(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        body = destination.request([encoded], ATTEMPT).body
        assert json.dumps(json.loads(body)) == json.dumps(case.body), "in the page's order too"


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    _, event = read_case("pinterest", "worked_example")
    request = pinterest().request([payload(event)], ATTEMPT)
    assert (request.method, request.url) == ("POST", "https://api.pinterest.com/v5/ad_accounts/549700000123/events")
    assert dict(request.headers) == {
        "authorization": f"Bearer {TOKEN}",
        "content-type": "application/json",
        "accept": "application/json",
    }


def test_version_and_host_are_settings() -> None:
    request = pinterest(api_version="v6", base_url="http://127.0.0.1:1/p").request([payload(purchase())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/p/v6/ad_accounts/549700000123/events"


def test_in_test_mode_nothing_is_recorded_and_each_event_goes_alone() -> None:
    first, second = payload(purchase(), test=True), payload(purchase(event_id="e-2"), test=True)
    assert pinterest(test=True).request([first], ATTEMPT).url.endswith("/events?test=true")
    assert first.envelope != second.envelope
    assert payload(purchase()).envelope == payload(purchase(event_id="e-2")).envelope


def test_every_canonical_name_is_decided() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert pinterest().max_age_s(purchase()) is None, "no age limit is documented"


def test_digests_are_those_of_the_page() -> None:
    sent = json.loads(payload(everything()).body)["user_data"]
    assert sent["ph"] == [sha256("12125550123")]
    assert (sent["fn"], sent["ln"]) == ([sha256("ann-lee")], [sha256("o'neil")])
    assert sent["db"] == [sha256("19900423")]


@pytest.mark.parametrize(
    ("value", "country", "plain"),
    [
        ("CA", "US", "ca"),
        ("California", "US", "ca"),
        ("US-CA", "us", "ca"),
        ("CA-ON", "CA", "on"),
        ("New York", None, "ny"),
        ("Ontario", "CA", None),
        ("Île-de-France", "FR", None),
        ("Georgia", "GE", None),
        ("", "US", None),
    ],
)
def test_region_is_a_two_letter_code_or_nothing(value: str, country: str | None, plain: str | None) -> None:
    assert shared.region_code(value, country) == plain


@pytest.mark.parametrize(
    ("value", "plain"), [("95060", "95060"), ("95060-1234", "950601234"), ("SW1A 1AA", "sw1a1aa"), ("00-950", "00950")]
)
def test_postal_code_of_digits_keeps_only_them(value: str, plain: str) -> None:
    user = UserData(email=everything().user_data.email, postal_code=value)
    assert json.loads(payload(purchase(user_data=user)).body)["user_data"]["zp"] == [sha256(plain)]


@pytest.mark.parametrize(
    ("value", "text"), [("96.4", "96.40"), ("24", "24.00"), ("1.234", "1.234"), ("1E+3", "1000.00"), ("NaN", None)]
)
def test_amount_has_two_places_or_all_it_came_with(value: str, text: str | None) -> None:
    assert shared.amount(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3))
def test_amount_says_the_same_number(value: Decimal) -> None:
    assert Decimal(shared.amount(value) or "") == value


@given(st.text(max_size=50), st.sampled_from(["", ".AQ", ".AQEBAQEB"]))
def test_value_that_arrived_hashed_is_never_hashed_again(text: str, suffix: str) -> None:
    arrived = sha256(text).upper() + suffix
    for normalise in (shared.city, shared.country):
        assert normalise(arrived) == [sha256(text)]
    assert shared.region(arrived, "US") == shared.hashed(arrived, "anything") == [sha256(text)]


def test_each_event_has_its_own_verdict() -> None:
    verdicts = judged_each(200, results("processed", "failed", "processed"))
    assert verdicts == [Delivered(), Drop("200, failed: unknown event"), Delivered()]


def test_warning_that_comes_with_a_yes_is_kept() -> None:
    assert judged(200, results(*["processed"] * 3, warning="odd")) == Delivered("odd")


@pytest.mark.parametrize("message", ["", None])
def test_failed_without_a_message_is_dropped_too(message: str | None) -> None:
    assert isinstance(judged(200, results(*["failed"] * 3, message=message)), Drop)


def test_status_alone_decides_though_other_fields_are_gone() -> None:
    events = [{"status": "processed"}, {"status": "failed"}, {"status": "held"}]
    assert [type(verdict) for verdict in judged_each(200, {"events": events})] == [Delivered, Drop, Retry]


def test_list_inside_a_422_is_read_as_that_of_a_200() -> None:
    verdicts = judged_each(422, refusal(1, details=results("failed", "processed", "processed")))
    assert verdicts == [Drop("422, failed: unknown event"), Delivered(), Delivered()]


ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "all processed, by the count alone": (200, {"num_events_received": 3, "num_events_processed": 3}, Delivered),
    "words of another type": (200, {"events": [{"status": "failed", "error_message": {"a": 1}}] * 3}, Drop),
    "a code of another type": (403, {"code": "29", "message": ["x"]}, Pause),
    "a list of another length": (200, results("processed"), Retry),
    "fewer processed, not said which": (200, {"num_events_received": 3, "num_events_processed": 2}, Retry),
    "an HTML body": (200, b"<html>", Retry),
    "422 without details": (422, refusal(1), Drop),
    "422 with other details": (422, refusal(1, details="text"), Drop),
    "422 with a list of another length": (422, refusal(1, details=results("failed")), Drop),
    "invalid request": (400, refusal(4196), Split),
    "too large": (413, b"", Split),
    "authentication failed": (401, refusal(2), Pause),
    "not permitted": (403, refusal(29), Pause),
    "no such ad account": (404, refusal(50), Pause),
    "rate limit": (429, refusal(8), Retry),
    "ramped down": (503, refusal(4197), Retry),
    "server error": (500, b"", Retry),
    "a redirect": (302, b"", Retry),
    "an unknown refusal": (409, refusal(12), Retry),
    "endless nesting": (422, b'{"details":' * 5_000, Drop),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


def test_refusal_carries_pinterests_words() -> None:
    assert judged(403, refusal(29)) == Pause("403, 29: words of Pinterest")


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({"x_ratelimit_reset": "42"}, 42),
        ({"x_ratelimit_reset": "42", "retry_after": "60"}, 60),
        ({"x_ratelimit_reset": "1795166130"}, DAY_S),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_rate_limit_waits_as_long_as_the_headers_say(headers: dict[str, str], after_s: int | None) -> None:
    verdict = judged(429, refusal(8), **headers)
    assert isinstance(verdict, Retry)
    assert (verdict.after_s, verdict.is_throttle) == (after_s, True)


def test_reason_holds_neither_token_nor_person() -> None:
    user = everything().user_data
    echo = f"{TOKEN} {user.client_user_agent} {user.client_ip} {user.epik} j@example.com {sha256('f')}"
    verdict = judged(200, results(*["failed"] * 3, message=echo))
    assert verdict == Drop("200, failed: *** *** *** *** *** ***")


def test_answer_of_a_full_request_is_read_whole() -> None:
    full = results(*["failed"] * 1_000, message="x" * 250)
    assert len(json.dumps(full)) <= pinterest().limits.answer_bytes


def test_settings_at_fault_are_named() -> None:
    wrong = pinterest(ad_account_id="act_1", access_token=Secret(""), api_version="5", custom_name=" ")
    assert [field for field, _ in wrong.problems()] == ["ad_account_id", "access_token", "custom_name", "api_version"]
    assert list(pinterest().problems()) == []


def test_event_too_large_for_any_request_is_dropped() -> None:
    custom = msgspec.structs.replace(everything().custom_data, search_term="x" * 1_000_001)
    assert isinstance(pinterest().encode(purchase(custom_data=custom)), Drop)
