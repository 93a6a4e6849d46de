"""`GET /i.gif`: an event by a picture, through both doors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sources.pixel_gif import GIF
from tests.support.running import PUBLIC_KEY, WRITE_KEY, Running, running_gateway, wait_until

PERSON = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept": "image/*",
    "accept-language": "de",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("gif"), site="ip_rate = 0") as running:
        yield running


@pytest.fixture(params=["fast lane", "other door"])
def is_chunked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "other door")


def look(gateway: Running, query: str, *, is_chunked: bool = False, **headers: str) -> httpx.Response:
    """A request with a body in chunks is handed to the other door."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(
        "GET", f"{gateway.url}/i.gif?{query}", headers={**PERSON, **named}, trust_env=False, timeout=30,
        content=iter([b""]) if is_chunked else None,
    )  # fmt: skip


def told(gateway: Running, event_id: str) -> Any:
    """None before it was processed."""
    found = gateway.command("explain", event_id, "--json").stdout
    return json.loads(found) if found else None


def test_the_picture_is_one_transparent_pixel() -> None:
    assert (len(GIF), GIF[:6], GIF[6:10], GIF[-1:]) == (43, b"GIF89a", b"\x01\x00\x01\x00", b";")


@pytest.mark.parametrize("count", [40, 90, 200])
def test_no_number_of_parameters_breaks_it(gateway: Running, is_chunked: bool, count: int) -> None:
    query = "&".join(f"custom_data.p{number}=1" for number in range(count))
    answer = look(gateway, f"k={PUBLIC_KEY}&id=many-{count}-{is_chunked}&{query}", is_chunked=is_chunked)
    assert answer.status_code == (200 if count < 100 else 401)
    if count == 40:
        assert wait_until(lambda: told(gateway, f"many-{count}-{is_chunked}"))["event_name"] == "page_viewed"


def test_a_picture_is_an_event(gateway: Running, is_chunked: bool) -> None:
    event_id = f"open-{is_chunked}"
    query = f"k={PUBLIC_KEY}&e=message_opened&id={event_id}&custom_data.campaign_name=autumn&user_data.external_id=c-1"
    answer = look(gateway, query, is_chunked=is_chunked)
    assert (answer.status_code, answer.content) == (200, GIF)
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    story = wait_until(lambda: told(gateway, event_id))
    assert (story["event_name"], story["source"]) == ("message_opened", "browser")


@pytest.mark.parametrize("query", ["", "k=", "k=nobody", f"k={WRITE_KEY}", f"key={PUBLIC_KEY}"])
def test_without_a_public_key_there_is_no_picture(gateway: Running, is_chunked: bool, query: str) -> None:
    answer = look(gateway, query, is_chunked=is_chunked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unknown_key")


def test_a_page_that_says_where_it_is_must_be_one_of_the_sites(gateway: Running) -> None:
    query = f"k={PUBLIC_KEY}"
    assert look(gateway, query, referer="https://shop.example.com/tea").status_code == 200
    assert look(gateway, query, referer="https://evil.example/").status_code == 403


@pytest.mark.parametrize(
    "query", ["user_data.email=jane@example.com", "custom_data.currency=EURO", "site=other", "e=%00"]
)
def test_what_cannot_be_an_event_is_set_apart_and_still_a_picture(gateway: Running, query: str) -> None:
    assert look(gateway, f"k={PUBLIC_KEY}&{query}").content == GIF


def test_a_bot_is_kept_and_shown_as_one(gateway: Running, is_chunked: bool) -> None:
    event_id = f"bot-{is_chunked}"
    agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    assert look(gateway, f"k={PUBLIC_KEY}&id={event_id}", is_chunked=is_chunked, user_agent=agent).status_code == 200
    story = wait_until(lambda: told(gateway, event_id))
    assert (story["bot_score"], story["bot_reasons"]) == (100, ["known_bot"])
    assert "bot 100" in gateway.command("stream", "--limit", "5").stdout
    assert 'gateway_events_of_bots_total{site="shop",source="browser"}' in gateway.get(gateway.metrics_url).text


def test_an_address_that_was_too_fast_looks_like_a_bots_for_a_while(tmp_path: Path) -> None:
    with running_gateway(tmp_path, site="ip_rate = 0.5\nip_burst = 1") as running:
        look(running, f"k={PUBLIC_KEY}&id=first")
        assert wait_until(lambda: told(running, "first"))["bot_score"] == 0
        wait_until(lambda: look(running, f"k={PUBLIC_KEY}&id=later").status_code == 200)
        story = wait_until(lambda: told(running, "later"))
        assert (story["bot_score"], story["bot_reasons"]) == (40, ["high_rate"])


def test_other_methods_are_refused(gateway: Running) -> None:
    for method in ("POST", "PUT", "OPTIONS", "DELETE"):
        answer = httpx.request(method, f"{gateway.url}/i.gif?k={PUBLIC_KEY}", trust_env=False, timeout=30)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"
    assert httpx.head(f"{gateway.url}/i.gif?k={PUBLIC_KEY}", trust_env=False, timeout=30).status_code == 200


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="e=&.id%uck[]user_datacustom1", max_size=200).map(str.encode))
)
def test_no_query_makes_a_500(gateway: Running, raw: bytes) -> None:
    query = "".join(chr(byte) if 0x21 <= byte < 0x7F and byte != 0x23 else f"%{byte:02X}" for byte in raw)
    assert look(gateway, f"{query}&k={PUBLIC_KEY}").status_code in (200, 401)
    assert look(gateway, f"k={PUBLIC_KEY}&{query}").content == GIF
