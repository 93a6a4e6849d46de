"""Identities through the API, the command line and the doors: shown without plaintext, split, and told apart."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from tests.actors.people import digest, graph, of, seen, take, visitor
from tests.gateway.api_client import api_on
from tests.gateway.told_store import Told
from tests.support.making import site, snapshot
from tests.support.platform import Single
from tests.support.running import ORIGIN, PUBLIC_KEY, Running, running_gateway, wait_until
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one"), purchase_hold_ms=0))
JANE = "jane@example.com"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"  # what looks like a bot is nobody's


async def merged_world(make_world: MakeWorld) -> World:
    """Two visitors that are one by their email; the first one's identity is the older."""
    world = make_world(ONE)
    world.store.fix_shards(SHARDS)
    world.restart()
    await take(world, seen("a", 1, email=JANE, first_name="jane"))
    await trio.sleep(1)
    await take(world, seen("b", 2, external_id="c-1", city="Berlin"), seen("c", 2, email=JANE))
    assert graph(world) == {of(1, 2, JANE, "c-1")}
    return world


async def test_an_identity_is_shown_by_whatever_names_it_without_plaintext(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = await merged_world(make_world)
    api = api_on(world.store, snapshot=lambda: ONE)
    shown = [await api.get(f"/api/identities/shop/{who}") for who in ("c-1", digest(JANE), visitor(1), visitor(2))]
    first = shown[0].json()
    assert [one.json() for one in shown] == [first] * 4
    assert (await api.get(f"/api/identities/shop/{first['merges'][0]['merged']}")).json() == first
    assert "Berlin" not in shown[0].text
    assert digest("jane") not in shown[0].text
    assert (await api.get("/api/identities/shop/nobody")).status_code == 404
    assert (await api.get("/api/identities/none/c-1")).status_code == 404


async def test_a_split_gives_back_what_the_merge_brought_and_holds(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = await merged_world(make_world)
    api = api_on(world.store, snapshot=lambda: ONE, now_ms=world.clock.now_ms)
    merge = (await api.get("/api/identities/shop/c-1")).json()["merges"][0]
    answer = await api.ask("POST", f"/api/identities/shop/{merge['id']}/split")
    assert (answer.status_code, answer.json()["merge"]) == (202, merge["id"])
    await world.settle()
    assert graph(world) == {of(1, JANE), of(2, "c-1")}
    await take(world, seen("d", 2), seen("e", 2, email=JANE))
    assert graph(world) == {of(1, JANE), of(2, "c-1")}
    assert world.events()["d"].identity == world.events()["b"].identity
    assert (await api.ask("POST", f"/api/identities/shop/{merge['id']}/split")).status_code == 404


async def test_the_command_line_shows_and_splits(make_world: MakeWorld, autojump_clock: Clock) -> None:
    told = Told(make_world)
    await told.begin()
    told.world.restart()
    await take(told.world, seen("a", 1, email=JANE), seen("b", 2, external_id="c-1"), seen("c", 2, email=JANE))
    [merge] = told.json("identity", "show", "c-1")["merges"]
    assert f"visitor {visitor(1)}" in told.run("identity", "show", digest(JANE)).stdout
    assert told.run("identity", "show", "nobody").exit_code == 1
    split = await trio.to_thread.run_sync(told.run, "identity", "split", merge["id"])
    assert (split.exit_code, "will be undone" in split.stdout) == (0, True), split.output
    await told.world.settle()
    assert graph(told.world) == {of(1, JANE), of(2, "c-1")}


async def test_an_export_tells_the_identity_and_an_erasure_leaves_nothing_of_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    from tests.gateway.test_privacy import erased, make

    world = make(make_world)
    await take(world, seen("a", 1, email=JANE, external_id="c-1", order_id="o-1"), seen("b", 2, email=JANE))
    await take(world, seen("x", 3, email="joe@example.com"))
    job = await erased(world, f"email:{JANE}")
    assert (job.state, job.counts["identities"]) == ("done", 1)
    assert graph(world) == {of(3, "joe@example.com")}
    left = [key for key, _ in world.rows("identifier")]
    assert len(left) == 1


# --- shared devices, on a running gateway ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def told(client: httpx.Client, path: str, body: Any) -> dict[str, Any]:
    answer = client.post(f"{path}?k={PUBLIC_KEY}", json=body, headers={"origin": ORIGIN, "user-agent": BROWSER})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def customer(name: str) -> dict[str, Any]:
    return {"user_data": {"external_id": name}, "consent": {"analytics": "granted", "marketing": "granted"}}


def test_a_second_customer_at_a_browser_gets_a_visitor_id_of_their_own(gateway: Running) -> None:
    with httpx.Client(base_url=gateway.url) as client:
        first = told(client, "/i/identify", customer("customer-1"))
        wait_until(lambda: told(client, "/i/identify", {"user_data": {}})["known"])
        second = told(client, "/i/identify", customer("customer-2"))
        assert second["visitor_id"] != first["visitor_id"]
        assert second["identity_id"] != first["identity_id"]
        assert client.cookies["_gw_vid"] == second["visitor_id"]
        again = told(client, "/i", {"event_name": "page_viewed", **customer("customer-2")})
        assert again["visitor_id"] == second["visitor_id"]
