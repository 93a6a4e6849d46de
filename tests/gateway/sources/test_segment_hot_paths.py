"""Segment's tracking API at a running gateway, through both doors: what clients get for what they send."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.sources.segment_mutations import CALLS, CHANGES, mutated
from tests.support.running import ORIGIN, PUBLIC_KEY, WRITE_KEY, Running, running_gateway, wait_until

JSON = dict[str, Any]
OK = {"success": True, "ok": True}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    site = 'consent_categories = { Advertising = ["marketing", "sale_of_data"] }'
    with running_gateway(tmp_path_factory.mktemp("gateway"), site=site) as running:
        yield running


def basic(key: str = WRITE_KEY, after: str = ":") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}{after}".encode()).decode()}


class Door:
    def __init__(self, client: httpx.Client, is_chunked: bool) -> None:
        self._client = client
        self._is_chunked = is_chunked
        self.name = "chunked" if is_chunked else "plain"

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = iter([raw[:7], raw[7:]]) if self._is_chunked else raw
        return self._client.post(path, content=content, headers=basic() if headers is None else headers)


@pytest.fixture(params=["fast lane", "other door"])
def door(gateway: Running, request: pytest.FixtureRequest) -> Iterator[Door]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=10) as client:
        yield Door(client, is_chunked=request.param == "other door")


def a_call(**more: Any) -> JSON:
    return {"event": "Product Viewed", "messageId": "m-1", "anonymousId": "anon-1", "properties": {}, **more}


@pytest.mark.parametrize(
    "path", ["/v1/track", "/v1/identify", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias", "/v1/t", "/v1/i",
             "/v1/p", "/v1/s", "/v1/g", "/v1/a", "/api/s/track", "/api/s/s2s/page"],
)  # fmt: skip
def test_every_call_has_its_path(door: Door, path: str) -> None:
    answer = door.post(path, a_call())
    assert (answer.status_code, answer.json()) == (200, OK)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"])
def test_a_batch_has_four_paths(door: Door, path: str) -> None:
    assert door.post(path, {"batch": [a_call(type="track"), a_call(type="page")]}).json() == OK


@pytest.mark.parametrize(
    "headers",
    [basic(), basic(after=""), {"x-write-key": f"{WRITE_KEY}:masked"}, {"authorization": f"Bearer {WRITE_KEY}"}],
    ids=["basic", "basic without a colon", "of jitsu", "bearer"],
)
def test_a_key_is_taken_as_clients_show_it(door: Door, headers: dict[str, str]) -> None:
    assert door.post("/v1/track", a_call(writeKey="k:***"), headers).status_code == (
        401 if "Bearer" in headers.get("authorization", "") else 200
    )
    assert door.post("/v1/track", a_call(), headers).status_code == 200


def test_a_key_may_stand_in_the_body_or_the_query(door: Door) -> None:
    assert door.post("/v1/track", a_call(writeKey=WRITE_KEY), {"authorization": "Bearer oauth"}).status_code == 200
    assert door.post("/v1/batch", {"batch": [], "writeKey": WRITE_KEY}, {}).status_code == 200
    assert door.post(f"/beacon/v1/batch?writeKey={WRITE_KEY}", {"batch": []}, {}).status_code == 200


@pytest.mark.parametrize("headers", [{}, basic("nobody"), {"authorization": "Basic ???"}])
def test_an_unknown_key_is_answered_so_that_no_client_tries_again(door: Door, headers: dict[str, str]) -> None:
    answer = door.post("/v1/track", a_call(), headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_write_key")
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/track", b"{", 400),
        ("/v1/track", b"[]", 400),
        ("/v1/track", b"\xff", 400),
        ("/v1/track", {"anonymousId": "a"}, 400),
        ("/v1/track", {"event": "A"}, 400),
        ("/v1/track", {"event": "A", "userId": "u", "properties": {"text": "a" * 33_000}}, 413),
        ("/v1/track", b"a" * 70_000, 413),
        ("/v1/batch", {}, 400),
        ("/v1/batch", {"batch": 7}, 400),
        ("/v1/batch", {"batch": [{}] * 2_501}, 400),
        ("/v1/batch", b"a" * (5 << 20), 413),
    ],
    ids=["cut", "an array", "no text", "no event", "nobody", "large", "larger", "no batch", "a number", "many", "huge"],
)
def test_what_cannot_be_taken_is_told_with_code_and_message(door: Door, path: str, body: Any, status: int) -> None:
    answer = door.post(path, body)
    assert answer.status_code == status
    assert answer.json()["code"]
    assert answer.json()["message"]


def test_in_a_batch_good_messages_are_taken_and_each_bad_one_is_told(door: Door, gateway: Running) -> None:
    good = a_call(type="track", messageId=f"good-{door.name}")
    answer = door.post("/v1/batch", {"batch": [{"type": "nothing", "userId": "u"}, 7, good]})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert [one["index"] for one in answer.json()["refused"]] == [0, 1]
    assert told(gateway, f"good-{door.name}")["event_name"] == "product_viewed"


def test_a_batch_as_large_as_rudderstack_sends_is_taken(door: Door) -> None:
    batch = [a_call(type="track", properties={"text": "a" * 30_000}, messageId=f"l-{number}") for number in range(60)]
    body = json.dumps({"batch": batch}).encode()
    assert door.post("/v1/batch", body).json() == OK
    packed = {**basic(), "content-encoding": "gzip", "content-type": "application/x-www-form-urlencoded"}
    assert door.post("/v1/batch", gzip.compress(body), packed).json() == OK


def test_a_bomb_is_refused(door: Door) -> None:
    packed = gzip.compress(b" " * (8 << 20))
    assert door.post("/v1/batch", packed, {**basic(), "content-encoding": "gzip"}).status_code == 413


OF_A_PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
PAGE = {"origin": ORIGIN, "content-type": "text/plain", **basic(PUBLIC_KEY)}


def test_a_page_of_the_site_shows_its_public_key(door: Door) -> None:
    answer = door.post("/v1/t", a_call(writeKey=PUBLIC_KEY), PAGE)
    assert answer.json() == OK
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", [{}, {"origin": "https://elsewhere.example.com"}])
def test_a_public_key_is_good_on_the_site_s_pages_only(door: Door, origin: dict[str, str]) -> None:
    answer = door.post("/v1/t", a_call(), {**basic(PUBLIC_KEY), **origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")


def test_a_preflight_lets_the_clients_headers_through(gateway: Running) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    answer = httpx.options(gateway.url + "/v1/t", headers=asked, trust_env=False)
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert answer.status_code == 204
    assert {"authorization", "x-retry-count", "anonymousid", "rsa-retry-reason", "x-write-key"} <= set(allowed)


def test_metrics_of_the_library_are_taken_from_anybody(door: Door) -> None:
    assert door.post("/v1/m", {"series": []}, {}).json() == OK


def told(gateway: Running, event_id: str) -> JSON:
    found: JSON = wait_until(lambda: json.loads(gateway.command("explain", event_id, "--json").stdout or "[]"))
    return found


def test_a_message_that_comes_twice_counts_once(door: Door, gateway: Running) -> None:
    event_id = f"twice-{door.name}"
    for path in ("/v1/track", "/v1/t"):
        assert door.post(path, a_call(messageId=event_id)).json() == OK
    assert wait_until(lambda: len(told(gateway, event_id)["copies"]) == 2)


def test_a_visitor_of_a_browser_client_has_a_visit(door: Door, gateway: Running) -> None:
    event_id = f"visit-{door.name}"
    door.post("/v1/p", {"messageId": event_id, "anonymousId": "visitor-1"}, {**PAGE, **OF_A_PERSON})
    assert told(gateway, event_id)["session_id"]


def test_a_browser_s_library_is_told_to_send_to_the_gateway(gateway: Running) -> None:
    answer = httpx.get(f"{gateway.url}/v1/projects/{PUBLIC_KEY}/settings", trust_env=False)
    own = answer.json()["integrations"]["Segment.io"]
    assert f"{own['protocol']}://{own['apiHost']}" == gateway.url + "/v1"
    assert answer.headers["access-control-allow-origin"] == "*"
    config = httpx.get(f"{gateway.url}/sourceConfig/", params={"writeKey": PUBLIC_KEY}, trust_env=False)
    assert config.json()["source"]["enabled"] is True


@pytest.mark.parametrize("key", [WRITE_KEY, "nobody"])
def test_settings_are_told_for_a_public_key_only(gateway: Running, key: str) -> None:
    assert httpx.get(f"{gateway.url}/v1/projects/{key}/settings", trust_env=False).status_code == 404


def test_settings_can_be_asked_for_beforehand_and_not_be_posted_to(gateway: Running) -> None:
    assert httpx.options(f"{gateway.url}/sourceConfig/", trust_env=False).status_code == 204
    assert httpx.post(f"{gateway.url}/sourceConfig/", trust_env=False).status_code == 405


def test_consent_is_read_by_the_site_s_table(door: Door, gateway: Running) -> None:
    event_id = f"consent-{door.name}"
    consent = {"categoryPreferences": {"Advertising": False, "analytics": True, "Other": True}}
    door.post("/v1/track", a_call(messageId=event_id, context={"consent": consent}))
    stated = {"analytics": "granted", "marketing": "denied", "sale_of_data": "denied"}
    assert told(gateway, event_id)["consent"] == stated


def test_an_event_of_nobody_is_taken_from_jitsu_s_clients_alone(door: Door) -> None:
    nobody = {"event": "Product Viewed", "messageId": f"nobody-{door.name}"}
    assert [door.post(path, nobody).status_code for path in ("/api/s/track", "/v1/track")] == [200, 400]


@pytest.mark.parametrize(
    ("policy", "is_kept"), [("keep", True), ("stripLastOctet", True), ("remove", False)], ids=lambda value: str(value)
)
def test_the_address_is_kept_as_jitsu_s_client_asks(door: Door, gateway: Running, policy: str, is_kept: bool) -> None:
    event_id = f"{policy}-{door.name}"
    assert door.post("/api/s/track", a_call(messageId=event_id), {**PAGE, "x-ip-policy": policy}).json() == OK
    names = {one["name"] for one in told(gateway, event_id)["identity"]}
    assert ("client_ip" in names) is is_kept


@given(st.lists(st.tuples(CHANGES, CALLS), min_size=10, max_size=40))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_mutated_messages_are_never_answered_with_a_failure(
    door: Door, messages: list[tuple[list[tuple[tuple[str, ...], Any]], str]]
) -> None:
    batch = [mutated(changes, call) for changes, call in messages]
    answer = door.post("/v1/batch", {"batch": batch})
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
