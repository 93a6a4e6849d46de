"""The simulated Google Ads refuses what the real one would, in the real one's words."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from actors.destinations.base import Pause, Response, Retry, Token
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.google_ads import GoogleAdsSim
from bench.simulator.google_answers import Account
from tests.actors.destinations.google_ads_given import AT_MS, OAUTH, google_ads, two

CASES = Path(__file__).parents[1] / "cases" / "destinations" / "google_ads"
UPLOAD = "/v26/customers/1234567890:uploadClickConversions"
INGEST = "/v1/events:ingest"
HEADERS = {"authorization": "Bearer t", "content-type": "application/json"}


def example(name: str) -> Any:
    return json.loads((CASES / f"worked_example_{name}.json").read_bytes())["body"]


def changed(body: Any, path: str, value: object) -> Any:
    """A copy with one place set; None takes it out."""
    body = copy.deepcopy(body)
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    place = body
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return body


def post(sim: GoogleAdsSim, path: str, body: object, **headers: str) -> SimResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sim.answer(
        SimRequest(method="POST", path=path, query={}, headers={**HEADERS, **names}, body=raw, at_ms=AT_MS)
    )


def codes(answer: SimResponse) -> list[str]:
    """The error codes of a GoogleAdsFailure, in a whole refusal or in `partialFailureError`."""
    body = json.loads(answer.body)
    details = (body.get("error") or body.get("partialFailureError") or {}).get("details", [])
    errors = [error for detail in details for error in detail.get("errors", [])]
    return [code for error in errors for code in error["errorCode"].values()]


def violations(answer: SimResponse) -> list[tuple[str, str]]:
    details = json.loads(answer.body)["error"]["details"]
    return [(found["field"], found["reason"]) for detail in details for found in detail.get("fieldViolations", [])]


ROW = "conversions.0."
ROW_FAULTS: list[tuple[str, object, str]] = [
    ("conversionAction", "customers/1/conversionActions/2", "NO_CONVERSION_ACTION_FOUND"),
    ("conversionDateTime", "2026-11-20T09:15:30Z", "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
    ("conversionDateTime", "2026-01-20 09:15:30+00:00", "EXPIRED_EVENT"),
    ("gclid", "with space", "UNPARSEABLE_GCLID"),
    ("currencyCode", "usd", "INVALID_VALUE"),
    ("orderId", "jane@example.com", "ORDER_ID_CONTAINS_PII"),
    ("conversionEnvironment", "WEB", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"),
    ("userIdentifiers", [{"hashedEmail": "jane@example.com"}], "INVALID_USER_IDENTIFIER"),
    ("userIdentifiers", [{"hashedEmail": "a" * 64, "hashedPhoneNumber": "a" * 64}], "INVALID_USER_IDENTIFIER"),
    ("userIdentifiers", [{"addressInfo": {"countryCode": "US"}}], "UNSUPPORTED_USER_IDENTIFIER"),
    ("userIdentifiers", [{"hashedEmail": "a" * 64}] * 6, "TOO_MANY"),
    ("customVariables", [{"conversionCustomVariable": "plan", "value": "x"}], "CUSTOM_VARIABLE_NOT_FOUND"),
]


@pytest.mark.parametrize(("name", "value", "code"), ROW_FAULTS, ids=[row[2] for row in ROW_FAULTS])
def test_bad_row_is_named_by_its_index_and_the_good_one_is_taken(name: str, value: object, code: str) -> None:
    sim, body = GoogleAdsSim(), changed(example("google_ads_api"), ROW + name, value)
    body["conversions"].insert(0, {**example("google_ads_api")["conversions"][0], "orderId": "other"})
    answer = post(sim, UPLOAD, body)
    place = json.loads(answer.body)["partialFailureError"]["details"][0]["errors"][0]["location"]
    assert (answer.status, codes(answer)) == (200, [code])
    assert place["fieldPathElements"][0] == {"fieldName": "conversions", "index": 1}
    assert [bool(result) for result in json.loads(answer.body)["results"]] == [True, False]
    assert (len(sim.accepted), len(sim.refused)) == (1, 1)


def test_gbraid_with_wbraid_is_refused() -> None:
    row = {**example("google_ads_api")["conversions"][0], "gbraid": "g", "wbraid": "w"}
    assert codes(post(GoogleAdsSim(), UPLOAD, {"conversions": [row], "partialFailure": True})) == [
        "GBRAID_WBRAID_BOTH_SET"
    ]


@pytest.mark.parametrize(
    ("path", "value", "status", "code"),
    [
        ("partialFailure", None, 400, ["PARTIAL_FAILURE_MODE_REQUIRED"]),
        ("conversions", [{}] * 2_001, 400, ["TOO_MANY_CONVERSIONS_IN_REQUEST"]),
        ("conversions", [], 400, ["REQUIRED"]),
        ("unknown", 1, 400, []),
        (ROW + "unknown", 1, 400, []),
        (ROW + "conversionValue", "109.8", 400, []),
        (ROW + "customerType", "new", 400, []),
        (ROW + "consent", {"adUserData": "GRANTED", "adPersonalization": "GRANTED"}, 400, []),
        (ROW + "cartData.merchantId", 5550123, 400, []),
    ],
)
def test_request_of_the_wrong_form_is_refused_whole(path: str, value: object, status: int, code: list[str]) -> None:
    sim = GoogleAdsSim()
    answer = post(sim, UPLOAD, changed(example("google_ads_api"), path, value))
    assert (answer.status, codes(answer), sim.accepted) == (status, code, [])


@pytest.mark.parametrize(
    ("path", "headers", "account", "status"),
    [
        (UPLOAD.replace("v26", "v22"), {}, Account(), 400),
        (UPLOAD.replace("1234567890", "123-456-7890"), {}, Account(), 400),
        (UPLOAD, {"login_customer_id": "987-654-3210"}, Account(), 400),
        (UPLOAD, {"authorization": "t"}, Account(), 401),
        (UPLOAD, {}, Account(access_tokens=frozenset({"other"})), 401),
        (UPLOAD, {"content_type": "text/plain"}, Account(), 400),
        (UPLOAD, {}, Account(is_allowlisted=False), 403),
        ("/v26/customers/1234567890:upload", {}, Account(), 404),
    ],
)
def test_call_that_has_no_right_or_no_place_is_refused(path: str, headers: Any, account: Account, status: int) -> None:
    sim = GoogleAdsSim(account)
    assert post(sim, path, example("google_ads_api"), **headers).status == status
    assert len(sim.refused) == 1


def test_order_is_taken_once() -> None:
    sim, body = GoogleAdsSim(), example("google_ads_api")
    assert codes(post(sim, UPLOAD, body)) == []
    assert codes(post(sim, UPLOAD, body)) == ["ORDER_ID_ALREADY_IN_USE"]
    body["conversions"] = [{**body["conversions"][0], "orderId": "two"}] * 2
    assert codes(post(sim, UPLOAD, body)) == ["DUPLICATE_ORDER_ID"] * 2
    assert len(sim.accepted) == 1


def test_validating_only_takes_nothing_and_gives_no_results() -> None:
    sim = GoogleAdsSim()
    answer = post(sim, UPLOAD, {**example("google_ads_api"), "validateOnly": True})
    assert (answer.status, json.loads(answer.body), sim.accepted) == (200, {}, [])
    assert post(sim, INGEST, {**example("data_manager"), "validateOnly": True}).status == 200
    assert sim.accepted == []


EVENT = "events.0."
USER = EVENT + "userData.userIdentifiers.0."
EVENT_FAULTS: list[tuple[str, object, str, str]] = [
    ("events", [], "events", "REQUIRED_FIELD_MISSING"),
    ("events", [{}] * 2_001, "events", "TOO_MANY_EVENTS"),
    ("destinations", [], "destinations", "TOO_MANY_DESTINATIONS"),
    (
        "destinations.0.productDestinationId",
        "customers/1234567890/conversionActions/1",
        "destinations[0].product_destination_id",
        "INVALID_CONVERSION_ACTION_ID",
    ),
    (
        "destinations.0.operatingAccount.accountId",
        "1",
        "destinations[0].operating_account.account_id",
        "INVALID_FORMAT",
    ),
    ("encoding", None, "encoding", "REQUIRED_FIELD_MISSING"),
    (EVENT + "eventTimestamp", "2026-11-20 09:15:30", "events[0].event_timestamp", "INVALID_FORMAT"),
    (EVENT + "eventTimestamp", "2026-12-20T09:15:30Z", "events[0].event_timestamp", "EVENT_TIME_INVALID"),
    (EVENT + "eventSource", "website", "events[0].event_source", "INVALID_FORMAT"),
    (EVENT + "gclid", "x", "events[0]", "INVALID_FORMAT"),
    (EVENT + "currency", "usd", "events[0].currency", "INVALID_CURRENCY_CODE"),
    (EVENT + "conversionValue", "109.8", "events[0].conversion_value", "INVALID_FORMAT"),
    (USER + "emailAddress", "A" * 64, "events[0].user_data.user_identifiers[0].email_address", "INVALID_SHA256_FORMAT"),
    (USER + "phoneNumber", "a" * 64, "events[0].user_data.user_identifiers[0]", "INVALID_FORMAT"),
    (
        EVENT + "userData.userIdentifiers.2.address.postalCode",
        None,
        "events[0].user_data.user_identifiers[2].address",
        "INVALID_FORMAT",
    ),
    (
        EVENT + "userData.userIdentifiers.2.address.regionCode",
        "DE",
        "events[0].event_device_info.ip_address",
        "INVALID_EVENT",
    ),
    (EVENT + "eventDeviceInfo.ipAddress", "here", "events[0].event_device_info.ip_address", "INVALID_FORMAT"),
    (
        EVENT + "userData.userIdentifiers",
        [{"emailAddress": "a" * 64}] * 11,
        "events[0].user_data.user_identifiers",
        "TOO_MANY_USER_IDENTIFIERS",
    ),
]


@pytest.mark.parametrize(("path", "value", "place", "reason"), EVENT_FAULTS)
def test_bad_event_refuses_all_and_is_named(path: str, value: object, place: str, reason: str) -> None:
    sim = GoogleAdsSim()
    answer = post(sim, INGEST, changed(example("data_manager"), path, value))
    assert (answer.status, violations(answer), sim.accepted) == (400, [(place, reason)], [])


def test_event_without_identifiers_is_refused() -> None:
    body = changed(changed(example("data_manager"), EVENT + "userData", None), EVENT + "adIdentifiers", None)
    assert violations(post(GoogleAdsSim(), INGEST, body)) == [("events[0]", "NO_IDENTIFIERS_PROVIDED")]


def test_bad_optional_field_is_a_warning_and_the_event_is_taken() -> None:
    sim = GoogleAdsSim(Account(custom_variables=frozenset({"plan"})))
    body = changed(example("data_manager"), EVENT + "customVariables", [{"variable": "x", "value": "1"}])
    answer = post(sim, INGEST, changed(body, EVENT + "adIdentifiers", {"wbraid": "w"}))
    warnings = [warning["field"] for warning in json.loads(answer.body)["fieldWarnings"]]
    assert warnings == ["events[0].cart_data", "events[0].custom_variables[0].variable"]
    assert [accepted.key for accepted in sim.accepted] == ["order|987654321|100234"]


def ask_token(sim: GoogleAdsSim, **settings: Any) -> object:
    destination = google_ads(access_token=None, **{**OAUTH, **settings})
    oauth = destination.oauth()
    assert oauth is not None
    made = oauth.request
    request = SimRequest(
        method=made.method, path="/token", query={}, headers=dict(made.headers), body=made.body, at_ms=AT_MS
    )
    answer = sim.answer(request)
    return destination.read_token(Response(status=answer.status, body=answer.body))


def test_given_token_works_until_it_is_old() -> None:
    sim = GoogleAdsSim(Account(access_tokens=frozenset()))
    token = ask_token(sim)
    assert isinstance(token, Token)
    bearer = f"Bearer {token.value.reveal()}"
    assert post(sim, INGEST, example("data_manager"), authorization=bearer).status == 200
    sim.expire_tokens()
    assert codes(post(sim, INGEST, example("data_manager"), authorization=bearer)) == ["OAUTH_TOKEN_EXPIRED"]


def test_unknown_refresh_token_is_refused() -> None:
    refused = ask_token(GoogleAdsSim(Account(refresh_tokens=frozenset({"other"}))))
    assert repr(refused) == "Pause(reason='token refused: invalid_grant: Token has been expired or revoked.')"


@pytest.mark.parametrize("via", ["data_manager", "google_ads_api"])
def test_adapter_understands_the_faults_it_plays(via: str) -> None:
    destination, sim = google_ads(via=via), GoogleAdsSim()
    for answer, verdict in ((sim.bad_token(), Pause), (sim.rate_limited(900), Retry)):
        response = Response(status=answer.status, body=answer.body)
        assert [type(found) for found in destination.judge(response, two(destination))] == [verdict, verdict]
