"""Shopify's privacy topics and `gateway privacy` on a running gateway: what goes, what stays, through a kill."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.identity import email_digests
from store.env import NAMES, Store
from tests.gateway.sources.shopify_hooks import SOURCE, deliver
from tests.support.running import (
    META,
    ORIGIN,
    PUBLIC_KEY,
    Running,
    running_gateway,
    running_simulator,
    start_gateway,
    wait_until,
)

SITE = "purchase_hold_s = 0.2\n" + SOURCE


class Buyer:
    """A person as several doors see them."""

    def __init__(self, name: str, number: int) -> None:
        self.mail = f"{name}@example.org"
        self.visitor = f"{number:02}" + "cd" * 15
        self.customer = 7_001_234_567_800 + number
        self.order = 6_123_456_789_000 + number

    def come(self, gateway: Running) -> None:
        """By the browser, by the shop's own server, by Shopify's webhooks of known and unknown topics."""
        page = {
            "event_name": "page_viewed",
            "event_id": f"page-{self.visitor}",
            "user_data": {"anonymous_id": self.visitor},
        }
        assert gateway.post("/i?k=" + PUBLIC_KEY, page, origin=ORIGIN).status_code in (200, 202)
        user = {"anonymous_id": self.visitor, "email": self.mail, "external_id": str(self.customer)}
        assert gateway.send({"event_name": "login", "event_id": f"login-{self.customer}", "user_data": user}).is_success
        customer = {"id": self.customer, "email": self.mail}
        order = {"id": self.order, "email": self.mail, "customer": customer, "total_price": "10.00", "currency": "EUR"}
        order["checkout_token"] = f"token{self.order}"
        assert deliver(gateway, "orders/create", order).status_code == 200
        assert deliver(gateway, "orders/updated", order).status_code == 200
        assert deliver(gateway, "customers/update", customer).status_code == 200

    def traces(self) -> list[bytes]:
        """Texts of which no row may hold one, once this person is erased."""
        digests = email_digests(self.mail)
        assert digests is not None
        texts = [self.mail, self.visitor, str(self.customer), str(self.order), *msgspec.to_builtins(digests).values()]
        return [one.encode() for one in texts] + [msgspec.msgpack.encode(one) for one in (self.customer, self.order)]

    def redact(self) -> dict[str, Any]:
        return {"shop_id": 1, "customer": {"id": self.customer, "email": self.mail}, "orders_to_redact": [self.order]}


JANE, JOHN = Buyer("jane", 1), Buyer("john", 2)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with (
        running_simulator(tmp_path) as url,
        running_gateway(tmp_path, site=SITE, destinations=META, simulator=url) as one,
    ):
        yield one


def rows(gateway: Running, *databases: str) -> list[tuple[str, bytes, bytes]]:
    """Live rows."""
    store = Store(gateway.directory / "data", is_readonly=True)
    try:
        with store.read() as txn:
            return [(one, bytes(key), bytes(raw)) for one in databases for key, raw in txn.cursor(db=store.dbs[one])]
    finally:
        store.close()


def rows_with(gateway: Running, buyer: Buyer, *databases: str) -> list[tuple[str, bytes, bytes]]:
    """Those of every database that hold a trace."""
    found, traces = rows(gateway, *(databases or NAMES)), buyer.traces()
    return [row for row in found if any(trace in row[1] or trace in row[2] for trace in traces)]


def jobs(gateway: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.command("privacy", "list", "--json").stdout.splitlines()]


def is_done(gateway: Running, count: int = 1) -> bool:
    found = jobs(gateway)
    return len(found) == count and all(one["state"] == "done" for one in found)


def both(gateway: Running) -> None:
    for one in (JANE, JOHN):
        one.come(gateway)
    wait_until(lambda: len(gateway.accepted("meta")) >= 6)  # the purchases too: none waits for its twin any more
    wait_until(lambda: len(rows(gateway, "site_event")) == 10)


def clean(gateway: Running) -> bool:
    return gateway.command("check-store").returncode == 0


def test_a_customer_that_shopify_has_redacted_is_in_no_row_and_nobody_else_is_touched(gateway: Running) -> None:
    both(gateway)
    before = rows_with(gateway, JOHN, "log")
    answers = [deliver(gateway, "customers/redact", JANE.redact(), x_shopify_event_id="redact-1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    wait_until(lambda: is_done(gateway))
    assert (rows_with(gateway, JANE), rows_with(gateway, JOHN, "log")) == ([], before)
    assert clean(gateway)
    found = gateway.command("privacy", "receipts", "--for", f"email:{JANE.mail}")
    assert (found.returncode, "meta-main" in found.stdout, JANE.mail in found.stdout + gateway.log()) == (
        0,
        True,
        False,
    )


def test_what_was_asked_for_is_written_for_the_operator_only_and_holds_nobody_else(gateway: Running) -> None:
    both(gateway)
    assert deliver(gateway, "customers/data_request", {**JANE.redact(), "orders_requested": [JANE.order]}).is_success
    wait_until(lambda: is_done(gateway))
    path = gateway.directory / "data" / jobs(gateway)[0]["file"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = sorted(line["event"]["event_name"] for line in lines if line["record"] == "event")
    assert names == [
        "login_completed",
        "page_viewed",
        "purchase_placed",
        "shopify customers/update",
        "shopify orders/updated",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(trace in path.read_bytes() for trace in JOHN.traces())
    assert "privacy_export_done" in gateway.log()


def test_a_queued_delivery_to_a_dead_platform_is_cancelled(gateway: Running) -> None:
    gateway.fail("meta", kind="status", status=503)
    JANE.come(gateway)
    wait_until(lambda: '"failed"' in gateway.command("deliveries", "--json").stdout)
    done = gateway.command("privacy", "erase", f"external_id:{JANE.customer}")
    gateway.heal("meta")
    assert "cancelled" in done.stdout
    assert (rows_with(gateway, JANE), clean(gateway), gateway.accepted("meta")) == ([], True, [])


def test_an_erasure_that_a_kill_cuts_goes_on_at_the_next_start(gateway: Running) -> None:
    both(gateway)
    gateway.command("privacy", "erase", f"email:{JANE.mail}", "--detach")
    gateway.kill()
    again = start_gateway(gateway.directory, gateway.simulator)
    try:
        wait_until(lambda: is_done(again))
        assert (rows_with(again, JANE), clean(again)) == ([], True)
    finally:
        again.stop()


def test_the_command_erases_on_the_store_of_a_stopped_gateway(gateway: Running) -> None:
    both(gateway)
    gateway.stop()
    done = gateway.command("privacy", "erase", "-", "--site", "shop", stdin=f"order:{JANE.order}\n")
    assert (done.returncode, rows_with(gateway, JANE), clean(gateway)) == (0, [], True)


def test_a_shop_that_is_redacted_leaves_nobody_of_whom_shopify_told(gateway: Running) -> None:
    both(gateway)
    assert deliver(gateway, "shop/redact", {"shop_id": 1}).status_code == 200
    wait_until(lambda: is_done(gateway))
    left = {raw for name, _, raw in rows_with(gateway, JANE) if name == "log"}
    assert not any(b"shopify_webhook" in raw for raw in left)
    assert clean(gateway)
