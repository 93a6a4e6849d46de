"""Test events of a running gateway: by command and by API, to simulated platforms in their test mode."""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.api_client import BEARER, TOKEN
from tests.support.running import META, Running, running_gateway, running_simulator

PLATFORMS = (
    """
[[sites.destinations]]
id = "ga4-main"
type = "ga4"
measurement_id = "G-ABCDE12345"
api_secret = "secret"
base_url = "{url}/ga4"
allow_private = true
[[sites.destinations]]
id = "pins"
type = "pinterest"
ad_account_id = "549700000123"
access_token = "token-of-pinterest"
base_url = "{url}/pinterest"
allow_private = true
"""
    + META
    + 'test_event_code = "TEST1"\n'
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("send")
    with (
        running_simulator(folder) as simulator,
        running_gateway(
            folder, destinations=PLATFORMS, simulator=simulator, server=f'admin_token = "{TOKEN}"'
        ) as running,
    ):
        yield running


def sent(gateway: Running, *arguments: str) -> Any:
    done = gateway.command("send", *arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def by_id(outcome: Any) -> dict[str, Any]:
    return {one["destination"]: one for one in outcome["destinations"]}


def test_a_test_event_goes_the_whole_way_and_each_platforms_answer_is_told(gateway: Running) -> None:
    outcome = sent(gateway, "purchase_placed", "--set", "custom_data.value=12")
    found = by_id(outcome)
    assert (found["ga4-main"]["status"], found["pins"]["status"]) == ("delivered", "delivered"), outcome
    assert found["ga4-main"]["effect"].startswith("GA4 checks the event and records nothing")
    assert found["meta-main"]["status"] == "not_routed"
    assert found["meta-main"]["why"].startswith("test_event: the event shows under Test Events; Meta processes it")


def test_the_gateway_sends_so_no_secret_need_be_set_in_the_terminal(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.running.environment", lambda: dict(os.environ))
    monkeypatch.delenv("META_ACCESS_TOKEN", raising=False)
    found = by_id(sent(gateway, "page_viewed"))
    assert found["pins"]["status"] == "delivered"
    assert found["meta-main"]["why"].startswith("test_event: the event shows under Test Events")


def test_nothing_of_it_counts_at_a_platform_or_here(gateway: Running) -> None:
    outcome = sent(gateway, "purchase_placed")
    assert [gateway.accepted(platform) for platform in ("ga4", "pinterest", "meta")] == [[], [], []]
    assert gateway.command("check-store").returncode == 0
    lines = gateway.get(gateway.metrics_url).text.splitlines()
    counted = [line for line in lines if line.startswith("gateway_deliveries_total{")]
    assert counted
    assert all('~test"' in line for line in counted)
    assert outcome["event_id"].startswith("test-")


def test_it_is_shown_apart(gateway: Running) -> None:
    outcome = sent(gateway, "page_viewed")
    story = json.loads(gateway.command("explain", outcome["event_id"], "--json").stdout)
    assert story["source"] == "test"
    assert {one["destination"] for one in story["destinations"]} == {"ga4-main~test", "pins~test", "meta-main~test"}
    shown = gateway.command("deliveries", "--json", "--destination", "ga4-main~test").stdout
    assert outcome["event_id"] in shown
    assert outcome["event_id"] not in gateway.command("deliveries", "--json", "--destination", "ga4-main").stdout


def test_what_a_platform_refuses_is_told_in_its_words_with_exit_code_1(gateway: Running) -> None:
    gateway.fail("pinterest", kind="status", status=503)
    done = gateway.command("send", "page_viewed", "--wait", "2", "--json")
    gateway.heal("pinterest")
    assert done.returncode == 1
    assert by_id(json.loads(done.stdout))["pins"]["http_status"] == 503


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("custom_data.currency=EURO", "custom_data.currency"),
        ("nothing=1", "is no field of an event"),
        ("custom_data.value", "give PATH=VALUE"),
        ("event_id=mine", "is made by the gateway"),
    ],
)
def test_a_field_that_is_wrong_is_named(gateway: Running, setting: str, word: str) -> None:
    done = gateway.command("send", "purchase_placed", "--set", setting)
    assert done.returncode == 2
    assert word in done.stderr


def test_the_api_sends_one_and_waits_for_the_answers(gateway: Running) -> None:
    body = {"site": "shop", "event_name": "purchase_placed", "event": {"custom_data": {"value": 12}}, "wait_s": 20}
    answer = httpx.post(f"{gateway.url}/api/test-events", json=body, headers=BEARER, trust_env=False, timeout=30)
    assert (answer.status_code, answer.json()["settled"]) == (200, True)
    assert by_id(answer.json())["ga4-main"]["status"] == "delivered"
    body["event"] = {"custom_data": {"currency": "EURO"}}
    answer = httpx.post(f"{gateway.url}/api/test-events", json=body, headers=BEARER, trust_env=False, timeout=30)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "event.custom_data.currency")


def test_without_a_gateway_that_runs_nothing_is_sent(tmp_path: Any) -> None:
    with running_gateway(tmp_path) as running:
        running.stop()
        for file in (tmp_path / "data").glob("core.alive"):
            file.unlink()
        done = running.command("send", "page_viewed")
    assert done.returncode == 1
    assert "no gateway runs on the store" in done.stderr
