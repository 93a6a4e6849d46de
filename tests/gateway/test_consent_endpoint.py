"""The consent endpoint of a running gateway, and consent in what it takes: signals, answers, refusals."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.running import ORIGIN, PUBLIC_KEY, WRITE_KEY, Running, running_gateway, wait_until

BEARER = {"authorization": f"Bearer {WRITE_KEY}"}
FROM_PAGE = f"/i/consent?k={PUBLIC_KEY}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def post(gateway: Running, path: str, body: Any, **headers: str) -> httpx.Response:
    given = BEARER if path.startswith("/v1") else {"origin": ORIGIN}
    return httpx.post(gateway.url + path, json=body, headers={**given, **headers}, trust_env=False)


def test_a_server_tells_purposes_and_those_not_named_stay(gateway: Running) -> None:
    visitor = uuid4().hex
    first = post(gateway, "/v1/consent", {"visitor_id": visitor, "analytics": "granted"})
    assert first.status_code == 202
    assert first.json() == {"visitor_id": visitor, "consent": {"analytics": "granted"}, "version": 1}

    def told() -> Any:
        return post(gateway, "/v1/consent", {"visitor_id": visitor, "consent": {"marketing": "denied"}}).json()

    wanted = {"analytics": "granted", "marketing": "denied"}
    assert wait_until(lambda: told() if told()["version"] == 2 else None)["consent"] == wanted


def test_a_page_tells_signals_and_gets_a_cookie_only_for_a_grant(gateway: Running) -> None:
    granted = post(gateway, FROM_PAGE, {"gcm": {"ad_storage": "granted", "ad_user_data": "granted"}})
    assert (granted.status_code, granted.json()["consent"]) == (200, {"marketing": "granted"})
    assert "_gw_vid" in granted.headers["set-cookie"]
    denied = post(gateway, FROM_PAGE, {"analytics": "denied", "marketing": "denied"})
    assert "set-cookie" not in denied.headers


def test_a_browser_that_opts_out_denies_the_sale_whatever_its_page_says(gateway: Running) -> None:
    told = post(gateway, FROM_PAGE, {"sale_of_data": "granted"}, **{"sec-gpc": "1"})
    assert told.json()["consent"] == {"sale_of_data": "denied"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/consent", {"marketing": "granted"}, "visitor_id"),
        ("/v1/consent", {"visitor_id": "v"}, "consent"),
        ("/v1/consent", {"visitor_id": "v", "marketing": "yes"}, "consent.marketing"),
        (FROM_PAGE, {"tcf": "nonsense!"}, "consent.tcf"),
        (FROM_PAGE, {"gpp": "DBABMA"}, "consent.gpp"),
        (FROM_PAGE, {"gcm": {"ad_storage": "maybe"}}, "consent.gcm.ad_storage"),
        ("/v1/events", {"event_name": "page_viewed", "consent": {"tcf": "BOE"}}, "consent.tcf"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(
    gateway: Running, path: str, body: dict[str, Any], field: str
) -> None:
    answer = post(gateway, path, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


@pytest.mark.parametrize("path", ["/v1/consent", FROM_PAGE])
def test_a_body_that_is_no_object_is_refused(gateway: Running, path: str) -> None:
    assert post(gateway, path, [1]).status_code == 400


def test_a_stranger_may_tell_nothing(gateway: Running) -> None:
    assert post(gateway, "/v1/consent", {}, authorization="Bearer wrong").status_code == 401
    assert post(gateway, FROM_PAGE, {}, origin="https://evil.example.com").status_code == 403


def test_explain_tells_the_consent_where_it_is_from_and_its_version(gateway: Running) -> None:
    visitor, event_id = uuid4().hex, uuid4().hex
    post(gateway, "/v1/consent", {"visitor_id": visitor, "marketing": "denied", "policy": "banner-7"})
    event = {"event_name": "page_viewed", "event_id": event_id, "user_data": {"anonymous_id": visitor}}
    post(gateway, "/v1/events", event)
    told = wait_until(lambda: json.loads(gateway.command("explain", event_id, "--json").stdout or "[]"))
    assert (told["consent"], told["consent_from"], told["consent_version"]) == ({"marketing": "denied"}, "visitor", 1)
