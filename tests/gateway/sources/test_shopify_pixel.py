"""What Shopify's pixel forwards, as events: the contract's sample, cases of the other shapes, and no body breaks it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.shopify_pixel import cookies_of, event_of, user_agent_of, visitor_of
from tests.gateway.sources.shopify_hooks import SOURCE, deliver
from tests.support.running import META, PUBLIC_KEY, Running, running_gateway, running_simulator, wait_until

CASES = Path(__file__).parents[2] / "cases" / "sources" / "shopify_pixel"
DECODER = msgspec.json.Decoder(float_hook=Decimal)
ENCODER = msgspec.json.Encoder(decimal_format="number")
OF_THE_REQUEST = ("source", "action_source")
OF_THE_CALLER = ("anonymous_id", "client_ip", "client_user_agent", "fbp")


def case(name: str) -> Any:
    return DECODER.decode((CASES / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_a_case(name: str) -> None:
    told = case(name)
    expected = told["event"]
    if name == "checkout_completed":  # the contract shows it after the edge: canonical name, caller, cookies
        expected = {field: value for field, value in expected.items() if field not in OF_THE_REQUEST}
        user_data = {field: value for field, value in expected["user_data"].items() if field not in OF_THE_CALLER}
        custom_data = {**expected["custom_data"], "checkout_token": "a1b2c3d4e5f60718293a4b5c6d7e8f90"}
        expected |= {"event_name": "checkout_completed", "user_data": user_data, "custom_data": custom_data}
    assert event_of(told["body"], "variant_id") == expected


def test_the_cart_knows_the_visitor_better_than_shopify() -> None:
    assert visitor_of(case("visitor_carried_by_the_cart")["body"]) == "0123456789abcdef0123456789abcdef"
    assert visitor_of(case("product_viewed")["body"]) == "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21"


def test_a_cookie_cannot_bring_another_one_with_it() -> None:
    assert cookies_of({"cookies": {"_fbp": "fb.1.2.3; _gw_vid=x", "_ttp": "abc"}}) == "_ttp=abc"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("NaN"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["amount", "id", "key", "value", "lineItems", "checkout", "cart", "price", "order", "event", "attributes"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(data=ODD, extra=ODD, checkout=st.dictionaries(st.sampled_from(
    ["token", "totalPrice", "lineItems", "attributes", "order", "discountApplications", "email"]), ODD))  # fmt: skip
def test_no_shape_breaks_it(data: Any, extra: Any, checkout: dict[str, Any]) -> None:
    told = {
        "name": "checkout_completed",
        "type": "standard",
        "data": {"checkout": checkout, "cart": data},
        "context": extra,
    }
    body = {"event": told, "cookies": extra, "customer": data, "customer_privacy": extra}
    event = event_of(body, "sku")
    assert event is not None
    assert event["event_name"] == "checkout_completed"
    for read in (cookies_of, visitor_of, user_agent_of):
        assert isinstance(read(body), str | None)


# --- at the door ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("pixel"), site=SOURCE) as running:
        yield running


def forwarded(name: str = "checkout_completed", **other: Any) -> bytes:
    return ENCODER.encode({**case(name)["body"], "key": PUBLIC_KEY, **other})


def test_a_sandbox_without_an_origin_is_let_in(gateway: Running) -> None:
    answer = gateway.post("/i/shopify", forwarded(), origin="null", content_type="text/plain")
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    told = wait_until(lambda: gateway.command("explain", "purchase.a1b2c3d4e5f60718293a4b5c6d7e8f90", "--json").stdout)
    assert '"purchase_placed"' in told


def test_what_means_nothing_here_is_answered_and_kept_nowhere(gateway: Running) -> None:
    assert gateway.post("/i/shopify", forwarded("typed_text_is_no_event")).json() == {"accepted": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (forwarded(key="pk_other"), 401, "unknown_key"),
        (forwarded(key=7), 401, "unknown_key"),
        (forwarded(shop="other.myshopify.com"), 403, "wrong_origin"),
        (forwarded(event={"type": "standard"}), 401, "unknown_key"),
        (b"no json", 401, "unknown_key"),
    ],
)
def test_what_is_refused_says_why(gateway: Running, body: bytes, status: int, code: str) -> None:
    answer = gateway.post("/i/shopify", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_body_that_is_none_is_told_so_to_a_known_key(gateway: Running) -> None:
    answer = gateway.post(f"/i/shopify?k={PUBLIC_KEY}", b"[]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_a_preflight_is_answered_for_any_origin(gateway: Running) -> None:
    headers = {"origin": "null", "access-control-request-method": "POST"}
    answer = httpx.options(gateway.url + "/i/shopify", headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


# --- pixel and webhook of one order ---------------------------------------------------------------------------------


def paid(token: str) -> dict[str, Any]:
    return {
        "id": 6123456789012,
        "checkout_token": token,
        "email": "jane@example.com",
        "created_at": datetime.now(UTC).isoformat(),
        "total_price": "49.90",
        "currency": "EUR",
    }


def bought(token: str) -> bytes:
    event = case("checkout_completed")["body"]["event"]
    checkout = {**event["data"]["checkout"], "token": token}
    return forwarded(event={**event, "timestamp": datetime.now(UTC).isoformat(), "data": {"checkout": checkout}})


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("twins")
    site = "purchase_hold_s = 2\n" + SOURCE
    with (
        running_simulator(folder) as simulator,
        running_gateway(folder, site=site, destinations=META, simulator=simulator) as running,
    ):
        yield running


def test_the_pixels_and_the_webhooks_order_become_one_with_the_identifiers_of_both(sending: Running) -> None:
    assert sending.post("/i/shopify", bought("t1")).status_code == 200
    assert deliver(sending, "orders/create", paid("t1")).status_code == 200
    [taken] = wait_until(lambda: sending.accepted("meta"), what="the purchase")
    user_data = taken["event"]["user_data"]
    assert (taken["event"]["event_id"], "fbp" in user_data, "em" in user_data) == ("purchase.t1", True, True)


def test_a_withdrawal_that_the_pixel_tells_is_the_visitors_state_and_goes_nowhere(sending: Running) -> None:
    before = len(sending.accepted("meta"))
    denied = {"analyticsProcessingAllowed": False, "marketingAllowed": False}
    event = {"name": "visitorConsentCollected", "type": "consent", "clientId": "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d33"}
    assert sending.post("/i/shopify", forwarded(event=event, customer_privacy=denied)).json() == {"accepted": 1}
    told = {
        "event_name": "page_viewed",
        "event_id": "after",
        "user_data": {"anonymous_id": "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d33"},
    }
    assert sending.send(told).status_code == 202
    story = wait_until(lambda: sending.command("explain", "after").stdout)
    assert "marketing denied" in story
    assert len(sending.accepted("meta")) == before


def test_an_order_whose_pixel_was_blocked_arrives_by_its_webhook(sending: Running) -> None:
    before = len(sending.accepted("meta"))
    assert deliver(sending, "orders/create", {**paid("t2"), "id": 2}).status_code == 200
    [taken] = wait_until(lambda: sending.accepted("meta")[before:], what="the purchase")
    assert (taken["event"]["event_id"], taken["event"]["custom_data"]["value"]) == ("purchase.t2", 49.9)
