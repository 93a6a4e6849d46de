"""Snapchat: what is sent, what each answer means for each event."""

import json
from typing import Any

import msgspec
import pytest

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
    sha256,
)
from actors.destinations.snapchat import NAMES, Snapchat
from actors.event import Event
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from tests.actors.destinations.cases import (
    AT_MS,
    case_names,
    full_custom_data,
    full_user_data,
    purchase,
    read_case,
)

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "eyJhbGciOi.JI+UzI1/NiI="
PIXEL = "3f2b8c1e-0d57-4c3a-9d52-6a1f0e9b7c44"


def snapchat(**settings: Any) -> Snapchat:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    basics: dict[str, Any] = {"id": "s", "pixel_id": PIXEL, "access_token": Secret(TOKEN)}
    return Snapchat(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = snapchat(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def full() -> Event:
    return purchase(user_data=full_user_data(), custom_data=full_custom_data())


def judged_each(
    status: int, body: object, headers: dict[str, str] | None = None, *, validate_only: bool = False
) -> list[Verdict]:
    """The verdicts on a request of three events."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status=status, headers=headers or {}, body=raw)
    return list(snapchat(validate_only=validate_only).judge(response, [payload(full())] * 3))


def judged(status: int, body: object, headers: dict[str, str] | None = None) -> Verdict:
    verdicts = judged_each(status, body, headers)
    assert verdicts == [verdicts[0]] * 3
    return verdicts[0]


def invalid(event: int | None, words: str = "words of Snapchat") -> dict[str, Any]:
    named = {} if event is None else {"event": event}
    return {"status": "INVALID", **named, "errors": {"codes": ["E1"], "error_msgs": [words]}}


@pytest.mark.parametrize("name", case_names("snapchat"))
def test_case(name: str) -> None:
    case, event = read_case("snapchat", name)
    destination = snapchat(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        body = destination.request([encoded], ATTEMPT).body
        assert json.dumps(json.loads(body)) == json.dumps(case.body), "in the page's order too"


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    _, event = read_case("snapchat", "worked_example")
    request = snapchat(access_token=Secret("EXAMPLE")).request([payload(event)], ATTEMPT)
    assert request.method == "POST"
    assert request.url == f"https://tr.snapchat.com/v3/{PIXEL}/events?access_token=EXAMPLE"
    assert dict(request.headers) == {"content-type": "application/json"}


def test_version_host_and_test_endpoint_are_settings() -> None:
    local = snapchat(api_version="v4", base_url="http://127.0.0.1:1/s", validate_only=True)
    url = local.request([payload(purchase())], ATTEMPT).url
    assert url == f"http://127.0.0.1:1/s/v4/{PIXEL}/events/validate?access_token=eyJhbGciOi.JI%2BUzI1%2FNiI%3D"


def test_app_events_go_to_their_own_asset_and_share_no_request_with_others() -> None:
    app = {"snap_app_id": "0c6ed1d1-app", "app_id": "1234567890"}
    properties = msgspec.structs.replace(full_custom_data(), properties={"platform": "ios"})
    in_app = payload(purchase(action_source="app", custom_data=properties), **app)
    assert "/v3/0c6ed1d1-app/events?" in snapchat(**app).request([in_app], ATTEMPT).url
    assert in_app.envelope != payload(purchase()).envelope


def test_every_canonical_name_is_decided() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert snapchat().max_age_s(purchase()) == 7 * DAY_S


@pytest.mark.parametrize(
    ("name", "events", "is_taken"),
    [
        ("purchase_placed", None, True),
        ("quiz_finished", None, True),
        ("lead_submitted", None, True),
        ("other_custom", None, False),
        ("donation_made", None, False),
        ("quiz_finished", ("purchase_placed",), False),
        ("quiz_finished", ("*",), True),
    ],
)
def test_names_it_takes_are_snapchats_own_and_the_numbered_ones(
    name: str, events: tuple[str, ...] | None, is_taken: bool
) -> None:
    numbered = {"quiz_finished": "CUSTOM_EVENT_1", "lead_submitted": "CUSTOM_EVENT_2"}
    assert snapchat(custom_events=numbered, events=events).takes(name) is is_taken


def test_digests_are_those_of_the_page() -> None:
    sent = json.loads(payload(full()).body)["user_data"]
    assert sent["ph"] == [sha256("12125550123")]
    assert (sent["fn"], sent["ln"], sent["ge"]) == ([sha256("annlee")], [sha256("oneil")], [sha256("f")])
    assert sent["zp"] == [sha256("10001")]
    assert "db" not in sent


ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "valid": (200, {"status": "VALID", "reason": "Events have been processed successfully."}, Delivered),
    "invalid, no event named": (400, invalid(None), Split),
    "invalid in a 200, no event named": (200, invalid(None), Split),
    "invalid, an event that was not sent": (400, invalid(3), Split),
    "invalid, a negative index": (400, invalid(-1), Split),
    "invalid with another 4xx": (422, invalid(None), Split),
    "token wrong": (401, {"status": "INVALID", "reason": "Unauthorized"}, Pause),
    "asset of another organisation": (403, b"", Pause),
    "wrong path": (404, b"", Pause),
    "wrong method": (405, b"", Pause),
    "too large": (413, b"", Split),
    "rate limit": (429, {"status": "INVALID", "reason": "Too many requests"}, Retry),
    "server error": (500, {"status": "INVALID", "reason": "oops"}, Retry),
    "an HTML body": (200, b"<html>", Retry),
    "no status": (200, {}, Retry),
    "a 400 without words": (400, b"", Retry),
    "a redirect": (302, b"", Retry),
    "endless nesting": (200, b'{"errors":' * 5_000, Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


@pytest.mark.parametrize("status", [200, 400])
def test_named_event_is_dropped_and_the_others_go_again(status: int) -> None:
    told = f"{status}, E1: words of Snapchat"
    assert judged_each(status, invalid(1)) == [Again(told), Drop(told), Again(told)]


def test_words_of_another_type_do_not_hide_what_an_answer_means() -> None:
    body = {"status": "INVALID", "event": 0, "reason": ["x"], "errors": {"codes": [17], "error_msgs": "text"}}
    assert judged_each(400, body)[0] == Drop("400, 17: ['x']")


def test_rate_limit_slows_down() -> None:
    verdict = judged(429, b"", {"retry-after": "30"})
    assert verdict == Retry("answer 429: ", after_s=30, is_throttle=True)


def test_test_endpoint_judges_each_event() -> None:
    logs = [{"status": "VALID", "event": 1}, {"status": "INVALID", "event": 0, "errors": {"error_msgs": ["too old"]}}]
    body = {"status": "INVALID", "event_logs": [*logs, {"status": "VALID", "event": 2, "warnings": []}]}
    verdicts = judged_each(200, body, validate_only=True)
    assert [type(verdict) for verdict in verdicts] == [Drop, Delivered, Delivered]
    assert verdicts[:2] == [Drop("200: too old"), Delivered("valid; not recorded, as validate_only is set")]


def test_test_endpoint_that_lists_other_events_is_read_as_a_whole() -> None:
    body = {"status": "INVALID", "event_logs": [{"status": "VALID", "event": 7}]}
    assert all(isinstance(verdict, Split) for verdict in judged_each(200, body, validate_only=True))


def test_reason_holds_neither_token_nor_person() -> None:
    user = full_user_data()
    url = snapchat().request([payload(full())], ATTEMPT).url
    echo = f"{url} {TOKEN} {user.client_user_agent} {user.client_ip} {user.sc_cookie1} j@example.com"
    told = f"https://tr.snapchat.com/v3/{PIXEL}/events?access_token=***"
    assert judged(401, {"status": "INVALID", "reason": echo}) == Pause(f"401: {told} *** *** *** *** ***")


def test_settings_at_fault_are_named() -> None:
    wrong = snapchat(
        pixel_id="a/b",
        access_token=Secret("a b"),
        snap_app_id="a b",
        custom_events={"quiz_finished": "CUSTOM_EVENT_6"},
        api_version="3",
    )
    faults = [field for field, _ in wrong.problems()]
    assert faults == [
        "pixel_id", "snap_app_id", "app_id", "access_token", "custom_events.quiz_finished", "api_version",
    ]  # fmt: skip
    assert list(snapchat().problems()) == []


def test_event_too_large_for_any_request_is_dropped() -> None:
    custom = msgspec.structs.replace(full_custom_data(), search_term="x" * 1_000_001)
    assert isinstance(snapchat().encode(purchase(custom_data=custom)), Drop)
