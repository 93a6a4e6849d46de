"""The API's door: who is let in, what every answer has, how guesses are bounded."""

from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from actors.secret import Secret
from gateway.auth import ADDRESSES, WINDOW_S, WRONG_MOST
from gateway.config import load_config, load_server
from gateway.errors import ConfigError
from store.env import Store
from tests.gateway.api_client import TOKEN, api_on

PATHS = ("/api/platforms", "/api/deliveries", "/api/events/shop/e-1", "/api/openapi.json", "/api/nothing")
WRONG = {"authorization": "Bearer 0123456789abcdef-wrong"}


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_token_set_the_api_is_off_and_says_what_to_set(store: Store, path: str) -> None:
    answer = await api_on(store, token=None).get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "api_off")
    assert "GATEWAY_ADMIN_TOKEN" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer x", "Basic " + TOKEN, TOKEN, f"Bearer {TOKEN}x", "Bearer é"])
async def test_nothing_is_told_to_whoever_lacks_the_token(store: Store, path: str, given: str) -> None:
    api = msgspec.structs.replace(api_on(store), headers={})
    headers = {"authorization": given.encode()} if given else {}
    answer = await api.ask("GET", path, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


async def test_the_token_lets_in_and_the_scheme_may_be_written_in_any_case(store: Store) -> None:
    answer = await api_on(store).ask("GET", "/api/platforms", headers={"authorization": f"bEARER {TOKEN}"})
    assert answer.status_code == 200


async def test_no_answer_may_be_cached_or_read_by_a_page_of_another_origin(store: Store) -> None:
    api = api_on(store)
    origin = {"origin": "https://shop.example.com", "access-control-request-method": "GET"}
    for method, path, status in (
        ("GET", "/api/platforms", 200),
        ("OPTIONS", "/api/platforms", 405),
        ("GET", "/api/x", 404),
    ):
        answer = await api.ask(method, path, headers=origin)
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_what_is_not_there_is_told_in_the_one_form(store: Store) -> None:
    unknown, method = await api_on(store).get("/api/nothing"), await api_on(store).ask("PUT", "/api/platforms")
    assert unknown.json() == {"error": {"code": "not_found", "field": "", "message": "there is nothing at this path"}}
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in method.headers["allow"]


async def test_wrong_tokens_of_one_address_are_bounded_and_others_are_let_in(store: Store) -> None:
    clock = Time()
    api = api_on(store, now_s=clock)
    answers = [await api.ask("GET", "/api/platforms", headers=WRONG) for _ in range(WRONG_MOST + 1)]
    assert [one.status_code for one in answers] == [401] * WRONG_MOST + [429]
    assert int(answers[-1].headers["retry-after"]) == WINDOW_S
    assert (await api.get("/api/platforms")).status_code == 429, "else guesses could go on"
    assert (await msgspec.structs.replace(api, peer="192.0.2.7").get("/api/platforms")).status_code == 200
    clock.now_s = WINDOW_S
    assert (await api.get("/api/platforms")).status_code == 200


async def test_wrong_tokens_long_apart_do_not_add_up(store: Store) -> None:
    clock = Time()
    api = api_on(store, now_s=clock)
    for _ in range(WRONG_MOST * 2):
        assert (await api.ask("GET", "/api/platforms", headers=WRONG)).status_code == 401
        clock.now_s += WINDOW_S / 2


async def test_guesses_are_counted_by_the_address_behind_a_trusted_proxy_only(store: Store) -> None:
    behind = api_on(store, trusted=[ip_network("127.0.0.0/8")])
    direct = api_on(store)
    for number in range(WRONG_MOST + 1):
        headers = {**WRONG, "x-forwarded-for": f"203.0.113.{number}"}
        assert (await behind.ask("GET", "/api/platforms", headers=headers)).status_code == 401
        last = await direct.ask("GET", "/api/platforms", headers=headers)
    assert last.status_code == 429


async def test_the_table_of_addresses_is_bounded(store: Store) -> None:
    api = api_on(store)
    first = msgspec.structs.replace(api, peer="198.51.100.1")
    for _ in range(WRONG_MOST):
        await first.ask("GET", "/api/platforms", headers=WRONG)
    assert (await first.get("/api/platforms")).status_code == 429
    for number in range(ADDRESSES):
        other = msgspec.structs.replace(api, peer=f"10.0.{number // 256}.{number % 256}")
        await other.ask("GET", "/api/platforms", headers=WRONG)
    assert (await first.get("/api/platforms")).status_code == 200, "it was forgotten for the others"


async def test_every_setting_of_every_platform_is_told_with_its_type(store: Store) -> None:
    found = {one["type"]: one["settings"] for one in (await api_on(store).get("/api/platforms")).json()["platforms"]}
    meta = {one["name"]: one for one in found["meta"]}
    assert (meta["pixel_id"]["type"], meta["pixel_id"]["required"], meta["pixel_id"]["secret"]) == (
        "string",
        True,
        False,
    )
    assert meta["access_token"]["secret"] is True
    assert "default" not in meta["pixel_id"]
    assert (meta["concurrency"]["type"], meta["concurrency"]["default"]) == ("integer", 8)
    assert meta["consent"]["description"].startswith("purposes it needs granted")
    webhook = {one["name"]: one for one in found["webhook"]}
    assert (webhook["previous_secrets"]["type"], webhook["previous_secrets"]["secret"]) == ("array", True)


async def test_every_setting_of_every_platform_has_a_description(store: Store) -> None:
    found = (await api_on(store).get("/api/platforms")).json()["platforms"]
    bare = [
        f"{one['type']}.{setting['name']}" for one in found for setting in one["settings"] if not setting["description"]
    ]
    assert bare == [], "the comment beside the setting says what it is"


def test_the_token_comes_from_the_environment_unless_the_file_has_one(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[[sites]]\nid = "shop"\n')
    env = {"GATEWAY_ADMIN_TOKEN": TOKEN}
    assert load_config(path, env).server.admin_token == Secret(TOKEN)
    assert load_config(None, env).server.admin_token == Secret(TOKEN)
    assert load_config(path, {}).server.admin_token is None
    path.write_text(f'[server]\nadmin_token = "{TOKEN}-of-the-file"\n[[sites]]\nid = "shop"\n')
    assert load_config(path, env).server.admin_token == Secret(f"{TOKEN}-of-the-file")


@pytest.mark.parametrize("token", ["short", "x" * 201, "with a space in it", "ümlaut-ümlaut-ümlaut"])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused_unshown(token: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(None, {"GATEWAY_ADMIN_TOKEN": token})
    assert "server.admin_token: is no token for the API; give 16 to 200" in str(refused.value)
    assert token not in str(refused.value)


def test_commands_that_read_the_store_do_not_need_the_token(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[server]\nadmin_token = { env = "NOT_SET_HERE" }\n[[sites]]\nid = "shop"\n')
    assert load_server(path, {}).data_dir == "data"
    with pytest.raises(ConfigError, match=r"server\.admin_token: the environment variable NOT_SET_HERE is not set"):
        load_config(path, {})
