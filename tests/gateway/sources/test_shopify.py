"""Shopify's deliveries as events: the page's worked examples and signatures, and shapes nobody promised."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.event import CustomData, Event
from actors.secret import Secret
from gateway.incoming import Intake, to_event
from gateway.sources.base import Hook, Refused, Verified
from gateway.sources.shopify import Shopify
from tests.gateway.sources.cases import mutations, settle
from tests.gateway.sources.shopify_hooks import PREVIOUS, SECRET, SHOP, signature

CASES = sorted((Path(__file__).parents[2] / "cases" / "sources" / "shopify").glob("*.json"))
SOURCE = Shopify(id="shopify", shop=SHOP, secrets=(Secret(SECRET), Secret(PREVIOUS)), url="https://shop.example.com/")
INTAKE = Intake(site="shop", source="shopify_webhook", received_at_ms=1_795_262_400_000, make_id=lambda: "made")
TOPICS = (
    "orders/create", "orders/cancelled", "orders/fulfilled", "refunds/create", "checkouts/create", "checkouts/update",
    "customers/enable", "customers/email_marketing_consent_update", "products/update",
)  # fmt: skip
COLUMNS = [name for name in CustomData.__struct_fields__ if name != "properties"]
BODY = b'{"id":6123456789012,"email":"jane@example.com","currency":"USD","total_price":"53.89"}'


def hook(topic: str, body: Any, **headers: str) -> Hook:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {"x-shopify-topic": topic, "x-shopify-event-id": "evt-1", **headers}
    return Hook(headers=given, body=raw, received_at_ms=INTAKE.received_at_ms)


def event_of(told: Any, landing_url: str | None = None) -> Event:
    raw = msgspec.json.encode(told, enc_hook=str)
    event = to_event(raw, msgspec.structs.replace(INTAKE, landing_url=landing_url))
    assert isinstance(event, Event), event
    return event


@pytest.mark.parametrize("topic", ["orders/create", "orders/cancelled"])
def test_a_renewal_has_no_browser_and_no_landing_of_its_own(topic: str) -> None:
    order = json.loads(next(path for path in CASES if path.stem == "worked_order").read_text())["delivery"]
    order |= {"tags": "Subscription, Subscription Recurring Order", "landing_site": "/?gclid=Cj0FirstOrder"}
    order["note_attributes"] += [{"name": "gw_session_id", "value": "s-1"}]
    [draft] = SOURCE.decode(hook(topic, order)).drafts
    found = event_of(draft.event, draft.landing_url)
    user = found.user_data
    assert (user.client_ip, user.client_user_agent, user.gclid, user.session_id) == (None, None, None, None)
    assert (found.page.referrer, found.action_source) == (None, "system_generated")
    assert user.anonymous_id == "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21"


def test_who_registers_is_one_event_though_two_topics_tell_it() -> None:
    customer = {"id": 7001234567890, "email": "jane@example.com", "state": "enabled"}
    told = [SOURCE.decode(hook(topic, customer)).drafts[0] for topic in ("customers/create", "customers/enable")]
    assert {(one.event["event_name"], one.event["event_id"]) for one in told} == {
        ("registration_completed", "registered.7001234567890")
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(), parse_float=Decimal)
    [draft] = SOURCE.decode(hook(case["topic"], msgspec.json.decode(path.read_bytes())["delivery"])).drafts
    if case["event"] is None:
        assert draft.is_internal
        return
    told = case["event"] | {"source": None} if "source" in case["event"] else case["event"]
    found, wanted = event_of(draft.event, draft.landing_url), event_of({k: v for k, v in told.items() if k != "source"})
    assert not draft.is_internal
    assert found.user_data == wanted.user_data
    assert (found.event_name, found.event_id, found.occurred_at_ms) == (
        wanted.event_name, wanted.event_id, wanted.occurred_at_ms,
    )  # fmt: skip
    assert (found.page, found.consent, found.action_source) == (wanted.page, wanted.consent, wanted.action_source)
    stated = {name: getattr(wanted.custom_data, name) for name in COLUMNS}
    assert {name: getattr(found.custom_data, name) for name, value in stated.items() if value} == {
        name: value for name, value in stated.items() if value
    }
    assert wanted.custom_data.properties.items() <= found.custom_data.properties.items()


@pytest.mark.parametrize(
    ("body", "digest", "is_good"),
    [
        (BODY, "Z/F0X2jluFnlG9Y8Y/r1WMH+bC55NFSgBONeiOkeV9M=", True),
        (BODY, "NZMQgt1a4yxbtdTP4G0DDsk14UYGY/QeIobUEBsu8s4=", True),  # the secret before
        (json.dumps(json.loads(BODY)).encode(), "Z/F0X2jluFnlG9Y8Y/r1WMH+bC55NFSgBONeiOkeV9M=", False),
        (BODY + b"\n", "Z/F0X2jluFnlG9Y8Y/r1WMH+bC55NFSgBONeiOkeV9M=", False),
        ('{"name":"Zoë"}'.encode(), "jf1cSSXTDdo2NcV7liQFzQMJibUuRChayjuXRdBKpCg=", True),
        (BODY, "", False),
        (BODY, "not base64", False),
        (BODY, "z/F0X2jluFnlG9Y8Y/r1WMH+bC55NFSgBONeiOkeV9M=", False),
    ],
)
def test_the_page_s_signatures(body: bytes, digest: str, is_good: bool) -> None:
    found = SOURCE.verify(
        hook("orders/create", body, **{"x-shopify-hmac-sha256": digest, "x-shopify-shop-domain": SHOP})
    )
    assert isinstance(found, Verified if is_good else Refused)


def test_a_delivery_of_another_shop_is_refused_though_the_app_signed_it() -> None:
    signed = {"x-shopify-hmac-sha256": signature(BODY), "x-shopify-shop-domain": "other.myshopify.com"}
    found = SOURCE.verify(hook("orders/create", BODY, **signed))
    assert isinstance(found, Refused)
    assert "another shop" in found.reason


def test_no_access_token_of_an_order_s_page_is_kept() -> None:
    order = {"id": 1, "order_status_url": "https://shop.example.com/1/orders/x/authenticate?key=secret", "token": "t"}
    [draft] = SOURCE.decode(hook("orders/create", order)).drafts
    assert "secret" not in repr(draft)


def test_the_person_of_a_privacy_topic_is_not_kept() -> None:
    body = {"shop_id": 1, "customer": {"id": 7, "email": "jane@example.com"}}
    [draft] = SOURCE.decode(hook("customers/redact", body)).drafts
    assert draft.is_internal
    assert "jane" not in repr(draft)


WORKED = json.loads(next(path for path in CASES if path.stem == "worked_order").read_text())["delivery"]


@settings(max_examples=50)
@given(topic=st.sampled_from(TOPICS), bodies=mutations(WORKED))
def test_any_shape_becomes_events_or_is_kept(topic: str, bodies: list[bytes]) -> None:
    for body in bodies:
        drafts = SOURCE.decode(hook(topic, body)).drafts
        assert drafts
        for draft in drafts:
            settle(draft, "shopify_webhook")
