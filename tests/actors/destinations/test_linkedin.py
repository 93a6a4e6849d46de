"""LinkedIn: what is sent, what each answer means."""

import json
from decimal import Decimal
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
    Refresh,
    Response,
    Retry,
    Split,
    Verdict,
)
from actors.destinations.linkedin import NAMES, LinkedIn
from actors.event import CustomData, Event, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, case_names, full_user_data, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "AQXNnd2kXITHELmWblJigbHEuoFdfRhOwGA0Q"
OAUTH: dict[str, Any] = {"client_id": "77abc", "client_secret": Secret("cs"), "refresh_token": Secret("r+/")}
AT_HTTP = "Fri, 20 Nov 2026 09:15:30 GMT"


def linkedin(**settings: Any) -> LinkedIn:
    rules = {"purchase_placed": "12345678", "quiz_finished": "12345679"}
    basics: dict[str, Any] = {"id": "l", "access_token": Secret(TOKEN), "conversion_rules": rules}
    return LinkedIn(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = linkedin(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def each(status: int, body: object, events: list[Event] | None = None, **more: Any) -> list[Verdict]:
    """The verdicts on a batch of three purchases, unless told which."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
    batch = [payload(event) for event in events or [purchase()] * 3]
    return list(linkedin(**more).judge(Response(status=status, headers=headers, body=raw), batch))


def judged(status: int, body: object, **more: Any) -> Verdict:
    verdicts = each(status, body, **more)
    assert verdicts == [verdicts[0]] * len(verdicts)
    return verdicts[0]


def told(message: str) -> dict[str, Any]:
    return {"message": message, "status": 400}


@pytest.mark.parametrize("name", case_names("linkedin"))
def test_case(name: str) -> None:
    case, event = read_case("linkedin", name)
    destination = linkedin(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_is_that_of_the_page_byte_for_byte() -> None:
    case, event = read_case("linkedin", "worked_example")
    request = linkedin().request([payload(event)], ATTEMPT)
    assert request.body == json.dumps(case.body, separators=(",", ":")).encode()
    assert (request.method, request.url) == ("POST", "https://api.linkedin.com/rest/conversionEvents")
    assert dict(request.headers) == {
        "content-type": "application/json",
        "authorization": f"Bearer {TOKEN}",
        "linkedin-version": "202609",
        "x-restli-protocol-version": "2.0.0",
        "x-restli-method": "BATCH_CREATE",
    }


def test_version_and_host_are_settings() -> None:
    request = linkedin(api_version="202608", base_url="http://127.0.0.1:1/l/").request([payload(purchase())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/l/rest/conversionEvents"
    assert dict(request.headers)["linkedin-version"] == "202608"


def test_events_of_two_rules_share_no_request() -> None:
    assert payload(purchase()).envelope != payload(purchase(event_name="quiz_finished")).envelope
    assert payload(purchase()).envelope == payload(purchase(event_id="other")).envelope


def test_every_canonical_name_has_a_type_or_is_left_out() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    everywhere = dict.fromkeys(CANONICAL_NAMES, "1")
    taken = {name for name in CANONICAL_NAMES if linkedin(conversion_rules=everywhere).takes(name)}
    assert taken == {name for name, kind in NAMES.items() if kind}


def test_it_takes_the_names_that_have_a_rule_and_are_asked_for() -> None:
    assert linkedin().takes("purchase_placed")
    assert not linkedin().takes("product_viewed")
    assert not linkedin(events=("quiz_finished",)).takes("purchase_placed")
    assert linkedin(events=("*",)).takes("quiz_finished")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_amount_is_a_plain_decimal_of_the_same_value(value: Decimal) -> None:
    event = json.loads(payload(purchase(custom_data=CustomData(value=value, currency="EUR"))).body)
    amount = event["conversionValue"]["amount"]
    assert Decimal(amount) == value
    assert len(amount.partition(".")[2]) >= 2
    assert "e" not in amount.lower()


@pytest.mark.parametrize("field", ["email", "li_fat_id", "client_ip", "external_id"])
def test_one_identifier_is_enough(field: str) -> None:
    user: dict[str, Any] = {field: getattr(full_user_data(), field)}
    assert b'"userIds":' in payload(purchase(user_data=UserData(**user))).body


def test_country_that_is_no_code_is_left_out() -> None:
    user = msgspec.structs.replace(full_user_data(), country="ß")
    event = json.loads(payload(purchase(user_data=user), user_info="hashed").body)
    assert event["user"]["userInfo"].keys() == {"hashedFirstName", "hashedLastName"}


def test_names_are_opened_only_on_request() -> None:
    assert linkedin(user_info="plain").opens_plaintext()
    assert not linkedin(user_info="hashed").opens_plaintext()
    assert not linkedin().opens_plaintext()


def test_new_token_is_asked_for_with_the_refresh_token() -> None:
    oauth = linkedin(access_token=None, **OAUTH).oauth()
    assert oauth is not None
    assert oauth.request.url == "https://www.linkedin.com/oauth/v2/accessToken"
    assert oauth.request.body == b"grant_type=refresh_token&refresh_token=r%2B%2F&client_id=77abc&client_secret=cs"
    assert linkedin().oauth() is None


def test_fresh_token_goes_before_the_fixed_one() -> None:
    request = linkedin().request([payload(purchase())], Attempt(at_ms=AT_MS, access_token="fresh"))
    assert dict(request.headers)["authorization"] == "Bearer fresh"


WRONG_METHOD = "Conversion's method should be CONVERSIONS_API, indices [0, 1, 2]"
INVALID = {"status": 401, "serviceErrorCode": 65600, "code": "INVALID_ACCESS_TOKEN", "message": "Invalid access token"}
REVOKED = {**INVALID, "serviceErrorCode": 65601, "code": "REVOKED_ACCESS_TOKEN"}
ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "batch taken": (200, {"elements": [{"status": 201}] * 3}, Delivered),
    "created": (201, b"", Delivered),
    "a 200 without elements": (200, {}, Retry),
    "a 200 with too few elements": (200, {"elements": [{"status": 201}]}, Retry),
    "a 200 that is a page": (200, b"<html>maintenance</html>", Retry),
    "version header lost": (400, {"status": 400, "code": "VERSION_MISSING", "message": "A version"}, Pause),
    "rule of the Insight Tag": (400, told(WRONG_METHOD), Pause),
    "rule deleted": (400, told("The conversion rule was deleted"), Pause),
    "rule not enabled": (400, told("Conversion is not enabled"), Pause),
    "time refused, nobody named": (400, told("INVALID_CONVERSION_TIME_FIELD_VALUE"), Split),
    "a 400 nobody knows": (400, told("odd"), Split),
    "token wrong": (401, INVALID, Pause),
    "token revoked": (401, REVOKED, Pause),
    "rule does not exist": (403, {"message": "No ad accounts found", "status": 403}, Pause),
    "path": (404, {"message": "No root resource", "status": 404}, Pause),
    "method": (405, b"", Pause),
    "length missing": (411, b"", Pause),
    "structure, nobody named": (422, told("ERROR :: /eventId :: odd"), Split),
    "names not taken": (422, told("Index: 1, ERROR :: /user/userInfo/hashedFirstName :: unrecognized field"), Pause),
    "too large": (413, b"", Split),
    "version ended": (426, {"status": 426, "code": "NONEXISTENT_VERSION", "message": "not active"}, Pause),
    "throttled": (429, {"message": "throttle limit", "status": 429}, Retry),
    "server error": (500, b"", Retry),
    "bad gateway": (502, b"", Retry),
    "unavailable": (503, b"", Retry),
    "gateway timeout": (504, b"", Retry),
    "a redirect": (302, b"", Retry),
    "teapot": (418, b"", Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


def test_old_token_is_renewed_where_that_is_possible() -> None:
    assert isinstance(judged(401, INVALID, access_token=None, **OAUTH), Refresh)
    assert isinstance(judged(401, REVOKED, access_token=None, **OAUTH), Pause)


def test_throttle_is_said_and_a_wait_that_comes_is_kept() -> None:
    assert judged(429, b"slow down", headers={"retry_after": "30"}) == Retry("429 slow down", 30.0, is_throttle=True)


def test_structural_faults_drop_the_events_they_name_and_spare_the_others() -> None:
    message = (
        "Index: 0, ERROR :: /conversionValue/amount :: 1 is not a string\nERROR :: /eventId :: unrecognized field\n"
        "Index: 2, ERROR :: /user :: field is required but not found"
    )
    first, second, third = each(422, told(message))
    assert first == Drop("422 ERROR :: /conversionValue/amount :: 1 is not a string; ERROR :: /eventId :: "
                         "unrecognized field")  # fmt: skip
    assert isinstance(second, Again)
    assert third == Drop("422 ERROR :: /user :: field is required but not found")


def test_status_of_one_element_is_its_own() -> None:
    elements = [{"status": 201}, {"status": 422, "message": "bad"}, {"status": 500}]
    assert [type(verdict) for verdict in each(200, {"elements": elements})] == [Delivered, Drop, Retry]


@pytest.mark.parametrize(
    "message",
    [
        "Conversion time should be within 90 days and not exceed current time, indices [0, 2] (0-indexed)",
        "INVALID_CONVERSION_TIME_FIELD_VALUE batchIndex=0, INVALID_CONVERSION_TIME_FIELD_VALUE batchIndex=2",
    ],
)
def test_refused_time_is_final_when_it_is_past_and_passes_when_it_is_ahead(message: str) -> None:
    old = purchase(occurred_at_ms=AT_MS - 91 * DAY_S * 1000)
    ahead = purchase(occurred_at_ms=AT_MS + 5_000, received_at_ms=AT_MS + 5_000)
    verdicts = each(400, told(message), [old, purchase(), ahead], headers={"date": AT_HTTP})
    assert [type(verdict) for verdict in verdicts] == [Drop, Again, Retry]


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_refused_time_is_tried_again_where_the_answer_has_no_date(date: str) -> None:
    message = "Conversion time should be within 90 days, indices [1]"
    verdicts = each(400, told(message), headers={"date": date})
    assert [type(verdict) for verdict in verdicts] == [Again, Retry, Again]


def test_indices_beyond_the_batch_blame_nobody() -> None:
    assert isinstance(judged(422, told("Index: 7, ERROR :: / :: odd")), Split)


def test_fault_of_linkedins_quotes_the_id_its_support_asks_for() -> None:
    verdict = judged(503, {"message": "Service Unavailable"}, headers={"x_li_uuid": "AAYx8Vb1"})
    assert verdict == Retry("503 Service Unavailable, x-li-uuid AAYx8Vb1")


def test_reason_holds_neither_token_nor_person() -> None:
    user = full_user_data()
    echo = f"bad {TOKEN} of {user.external_id} at {user.client_ip} with {user.li_fat_id}x, jane@example.com"
    user = msgspec.structs.replace(user, li_fat_id=f"{user.li_fat_id}x")
    verdict = judged(403, told(echo), events=[purchase(user_data=user)])
    assert isinstance(verdict, Pause)
    assert verdict.reason.startswith("403 bad *** of *** at *** with ***, ***; ")


def test_names_of_thousands_of_events_are_read_and_the_words_stay_short() -> None:
    message = "\n".join(f"Index: {index}, ERROR :: /user :: {'x' * 80}" for index in range(5_000))
    body = json.dumps(told(message)).encode()
    assert len(body) < LinkedIn.limits.answer_bytes
    verdicts = linkedin().judge(Response(status=422, body=body), [payload(purchase())] * 5_000)
    assert {type(verdict) for verdict in verdicts} == {Drop}


def test_settings_at_fault_are_named() -> None:
    wrong = linkedin(
        conversion_rules={"purchase_placed": "urn:1", "order_refunded": "1"},
        access_token=Secret("a b"),
        client_id="x",
        token_url="here",
        api_version="2026-09",
    )
    assert [field for field, _ in wrong.problems()] == [
        "conversion_rules.purchase_placed",
        "conversion_rules.order_refunded",
        "client_secret",
        "access_token",
        "token_url",
        "api_version",
    ]
    bare = linkedin(conversion_rules={}, access_token=None, user_info="hashed", api_version="202608")
    assert [field for field, _ in bare.problems()] == ["conversion_rules", "access_token", "user_info"]
    assert list(linkedin().problems()) == list(linkedin(access_token=None, **OAUTH).problems()) == []
