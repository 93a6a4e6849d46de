"""Destinations over the API: connected, changed, paused and removed, with every fault named by its field."""

import gzip
import json
import re
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.destinations import AnyDestination
from gateway.config_reader import members
from gateway.control import Control
from gateway.key_ring import load_key_ring
from gateway.vault import Vault
from store.env import Store
from store.errors import StoreFull
from store.writer import Apply, InlineWriter, Ticket
from tests.gateway.api_client import BEARER, TOKEN, Api, api_on
from tests.support.running import META, META_TOKEN, Running, running_gateway, running_simulator, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = {"url": "https://hooks.example.com/x", "secret": SECRET}
BODY = {"site": "events_api", "type": "webhook", "id": "hook", "settings": HOOK, "check": False}
ONE = "/api/destinations/events_api/hook"
FILE = """
[[sites]]
id = "shop"
write_keys = ["wk_test"]
[[sites.destinations]]
id = "declared"
type = "webhook"
url = "https://hooks.example.com/y"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""


async def connected(store: Store) -> Api:
    api = api_on(store)
    assert (await api.ask("POST", "/api/destinations", json=BODY)).status_code == 201
    return api


def error_of(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, code, and the fields that are named."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], [one["field"] for one in error.get("faults", [])]


async def test_what_is_connected_is_at_its_location_and_its_secret_is_never_told(store: Store) -> None:
    api = api_on(store)
    made = await api.ask("POST", "/api/destinations", json=BODY)
    found = await api.get(made.headers["location"])
    assert (made.status_code, made.headers["location"]) == (201, ONE)
    assert found.json() == made.json()
    assert found.headers["etag"] == made.headers["etag"] == f'"{made.json()["version"]}"'
    assert found.json()["settings"] == {"url": "https://hooks.example.com/x", "secret": "***"}
    listed = await api.get("/api/destinations")
    assert listed.json()["destinations"] == [found.json()]
    assert SECRET not in made.text + found.text + listed.text


async def test_without_an_id_it_gets_the_platforms_name(store: Store) -> None:
    api = api_on(store)
    body = {name: value for name, value in BODY.items() if name != "id"}
    ids = [(await api.ask("POST", "/api/destinations", json=body)).json()["id"] for _ in range(2)]
    assert ids == ["webhook", "webhook-2"]


# What is changed in the body, the status, and the fields that are named.
FAULTS: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "settings": ({"settings": {"url": "ftp://x", "secrets": 1}}, 400, ["settings.secrets", "settings.secret"]),
    "a secret from a variable": ({"settings": {**HOOK, "secret": {"env": "HOME"}}}, 400, ["settings.secret"]),
    "a secret from a file": ({"settings": {**HOOK, "secret": {"file": "/etc/hosts"}}}, 400, ["settings.secret"]),
    "an id among the settings": ({"settings": {**HOOK, "id": "x"}}, 400, ["settings.id"]),
    "no such platform": ({"type": "mixpanel"}, 400, ["type"]),
    "no id": ({"id": "No Id"}, 400, ["id"]),
    "no such site": ({"site": "nowhere"}, 404, []),
    "another type": ({"settings": []}, 400, ["settings"]),
    "an unknown field": ({"kind": "x"}, 400, ["kind"]),
}


@pytest.mark.parametrize(("change", "status", "fields"), FAULTS.values(), ids=FAULTS.keys())
async def test_what_is_wrong_is_named_and_nothing_is_stored(
    store: Store, change: dict[str, Any], status: int, fields: list[str]
) -> None:
    api = api_on(store)
    code = "invalid_field" if status == 400 else "not_found"
    assert error_of(await api.ask("POST", "/api/destinations", json={**BODY, **change})) == (status, code, fields)
    assert (await api.get("/api/destinations")).json()["destinations"] == []


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 400), (b"{", 400), (b"[]", 400), (b"\xff", 400), (b'"' + b"x" * 70_000 + b'"', 413)]
)
async def test_a_body_that_is_none_is_refused(store: Store, content: bytes, status: int) -> None:
    for method, path in (("POST", "/api/destinations"), ("PATCH", ONE), ("PUT", f"{ONE}/secrets/secret")):
        assert (await (await connected(store)).ask(method, path, content=content)).status_code == status
        await api_on(store).ask("DELETE", ONE)


async def test_what_is_missing_is_told_as_it_can_be_given_here(store: Store) -> None:
    answer = await api_on(store).ask("POST", "/api/destinations", json={**BODY, "settings": {"url": HOOK["url"]}})
    assert answer.json()["error"]["message"] == "is missing; give its text"


async def test_what_is_of_another_type_is_told_without_an_events_example(store: Store) -> None:
    answer = await (await connected(store)).ask("PUT", f"{ONE}/secrets/secret", json={"value": 1})
    assert answer.json()["error"]["message"] == "expected str | array, got int"


async def test_a_packed_body_is_refused_in_words(store: Store) -> None:
    packed = gzip.compress(json.dumps(BODY).encode())
    answer = await api_on(store).ask("POST", "/api/destinations", content=packed, headers={"content-encoding": "gzip"})
    assert error_of(answer) == (415, "unsupported_encoding", [])


async def test_a_secret_key_that_cannot_be_used_is_told_and_nothing_is_stored(store: Store) -> None:
    (store.path / "secret.key").write_text("no key at all\n")
    (store.path / "secret.key").chmod(0o600)
    answer = await api_on(store).ask("POST", "/api/destinations", json=BODY)
    assert error_of(answer) == (500, "bad_secret_key", [])
    assert SECRET not in answer.text


async def test_a_second_one_of_the_same_id_is_refused(store: Store) -> None:
    answer = await (await connected(store)).ask("POST", "/api/destinations", json=BODY)
    assert error_of(answer) == (409, "already_there", [])


async def test_a_change_keeps_what_is_not_named_and_null_gives_the_default_back(store: Store) -> None:
    api = await connected(store)
    changed = await api.ask("PATCH", ONE, json={"settings": {"concurrency": 2}})
    assert changed.json()["settings"] == {"url": "https://hooks.example.com/x", "secret": "***", "concurrency": 2}
    back = await api.ask("PATCH", ONE, json={"settings": {"concurrency": None}})
    assert "concurrency" not in back.json()["settings"]
    wrong = await api.ask("PATCH", ONE, json={"settings": {"concurrency": 99, "colour": "red"}})
    assert error_of(wrong)[0] == 400
    assert "settings.colour" in error_of(wrong)[2]


async def test_a_change_of_what_somebody_else_changed_is_refused(store: Store) -> None:
    api = await connected(store)
    seen = {"if-match": (await api.get(ONE)).headers["etag"]}
    assert (await api.ask("PATCH", ONE, json={"settings": {"concurrency": 2}}, headers=seen)).status_code == 200
    for method, path, body in (
        ("PATCH", ONE, {"settings": {"concurrency": 3}}),
        ("PUT", f"{ONE}/secrets/secret", {"value": SECRET}),
        ("POST", f"{ONE}/pause", None),
        ("POST", f"{ONE}/resume", None),
        ("DELETE", ONE, None),
    ):
        assert error_of(await api.ask(method, path, json=body, headers=seen)) == (412, "version_conflict", [])
    assert (await api.get(ONE)).json()["settings"]["concurrency"] == 2
    assert (await api.ask("DELETE", ONE, headers={"if-match": "*"})).status_code == 204


async def test_of_changes_made_at_once_to_what_was_read_one_is_made(store: Store) -> None:
    api = await connected(store)
    seen = {"if-match": (await api.get(ONE)).headers["etag"]}
    statuses: list[int] = []

    async def change(number: int) -> None:
        answer = await api.ask("PATCH", ONE, json={"settings": {"concurrency": number}}, headers=seen)
        statuses.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        for number in range(1, 6):
            nursery.start_soon(change, number)
    assert sorted(statuses) == [200, 412, 412, 412, 412]


@pytest.mark.parametrize("given", ["1", 'W/"1"', '"x"', '""', '"1", "2"', '"' + "9" * 30 + '"'])
async def test_an_if_match_that_is_no_version_is_named(store: Store, given: str) -> None:
    answer = await (await connected(store)).ask("DELETE", ONE, headers={"if-match": given})
    assert error_of(answer) == (400, "invalid_field", ["If-Match"])


async def test_a_secret_is_replaced_and_not_shown(store: Store) -> None:
    api = await connected(store)
    new = "whsec_" + "B" * 32
    changed = await api.ask("PUT", f"{ONE}/secrets/secret", json={"value": new})
    assert (changed.status_code, changed.json()["settings"]["secret"]) == (200, "***")
    assert new not in changed.text
    assert error_of(await api.ask("PUT", f"{ONE}/secrets/url", json={"value": "x"}))[:2] == (400, "invalid_field")
    refused = await api.ask("PUT", f"{ONE}/secrets/secret", json={"value": "not-a-secret-of-the-right-form"})
    assert error_of(refused) == (400, "invalid_field", ["secret"])
    assert "not-a-secret" not in refused.text


async def test_pausing_and_resuming_are_told(store: Store) -> None:
    api = await connected(store)
    assert (await api.ask("POST", f"{ONE}/pause")).json()["is_paused"] is True
    assert (await api.get(ONE)).json()["is_paused"] is True
    assert (await api.ask("POST", f"{ONE}/resume")).json()["is_paused"] is False


async def test_what_is_disconnected_is_gone(store: Store) -> None:
    api = await connected(store)
    gone = await api.ask("DELETE", ONE)
    assert (gone.status_code, gone.content) == (204, b"")
    for method, path in (("GET", ONE), ("DELETE", ONE), ("POST", f"{ONE}/pause"), ("POST", f"{ONE}/check")):
        assert error_of(await api.ask(method, path)) == (404, "not_found", [])


async def test_the_list_is_read_page_by_page(store: Store) -> None:
    api = api_on(store)
    for number in range(5):
        await api.ask("POST", "/api/destinations", json={**BODY, "id": f"hook-{number}"})
    first = (await api.get("/api/destinations", limit=2)).json()
    second = (await api.get("/api/destinations", limit=3, after=first["next"])).json()
    ids = [one["id"] for page in (first, second) for one in page["destinations"]]
    assert ids == [f"hook-{number}" for number in range(5)]
    assert second["next"] is None
    assert error_of(await api.get("/api/destinations", after="x/y")) == (400, "invalid_field", ["after"])
    assert (await api.get("/api/destinations", site="other")).json()["destinations"] == []


async def test_a_change_is_logged_by_what_was_changed_and_without_a_value(store: Store) -> None:
    lines: list[tuple[str, dict[str, object]]] = []
    api = api_on(store, log=lambda action, **fields: lines.append((action, fields)))
    await api.ask("POST", "/api/destinations", json=BODY)
    await api.ask("DELETE", ONE)
    place = {"site": "events_api", "destination": "hook"}
    assert lines == [("api_change", {"change": "connect", **place}), ("api_change", {"change": "disconnect", **place})]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_settings_of_any_platform_end_in_a_failure(store: Store, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(members(AnyDestination)))
    names = st.sampled_from(kind.__struct_fields__) | st.text(max_size=8)
    given_settings = data.draw(st.dictionaries(names, JSON, max_size=6))
    body = {"site": "events_api", "type": kind.platform, "settings": given_settings, "check": False}
    answer = await api_on(store).ask("POST", "/api/destinations", json=body)
    assert answer.status_code in (201, 400, 413)
    if answer.status_code == 400:
        assert answer.json()["error"]["message"]


# --- with a gateway that runs ---


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as url:
        yield url


def ask(running: Running, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {**BEARER, **more.pop("headers", {})}
    with httpx.Client(trust_env=False) as client:
        return client.request(method, running.url + path, headers=headers, timeout=30, **more)


def meta_at(simulator: str) -> dict[str, Any]:
    own = {"pixel_id": "1234567890", "access_token": META_TOKEN, "base_url": f"{simulator}/meta", "allow_private": True}
    return {"site": "shop", "type": "meta", "settings": own}


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, simulator: str) -> None:
    """In the order of docs/api.md; Meta is the simulated one."""
    server = f'admin_token = "{TOKEN}"'
    with running_gateway(tmp_path, server=server, simulator=simulator, destinations=META) as running:
        running.send({"event_name": "page_viewed", "event_id": "order-1001"})
        wait_until(lambda: "order-1001" in ask(running, "GET", "/api/events/shop/order-1001").text)
        answers = [curled(running, command) for command in commands_of_page()]
    assert len(answers) >= 6
    assert {answer.status_code for answer in answers} <= {200, 201, 202, 204}, [answer.text for answer in answers]


def commands_of_page() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [one for block in blocks for one in re.split(r"(?<!\\)\n", block.strip())]


def curled(running: Running, command: str) -> httpx.Response:
    """What curl would be answered."""
    own = json.dumps({"base_url": f"{running.simulator}/meta", "allow_private": True})[1:-1]
    told = command.replace("\\\n", " ").replace('"settings": {', f'"settings": {{{own}, ')
    told = told.replace("$GATEWAY_ADMIN_TOKEN", TOKEN).replace("http://127.0.0.1:8080", "")
    words = shlex.split(told)
    assert words[:2] == ["curl", "-s"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given.keys() <= {"-H", "-X", "-d"}
    name, _, value = given["-H"].partition(": ")
    method = given.get("-X", "POST" if "-d" in given else "GET")
    return ask(running, method, words[2], headers={name.lower(): value}, content=given.get("-d"))


@pytest.mark.parametrize("server", ["", "edges = 1"], ids=["one process", "an edge beside the core"])
def test_a_connected_platform_gets_the_next_event_without_a_restart(
    tmp_path: Path, simulator: str, server: str
) -> None:
    with running_gateway(tmp_path, server=f'admin_token = "{TOKEN}"\n{server}', simulator=simulator) as running:
        made = ask(running, "POST", "/api/destinations", json=meta_at(simulator))
        assert (made.status_code, made.json()["check"]["outcome"]) == (201, "passed"), made.text
        path, name = made.headers["location"], f"api-{server}"
        wait_until(lambda: ask(running, "GET", path).json()["state"] == "sending", what="it runs")
        running.send({"event_name": "page_viewed", "event_id": name, "user_data": {"external_id": "c1"}})
        wait_until(lambda: name in str(running.accepted("meta")), what="its arrival")
        query = f"/api/deliveries?destination={made.json()['id']}&status=delivered"
        wait_until(lambda: name in ask(running, "GET", query).text, what="the delivery on record")
        assert META_TOKEN not in running.log() + made.text


def test_credentials_that_the_platform_refuses_are_not_stored(tmp_path: Path, simulator: str) -> None:
    with running_gateway(tmp_path, server=f'admin_token = "{TOKEN}"', simulator=simulator) as running:
        running.fail("meta", kind="bad_token", count=1)
        refused = ask(running, "POST", "/api/destinations", json=meta_at(simulator))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "credentials_refused"), refused.text
        assert META_TOKEN not in refused.text
        body = meta_at("http://127.0.0.1:9")
        untried = ask(running, "POST", "/api/destinations", json=body)
        assert (untried.status_code, untried.json()["error"]["code"]) == (422, "credentials_untried"), untried.text
        assert ask(running, "GET", "/api/destinations").json()["destinations"] == []
        assert ask(running, "POST", "/api/destinations", json={**body, "check": False}).status_code == 201
        path = "/api/destinations/shop/meta/secrets/access_token"
        unset = ask(running, "PUT", path, json={"value": "EAABother"})
        assert (unset.status_code, unset.json()["error"]["code"]) == (422, "credentials_untried"), unset.text
        assert ask(running, "PUT", path, json={"value": "EAABother", "check": False}).status_code == 200
        assert ask(running, "POST", "/api/destinations/shop/meta/check").json()["outcome"] == "unsure"


def test_what_the_file_declares_is_changed_there_and_paused_here(tmp_path: Path, simulator: str) -> None:
    server = f'admin_token = "{TOKEN}"'
    with running_gateway(tmp_path, server=server, simulator=simulator, destinations=META) as running:
        path = "/api/destinations/shop/meta-main"
        for method, more, body in (
            ("PATCH", "", {"settings": {"concurrency": 2}}),
            ("PUT", "/secrets/access_token", {"value": "x"}),
            ("DELETE", "", None),
        ):
            assert error_of(ask(running, method, path + more, json=body)) == (409, "declared_in_file", [])
        assert ask(running, "POST", f"{path}/check").json()["outcome"] == "passed"
        assert ask(running, "POST", f"{path}/pause").json()["is_paused"] is True
        wait_until(lambda: ask(running, "GET", path).json()["cause"] == "operator", what="the pause")
        assert ask(running, "POST", f"{path}/resume").json()["is_paused"] is False
        wait_until(lambda: ask(running, "GET", path).json()["state"] == "sending", what="the end of it")


class FullWriter(InlineWriter):
    """The disk has no room."""

    def submit(self, apply: Apply) -> Ticket:
        raise StoreFull


async def test_without_room_a_change_is_answered_503_and_reading_goes_on(store: Store) -> None:
    vault = Vault(partial(load_key_ring, store.path, {}))
    api = api_on(
        store,
        make_control=lambda: Control(
            store=store, writer=FullWriter(store), vault=vault, config_path=None, env={}, now_ms=lambda: 0
        ),
    )
    refused = await api.ask("POST", "/api/destinations", json=BODY)
    assert (error_of(refused), refused.headers["retry-after"]) == ((503, "no_room", []), "1")
    assert (await api.get("/api/destinations")).status_code == 200
