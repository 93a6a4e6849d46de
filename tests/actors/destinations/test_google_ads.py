"""Google Ads: what is sent, both ways."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct, field

from actors.destinations.base import Attempt, Delivered, Drop, Pause, Response, Retry, Token
from actors.event import Consent, CustomData, EmailDigests, Event, UserData
from actors.secret import Secret
from bench.simulator.google_ads import GoogleAdsSim
from bench.simulator.google_answers import Account
from tests.actors.destinations.google_ads_given import (
    AT_MS,
    OAUTH,
    WAYS,
    ask,
    google_ads,
    json_response,
    payloads,
    purchase,
)

CASES = Path(__file__).parents[2] / "cases" / "destinations" / "google_ads"
ATTEMPT = Attempt(at_ms=AT_MS, delivery_ids=("d1",), access_token="t0ken")


class Case(Struct, frozen=True, kw_only=True):
    why: str
    event: msgspec.Raw
    settings: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    drop: str | None = None


def read_case(name: str) -> tuple[Case, Event]:
    case = msgspec.json.decode((CASES / f"{name}.json").read_bytes(), type=Case)
    basics = b'{"site":"demo","received_at_ms":0,"source":"server",'
    return case, msgspec.json.decode(basics + bytes(case.event).lstrip()[1:], type=Event)


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_event_is_sent_as_its_case_says(name: str) -> None:
    case, event = read_case(name)
    destination = google_ads(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert encoded.reason == case.drop
        return
    assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body
    sim = GoogleAdsSim(Account(may_send_environment=True))
    assert destination.judge(ask(sim, destination, [encoded]), [encoded]) == [Delivered()]
    assert sim.refused == []


def test_request_of_the_google_ads_api_is_the_worked_example() -> None:
    case, event = read_case("worked_example_google_ads_api")
    destination = google_ads(**case.settings)
    request = destination.request(payloads(destination, event), ATTEMPT)
    assert request.url == "https://googleads.googleapis.com/v26/customers/1234567890:uploadClickConversions"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "authorization": "Bearer t0ken",
        "login-customer-id": "9876543210",
    }


def test_request_of_the_data_manager_is_the_worked_example() -> None:
    case, event = read_case("worked_example_data_manager")
    destination = google_ads(**case.settings, quota_project="shop-1")
    request = destination.request(payloads(destination, event), ATTEMPT)
    assert request.url == "https://datamanager.googleapis.com/v1/events:ingest"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "authorization": "Bearer t0ken",
        "x-goog-user-project": "shop-1",
    }


def test_fixed_token_is_used_where_the_attempt_has_none() -> None:
    destination = google_ads()
    request = destination.request(payloads(destination, purchase()), Attempt(at_ms=AT_MS))
    assert ("authorization", "Bearer t0ken") in request.headers


def test_data_manager_does_not_mix_conversion_actions_in_a_request() -> None:
    destination = google_ads(conversion_actions={"purchase_placed": "1", "lead_submitted": "2"})
    first, second = payloads(destination, purchase(), purchase(event_name="lead_submitted"))
    assert first.envelope != second.envelope


def test_google_ads_api_mixes_conversion_actions_in_a_request() -> None:
    destination = google_ads(via="google_ads_api", conversion_actions={"purchase_placed": "1", "lead_submitted": "2"})
    first, second = payloads(destination, purchase(), purchase(event_name="lead_submitted"))
    assert first.envelope == second.envelope


@pytest.mark.parametrize(
    ("settings", "name", "is_taken"),
    [
        ({}, "purchase_placed", True),
        ({}, "page_viewed", False),
        ({"events": ("page_viewed",)}, "purchase_placed", False),
        ({"events": ("*",)}, "purchase_placed", True),
        ({"conversion_actions": {"quiz_done": "1"}}, "quiz_done", True),
        ({"conversion_labels": {"AW-1/x": "1"}}, "anything", True),
        ({"is_label_action": True}, "anything", True),
        ({"is_label_action": True}, "order_refunded", False),
    ],
)
def test_name_is_taken_only_with_a_conversion_action(settings: dict[str, Any], name: str, is_taken: bool) -> None:
    assert google_ads(**settings).takes(name) is is_taken


def test_label_of_digits_is_a_conversion_action_only_on_request() -> None:
    event = purchase(event_name="x", custom_data=CustomData(properties={"gads_conversion_label": "77"}))
    assert google_ads(is_label_action=True).action_id(event) == "77"
    assert google_ads().action_id(event) is None


@given(
    marketing=st.sampled_from(["granted", "denied", None]),
    sale=st.sampled_from(["granted", "denied", None]),
    via=st.sampled_from(WAYS),
)
def test_denied_consent_is_never_sent_as_granted(marketing: Any, sale: Any, via: str) -> None:
    event = purchase(consent=Consent(marketing=marketing, sale_of_data=sale))
    for destination in (google_ads(via=via), google_ads(via=via, consent=())):
        encoded = destination.encode(event)
        if isinstance(encoded, Drop):
            assert marketing == "denied"
            continue
        consent = json.loads(encoded.body).get("consent", {})
        assert not (marketing != "granted" and consent.get("adUserData", "").endswith("GRANTED"))
        assert not (sale == "denied" and consent.get("adPersonalization", "").endswith("GRANTED"))


def sends_ip_address(country: str) -> bool:
    user = UserData(gclid="Cj0", country=country, client_ip="203.0.113.7")
    [payload] = payloads(google_ads(), purchase(user_data=user))
    return "ipAddress" in json.loads(payload.body).get("eventDeviceInfo", {})


@example("ß")
@given(st.text(max_size=8).filter(lambda text: len(text.strip()) != 2))
def test_ip_address_is_not_sent_where_the_country_is_no_code(country: str) -> None:
    assert not sends_ip_address(country)


@pytest.mark.parametrize("country", ["de", "FR", " no ", "IS", "LI", "GB", "UK", "CH", "RE", "GI"])
def test_ip_address_is_not_sent_from_the_eea_the_uk_and_switzerland(country: str) -> None:
    assert not sends_ip_address(country)


def test_malformed_ip_address_is_left_out_rather_than_spoil_the_request() -> None:
    user = UserData(gclid="Cj0", country="US", client_ip="203.0.113.7, 10.0.0.1")
    [payload] = payloads(google_ads(), purchase(user_data=user))
    assert b"203.0.113.7" not in payload.body


@pytest.mark.parametrize("via", WAYS)
def test_malformed_click_id_does_not_cost_the_event_its_email(via: str) -> None:
    user = UserData(gclid="two words", email=EmailDigests(sha256="a" * 64))
    [payload] = payloads(google_ads(via=via), purchase(user_data=user))
    assert b"gclid" not in payload.body
    assert b"a" * 64 in payload.body


@pytest.mark.parametrize("via", WAYS)
def test_custom_variable_that_is_personal_is_left_out(via: str) -> None:
    custom = CustomData(properties={"plan": "jane@example.com", "phone": "5550100"})
    destination = google_ads(via=via, custom_variables={"plan": "1", "phone": "2"})
    [payload] = payloads(destination, purchase(custom_data=custom))
    assert b"customVariables" not in payload.body


@pytest.mark.parametrize("country", ["us", "BR", " jp "])
def test_ip_address_is_sent_from_elsewhere(country: str) -> None:
    assert sends_ip_address(country)


# Tokens.


def test_token_is_asked_for_with_the_refresh_token() -> None:
    oauth = google_ads(access_token=None, **OAUTH, token_url="https://t.example/token").oauth()
    assert oauth is not None
    assert oauth.request.url == "https://t.example/token"
    assert parse_qs(oauth.request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["c"],
        "client_secret": ["s3cret"],
        "refresh_token": ["r3fresh"],
    }


def test_fixed_token_that_is_refused_pauses() -> None:
    destination = google_ads()
    batch = payloads(destination, purchase())
    assert destination.oauth() is None
    response = json_response(401, {"error": {"status": "UNAUTHENTICATED", "message": "m"}})
    assert destination.judge(response, batch) == [Pause("401 UNAUTHENTICATED: m")]


@pytest.mark.parametrize(
    ("response", "token"),
    [
        (json_response(200, {"access_token": "t", "expires_in": 3599}), Token(value=Secret("t"), expires_in_s=3599)),
        (json_response(200, {"access_token": "t"}), Token(value=Secret("t"), expires_in_s=300)),
        (
            json_response(400, {"error": "invalid_grant", "error_description": "gone"}),
            Pause("token refused: invalid_grant: gone"),
        ),
        (json_response(401, {"error": "invalid_client"}), Pause("token refused: invalid_client: ")),
        (json_response(429, {"error": "slow"}), Retry("no token in an answer 429", is_throttle=True)),
        (json_response(200, {"access_token": ["s3cret"]}), Retry("no token in an answer 200")),
        (Response(status=503, body=b"later"), Retry("no token in an answer 503")),
    ],
)
def test_token_answer_is_read_by_rfc_6749(response: Response, token: Token | Retry | Pause) -> None:
    assert google_ads().read_token(response) == token


# Settings.


def test_good_settings_have_no_problems() -> None:
    feed = {"merchant_id": "55", "feed_country": "US", "feed_language": "en", "login_customer_id": "9876543210"}
    assert list(google_ads(**feed).problems()) == []
    assert list(google_ads(access_token=None, **OAUTH).problems()) == []


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("customer_id", {"customer_id": "123-456-7890"}),
        ("login_customer_id", {"login_customer_id": "1"}),
        ("api_version", {"api_version": "26"}),
        ("conversion_actions", {"conversion_actions": {}}),
        ("conversion_actions.lead_submitted", {"conversion_actions": {"lead_submitted": "AW-1/x"}}),
        ("conversion_actions.order_refunded", {"conversion_actions": {"order_refunded": "1"}}),
        ("conversion_labels.AW-1/x", {"conversion_labels": {"AW-1/x": "y"}}),
        ("merchant_id", {"merchant_id": "shop"}),
        ("feed_country", {"feed_country": "USA"}),
        ("access_token", {"access_token": None}),
        ("refresh_token", {"client_id": "c", "client_secret": Secret("s")}),
        ("token_url", {"token_url": "oauth2.googleapis.com"}),
    ],
)
def test_wrong_setting_is_named(place: str, settings: dict[str, Any]) -> None:
    assert [name for name, _ in google_ads(**settings).problems()] == [place]
