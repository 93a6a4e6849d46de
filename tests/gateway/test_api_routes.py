"""/api/sites/SITE/routes: drafts with their ETags, publishing, history, rolling back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.api_client import Api, api_on
from tests.gateway.controlling import FILE, Controlled

ALL = {"id": "all", "destination": "ga4-file"}
BIG = {"id": "big", "destination": "ga4-file", "events": ["purchase_placed"]}
DECLARED = '[[sites.routes]]\nid = "all"\ndestination = "ga4-file"'
AT = "/api/sites/shop/routes"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    found = Controlled(tmp_path)
    yield found
    found.store.close()


@pytest.fixture
def api(world: Controlled) -> Api:
    return api_on(world.store, make_control=world.another)


async def save(api: Api, *routes: Any, revision: str | None = '"0"') -> Any:
    headers = {"if-match": revision} if revision is not None else {}
    return await api.ask("PUT", f"{AT}/draft", json={"routes": routes, "author": "ann"}, headers=headers)


async def test_a_draft_is_saved_published_and_rolled_back(api: Api) -> None:
    draft = await save(api, ALL)
    assert (draft.status_code, draft.headers["etag"]) == (200, '"1"')
    assert [one["route"] for one in draft.json()["changes"]] == ["all"]
    done = await api.ask("POST", f"{AT}/publish", json={"note": "first"}, headers={"if-match": '"1"'})
    assert (done.status_code, done.headers["location"]) == (201, f"{AT}/versions/1")
    await save(api, ALL, BIG, revision='"2"')
    await api.ask("POST", f"{AT}/publish", json={})
    back = await api.ask("POST", f"{AT}/rollback", json={"version": 1, "author": "bob"})
    assert (back.status_code, back.json()["version"]["of"]) == (201, 1)
    live = await api.get(AT)
    assert (live.json()["routes"], live.json()["author"], live.headers["etag"]) == ([ALL], "bob", '"3"')


async def test_a_save_without_the_revision_that_was_read_is_refused(api: Api) -> None:
    answer = await save(api, ALL, revision=None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (428, "no_version")
    assert (await save(api, ALL, revision="*")).status_code == 200


async def test_the_later_of_two_editors_learns_what_changed(api: Api) -> None:
    await save(api, ALL)
    answer = await save(api, BIG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "version_conflict")
    assert "+ route all" in answer.json()["error"]["message"]
    assert (await api.get(f"{AT}/draft")).json()["routes"] == [ALL]


async def test_every_fault_is_told_with_its_path(api: Api) -> None:
    answer = await save(api, ALL, {**BIG, "destination": "nowhere"}, {"id": "X"})
    assert answer.status_code == 400
    fields = {one["field"] for one in answer.json()["error"]["faults"]}
    assert {"routes[1].destination", "routes[2].destination"} <= fields
    assert (await api.get(f"{AT}/draft")).json()["revision"] == 0


async def test_the_history_comes_page_by_page(api: Api) -> None:
    for order in (1, 2, 3):
        await save(api, {**ALL, "order": order}, revision="*")
        await api.ask("POST", f"{AT}/publish", json={"note": f"order {order}"})
    page = (await api.get(f"{AT}/versions", limit=2)).json()
    assert ([one["note"] for one in page["versions"]], page["next"]) == (["order 3", "order 2"], 2)
    rest = (await api.get(f"{AT}/versions", limit=2, before=2)).json()
    assert ([one["note"] for one in rest["versions"]], rest["next"]) == (["order 1"], None)
    assert (await api.get(f"{AT}/versions/2")).json()["routes"] == [{**ALL, "order": 2}]
    [change] = (await api.get(f"{AT}/compare", before="1", after="live")).json()["changes"]
    assert change["settings"] == [{"path": "order", "before": 1, "after": 3}]


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for path in (
        f"{AT}/versions/9",
        f"{AT}/versions/x",
        "/api/sites/nowhere/routes",
        "/api/sites/nowhere/routes/draft",
    ):
        assert (await api.get(path)).status_code == 404, path
    assert (await api.ask("POST", f"{AT}/rollback", json={"version": 9})).status_code == 404
    nothing = await api.ask("POST", f"{AT}/publish", json={})
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (409, "nothing_changed")


async def test_what_the_file_declares_is_a_conflict(tmp_path: Path) -> None:
    world = Controlled(tmp_path, FILE.replace('[[sites]]\nid = "outlet"', DECLARED))
    api = api_on(world.store, make_control=world.another)
    answer = await save(api, ALL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "declared_in_file")
    world.store.close()
