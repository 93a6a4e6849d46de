"""How pages get the SDK: cached, pinned, checked, compressed."""

import base64
import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from build_hook import sdk
from tests.support.running import ORIGIN, PUBLIC_KEY, Running, running_gateway, wait_until

VISITOR = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    sdk.make()
    with running_gateway(tmp_path_factory.mktemp("sdk"), server='sdk_path = "/js/shop.js"') as running:
        yield running


def get(gateway: Running, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(gateway.url + path, headers=named, trust_env=False)


def test_the_script_is_at_the_path_that_the_operator_chose(gateway: Running) -> None:
    answer = get(gateway, "/js/shop.js")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert get(gateway, "/sdk.js").status_code == 404


def test_it_is_told_with_a_hash_that_browsers_check(gateway: Running) -> None:
    told = get(gateway, "/sdk.json").json()
    digest = hashlib.sha384(get(gateway, told["path"]).content).digest()
    assert told["integrity"] == "sha384-" + base64.b64encode(digest).decode()


def test_a_pinned_version_is_cached_for_ever_and_no_other_one_is_there(gateway: Running) -> None:
    told = get(gateway, "/sdk.json").json()
    assert "immutable" in get(gateway, told["pinned_path"]).headers["cache-control"]
    assert get(gateway, "/sdk/0.0.1/sdk.js").status_code == 404


@pytest.mark.parametrize(("accepts", "coding"), [("gzip, br", "gzip"), ("gzip;q=0", None), ("identity", None)])
def test_it_is_compressed_for_those_who_take_it(gateway: Running, accepts: str, coding: str | None) -> None:
    with httpx.stream("GET", f"{gateway.url}/js/shop.js", headers={"accept-encoding": accepts}, trust_env=False) as raw:
        body = b"".join(raw.iter_raw())
    assert raw.headers.get("content-encoding") == coding
    assert (gzip.decompress(body) if coding else body) == (sdk.DIST / "sdk.js").read_bytes()


def test_who_has_it_is_not_sent_it_again(gateway: Running) -> None:
    first = get(gateway, "/js/shop.js")
    again = get(gateway, "/js/shop.js", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_shopifys_custom_pixel_begins_with_what_is_to_be_filled_in(gateway: Running) -> None:
    answer = get(gateway, "/sdk/shopify-pixel.js")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("const GATEWAY = { endpoint: ")


# --- what the SDK tells beside its events -------------------------------------------------------------------------


def post(gateway: Running, body: Any, query: str = "", **headers: str) -> httpx.Response:
    return gateway.post(f"/i?k={PUBLIC_KEY}{query}", body, origin=ORIGIN, **headers)


def told_of(gateway: Running, event_id: str) -> str:
    return str(wait_until(lambda: gateway.command("explain", event_id, "--json").stdout, what=event_id))


def test_a_new_visitor_goes_before_the_cookie_where_the_page_says_so(gateway: Running) -> None:
    event = {"event_name": "login_completed", "user_data": {"anonymous_id": OTHER}}
    cookie = f"_gw_vid={VISITOR}"
    assert post(gateway, event, cookie=cookie).json()["visitor_id"] == VISITOR
    answer = post(gateway, event, "&new=1", cookie=cookie)
    assert answer.json()["visitor_id"] == OTHER
    assert f"_gw_vid={OTHER}" in answer.headers["set-cookie"]


def test_cookies_and_the_landing_page_may_be_told_in_the_body(gateway: Running) -> None:
    event = {
        "event_name": "page_viewed",
        "event_id": "landed",
        "page": {"url": f"{ORIGIN}/oolong"},
        "landing_url": f"{ORIGIN}/?gclid=Cj0Landed",
    }
    assert post(gateway, {"events": [event], "cookies": "_fbp=fb.1.1795000000000.1098115397"}).status_code == 200
    story = told_of(gateway, "landed")
    assert '"gclid"' in story
    assert '"fbp"' in story


@pytest.mark.parametrize("odd", [7, {"a": 1}, None, ["x"]])
def test_what_is_no_text_beside_the_events_is_nothing(gateway: Running, odd: Any) -> None:
    event = {"event_name": "page_viewed", "landing_url": odd, "cookies": odd}
    assert post(gateway, event).status_code == 200
    assert post(gateway, {"events": [event], "cookies": odd}).status_code == 200
