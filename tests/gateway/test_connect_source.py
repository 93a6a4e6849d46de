"""`gateway connect shopify` and its like: live without a restart, sealed, listed, taken away, waited for."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from gateway import exit_codes
from gateway.cli import cli
from tests.gateway.sources.cases import encoded
from tests.gateway.sources.shopify_hooks import SECRET, SHOP, deliver
from tests.support.running import Running, environment, running_gateway, start_gateway, wait_until

ORDER = {"id": 1, "checkout_token": "t1", "total_price": "12.00", "currency": "EUR"}
CONNECT = ("connect", "shopify", "--shop", SHOP, "--secret", SECRET)
TOKEN = "a-token-of-our-flows"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with running_gateway(tmp_path) as running:
        yield running


def status(gateway: Running) -> int:
    return deliver(gateway, "orders/create", ORDER).status_code


def test_a_connected_shop_is_taken_without_a_restart_and_outlives_a_kill(gateway: Running) -> None:
    assert status(gateway) == 404
    told = gateway.command(*CONNECT, "--gateway-url", "https://events.example.com/")
    assert told.returncode == 0, told.stderr
    assert "https://events.example.com/webhooks/shopify/shop" in told.stdout
    assert SECRET not in told.stdout
    wait_until(lambda: status(gateway) == 200)
    assert SECRET.encode() not in (gateway.directory / "data" / "data.mdb").read_bytes()
    gateway.kill()
    again = start_gateway(gateway.directory)
    try:
        assert status(again) == 200
        assert again.command("disconnect", "--source", "shop/shopify").returncode == 0
        wait_until(lambda: status(again) == 404)
    finally:
        assert again.stop() == 0


def test_a_rotated_key_still_opens_what_signs(gateway: Running) -> None:
    assert gateway.command(*CONNECT).returncode == 0
    rotated = json.loads(gateway.command("secret", "rotate-key", "--json").stdout)
    assert rotated["secrets"] == 1
    wait_until(lambda: status(gateway) == 200)


def test_the_first_delivery_is_waited_for(gateway: Running) -> None:
    config = str(gateway.directory / "config.toml")
    call = [sys.executable, "-m", "gateway", *CONNECT, "--wait", "30", "--config", config]
    waiting = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    wait_until(lambda: status(gateway) == 200)
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert "the first delivery is there: purchase_placed purchase.t1" in out


def test_where_nothing_comes_the_waiting_ends_with_what_to_look_at(gateway: Running) -> None:
    told = gateway.command("connect", "recharge", "--secret", "x", "--wait", "1")
    assert told.returncode == exit_codes.FAILED
    assert "https://<your gateway>/webhooks/recharge/shop/charge-paid" in told.stdout
    assert 'gateway_events_rejected_total{site="shop",source="recharge_webhook"}' in told.stderr


def test_a_flow_s_token_is_read_from_standard_input(gateway: Running) -> None:
    told = gateway.command("connect", "klaviyo-webhooks", "--token", "-", "--json", stdin=f"{TOKEN}\n")
    view = json.loads(told.stdout)
    assert (view["url"], view["type"]) == ("https://<your gateway>/webhooks/klaviyo/shop", "klaviyo")

    def answer() -> int:
        body = encoded({"event": "message_clicked", "event_id": "f1"})
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.post(gateway.url + view["path"], content=body, headers=headers, trust_env=False).status_code

    wait_until(lambda: answer() == 200)
    listed = [json.loads(line) for line in gateway.command("sources", "--json").stdout.splitlines()]
    assert [(one["id"], one["origin"], one["path"]) for one in listed] == [("klaviyo", "store", view["path"])]


def test_what_cannot_be_connected_is_told_and_nothing_is_stored(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[server]\ndata_dir = "{tmp_path / "data"}"\n[[sites]]\nid = "shop"\n')

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--config", str(tmp_path / "config.toml")])

    wrong = run("connect", "shopify", "--shop", "shop.example.com", "--secret", "x")
    assert wrong.exit_code == exit_codes.USAGE
    assert "shop: 'shop.example.com' is no Shopify domain" in wrong.output
    assert run("connect", "klaviyo-webhooks", "--token", "short").exit_code == exit_codes.USAGE
    assert run("connect", "recharge", "--secret", "x", "--site", "other").exit_code == exit_codes.USAGE
    assert run("disconnect", "--source", "shop/shopify").exit_code == exit_codes.USAGE
    assert run("sources", "--json").output == ""
    assert run(*CONNECT).exit_code == 0
    assert run(*CONNECT).exit_code == exit_codes.FAILED
    assert run(*CONNECT, "--id", "second").exit_code == exit_codes.FAILED, "one of a type"
    assert run(*CONNECT, "--replace").exit_code == 0


def test_what_the_file_declares_counts(gateway: Running) -> None:
    assert gateway.command(*CONNECT).returncode == 0
    config = gateway.directory / "config.toml"
    own = f'[[sites.sources]]\nid = "own"\ntype = "shopify"\nshop = "{SHOP}"\nsecrets = ["another"]\n'
    config.write_text(config.read_text() + own)
    assert "source shop/shopify: another one has its path" in gateway.command("check-config").stdout
    assert gateway.command(*CONNECT, "--replace").returncode == exit_codes.FAILED
