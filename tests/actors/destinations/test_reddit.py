"""Reddit: what is sent, what each answer means."""

import importlib.metadata
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
)
from actors.destinations.reddit import NAMES, STANDARD, Reddit
from actors.event import Consent, Event, UserData
from actors.identity import email_digests, phone_digests
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, case_names, everything, full_user_data, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6"


def reddit(**settings: Any) -> Reddit:
    basics: dict[str, Any] = {"id": "r", "pixel_id": "a2_fexample1234", "access_token": Secret(TOKEN)}
    return Reddit(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = reddit(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def user_of(user: UserData) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(payload(purchase(user_data=user)).body)["user"]
    return fields


def each(status: int, body: object, events: list[Event] | None = None, **headers: str) -> list[Verdict]:
    """The verdicts on a batch of three purchases, unless told which."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    batch = [payload(event) for event in events or [purchase(event_id=f"e-{index}") for index in range(3)]]
    return list(reddit().judge(Response(status=status, headers=named, body=raw), batch))


def judged(status: int, body: object, events: list[Event] | None = None, **headers: str) -> Verdict:
    verdicts = each(status, body, events, **headers)
    assert verdicts == [verdicts[0]] * len(verdicts)
    return verdicts[0]


def error(code: int, message: str = "words of Reddit") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def invalid(*keys: str | None, field: str = "metadata") -> dict[str, Any]:
    """v2's answer: a copy of each bad event, without an index."""
    events = [{"error_message": "too old", "event": {field: {"conversion_id": key}} if key else {}} for key in keys]
    return {"message": f"{len(keys)} events were invalid, none were processed", "invalid_events": events}


@pytest.mark.parametrize("name", case_names("reddit"))
def test_case(name: str) -> None:
    case, event = read_case("reddit", name)
    destination = reddit(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_is_that_of_the_page_byte_for_byte() -> None:
    case, event = read_case("reddit", "worked_example")
    request = reddit().request([payload(event)], ATTEMPT)
    assert request.body == json.dumps(case.body, separators=(",", ":")).encode()
    assert request.url == "https://ads-api.reddit.com/api/v3/pixels/a2_fexample1234/conversion_events"
    assert dict(request.headers) == {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}


def test_version_and_host_are_settings() -> None:
    request = reddit(api_version="v4", base_url="http://127.0.0.1:1/r/").request([payload(purchase())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/r/api/v4/pixels/a2_fexample1234/conversion_events"


def test_batch_holds_its_events_in_order() -> None:
    batch = [payload(purchase(event_id=f"e-{index}")) for index in range(3)]
    events = json.loads(reddit().request(batch, ATTEMPT).body)["data"]["events"]
    assert [event["metadata"]["conversion_id"] for event in events] == ["e-0", "e-1", "e-2"]


def test_every_canonical_name_is_mapped() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert {
        "PAGE_VISIT", "VIEW_CONTENT", "SEARCH", "ADD_TO_CART", "ADD_TO_WISHLIST", "PURCHASE", "LEAD", "SIGN_UP",
    } == STANDARD  # fmt: skip


@pytest.mark.parametrize(
    ("address", "digest"),
    [
        ("Al.ice$+Apple@Example.Com", "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976"),
        (" Jane.Doe+news@Example.com", "c4d25e9c90ff23e9145397bc6fbd5385ca5fbe78211222ccbecd0b369ebb19a6"),
    ],
)
def test_email_has_the_hash_of_reddits_own_form(address: str, digest: str) -> None:
    assert user_of(UserData(email=email_digests(address)))["email"] == digest


def test_phone_and_external_id_have_reddits_hashes() -> None:
    phone = phone_digests("+1 (555) 444-1234 ext. 789", None)
    fields = user_of(UserData(phone=phone, external_id=" customer12345 "))
    assert fields == {
        "phone_number": "e5b124c58580eb16bd959b8d0cac12b12c952e2ceae0203d416cff94f10b994a",
        "external_id": "a4cc2fc5adf58a029291c1514d273989113a1d05e1d753c1d0c3a848af7109cc",
    }


def test_case_of_an_external_id_counts() -> None:
    assert user_of(UserData(external_id="Ab")) != user_of(UserData(external_id="ab"))


@pytest.mark.parametrize("field", ["email", "phone", "external_id", "rdt_uuid"])
def test_one_match_key_is_enough(field: str) -> None:
    user: dict[str, Any] = {field: getattr(full_user_data(), field)}
    assert user_of(UserData(**user))


@pytest.mark.parametrize("place", ["ß", "ﬁ", "Ω"])
def test_letter_that_grows_when_it_is_written_large_is_no_place(place: str) -> None:
    event = purchase(user_data=UserData(external_id="c", region=place, country=place))
    denied = msgspec.structs.replace(event, consent=Consent(sale_of_data="denied"))
    assert json.loads(payload(denied).body)["user"]["data_processing_options"] == {"modes": ["LDU"]}


def test_events_of_a_week_are_taken() -> None:
    assert reddit().max_age_s(purchase()) == 7 * DAY_S


ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "events taken": (200, {"data": {"message": "Successfully processed 3 conversion events."}}, Delivered),
    "taken, as v2 says it": (200, {"message": "Successfully processed 3 conversion events."}, Delivered),
    "taken without a word": (200, b"", Delivered),
    "an error in a 200": (200, error(401), Retry),
    "a failure in a 200": (200, {"success": False}, Retry),
    "a page in a 200": (200, b"<html>maintenance</html>", Retry),
    "a bad event somewhere": (400, error(400, "event_at timestamp must be less than 168h0m0s old"), Split),
    "unknown field": (400, error(400, 'JSON error "unknown field" on field x'), Split),
    "test id not known": (400, error(400, 'JSON error "unknown field" on field test_id'), Pause),
    "bad events without a key": (400, invalid(None, "e-1"), Split),
    "bad events of others": (400, invalid("e-9"), Split),
    "a page in a 400": (400, b"<html>", Split),
    "no token": (401, b"Authorization Required", Pause),
    "bad token": (401, {"success": False, "error": {"reason": "UNAUTHORIZED", "explanation": "bad"}}, Pause),
    "no right to the pixel": (403, error(403), Pause),
    "type error told with a 403": (403, {"error": {"explanation": "JSON error: wrong type"}}, Split),
    "no such pixel": (404, error(404), Pause),
    "endpoint shut": (410, error(410), Pause),
    "too large": (413, b"", Split),
    "rate limit": (429, error(429), Retry),
    "server error": (500, error(500), Retry),
    "unavailable": (503, b"", Retry),
    "a redirect": (302, b"", Retry),
    "teapot": (418, b"", Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


@pytest.mark.parametrize("field", ["metadata", "event_metadata"])
def test_named_events_of_a_refused_request_are_dropped_and_the_others_go_again(field: str) -> None:
    first, second, third = each(400, invalid("e-1", field=field))
    assert (type(first), type(third)) == (Again, Again)
    assert second == Drop("400 too old")


def test_bad_events_that_come_with_a_yes_are_dropped_and_the_others_delivered() -> None:
    assert each(200, invalid("e-0")) == [Drop("200 too old"), Delivered(), Delivered()]
    nested = {"data": invalid("e-2")}
    assert each(200, nested) == [Delivered(), Delivered(), Drop("200 too old")]


def test_two_events_of_one_id_cannot_be_told_apart() -> None:
    events = [purchase(), purchase(event_name="quiz_finished")]
    assert isinstance(judged(400, invalid("e-1"), events), Split)


def test_bad_event_alone_is_dropped_with_reddits_words() -> None:
    old = "event_at timestamp must be less than 168h0m0s old"
    assert judged(400, error(400, old), [purchase()]) == Drop(f"400 {old}")
    assert judged(400, invalid(None), [purchase()]) == Drop("400 too old")


def test_rate_limit_waits_as_long_as_a_header_says() -> None:
    assert judged(429, b"slow", retry_after="12") == Retry("429 slow", 12.0, is_throttle=True)


def test_words_of_an_older_error_name_its_reason() -> None:
    body = {"success": False, "error": {"reason": "UNAUTHORIZED", "explanation": "no such token"}}
    assert judged(401, body) == Pause("401 UNAUTHORIZED: no such token")


def test_reason_holds_neither_token_nor_person() -> None:
    user = full_user_data()
    echo = f"{TOKEN}: {user.client_user_agent} {user.rdt_cid} {user.rdt_uuid} jane@example.com"
    assert judged(403, error(403, echo), [everything()]) == Pause("403 ***: *** *** *** ***")


def test_answer_about_an_event_without_a_person_is_read() -> None:
    assert judged(404, error(404), [purchase(user_data=UserData(rdt_cid="rdt-click"))]) == Pause("404 words of Reddit")


def test_settings_at_fault_are_named() -> None:
    wrong = reddit(pixel_id="a/b", access_token=Secret(""), api_version="v2")
    assert [field for field, _ in wrong.problems()] == ["pixel_id", "access_token", "api_version"]
    assert list(reddit().problems()) == []


def test_the_user_agent_names_the_reddit_user_where_one_is_set() -> None:
    def agent(**settings: Any) -> str | None:
        request = reddit(**settings).request([payload(everything())], ATTEMPT)
        return dict(request.headers).get("user-agent")

    version = importlib.metadata.version("events-gateway")
    assert agent(reddit_user="example_shop") == f"server:events-gateway:{version} (by /u/example_shop)"
    assert agent() is None


@pytest.mark.parametrize("name", ["", "ab", "/u/shop", "shop\r\nx: y", "x" * 21])
def test_what_is_no_reddit_user_is_a_fault(name: str) -> None:
    assert [field for field, _ in reddit(reddit_user=name).problems()] == ["reddit_user"]
