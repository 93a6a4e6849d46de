"""Meta: what is sent, what each answer means, how places are normalised."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations import meta_places as places
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
from actors.destinations.meta import Meta
from actors.event import CustomData, Event, UserData
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, USER_AGENT, case_names, everything, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "EAABsbCS1iHg"
USAGE = {"1234567890123456": [{"type": "pixel", "call_count": 100, "estimated_time_to_regain_access": 19}]}


def meta(**settings: Any) -> Meta:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    basics: dict[str, Any] = {"id": "m", "pixel_id": "1234567890123456", "access_token": Secret(TOKEN)}
    return Meta(**{**basics, **settings})


def payload(event: Event) -> Payload:
    encoded = meta().encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def sent(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(payload(event).body)
    return fields


def judged(status: int, body: object, events: int = 2, **headers: str) -> Verdict:
    """The verdict on a batch, the same for each of its events."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    batch = [payload(purchase())] * events
    verdicts = meta().judge(Response(status=status, headers=named, body=raw), batch)
    assert list(verdicts) == [verdicts[0]] * events
    return verdicts[0]


def error(code: int, subcode: int | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": "words of Meta", "code": code, "error_subcode": subcode, **more}}


@pytest.mark.parametrize("name", case_names("meta"))
def test_case(name: str) -> None:
    case, event = read_case("meta", name)
    destination = meta(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    _, event = read_case("meta", "worked_example")
    request = meta().request([payload(event)], ATTEMPT)
    assert request.method == "POST"
    assert request.url == f"https://graph.facebook.com/v26.0/1234567890123456/events?access_token={TOKEN}"
    assert dict(request.headers)["content-type"] == "application/json"


def test_version_and_host_are_settings() -> None:
    request = meta(api_version="v25.0", base_url="http://127.0.0.1:1/meta/").request([payload(purchase())], ATTEMPT)
    assert request.url.startswith("http://127.0.0.1:1/meta/v25.0/1234567890123456/events?")


def test_batch_holds_its_events_in_order() -> None:
    batch = [payload(purchase(event_id=f"e-{index}")) for index in range(3)]
    body = json.loads(meta().request(batch, ATTEMPT).body)
    assert [event["event_id"] for event in body["data"]] == ["e-0", "e-1", "e-2"]


def test_money_is_sent_with_the_digits_it_came_with() -> None:
    event = purchase(custom_data=CustomData(value=Decimal("0.1") + Decimal("0.2"), currency="USD"))
    assert b'"value":0.3,' in payload(event).body


def test_store_events_may_be_older_and_share_no_request_with_others() -> None:
    in_store = purchase(action_source="physical_store")
    assert meta().max_age_s(in_store) == 62 * DAY_S
    assert meta().max_age_s(purchase()) == 7 * DAY_S
    assert payload(in_store).envelope != payload(purchase()).envelope


def test_order_that_only_a_server_reported_keeps_its_own_kind() -> None:
    renewal = purchase(event_name="subscription_renewed", action_source="system_generated")
    assert sent(renewal)["action_source"] == "system_generated"


@pytest.mark.parametrize("weak", [{"city", "country"}, {"date_of_birth"}, {"first_name", "gender"}, {"gender"}])
def test_identifiers_too_weak_alone_are_dropped(weak: set[str]) -> None:
    full = everything().user_data
    user = UserData(client_user_agent=USER_AGENT, **{name: getattr(full, name) for name in weak - {"first_name"}})
    if "first_name" in weak:
        user = UserData(first_name=full.first_name, gender=full.gender)
    assert isinstance(meta().encode(purchase(user_data=user)), Drop)


SPLIT_SUBCODES = (2804003, 2804009, 2804001, 2804007, 2804016, 2804017, 2804019, 2804048)
ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "events taken": (200, {"events_received": 2, "messages": [], "fbtrace_id": "A1"}, Delivered),
    **{f"bad event {subcode}": (400, error(100, subcode), Split) for subcode in SPLIT_SUBCODES},
    "dataset does not exist": (400, error(100, 33), Pause),
    "invalid parameter": (400, error(100), Split),
    "too many parameters": (400, error(105), Split),
    "token invalid": (400, error(190), Pause),
    "password changed": (400, error(190, 460), Pause),
    "token expired": (400, error(190, 463), Pause),
    "permission 3": (403, error(3), Pause),
    "permission 10": (403, error(10), Pause),
    "permission 200": (403, error(200), Pause),
    "permission 294": (400, error(294), Pause),
    "permission 299": (400, error(299), Pause),
    "rate limit 4": (400, error(4), Retry),
    "rate limit 17": (400, error(17), Retry),
    "rate limit 80003": (400, error(80003), Retry),
    "rate limit 613": (403, error(613), Retry),
    "temporary 1": (500, error(1), Retry),
    "temporary 2": (400, error(2), Retry),
    "temporary 341": (400, error(341), Retry),
    "temporary 5000": (400, error(5000), Retry),
    "dataset not ready": (400, error(21009), Retry),
    "said to be transient": (400, error(100, 2804001, is_transient=True), Retry),
    "blocked for policy": (400, error(368), Retry),
    "server error": (503, b"", Retry),
    "an HTML body": (200, b"<html>maintenance</html>", Retry),
    "an error in a 200": (200, error(190), Pause),
    "an unknown code": (400, error(999_999), Retry),
    "a redirect": (307, b"", Retry),
    "too large": (413, b"", Split),
    "endless nesting": (200, b'{"messages":' * 5_000, Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


@pytest.mark.parametrize("code", [100, 105])
def test_bad_event_alone_is_dropped_with_metas_words(code: int) -> None:
    told = {"error_user_title": "Too Old", "error_user_msg": "within 7 days", "fbtrace_id": "A1b2"}
    verdict = judged(400, error(code, 2804003, **told), events=1)
    assert verdict == Drop(f"400, {code}/2804003: Too Old: within 7 days (words of Meta), fbtrace_id A1b2")


def test_rate_limit_waits_as_long_as_meta_says() -> None:
    verdict = judged(400, error(80003), x_business_use_case_usage=json.dumps(USAGE))
    assert isinstance(verdict, Retry)
    assert verdict.is_throttle
    assert verdict.after_s == 19 * 60


@pytest.mark.parametrize("header", ["", "{", "[]", '{"a":{"estimated_time_to_regain_access":"x"}}', "[" * 9_999])
def test_usage_header_that_says_nothing_leaves_the_wait_to_the_gateway(header: str) -> None:
    verdict = judged(400, error(4), x_app_usage=header)
    assert isinstance(verdict, Retry)
    assert verdict.after_s is None


def test_wait_is_at_most_a_day() -> None:
    verdict = judged(400, error(4), x_app_usage='{"estimated_time_to_regain_access": 1e9}', retry_after="99999999999")
    assert isinstance(verdict, Retry)
    assert verdict.after_s == DAY_S


def test_policy_block_waits_long() -> None:
    verdict = judged(400, error(368))
    assert isinstance(verdict, Retry)
    assert verdict.after_s == 3_600


def test_warning_that_comes_with_a_yes_is_kept() -> None:
    assert judged(200, {"events_received": 1, "messages": ["odd"]}) == Delivered("Meta counted 1 of 2 events; odd")


def test_reason_holds_neither_token_nor_person() -> None:
    user = everything().user_data
    echo = f"Malformed access token {TOKEN} for {user.client_user_agent} at {user.client_ip}, {user.fbp}, j@example.com"
    verdicts = meta().judge(
        Response(status=400, body=json.dumps(error(190, message=echo)).encode()), [payload(everything())]
    )
    assert verdicts == [Pause("400, 190: Malformed access token *** for *** at ***, ***, ***")]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("New York", "newyork"),
        ("St. John's", "stjohns"),
        ("Saint-Étienne", "saintétienne"),
        ("Mu\u0308nchen", "münchen"),
        ("東京", "東京"),
        (" --- ", ""),
    ],
)
def test_city(value: str, plain: str) -> None:
    assert places.city(value) == ([sha256(plain)] if plain else [])


@pytest.mark.parametrize(
    ("region", "country", "plain"),
    [
        ("NY", "US", "ny"),
        ("New York", "US", "ny"),
        ("US-NY", "us", "ny"),
        ("District of Columbia", "USA", "dc"),
        ("California", None, "ca"),
        ("New Yorkk", "US", ""),
        ("Île-de-France", "FR", "îledefrance"),
        ("Georgia", "GB", "georgia"),
    ],
)
def test_region(region: str, country: str | None, plain: str) -> None:
    assert places.region(region, country) == ([sha256(plain)] if plain else [])


@pytest.mark.parametrize(
    ("postal_code", "country", "plain"),
    [
        ("94107-1234", "US", "94107"),
        ("94107 1234", "US", "94107"),
        ("94107-1234", None, "94107"),
        ("M1 1AE", "GB", "m11ae"),
        ("75018", "FR", "75018"),
        ("00-950", "PL", "00950"),
        ("", "US", ""),
    ],
)
def test_postal_code(postal_code: str, country: str | None, plain: str) -> None:
    assert places.postal_code(postal_code, country) == ([sha256(plain)] if plain else [])


@pytest.mark.parametrize(
    ("value", "plain"), [("US", "us"), ("United States", "us"), ("uk", "gb"), ("Germany", ""), ("12", ""), ("éé", "")]
)
def test_country(value: str, plain: str) -> None:
    assert places.country(value) == ([sha256(plain)] if plain else [])


@given(st.text(max_size=50), st.sampled_from(["", ".AQ", ".AQEBAQEB"]))
def test_value_that_arrived_hashed_is_never_hashed_again(text: str, suffix: str) -> None:
    arrived = sha256(text) + suffix
    for normalise in (places.city, places.country, places.external_id):
        assert normalise(arrived) == [arrived]
        assert normalise(sha256(text).upper() + suffix) == [arrived]


@given(st.text("abcdefgh -.'", max_size=50))
def test_case_spaces_and_punctuation_of_a_city_change_nothing(text: str) -> None:
    letters = "".join(char for char in text if char.isalpha())
    assert places.city(f" {text.upper()} ") == ([sha256(letters)] if letters else [])


def test_settings_at_fault_are_named() -> None:
    wrong = meta(pixel_id="12x", access_token=Secret("a b"), api_version="26")
    assert [field for field, _ in wrong.problems()] == ["pixel_id", "access_token", "api_version"]
    assert list(meta().problems()) == []
