"""Replays over the API: asked for, looked at, tried and cancelled."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from store import versions
from store.env import Store
from store.writer import InlineWriter
from tests.gateway.api_client import BEARER, TOKEN, Api, api_on
from tests.support.making import START_MS
from tests.support.running import META, META_TOKEN, Running, running_gateway, running_simulator, wait_until

ASKED = {"destination": "meta-main", "since": "24h"}


async def configured(store: Store) -> Api:
    """Two sites have a destination of the same id, one of them another besides."""
    text = msgspec.json.encode({"shop": ["meta-main (meta)", "both (webhook)"], "other": ["both (webhook)"]}).decode()
    await versions.publish(store, InlineWriter(store), at_ms=1, fingerprint="1", summary=text)
    return api_on(store, now_ms=lambda: START_MS)


async def test_a_job_is_made_at_its_location_and_one_at_a_time(store: Store) -> None:
    api = await configured(store)
    made = await api.ask("POST", "/api/replays", json=ASKED)
    assert (made.status_code, made.headers["location"], made.json()["state"]) == (202, "/api/replays/1", "running")
    assert (await api.get("/api/replays/1")).json() == made.json()
    assert (await api.get("/api/replays")).json()["replays"] == [made.json()]
    again = await api.ask("POST", "/api/replays", json=ASKED)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_running")


async def test_a_job_is_cancelled(store: Store) -> None:
    api = await configured(store)
    await api.ask("POST", "/api/replays", json=ASKED)
    cancelled = await api.ask("DELETE", "/api/replays/1")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert "the API" in cancelled.json()["words"]


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no such destination": ({"destination": "tiktok"}, "destination"),
    "no such site": ({"site": "nowhere"}, "site"),
    "a destination of two sites": ({"destination": "both"}, "site"),
    "no time": ({"since": "yesterday"}, "since"),
    "an end that is none": ({"until": "x"}, "until"),
    "a time to come": ({"since": "2999-01-01T00:00:00Z"}, "since"),
    "a time before all times": ({"since": "24h", "until": "0001-01-01T00:00:00Z"}, "since"),
    "a status that cannot be replayed": ({"status": ["queued"]}, "status"),
    "no status at all": ({"status": []}, "status"),
    "an unknown field": ({"dry_run": True}, "dry_run"),
}


@pytest.mark.parametrize("path", ["/api/replays", "/api/replays/dry-run"])
@pytest.mark.parametrize(("change", "field"), FAULTS.values(), ids=FAULTS.keys())
async def test_what_is_wrong_is_named(store: Store, change: dict[str, Any], field: str, path: str) -> None:
    api = await configured(store)
    answer = await api.ask("POST", path, json={**ASKED, **change})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert (await api.get("/api/replays")).json()["replays"] == []


@pytest.mark.parametrize("name", ["2", "0", "x", "9" * 40, "%D9%A1", "-1"])
async def test_a_job_that_is_not_there_is_answered_404(store: Store, name: str) -> None:
    api = await configured(store)
    for method in ("GET", "DELETE"):
        answer = await api.ask(method, f"/api/replays/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def ask(running: Running, method: str, path: str, **more: Any) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, running.url + path, headers=dict(BEARER), timeout=30, **more)


def test_what_a_platform_refused_is_sent_again_once_it_takes_it(tmp_path: Path) -> None:
    server = f'admin_token = "{TOKEN}"'
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=META, server=server, simulator=simulator) as running,
    ):
        running.fail("meta", kind="status", status=400)
        running.send({"event_name": "page_viewed", "event_id": "e-1", "user_data": {"email": "ada@example.com"}})
        query = "/api/deliveries?status=dropped"
        wait_until(lambda: ask(running, "GET", query).json()["deliveries"], what="the refusal")
        running.heal("meta")
        tried = ask(running, "POST", "/api/replays/dry-run", json=ASKED)
        assert (tried.status_code, tried.json()["counts"], len(tried.json()["samples"])) == (200, {"queued": 1}, 1)
        assert META_TOKEN not in tried.text
        assert running.accepted("meta") == []
        made = ask(running, "POST", "/api/replays", json=ASKED)
        assert made.status_code == 202, made.text
        wait_until(lambda: ask(running, "GET", made.headers["location"]).json()["state"] == "done", what="its end")
        wait_until(lambda: [one["key"] for one in running.accepted("meta")], what="its arrival")
