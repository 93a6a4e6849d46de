"""Exports and erasures over the API: asked for, looked at, refused."""

from typing import Any

import pytest

from store.env import Store
from tests.gateway.api_client import api_on
from tests.support.making import START_MS, site, snapshot

ASKED = {"kind": "erase", "site": "shop", "identifier": "email:jane@example.com"}


async def test_a_job_is_made_at_its_location_and_holds_no_plaintext(store: Store) -> None:
    api = api_on(store, now_ms=lambda: START_MS, snapshot=lambda: snapshot(site()))
    made = await api.ask("POST", "/api/privacy", json=ASKED)
    assert (made.status_code, made.headers["location"], made.json()["state"]) == (202, "/api/privacy/1", "running")
    assert (await api.get("/api/privacy/1")).json() == made.json()
    assert (await api.get("/api/privacy")).json()["jobs"] == [made.json()]
    assert (await api.get("/api/privacy/receipts")).json() == {"receipts": [], "unreadable": 0}
    with store.read() as txn:
        assert not any(b"jane" in bytes(raw) for _, raw in txn.cursor(db=store.dbs["privacy"]))


@pytest.mark.parametrize(
    ("change", "field"),
    [({"site": "nowhere"}, "site"), ({"identifier": "jane"}, "identifier"), ({"kind": "forget"}, "kind")],
)
async def test_what_is_wrong_is_named(store: Store, change: dict[str, Any], field: str) -> None:
    api = api_on(store, now_ms=lambda: START_MS, snapshot=lambda: snapshot(site()))
    answer = await api.ask("POST", "/api/privacy", json={**ASKED, **change})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert (await api.get("/api/privacy")).json()["jobs"] == []


@pytest.mark.parametrize("name", ["2", "0", "x", "9" * 40, "-1"])
async def test_a_job_that_is_not_there_is_answered_404(store: Store, name: str) -> None:
    answer = await api_on(store).get(f"/api/privacy/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
