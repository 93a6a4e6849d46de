"""The README's "Send the first event", as somebody pastes it; only addresses are those of the test."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from build_hook import sdk
from tests.e2e.shop_server import Shop, serving_shop
from tests.gateway.sources.shopify_hooks import deliver
from tests.support.running import Running, environment, start_gateway, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TEXT = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
FIRST = TEXT.partition("## Send the first event")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(sh|python|html)\n(.*?)```", FIRST, re.DOTALL)
SECRET = "example-client-secret"


def block(language: str, holding: str) -> str:
    """The one of that language that holds this."""
    [found] = [str(text) for kind, text in BLOCKS if kind == language and holding in text]
    return found


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with serving_shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> Iterator[Running]:
    sdk.make()
    folder = tmp_path_factory.mktemp("readme")
    [config] = re.findall(r"<<'TOML'\n(.*?)TOML\n", block("sh", "config.toml"), re.DOTALL)
    server = f'[server]\nbind = "127.0.0.1:0"\nmetrics_bind = ""\ndata_dir = "{folder / "data"}"\n'
    (folder / "config.toml").write_text(server + config.replace("https://shop.example.com", shop.origin))
    running = start_gateway(folder)
    yield running
    running.stop()


def pasted(gateway: Running, text: str) -> str:
    for address in ("http://127.0.0.1:8080", "https://events.shop.example.com"):
        text = text.replace(address, gateway.url)
    return text


def run(gateway: Running, text: str) -> str:
    """What a shell, in which `gateway` is the command, says to it."""
    own = f'"{sys.executable}" -m gateway'
    text = re.sub(r"(?m)^(\.venv/bin/)?gateway( \S+)", rf"{own}\2", pasted(gateway, text))
    env = {**environment(), "GATEWAY_CONFIG": str(gateway.directory / "config.toml"), "SHOPIFY_SECRET": SECRET}
    done = subprocess.run(["bash", "-ec", text], capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl_is_answered_as_the_readme_says_and_the_event_is_explained(gateway: Running) -> None:
    text = block("sh", "curl ")
    said = run(gateway, text)
    [promised] = re.findall(r"(?m)^# 202 (\{.*\})$", text)
    assert promised in said
    assert "purchase_placed  order-1001" in said


def test_segments_python_client_is_taken(gateway: Running) -> None:
    subprocess.run([sys.executable, "-c", pasted(gateway, block("python", "segment"))], check=True, timeout=120)
    told = wait_until(lambda: gateway.command("explain", "--order", "1002").stdout)
    assert "purchase_placed" in told


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_the_snippet_sends_a_page_view_and_the_call_beside_it_an_order(gateway: Running, shop: Shop) -> None:
    shop.page = "<!doctype html><title>Teas</title>" + pasted(gateway, block("html", "/sdk.js"))
    [call] = re.findall(r"`(gw\.purchase_placed\(.*?\))`", FIRST)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        with page.expect_response("**/i?*") as answered:
            page.goto(shop.origin)
            page.wait_for_function("!!window.gw")
            page.evaluate(call)
        assert len(answered.value.json()["event_ids"]) == 2
        browser.close()


def test_a_shop_is_connected_and_its_first_order_taken(gateway: Running) -> None:
    said = run(gateway, block("sh", "connect shopify"))
    assert "/webhooks/shopify/shop" in said
    order = {"id": 1003, "checkout_token": "t3", "total_price": "49.90", "currency": "EUR"}
    wait_until(lambda: deliver(gateway, "orders/create", order).status_code == 200)
    assert "purchase_placed" in wait_until(lambda: gateway.command("explain", "--order", "1003").stdout)
