"""Shopify's webhooks over HTTP, on a running gateway: answers, what is on disk after them, and what goes out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.sources.shopify_hooks import SOURCE, deliver, signature
from tests.support.running import META, Running, running_gateway, running_simulator, wait_until

ORDER = json.loads((Path(__file__).parents[2] / "cases" / "sources" / "shopify" / "worked_order.json").read_text())[
    "delivery"
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("shopify")
    with running_simulator(directory) as url:
        site = "purchase_hold_s = 0.2\n" + SOURCE
        with running_gateway(directory, site=site, destinations=META, simulator=url) as running:
            yield running


def order(number: int, **fields: Any) -> dict[str, Any]:
    return {**ORDER, "id": number, "checkout_token": f"token{number}", **fields}


def sent(gateway: Running, event_id: str) -> list[Any]:
    """What Meta got of that event."""
    return [one["event"] for one in gateway.accepted("meta") if one["event"]["event_id"] == event_id]


def test_an_order_is_on_disk_when_it_is_answered_and_reaches_the_platform_once(gateway: Running) -> None:
    answers = [deliver(gateway, topic, order(1)) for topic in ("orders/create", "orders/paid", "orders/create")]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "purchase.token1" in gateway.command("explain", "purchase.token1").stdout

    [purchase] = wait_until(lambda: sent(gateway, "purchase.token1"))
    assert purchase["custom_data"]["value"] == 49.9
    assert purchase["user_data"]["fbc"] == "fb.1.1795168512000.IwAR0exampleClick"


def test_the_pixel_s_order_and_the_webhook_s_become_one(gateway: Running) -> None:
    pixel = {
        "event_name": "purchase_placed", "event_id": "purchase.token2", "user_data": {"fbp": "fb.1.1795168512000.7"},
        "custom_data": {"checkout_token": "token2", "value": 1, "currency": "EUR"},
    }  # fmt: skip
    assert gateway.send(pixel).status_code == 202
    assert deliver(gateway, "orders/create", order(2)).status_code == 200
    wait_until(lambda: sent(gateway, "purchase.token2"))
    assert len(sent(gateway, "purchase.token2")) == 1


def test_a_refund_takes_its_buyer_from_the_stored_order(gateway: Running) -> None:
    deliver(gateway, "orders/create", order(3))
    paid = {"kind": "refund", "status": "success", "amount": "5.00"}
    assert deliver(gateway, "refunds/create", {"id": 33, "order_id": 3, "transactions": [paid]}).status_code == 200
    found = gateway.command("explain", "refund.33").stdout
    assert "5.00 EUR" in found
    assert "visitor 9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21" in found
    assert "email: sha256" in found


@pytest.mark.parametrize("fault", [{"x_shopify_hmac_sha256": signature(b"other")}, {"x_shopify_hmac_sha256": ""}])
def test_a_wrong_signature_is_401_and_leaves_nothing(gateway: Running, fault: dict[str, str]) -> None:
    answer = deliver(gateway, "orders/create", order(4), **fault)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "wrong_signature")
    assert "purchase.token4" not in gateway.command("stream").stdout


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b'{"id":', b'{"id":{}}', json.dumps({"id": 5, "line_items": 7})])
def test_a_signed_body_that_is_no_order_is_kept_and_answered_200(gateway: Running, body: bytes | str) -> None:
    assert deliver(gateway, "orders/create", body if isinstance(body, bytes) else body.encode()).status_code == 200


def test_topics_that_are_no_events_are_kept_and_go_nowhere(gateway: Running) -> None:
    same = {"x_shopify_event_id": "evt-product"}
    for _ in range(2):
        product = {"id": 1, "title": "Tea", "vendor": "jane@example.com"}
        assert deliver(gateway, "products/update", product, **same).status_code == 200
    assert deliver(gateway, "strange/topic", {"id": 1}).status_code == 200
    wait_until(lambda: "products/update.evt-product" in gateway.command("stream").stdout)
    kept = gateway.command("explain", "products/update.evt-product").stdout
    assert "not_routed meta-main" in kept
    assert "jane@example.com" not in kept
    assert sent(gateway, "products/update.evt-product") == []


@pytest.mark.parametrize(
    "path", ["/webhooks/shopify/other", "/webhooks/shopify/", "/webhooks/shop/none", "/webhooks/x"]
)
def test_a_path_without_a_source_is_404(gateway: Running, path: str) -> None:
    assert deliver(gateway, "orders/create", order(6), path=path).status_code == 404


def test_the_source_answers_under_its_own_id_too(gateway: Running) -> None:
    assert deliver(gateway, "orders/create", order(7), path="/webhooks/shop/shopify").status_code == 200


def test_a_body_over_the_bound_is_413_and_other_methods_405(gateway: Running) -> None:
    assert deliver(gateway, "orders/create", b" " * (1 << 20) + b"{}").status_code == 413
    assert gateway.get(gateway.url + "/webhooks/shopify/shop").status_code == 405


def test_the_books_balance_after_all_that(gateway: Running) -> None:
    assert "all agrees" in gateway.command("check-store").stdout
