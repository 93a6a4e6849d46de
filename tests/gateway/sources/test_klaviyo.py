"""Klaviyo's deliveries as events: the page's worked examples and signatures, flows, and shapes nobody promised."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings

from actors.secret import Secret
from gateway.sources.base import Hook, Refused, Verified
from gateway.sources.klaviyo import Klaviyo
from tests.gateway.sources.cases import cases, check, encoded, mutations, read, settle

CASES = cases("klaviyo")
KEY = "klaviyo_example_secret_key"
TOKEN = "a-token-of-our-flows"
AT_MS = 1_795_168_800_000
STATED = "Fri, 20 Nov 2026 10:00:00 GMT"
BODY = (
    b'{"data":[],"meta":{"klaviyo_account_id":"AbC123","klaviyo_webhook_id":"01HEXAMPLE0000000000000000",'
    b'"timestamp":"2026-11-20T10:00:00.000000+00:00","version":"2024-06-28"}}'
)
SIGNATURE = "cd3277b7f2a83a8583fb7aa26b47ec8b1bba4e37c90c2e25f3b33ce26741fc15"
SIGNED = {"klaviyo-signature": SIGNATURE}
SOURCE = Klaviyo(id="klaviyo", secrets=(Secret("klaviyo_secret_before"), Secret(KEY)), tokens=(Secret(TOKEN),))
WORKED = read(next(path for path in CASES if path.stem == "worked_click"))["delivery"]


def hook(body: bytes, headers: Mapping[str, str] = MappingProxyType({}), age_s: float = 0, query: str = "") -> Hook:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hook(headers=named, body=body, received_at_ms=round(AT_MS + age_s * 1000), query=query)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read(path)
    [draft] = SOURCE.decode(hook(encoded(case["delivery"]), {} if case.get("flow") else SIGNED)).drafts
    check(draft, case["event"], "klaviyo_webhook")


@pytest.mark.parametrize(
    ("headers", "is_good"),
    [
        ({"klaviyo_signature": SIGNATURE}, True),
        ({"klaviyo_signature": SIGNATURE.upper()}, True),
        ({"klaviyo_signature": SIGNATURE, "klaviyo_webhook_id": "01HEXAMPLE0000000000000000"}, True),
        ({"klaviyo_signature": SIGNATURE, "klaviyo_webhook_id": "another"}, False),
        ({"klaviyo_signature": SIGNATURE, "klaviyo_timestamp": "Fri, 20 Nov 2026 10:00:01 GMT"}, False),
        ({"klaviyo_signature": "d5ee255e4cb5498aafb8d4f7dfe1370b3ae7714a292efa260e30698b6aaa2423"}, False),
        ({"klaviyo_signature": "", "authorization": f"Bearer {TOKEN}"}, False),
        ({"authorization": f"Bearer {TOKEN}"}, True),
        ({"authorization": "Bearer wrong"}, False),
        ({}, False),
    ],
)
def test_the_page_s_signatures_and_the_tokens_of_flows(headers: dict[str, str], is_good: bool) -> None:
    found = SOURCE.verify(hook(BODY, {"klaviyo_timestamp": STATED, **headers}))
    assert isinstance(found, Verified if is_good else Refused)


def test_a_flow_may_show_its_token_in_the_url() -> None:
    assert isinstance(SOURCE.verify(hook(b"{}", query=f"a=1&token={TOKEN}")), Verified)
    assert isinstance(SOURCE.verify(hook(b"{}", query="token=wrong")), Refused)


@pytest.mark.parametrize(("age_s", "is_good"), [(86_400, True), (86_401, False), (-86_401, False)])
def test_a_signature_is_good_for_a_day(age_s: int, is_good: bool) -> None:
    found = SOURCE.verify(hook(BODY, {"klaviyo_timestamp": STATED, **SIGNED}, age_s))
    assert isinstance(found, Verified if is_good else Refused)


def test_of_a_batch_what_is_no_news_is_told_and_the_rest_taken() -> None:
    click = WORKED["data"][0]
    body = {"data": [click, {**click, "topic": "event:klaviyo.opened_email"}, 7, {}]}
    found = SOURCE.decode(hook(encoded(body), SIGNED))
    assert [draft.event["event_name"] for draft in found.drafts] == ["message_clicked"]
    assert found.note == "1 events of topics that are none here and 2 entries without a topic"


@pytest.mark.parametrize("body", [b"nope", b"[]", b"{}", b'{"data":7}', encoded({"data": [{}] * 1_001})])
def test_a_body_that_klaviyo_would_not_send_is_malformed(body: bytes) -> None:
    assert SOURCE.decode(hook(body, SIGNED)).malformed


def test_a_flow_without_an_event_id_has_one_made_of_profile_message_and_time() -> None:
    body = {"profile_id": "p", "message_id": "m", "occurred_at": "2026-11-20T10:00:00Z"}
    ids = [SOURCE.decode(hook(encoded(body))).drafts[0].event.get("event_id") for _ in range(2)]
    assert ids[0] is not None
    assert ids[0] == ids[1]
    assert "event_id" not in SOURCE.decode(hook(encoded({"profile_id": "p"}))).drafts[0].event


@settings(max_examples=50)
@given(bodies=mutations(WORKED))
def test_any_shape_becomes_events_or_is_refused(bodies: list[bytes]) -> None:
    for body in bodies:
        for headers in (SIGNED, {}):
            SOURCE.verify(hook(body, {"klaviyo-timestamp": STATED, **headers}))
            for draft in SOURCE.decode(hook(body, headers)).drafts:
                settle(draft, "klaviyo_webhook")
