"""The hot paths of a running gateway, through both doors: the same requests get the same answers.

A body with a `Content-Length` goes through the fast lane; the same body in chunks is handed to the other door.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.running import ORIGIN, PUBLIC_KEY, WRITE_KEY, Running, running_gateway, wait_until

JSON = dict[str, Any]
BEARER = {"authorization": f"Bearer {WRITE_KEY}"}
PAGE = {"origin": ORIGIN, "content-type": "text/plain;charset=UTF-8"}
SAMPLE = {
    "data": {
        "metaEvent": "AddToCart", "gaEvent": "add_to_cart", "gadsConversionLabel": None,
        "eventUrl": "https://shop.example.com/products/oolong",
        "eventId": "3d0f8c52-8f1e-4a37-9f35-0f2b7f0f9f11", "userId": "9f2d7c1e-6a55-4c58-8f0e-0c9a1f4b7d21",
        "userData": {"email": "Jane@Example.com", "phone": "4915112345678", "name": "Jane Doe"},
        "cookieFbp": "fb.1.1795168512000.1098115397", "cookieFbc": None, "cookieGclid": None,
    },
    "meta": {"metaPixelId": "123456789012345", "metaTestCode": None, "gaMeasurementId": "G-EXAMPLE123"},
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = 'trusted_proxies = ["127.0.0.1"]'
    with running_gateway(tmp_path_factory.mktemp("gateway"), site="events_api = true", server=server) as running:
        yield running


class Door:
    def __init__(self, client: httpx.Client, is_chunked: bool) -> None:
        self._client = client
        self.is_chunked = is_chunked

    def request(self, method: str, path: str, body: Any = b"", headers: Any = None) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = iter([raw[:7], raw[7:]]) if self.is_chunked else raw
        return self._client.request(method, path, content=content, headers=headers)

    def events(self, body: Any, **headers: str) -> httpx.Response:
        return self.request(
            "POST", "/v1/events", body, {**BEARER, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )

    def page(self, body: Any, path: str = f"/i?k={PUBLIC_KEY}", **headers: str) -> httpx.Response:
        return self.request("POST", path, body, {**PAGE, **headers})


@pytest.fixture(params=["fast lane", "other door"])
def door(gateway: Running, request: pytest.FixtureRequest) -> Iterator[Door]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=10) as client:
        yield Door(client, is_chunked=request.param == "other door")


def an_event(**more: Any) -> JSON:
    return {"event_name": "product_viewed", "event_id": "e-1", **more}


def test_one_event_is_accepted_with_its_id(door: Door) -> None:
    answer = door.events(an_event())
    assert (answer.status_code, answer.json()) == (
        202,
        {"accepted": 1, "rejected": 0, "events": [{"event_id": "e-1", "status": "accepted"}]},
    )


@pytest.mark.parametrize("wrap", [lambda events: events, lambda events: {"events": events}], ids=["array", "object"])
def test_in_a_batch_good_events_are_taken_and_each_bad_one_is_answered_in_its_place(door: Door, wrap: Any) -> None:
    bad = an_event(custom_data={"value": 1, "currency": "EURO"})
    answer = door.events(wrap([an_event(), bad, an_event(event_id="e-2")]))
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, 1)
    refused = answer.json()["events"][1]
    assert refused["error"]["code"] == "invalid_field"
    assert refused["error"]["field"] == "events[1].custom_data.currency"


def test_a_bad_event_alone_is_answered_with_its_field(door: Door) -> None:
    answer = door.events(an_event(page={"url": 7}))
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == ("invalid_field", "page.url")


@pytest.mark.parametrize(
    "headers",
    [BEARER, {"x-write-key": WRITE_KEY}, {"authorization": httpx.BasicAuth(WRITE_KEY, "")._auth_header}],
    ids=["bearer", "header", "basic"],
)
def test_a_write_key_is_taken_in_three_ways(door: Door, headers: dict[str, str]) -> None:
    assert door.request("POST", "/v1/events", an_event(), headers).status_code == 202


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nobody"}, {"authorization": "Basic ???"}])
def test_without_a_known_key_nothing_is_taken(door: Door, headers: dict[str, str]) -> None:
    answer = door.request("POST", "/v1/events", an_event(), headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unknown_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_gzip_body_is_unpacked(door: Door) -> None:
    packed = gzip.compress(json.dumps(an_event()).encode())
    assert door.events(packed, content_encoding="gzip").status_code == 202
    members = gzip.compress(b'[{"event_name": "a"},') + gzip.compress(b'{"event_name": "b"}]')
    assert door.events(members, content_encoding="gzip").json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * (2 << 20)), "gzip", 413),
        (gzip.compress(b"{}")[:-6], "gzip", 400),
        (gzip.compress(b'{"event_name": "a"}') + b"junk", "gzip", 400),
        (gzip.compress(b" " * (1 << 20)) + gzip.compress(b"{}"), "gzip", 413),
        (gzip.compress(b" ") * 65, "gzip", 400),
        (b"no gzip", "gzip", 400),
        (b"{}", "br", 415),
    ],
    ids=["bomb", "cut", "junk behind", "large in two", "many members", "garbage", "brotli"],
)
def test_an_encoding_that_cannot_be_unpacked_is_refused(door: Door, body: bytes, encoding: str, status: int) -> None:
    assert door.events(body, content_encoding=encoding).status_code == status


def test_a_body_too_large_once_unpacked_is_counted_as_that(door: Door, gateway: Running) -> None:
    answer = door.events(gzip.compress(bytes(2_000_000)), content_encoding="gzip")
    assert answer.status_code == 413
    assert 'reason="too_large"' in gateway.get(gateway.metrics_url).text


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'{"events": []}', b"null", b"7"])
def test_what_is_no_event_is_answered_with_400(door: Door, body: bytes) -> None:
    answer = door.events(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_page_gets_its_visitor_its_visit_and_a_cookie_for_400_days(door: Door) -> None:
    answer = door.page(an_event(event_name="page_viewed"))
    told = answer.json()
    assert (answer.status_code, told["event_ids"]) == (200, ["e-1"])
    assert len(told["visitor_id"]) == len(told["session_id"]) == 32
    cookie = answer.headers["set-cookie"]
    assert f"={told['visitor_id']};" in cookie
    assert {"Max-Age=34560000", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_the_cookie_is_secure_where_a_trusted_proxy_says_https(door: Door) -> None:
    answer = door.page(an_event(), **{"x-forwarded-proto": "https"})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_a_page_that_comes_back_is_the_same_visitor_in_the_same_visit(door: Door, gateway: Running) -> None:
    first = door.page(an_event(event_id=f"visit-{id(door)}")).json()
    cookie = {"cookie": f"_gw_vid={first['visitor_id']}"}
    for _ in range(100):
        again = door.page(an_event(event_id="again"), **cookie).json()
        if again["session_id"] == first["session_id"]:
            break
    assert (again["visitor_id"], again["session_id"]) == (first["visitor_id"], first["session_id"])


def test_a_denied_visitor_gets_no_cookie(door: Door) -> None:
    answer = door.page(an_event(consent={"analytics": "denied", "marketing": "denied"}))
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_a_browser_that_opts_out_is_taken_as_denying_the_sale(door: Door, gateway: Running) -> None:
    event_id = f"gpc-{door.is_chunked}"
    door.page(an_event(event_id=event_id, consent={"sale_of_data": "granted"}), **{"sec-gpc": "1"})
    told = wait_until(lambda: json.loads(gateway.command("explain", event_id, "--json").stdout or "[]"))
    assert told["consent"] == {"sale_of_data": "denied"}


def test_the_public_key_may_stand_in_the_body_of_a_beacon(door: Door) -> None:
    body = {"k": PUBLIC_KEY, "events": [an_event(), an_event(event_id="e-2")]}
    assert door.page(body, "/i").json()["event_ids"] == ["e-1", "e-2"]


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "https://shop.example.com.evil.com", None])
def test_another_page_is_refused_and_may_not_read_why(door: Door, origin: str | None) -> None:
    headers = {"origin": origin} if origin is not None else {}
    answer = door.request("POST", f"/i?k={PUBLIC_KEY}", an_event(), headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_origin")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "PROPFIND"])
def test_the_sites_own_page_may_read_that_its_method_is_wrong(door: Door, method: str) -> None:
    answer = door.request(method, f"/i?k={PUBLIC_KEY}", an_event(), PAGE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_the_sites_own_page_may_read_that_its_body_is_too_large(door: Door) -> None:
    answer = door.page(b"a" * 70_000)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (413, ORIGIN)


def test_an_unknown_public_key_is_refused(door: Door) -> None:
    assert door.page(an_event(), "/i?k=pk_nobody").status_code == 401


def test_identify_tells_the_page_no_personal_data(door: Door) -> None:
    body = {"user_data": {"email": "jane@example.com", "external_id": "cust_7"}}
    answer = door.page(body, f"/i/identify?k={PUBLIC_KEY}")
    told = answer.json()
    assert set(told) == {"visitor_id", "session_id", "identity_id", "known"}
    assert told["known"] is True
    assert "jane" not in answer.text
    assert "cust_7" not in answer.text


def test_an_identity_id_cannot_be_made_by_who_guesses_the_address(door: Door) -> None:
    body = {"user_data": {"email": "jane@example.com"}}
    told = {door.page(body, f"/i/identify?k={PUBLIC_KEY}").json()["identity_id"] for _ in range(2)}
    digest = hashlib.sha256(b"jane@example.com").hexdigest()
    guesses = {blake2b(f"shop\x1fidentity\x1femail\x1f{digest}".encode(), digest_size=16).hexdigest()}
    guesses.add(blake2b(f"identity\x1fshop\x1femail\x1f{digest}".encode(), digest_size=16).hexdigest())
    assert len(told) == 1
    assert not told & guesses


def test_requests_that_come_at_once_are_told_the_same_session(door: Door) -> None:
    visitor = uuid4().hex
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: door.page(an_event(), cookie=f"_gw_vid={visitor}"), range(6)))
    assert len({answer.json()["session_id"] for answer in answers}) == 1
    assert door.page(an_event(), cookie=f"_gw_vid={visitor}").json()["session_id"] == answers[0].json()["session_id"]


def test_identify_takes_one_event(door: Door) -> None:
    answer = door.page([{"user_data": {}}, {"user_data": {}}], f"/i/identify?k={PUBLIC_KEY}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_events")


def test_identify_of_a_stranger_is_not_known(door: Door) -> None:
    assert door.page({"consent": {"analytics": "granted"}}, f"/i/identify?k={PUBLIC_KEY}").json()["known"] is False


def test_a_preflight_of_the_sites_own_page_is_let_on(door: Door) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answer = door.request("OPTIONS", f"/i?k={PUBLIC_KEY}", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "retry-after"
    assert "Origin" in answer.headers["vary"]


def test_a_preflight_of_another_page_is_not(door: Door) -> None:
    answer = door.request("OPTIONS", "/v1/events", headers={"origin": "https://evil.example.com"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_events_api_is_answered_as_its_callers_expect(door: Door) -> None:
    answer = door.request("POST", "/", SAMPLE, {"content-type": "application/json"})
    assert (answer.status_code, answer.text) == (200, "Events API worker started")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"data": 7}'])
def test_what_is_no_body_of_the_events_api_is_refused(door: Door, body: bytes) -> None:
    assert door.request("POST", "/", body).status_code == 400


@pytest.mark.parametrize("path", ["/", "/i", "/i/identify", "/v1/events"])
def test_another_method_is_answered_with_those_that_are_taken(door: Door, path: str) -> None:
    answer = door.request("PUT", path, b"{}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


def test_an_unknown_path_is_not_found(door: Door) -> None:
    assert door.request("POST", "/v2/events", b"{}").status_code == 404


def test_orchestrators_learn_that_it_is_alive_and_ready(gateway: Running) -> None:
    assert gateway.get(gateway.url + "/healthz").status_code == 200
    assert gateway.get(gateway.url + "/readyz").status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_as_the_readme_says(gateway: Running) -> None:
    body = json.dumps(
        an_event(user_data={"email": "jane@example.com"}, custom_data={"value": 59.90, "currency": "EUR"})
    )
    call = [
        "curl",
        "-s",
        "-X",
        "POST",
        gateway.url + "/v1/events",
        "-H",
        f"Authorization: Bearer {WRITE_KEY}",
        "-d",
        body,
    ]
    told = subprocess.run(call, capture_output=True, check=True, timeout=20).stdout
    assert json.loads(told)["accepted"] == 1
