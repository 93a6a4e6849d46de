"""Tracked links of a running gateway: made by command, followed over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.running import Running, running_gateway, wait_until

HOME = "https://shop.example.com/home"
SITE = f'home_url = "{HOME}"\nip_rate = 0'
PERSON = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept": "text/html",
    "accept-language": "de",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("links"), site=SITE) as running:
        made = running.command(
            "link", "create", "https://shop.example.com/tea?size=2", "--slug", "tea", "--campaign", "autumn",
            "--source", "newsletter", "--medium", "email",
        )  # fmt: skip
        assert made.stdout == "http://127.0.0.1:8080/l/tea\n", made.stderr
        yield running


def follow(gateway: Running, slug: str, method: str = "GET", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, f"{gateway.url}/l/{slug}", headers={**PERSON, **named}, trust_env=False, timeout=30)


def clicks(gateway: Running, slug: str) -> int:
    listed = map(json.loads, gateway.command("link", "list", "--json").stdout.splitlines())
    return next(int(one["clicks"]) for one in listed if one["slug"] == slug)


def told(gateway: Running, event_id: str) -> Any:
    """None before it was processed."""
    found = gateway.command("explain", event_id, "--json").stdout
    return json.loads(found) if found else None


def journey(answer: httpx.Response) -> str:
    return str(httpx.URL(answer.headers["location"]).params["gw_jid"])


def metric(gateway: Running, outcome: str) -> float:
    start = f'gateway_link_requests_total{{outcome="{outcome}",site="shop"}} '
    lines = gateway.get(gateway.metrics_url).text.splitlines()
    return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), 0.0)


def test_a_click_leads_to_the_target_and_is_kept_as_an_event_of_the_gateways_own(gateway: Running) -> None:
    answer = follow(gateway, "tea?gclid=Cj0abc", referer="https://mail.example.org/")
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer-when-downgrade"
    assert answer.headers["location"].startswith("https://shop.example.com/tea?size=2&gclid=Cj0abc&utm_source=newsl")
    story = wait_until(lambda: told(gateway, journey(answer)))
    assert (story["event_name"], story["source"]) == ("link_clicked", "link")


@pytest.mark.parametrize(
    ("outcome", "method", "headers"),
    [
        ("head", "HEAD", {}),
        ("prefetch", "GET", {"purpose": "prefetch"}),
        ("prefetch", "GET", {"sec_purpose": "prefetch;prerender"}),
        ("bot", "GET", {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}),
        ("bot", "GET", {"user_agent": "facebookexternalhit/1.1"}),
    ],
)
def test_what_is_no_person_is_sent_on_and_is_no_click(
    gateway: Running, outcome: str, method: str, headers: dict[str, str]
) -> None:
    before = metric(gateway, outcome)
    answer = follow(gateway, "tea", method, **headers)
    assert answer.status_code == 302
    assert metric(gateway, outcome) == before + 1
    assert gateway.command("explain", journey(answer)).returncode == 1


def test_unknown_disabled_and_expired_links_lead_home(gateway: Running) -> None:
    gateway.command("link", "create", "https://shop.example.com/", "--slug", "old")
    gateway.command("link", "disable", "old")
    for slug in ("nobody", "TEA", "old", "a%20b"):
        answer = follow(gateway, slug)
        assert (answer.status_code, answer.headers["location"]) == (302, HOME)
        assert answer.headers["cache-control"] == "no-store"
    gateway.command("link", "enable", "old")
    assert follow(gateway, "old").headers["location"] != HOME
    gateway.command("link", "delete", "old")
    assert follow(gateway, "old").headers["location"] == HOME


def test_an_open_redirect_is_none(gateway: Running) -> None:
    for query in ("u=https://evil.example/", "url=//evil.example", "target=https://evil.example"):
        assert httpx.URL(follow(gateway, f"tea?{query}").headers["location"]).host == "shop.example.com"
    refused = gateway.command("link", "create", "https://evil.example/")
    assert refused.returncode == 2
    assert "evil.example is no host of site shop" in refused.stderr


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_query_makes_a_500(gateway: Running, raw: bytes) -> None:
    query = "".join(chr(byte) if 0x21 <= byte < 0x7F and byte != 0x23 else f"%{byte:02X}" for byte in raw)
    answer = follow(gateway, f"tea?{query}")
    assert answer.status_code == 302
    assert httpx.URL(answer.headers["location"]).host == "shop.example.com"


def test_a_link_is_read_and_listed(gateway: Running) -> None:
    [view] = [
        json.loads(line)
        for line in gateway.command("link", "list", "--json").stdout.splitlines()
        if json.loads(line)["slug"] == "tea"
    ]
    assert (view["target"], view["campaign"], view["live"]) == ("https://shop.example.com/tea?size=2", "autumn", True)
    assert "autumn" in gateway.command("link", "list").stdout


def test_clicks_are_counted_once_each(gateway: Running) -> None:
    gateway.command("link", "create", "https://shop.example.com/", "--slug", "counted")
    assert [follow(gateway, "counted", method).status_code for method in ("GET", "HEAD", "GET")] == [302] * 3
    wait_until(lambda: clicks(gateway, "counted") == 2)


def test_a_visitor_gets_a_cookie_where_consent_is_the_default(gateway: Running) -> None:
    assert "_gw_vid=" in follow(gateway, "tea").headers["set-cookie"]


def test_no_cookie_is_set_before_consent(tmp_path: Any) -> None:
    with running_gateway(tmp_path, site='consent_default = "denied"') as running:
        running.command("link", "create", "https://shop.example.com/", "--slug", "tea")
        answer = follow(running, "tea")
        assert answer.status_code == 302
        assert "set-cookie" not in answer.headers
        assert follow(running, "nobody").status_code == 404
