"""Recharge's and Klaviyo's webhooks over HTTP, on a running gateway with Shopify's beside them."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.sources.cases import cases, encoded, read
from tests.gateway.sources.shopify_hooks import SOURCE as SHOPIFY
from tests.gateway.sources.shopify_hooks import deliver as deliver_shopify
from tests.support.running import META, Running, running_gateway, running_simulator, wait_until

KEY = "a-secret-of-the-sender"
TOKEN = "a-token-of-our-flows"
SITE = f"""purchase_hold_s = 1
{SHOPIFY}
[[sites.sources]]
id = "recharge"
type = "recharge"
secrets = ["{KEY}"]

[[sites.sources]]
id = "messages"
type = "klaviyo"
secrets = ["{KEY}"]
tokens = ["{TOKEN}"]

[[sites.sources]]
id = "crm"
type = "generic"
signature = {{ scheme = "hmac", header = "X-Sig", secrets = ["{KEY}", "{TOKEN}"] }}
[[sites.sources.events]]
each = "$.leads"
event_name = "lead_submitted"
event_id = "@.id"
custom_data.lead_id = "@.id"
custom_data.value = {{ cel = "double(item.amount) / 100.0" }}
custom_data.currency = "EUR"
user_data.email = "@.email"

[[sites.sources]]
id = "near"
type = "generic"
signature = {{ scheme = "none", addresses = ["192.0.2.1"] }}
[[sites.sources.events]]
event_name = "lead_submitted"
"""
EVENTS = """events = ["subscription_renewed", "message_clicked", "lead_submitted"]
"""
CHARGE = read(next(path for path in cases("recharge") if path.stem == "worked_renewal"))["delivery"]["charge"]
CLICK = read(next(path for path in cases("klaviyo") if path.stem == "worked_click"))["delivery"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("hooks")
    with (
        running_simulator(directory) as url,
        running_gateway(
            directory, site=SITE, destinations=META + EVENTS, simulator=url, server='trusted_proxies = ["127.0.0.1"]'
        ) as running,
    ):
        yield running


def post(gateway: Running, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(gateway.url + path, content=body, headers=headers, trust_env=False, timeout=10)


def deliver(gateway: Running, body: bytes, topic: str = "charge-paid", key: str = KEY, age_s: int = 0) -> int:
    at = str(int(time.time()) - age_s)
    digest = hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"x-recharge-webhook-timestamp": at, "x-recharge-webhook-signature": f"t={at},v1={digest}"}
    return post(gateway, f"/webhooks/recharge/shop/{topic}", body, headers).status_code


def charge(number: int, **fields: Any) -> bytes:
    return encoded({"charge": {**CHARGE, "id": number, "external_order_id": {"ecommerce": str(number)}, **fields}})


def click(gateway: Running, body: bytes, key: str = KEY, path: str = "/webhooks/klaviyo/shop") -> httpx.Response:
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    digest = hmac.new(key.encode(), body + at.encode(), hashlib.sha256).hexdigest()
    return post(gateway, path, body, {"klaviyo-timestamp": at, "klaviyo-signature": digest})


def sent(gateway: Running, event_id: str) -> list[Any]:
    return [one["event"] for one in gateway.accepted("meta") if one["event"]["event_id"] == event_id]


def test_a_renewal_reaches_the_platform_once_though_the_shop_tells_it_too(gateway: Running) -> None:
    assert [deliver(gateway, charge(71)) for _ in range(2)] == [200, 200]
    order = {"id": 71, "tags": "Subscription, Subscription Recurring Order", "total_price": "29.90", "currency": "EUR"}
    assert deliver_shopify(gateway, "orders/create", order).status_code == 200
    [renewal] = wait_until(lambda: sent(gateway, "renewal.71"))
    assert renewal["custom_data"]["value"] == 29.9
    told = gateway.command("explain", "renewal.71").stdout
    assert "purchase.order.71" in told
    assert sent(gateway, "purchase.order.71") == []


def test_a_first_order_is_kept_and_goes_nowhere(gateway: Running) -> None:
    assert deliver(gateway, charge(72, type="checkout")) == 200
    wait_until(lambda: "recharge charge/paid" in gateway.command("stream").stdout)
    assert sent(gateway, "renewal.72") == []


def test_wrong_signatures_old_ones_and_unknown_topics(gateway: Running) -> None:
    assert deliver(gateway, charge(73), key="wrong") == 401
    assert deliver(gateway, charge(73), age_s=200_000) == 401
    assert deliver(gateway, charge(73), topic="strange-topic") == 200
    assert deliver(gateway, b"nope") == 200
    assert deliver(gateway, b" " * (1 << 20) + b"{}") == 413
    assert "renewal.73" not in gateway.command("stream").stdout


def test_a_click_is_kept_with_its_page_and_reaches_the_platform(gateway: Running) -> None:
    body = json.loads(json.dumps(CLICK, default=float))
    body["data"] += [{**body["data"][0], "external_id": "e2"}]
    body["data"][1]["payload"] = {**body["data"][1]["payload"], "data": {"attributes": {"datetime": "no time"}}}
    assert click(gateway, encoded(body)).json() == {"accepted": 2}, "the unfit one is set apart"
    told = gateway.command("explain", "5xYzExampleEvt1").stdout
    assert "message_clicked" in told
    assert "_kx" not in told


def test_klaviyo_s_batches_may_be_larger_than_a_mebibyte(gateway: Running) -> None:
    entry = {
        "topic": "event:klaviyo.opened_email",
        "payload": {"data": {"attributes": {"event_properties": "x" * 2000}}},
    }
    assert click(gateway, encoded({"data": [entry] * 900})).json() == {"accepted": 0}
    assert click(gateway, b" " * (4 << 20) + b"{}").status_code == 413


def test_a_flow_shows_its_token(gateway: Running) -> None:
    body = encoded({"event": "message_clicked", "event_id": "flow-1", "url": "https://shop.example.com/"})
    path = "/webhooks/shop/messages"
    assert post(gateway, path, body, {"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert post(gateway, f"{path}?token={TOKEN}", body, {}).status_code == 200
    assert post(gateway, path, body, {"authorization": "Bearer wrong"}).status_code == 401
    assert TOKEN not in gateway.log()


def lead(gateway: Running, body: Any, key: str = KEY) -> httpx.Response:
    raw = body if isinstance(body, bytes) else encoded(body)
    signature = hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
    return post(gateway, "/webhooks/shop/crm", raw, {"x-sig": signature})


def test_leads_become_events_and_what_fails_is_set_apart_and_counted(gateway: Running) -> None:
    good = {"id": "L1", "amount": 1250, "email": "jane@example.com"}
    answers = [lead(gateway, {"leads": [good, {"id": "L2", "amount": "much"}]}, key) for key in (KEY, TOKEN)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"accepted": 2})] * 2
    [sent_lead] = wait_until(lambda: sent(gateway, "L1"))
    assert sent_lead["custom_data"]["value"] == 12.5
    assert '"field": "events[0].custom_data.value"' in gateway.log()
    stream = gateway.command("stream").stdout
    assert "unfit webhook" in stream
    assert sent(gateway, "L2") == []
    metrics = gateway.get(gateway.metrics_url).text
    assert re.search(r'gateway_events_rejected_total\{[^}]*source="webhook"[^}]*\} [1-9]', metrics)


@pytest.mark.parametrize(
    "body", [b"", b"nope", b"[]", b'{"leads":7}', b"[" * 900 + b"]" * 900, {"leads": [None, 1, {}]}]
)
def test_odd_bodies_of_any_sender_are_kept(gateway: Running, body: Any) -> None:
    assert lead(gateway, body).status_code == 200


def test_wrong_signatures_and_large_bodies_of_any_sender(gateway: Running) -> None:
    assert lead(gateway, {"leads": []}, "wrong").status_code == 401
    assert lead(gateway, b" " * (1 << 20) + b"{}").status_code == 413
    assert lead(gateway, {"leads": [{}] * 1_001}).status_code == 400


def test_callers_without_a_secret_are_known_by_the_address_that_trusted_proxies_tell(gateway: Running) -> None:
    path = "/webhooks/shop/near"
    assert post(gateway, path, b"{}", {}).status_code == 401
    assert post(gateway, path, b"{}", {"x-forwarded-for": "192.0.2.1"}).status_code == 200
    assert post(gateway, path, b"{}", {"x-forwarded-for": "192.0.2.1, 198.51.100.1"}).status_code == 401


def test_malformed_and_unsigned_batches(gateway: Running) -> None:
    assert click(gateway, b"nope").json()["error"]["code"] == "malformed"
    assert click(gateway, b'{"data":[]}', key="wrong").status_code == 401
    assert click(gateway, b'{"data":[]}', path="/webhooks/klaviyo/shop/topic").status_code == 404


def test_the_books_balance_after_all_that(gateway: Running) -> None:
    assert "all agrees" in gateway.command("check-store").stdout
