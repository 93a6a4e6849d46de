"""Google Ads: what each answer means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Again, Delivered, Drop, Pause, Refresh, Response, Retry, Split, Verdict
from actors.event import CustomData, EmailDigests, UserData
from bench.simulator.google_ads import GoogleAdsSim
from tests.actors.destinations.google_ads_given import (
    OAUTH,
    WAYS,
    ask,
    google_ads,
    json_response,
    payloads,
    purchase,
    two,
)

# Way A, one row.


def row_failure(kind: str, code: str, *, index: int | None = 0, place: str = "gclid", message: str = "m") -> Response:
    path: list[dict[str, Any]] = [{"fieldName": "conversions", "index": index}, {"fieldName": place}]
    error = {"errorCode": {kind: code}, "message": message, "trigger": {"stringValue": "jane@example.com"}}
    if index is not None:
        error["location"] = {"fieldPathElements": path}
    details = [{"@type": "GoogleAdsFailure", "errors": [error], "requestId": "r"}]
    results: list[dict[str, str]] = [{}, {"gclid": "Cj1"}] if index == 0 else [{}, {}]
    return json_response(
        200, {"partialFailureError": {"code": 3, "message": "m", "details": details}, "results": results}
    )


ROW_ERRORS: list[tuple[str, str, str, Verdict]] = [
    ("conversionUploadError", "TOO_RECENT_EVENT", "gclid", Retry("200 TOO_RECENT_EVENT: m", after_s=21_600)),
    ("conversionUploadError", "TOO_RECENT_CONVERSION_ACTION", "", Retry("200 TOO_RECENT_CONVERSION_ACTION: m", 21_600)),
    ("conversionUploadError", "ORDER_ID_ALREADY_IN_USE", "", Delivered("200 ORDER_ID_ALREADY_IN_USE: m")),
    (
        "conversionUploadError",
        "CLICK_CONVERSION_ALREADY_EXISTS",
        "",
        Delivered("200 CLICK_CONVERSION_ALREADY_EXISTS: m"),
    ),
    ("conversionUploadError", "DUPLICATE_ORDER_ID", "", Split("200 DUPLICATE_ORDER_ID: m")),
    ("conversionUploadError", "CLICK_NOT_FOUND", "", Drop("200 CLICK_NOT_FOUND: m")),
    ("conversionUploadError", "UNPARSEABLE_GCLID", "gclid", Drop("200 UNPARSEABLE_GCLID: m")),
    ("conversionUploadError", "EXPIRED_EVENT", "", Drop("200 EXPIRED_EVENT: m")),
    ("conversionUploadError", "CUSTOM_VARIABLE_NOT_ENABLED", "", Drop("200 CUSTOM_VARIABLE_NOT_ENABLED: m")),
    ("conversionUploadError", "EXTERNALLY_ATTRIBUTED_X", "", Drop("200 EXTERNALLY_ATTRIBUTED_X: m")),
    ("conversionUploadError", "INVALID_CUSTOMER_FOR_CLICK", "", Drop("200 INVALID_CUSTOMER_FOR_CLICK: m")),
    ("fieldError", "INVALID_VALUE", "currency_code", Drop("200 INVALID_VALUE: m")),
    (
        "conversionUploadError",
        "NO_CONVERSION_ACTION_FOUND",
        "",
        Pause("200 NO_CONVERSION_ACTION_FOUND: m; mend conversion_actions"),
    ),
    (
        "notAllowlistedError",
        "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        "conversion_environment",
        Pause("200 CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE: m; set conversion_environment = false"),
    ),
    (
        "notAllowlistedError",
        "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        "",
        Pause(
            "200 CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE: m; "
            'this way is closed to newcomers: set via = "data_manager"'
        ),
    ),
    ("internalError", "INTERNAL_ERROR", "", Retry("200 INTERNAL_ERROR: m")),
    ("conversionUploadError", "NEVER_HEARD_OF", "", Retry("200 NEVER_HEARD_OF: m")),
]


@pytest.mark.parametrize(
    ("kind", "code", "place", "verdict"), ROW_ERRORS, ids=[f"{row[1]}-{row[2]}" for row in ROW_ERRORS]
)
def test_row_error_means_what_the_page_says(kind: str, code: str, place: str, verdict: Verdict) -> None:
    destination = google_ads(via="google_ads_api")
    batch = two(destination)
    assert destination.judge(row_failure(kind, code, place=place), batch) == [verdict, Delivered()]


@pytest.mark.parametrize(
    "code",
    [
        "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
        "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
        "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    ],
)
def test_account_that_is_not_ready_for_hashed_data_pauses(code: str) -> None:
    destination = google_ads(via="google_ads_api")
    batch = two(destination)
    verdict, other = destination.judge(row_failure("conversionUploadError", code), batch)
    assert isinstance(verdict, Pause)
    assert "user_identifiers = false" in verdict.reason
    assert other == Delivered()


def test_error_that_names_no_row_counts_for_rows_without_a_result() -> None:
    destination = google_ads(via="google_ads_api")
    batch = two(destination)
    response = row_failure("notAllowlistedError", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE", index=None)
    assert all(isinstance(verdict, Pause) for verdict in destination.judge(response, batch))


def test_row_with_neither_result_nor_error_is_tried_again() -> None:
    destination = google_ads(via="google_ads_api")
    batch = two(destination)
    verdicts = destination.judge(json_response(200, {"results": [{"gclid": "Cj0"}, {}]}), batch)
    assert verdicts[0] == Delivered()
    assert isinstance(verdicts[1], Retry)


def test_order_that_is_twice_in_a_request_goes_once_at_once_and_then_counts_as_delivered() -> None:
    destination, sim = google_ads(via="google_ads_api"), GoogleAdsSim()
    order = CustomData(order_id="100234")
    batch = payloads(destination, purchase(custom_data=order), purchase(), purchase(event_id="e-2", custom_data=order))
    first, other, copy = destination.judge(ask(sim, destination, batch), batch)
    assert (type(first), type(other), type(copy)) == (Again, Delivered, Retry)
    assert destination.judge(ask(sim, destination, batch[:1]), batch[:1]) == [Delivered()]
    [later] = destination.judge(ask(sim, destination, batch[2:]), batch[2:])
    assert isinstance(later, Delivered)
    assert "ORDER_ID_ALREADY_IN_USE" in later.note
    assert len(sim.accepted) == 2


def test_answer_that_was_cut_off_splits_the_request() -> None:
    destination = google_ads(via="google_ads_api")
    batch = payloads(destination, purchase())
    cut = Response(status=200, body=b'{"results":[' + b" " * destination.limits.answer_bytes)
    assert isinstance(destination.judge(cut, batch)[0], Split)
    assert isinstance(destination.judge(Response(status=200, body=b"<html>"), batch)[0], Retry)


def test_answer_to_a_full_request_fits_what_is_read_of_it() -> None:
    destination = google_ads(via="google_ads_api")
    user = UserData(gclid="C" * 100, email=EmailDigests(sha256="a" * 64))
    events = [purchase(event_id=f"e-{number}", user_data=user) for number in range(2_000)]
    batch = payloads(destination, *events)
    response = ask(GoogleAdsSim(), destination, batch)
    assert len(response.body) < destination.limits.answer_bytes
    assert destination.judge(response, batch) == [Delivered()] * 2_000


# Whole requests.


def failure(status: int, status_name: str, kind: str, code: str, **more: Any) -> Response:
    errors = [{"errorCode": {kind: code}, "message": "m", **more}]
    details = [{"@type": "GoogleAdsFailure", "errors": errors}]
    return json_response(status, {"error": {"code": status, "message": "m", "status": status_name, "details": details}})


QUOTA = {"quotaErrorDetails": {"rateName": "x", "rateScope": "ACCOUNT", "retryDelay": "900s"}}
WHOLE_A: list[tuple[str, Response, Verdict]] = [
    (
        "partial failure mode",
        failure(400, "INVALID_ARGUMENT", "conversionUploadError", "PARTIAL_FAILURE_MODE_REQUIRED"),
        Split("400 PARTIAL_FAILURE_MODE_REQUIRED: m"),
    ),
    (
        "bad json",
        json_response(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "bad"}}),
        Split("400 INVALID_ARGUMENT: bad"),
    ),
    (
        "ended version",
        failure(400, "INVALID_ARGUMENT", "requestError", "UNSUPPORTED_VERSION"),
        Pause("400 UNSUPPORTED_VERSION: m"),
    ),
    ("wrong path", Response(status=404, body=b"not here"), Pause("404 not here")),
    (
        "old token",
        failure(401, "UNAUTHENTICATED", "authenticationError", "OAUTH_TOKEN_EXPIRED"),
        Refresh("401 OAUTH_TOKEN_EXPIRED: m"),
    ),
    (
        "revoked token",
        failure(401, "UNAUTHENTICATED", "authenticationError", "OAUTH_TOKEN_REVOKED"),
        Pause("401 OAUTH_TOKEN_REVOKED: m"),
    ),
    (
        "no right",
        failure(403, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED"),
        Pause("403 USER_PERMISSION_DENIED: m"),
    ),
    (
        "newcomer",
        failure(403, "PERMISSION_DENIED", "notAllowlistedError", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"),
        Pause(
            "403 CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE: m; "
            'this way is closed to newcomers: set via = "data_manager"'
        ),
    ),
    (
        "quota with delay",
        failure(429, "RESOURCE_EXHAUSTED", "quotaError", "RESOURCE_EXHAUSTED", details=QUOTA),
        Retry("429 RESOURCE_EXHAUSTED: m", after_s=900, is_throttle=True),
    ),
    (
        "quota without delay",
        failure(429, "RESOURCE_EXHAUSTED", "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED"),
        Retry("429 RESOURCE_TEMPORARILY_EXHAUSTED: m", is_throttle=True),
    ),
    ("internal", Response(status=500, body=b"oops"), Retry("500 oops")),
    (
        "in an array",
        Response(status=503, body=b'[{"error": {"status": "UNAVAILABLE", "message": "m"}}]'),
        Retry("503 UNAVAILABLE: m"),
    ),
    ("unforeseen", Response(status=418, body=b"tea"), Retry("unforeseen answer 418: tea", is_unforeseen=True)),
]


@pytest.mark.parametrize(("response", "verdict"), [row[1:] for row in WHOLE_A], ids=[row[0] for row in WHOLE_A])
def test_google_ads_api_refusing_a_whole_request(response: Response, verdict: Verdict) -> None:
    destination = google_ads(via="google_ads_api", access_token=None, **OAUTH)
    batch = two(destination)
    assert destination.judge(response, batch) == [verdict, verdict]


def refusal(reason: str, *fields: str) -> Response:
    violations = [{"field": name, "description": f"bad {name}"} for name in fields]
    details = [{"@type": "ErrorInfo", "reason": reason}, {"@type": "BadRequest", "fieldViolations": violations}]
    return json_response(
        400, {"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": details}}
    )


WHOLE_B: list[tuple[str, Response, list[Verdict]]] = [
    (
        "one bad event",
        refusal("INVALID_SHA256_FORMAT", "events[1].user_data.user_identifiers[0]"),
        [
            Again("another event was refused: 400 INVALID_SHA256_FORMAT: m"),
            Drop(
                "400 events[1].user_data.user_identifiers[0]: bad events[1].user_data.user_identifiers[0]",
            ),
        ],
    ),
    (
        "both bad",
        refusal("INVALID_FORMAT", "events[0].currency", "events[1].currency"),
        [
            Drop("400 events[0].currency: bad events[0].currency"),
            Drop("400 events[1].currency: bad events[1].currency"),
        ],
    ),
    ("no event named", refusal("INVALID_EVENT"), [Split("400 INVALID_EVENT: m")] * 2),
    ("an event that is not there", refusal("INVALID_EVENT", "events[7]"), [Split("400 INVALID_EVENT: m")] * 2),
    (
        "conversion action",
        refusal("INVALID_CONVERSION_ACTION_ID", "destinations[0].product_destination_id"),
        [Pause("400 INVALID_CONVERSION_ACTION_ID: m")] * 2,
    ),
    (
        "account",
        refusal("DESTINATION_ACCOUNT_NOT_ENABLED", "events[0]"),
        [Pause("400 DESTINATION_ACCOUNT_NOT_ENABLED: m")] * 2,
    ),
    ("terms", refusal("TERMS_AND_CONDITIONS_NOT_SIGNED"), [Pause("400 TERMS_AND_CONDITIONS_NOT_SIGNED: m")] * 2),
    ("too many", refusal("TOO_MANY_EVENTS", "events"), [Split("400 TOO_MANY_EVENTS: m")] * 2),
    (
        "token",
        json_response(401, {"error": {"status": "UNAUTHENTICATED", "message": "m"}}),
        [Refresh("401 UNAUTHENTICATED: m")] * 2,
    ),
    (
        "no right",
        json_response(403, {"error": {"status": "PERMISSION_DENIED", "message": "m"}}),
        [Pause("403 PERMISSION_DENIED: m")] * 2,
    ),
    (
        "quota",
        json_response(429, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "m"}}),
        [Retry("429 RESOURCE_EXHAUSTED: m", is_throttle=True)] * 2,
    ),
    (
        "unavailable",
        json_response(503, {"error": {"status": "UNAVAILABLE", "message": "m"}}),
        [Retry("503 UNAVAILABLE: m")] * 2,
    ),
    ("garbage", Response(status=200, body=b"<html>"), [Retry("unforeseen answer 200: <html>", is_unforeseen=True)] * 2),
]


@pytest.mark.parametrize(("response", "verdicts"), [row[1:] for row in WHOLE_B], ids=[row[0] for row in WHOLE_B])
def test_data_manager_refusing_a_whole_request(response: Response, verdicts: list[Verdict]) -> None:
    destination = google_ads(access_token=None, **OAUTH)
    batch = two(destination)
    assert destination.judge(response, batch) == verdicts


def test_warning_is_kept_with_the_event_it_names() -> None:
    destination = google_ads()
    batch = two(destination)
    warnings = [{"reason": "INVALID_CUSTOM_VARIABLE", "description": "d", "field": "events[1].custom_variables[0]"}]
    verdicts = destination.judge(json_response(200, {"requestId": "r", "fieldWarnings": warnings}), batch)
    assert verdicts == [Delivered(), Delivered("INVALID_CUSTOM_VARIABLE events[1].custom_variables[0]")]


def test_bad_event_is_dropped_and_the_others_get_through() -> None:
    destination, sim = google_ads(), GoogleAdsSim()
    bad = purchase(event_id="e-bad", custom_data=CustomData(currency="EURO"))
    batch = payloads(destination, purchase(), bad, purchase(event_id="e-2"))
    verdicts = destination.judge(ask(sim, destination, batch), batch)
    assert [type(verdict) for verdict in verdicts] == [Again, Drop, Again]
    innocents = [batch[0], batch[2]]
    assert destination.judge(ask(sim, destination, innocents), innocents) == [Delivered()] * 2
    assert len(sim.accepted) == 2


@pytest.mark.parametrize("via", WAYS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_reason_keeps_neither_secrets_nor_the_person_that_google_quotes(via: str, status: int) -> None:
    destination = google_ads(via=via)
    user = UserData(gclid="Cj0KCQ-person", email=EmailDigests(sha256="ab" * 32))
    batch = payloads(destination, purchase(user_data=user), purchase(event_id="e-2", user_data=user))
    quoted = "bad 'Cj0KCQ-person' of jane@example.com, " + "ab" * 32 + ", t0ken"
    responses = [
        row_failure("conversionUploadError", "UNPARSEABLE_GCLID", message=quoted),
        json_response(status, {"error": {"code": status, "message": quoted, "status": "X"}}),
    ]
    for response in responses:
        words = repr(destination.judge(response, batch))
        assert not any(secret in words for secret in ("Cj0KCQ-person", "jane@example.com", "ab" * 32, "t0ken"))


@given(
    status=st.integers(100, 599), body=st.binary(max_size=60) | st.just(b'{"error":{"details":[{"errors":[1,{}]}]}}')
)
def test_any_answer_gets_one_verdict_for_each_payload(status: int, body: bytes) -> None:
    for via in WAYS:
        destination = google_ads(via=via)
        batch = two(destination)
        assert len(destination.judge(Response(status=status, body=body), batch)) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "details",
                    "errors",
                    "errorCode",
                    "location",
                    "fieldPathElements",
                    "fieldName",
                    "index",
                    "results",
                    "partialFailureError",
                    "fieldViolations",
                    "field",
                    "fieldWarnings",
                    "reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(body=json_values, status=st.sampled_from([200, 400, 401, 429]))
def test_answer_of_a_wrong_shape_never_raises(body: object, status: int) -> None:
    for via in WAYS:
        destination = google_ads(via=via)
        batch = payloads(destination, purchase())
        assert len(destination.judge(json_response(status, body), batch)) == 1
