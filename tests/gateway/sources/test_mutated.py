"""1,000 payloads of each sender that signs nothing, changed in places to anything: answered, and never with a failure.

Those that sign have the same for what follows their signature, beside their own tests.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.gateway.sources.cases import cases, mutations, read
from tests.gateway.test_events_api_body import SAMPLE
from tests.support.running import ORIGIN, PUBLIC_KEY, WRITE_KEY, running_gateway

EVENT: dict[str, Any] = {
    "event_name": "purchase_placed",
    "event_id": "order-1001",
    "occurred_at": "2026-11-20T09:55:12.345Z",
    "page": {"url": "https://shop.example.com/?fbclid=IwAR2x", "title": "Teas", "referrer": ""},
    "user_data": {"email": "jane@example.com", "phone": "+4915112345678", "anonymous_id": "a1", "country": "DE"},
    "custom_data": {"value": 59.9, "currency": "EUR", "order_id": "1001", "items": [{"id": "TEA", "quantity": 2}]},
    "consent": {"analytics": "granted", "marketing": "denied"},
}
FORWARDED = read(next(path for path in cases("shopify_pixel") if path.stem == "checkout_completed"))["body"]
ANSWERS = {200, 202, 400, 401, 403, 413}
MANY = settings(max_examples=50, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


class Sender:
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def answers(self, path: str, bodies: list[bytes], **headers: str) -> set[int]:
        return {self.client.post(path, content=body, headers=headers).status_code for body in bodies}


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    folder = tmp_path_factory.mktemp("mutated")
    with (
        running_gateway(folder, site="ip_rate = 0\nevents_api = true") as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client,
    ):
        yield Sender(client)
        checked = gateway.command("check-store")
    assert checked.returncode == 0, checked.stdout


@MANY
@given(bodies=mutations(EVENT))
def test_a_servers_events(sender: Sender, bodies: list[bytes]) -> None:
    assert sender.answers("/v1/events", bodies, authorization=f"Bearer {WRITE_KEY}") <= ANSWERS


@MANY
@given(bodies=mutations({"events": [EVENT], "cookies": "_fbp=fb.1.2.3"}))
def test_a_browsers_events(sender: Sender, bodies: list[bytes]) -> None:
    assert sender.answers(f"/i?k={PUBLIC_KEY}", bodies, origin=ORIGIN) <= ANSWERS


@settings(MANY, max_examples=200)
@given(bodies=mutations({**FORWARDED, "key": PUBLIC_KEY}, bodies=5))
def test_what_the_pixel_forwards(sender: Sender, bodies: list[bytes]) -> None:
    assert sender.answers("/i/shopify", bodies) <= ANSWERS


@MANY
@given(bodies=mutations(SAMPLE))
def test_bodies_of_the_events_api(sender: Sender, bodies: list[bytes]) -> None:
    assert sender.answers("/", bodies, origin=ORIGIN) <= ANSWERS


def test_the_senders_worked_payloads_are_taken(sender: Sender) -> None:
    worked = {"/v1/events": EVENT, "/i/shopify": {**FORWARDED, "key": PUBLIC_KEY}, "/": SAMPLE}
    headers = {"authorization": f"Bearer {WRITE_KEY}", "origin": ORIGIN}
    for path, body in worked.items():
        assert sender.answers(path, [json.dumps(body, default=float).encode()], **headers) <= {200, 202}
