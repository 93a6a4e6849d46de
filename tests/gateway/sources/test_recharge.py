"""Recharge's deliveries as events: the page's worked examples and signatures, and shapes nobody promised."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.secret import Secret
from gateway.sources.base import Hook, Refused, Verified
from gateway.sources.recharge import Recharge
from tests.gateway.sources.cases import cases, check, encoded, mutations, read, settle

CASES = cases("recharge")
KEY = "rc_example_client_secret"
AT_S = 1_795_168_800
BODY = b'{"charge":{"id":730010001,"type":"recurring","status":"success"}}'
V1 = "a09e370c4af6b67a26e22bc2e94473131660d3608225b86645fc8d3836c158a3"
LEGACY = "dad43fef1932dcbd7de2f16ebd2d52f2d20160dc02a933e93b210245a9085d7b"
SOURCE = Recharge(id="recharge", secrets=(Secret("another"), Secret(KEY)), refunds=True)
WORKED = read(next(path for path in CASES if path.stem == "worked_renewal"))["delivery"]
TOPICS = (
    "",
    "charge-paid",
    "charge-failed",
    "charge-refunded",
    "subscription-created",
    "subscription-cancelled",
    "x-y",
)


def hook(body: bytes, topic: str = "", headers: Mapping[str, str] = MappingProxyType({}), age_s: float = 0) -> Hook:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hook(headers=named, body=body, received_at_ms=round((AT_S + age_s) * 1000), topic=topic)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read(path)
    source = Recharge(id="recharge", secrets=(Secret(KEY),), **case.get("settings", {}))
    [draft] = source.decode(hook(encoded(case["delivery"]), case["topic"])).drafts
    check(draft, case["event"], "recharge_webhook")


@pytest.mark.parametrize(
    ("headers", "is_good"),
    [
        ({"x_recharge_webhook_signature": f"t={AT_S},v1={V1}", "x_recharge_webhook_timestamp": str(AT_S)}, True),
        ({"x_recharge_webhook_signature": f"v2=aa,v1={V1},t={AT_S}"}, True),  # by name, not by place
        ({"x_recharge_webhook_signature": f"t={AT_S},v1={V1}", "x_recharge_webhook_timestamp": "1795168801"}, False),
        ({"x_recharge_webhook_signature": f"t={AT_S + 1},v1={V1}"}, False),
        ({"x_recharge_webhook_signature": f"v1={V1}"}, False),
        ({"x_recharge_webhook_signature": ""}, False),
        ({"x_recharge_hmac_sha256": LEGACY}, True),
        ({"x_recharge_hmac_sha256": "fce184c0ed82234cafa48a0772a9e7f5e4bfef84c222f0118c6ea7c60aa91dda"}, False),
        ({"x_recharge_hmac_sha256": "6f20a3899451b624fc23c6c2a4b277ed7a223e93254efeb496d1a58aa49093ac"}, False),
        ({"x_recharge_webhook_signature": f"t={AT_S},v1=00", "x_recharge_hmac_sha256": LEGACY}, False),
        ({"x_recharge_webhook_signature": "t=é,v1=é"}, False),
        ({}, False),
    ],
)
def test_the_page_s_signatures(headers: dict[str, str], is_good: bool) -> None:
    assert isinstance(SOURCE.verify(hook(BODY, "", headers)), Verified if is_good else Refused)


@pytest.mark.parametrize(("age_s", "is_good"), [(172_800, True), (172_801, False), (-172_800, True), (-172_802, False)])
def test_a_signature_is_good_for_the_span_of_the_retries(age_s: int, is_good: bool) -> None:
    found = SOURCE.verify(hook(BODY, "", {"x-recharge-webhook-signature": f"t={AT_S},v1={V1}"}, age_s))
    assert isinstance(found, Verified if is_good else Refused)


def test_the_header_names_the_topic_where_the_address_does_not() -> None:
    body = encoded({"subscription": {"id": 5}})
    [draft] = SOURCE.decode(hook(body, "", {"x-recharge-topic": "subscription/created"})).drafts
    assert draft.event["event_name"] == "subscription_started"


def test_what_opens_a_customer_s_portal_is_not_kept() -> None:
    for topic in TOPICS:
        [draft] = SOURCE.decode(hook(encoded(WORKED), topic)).drafts
        assert "not-to-be-stored" not in repr(draft)
        assert "203.0.113.7" not in repr(draft) or draft.is_internal, "the first checkout's address is not the event's"


def test_a_charge_paid_twice_over_is_one_event() -> None:
    ids = {SOURCE.decode(hook(encoded(WORKED), topic)).drafts[0].event["event_id"] for topic in ("charge-paid", "")}
    assert ids == {"renewal.730010001"}


@settings(max_examples=50)
@given(topic=st.sampled_from(TOPICS), bodies=mutations(WORKED))
def test_any_shape_becomes_an_event_or_is_kept(topic: str, bodies: list[bytes]) -> None:
    for body in bodies:
        [draft] = SOURCE.decode(hook(body, topic)).drafts
        settle(draft, "recharge_webhook")
