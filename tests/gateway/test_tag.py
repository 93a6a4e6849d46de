"""A site's tag loader: served as its configuration has it, found by its key, and switched off where there is none."""

import base64
import hashlib
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from actors.destinations import ga4_names, meta
from build_hook import sdk
from gateway.config import load_config
from gateway.errors import ConfigError
from gateway.tag_script import NAMES, tag_script
from tests.support.running import META_TOKEN, PUBLIC_KEY, WRITE_KEY, Running, running_gateway, wait_until

TAG = """
[sites.tag]
meta_pixel_id = "1234567890"
gtag_ids = ["G-ABCDE12345"]

[[sites.tag.snippets]]
id = "own"
script = "window.own = 1"
"""
PATH = f"/tag.js?k={PUBLIC_KEY}"
SITE = f'[[sites]]\nid = "shop"\nwrite_keys = ["{WRITE_KEY}"]\npublic_keys = ["{PUBLIC_KEY}"]\n'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    sdk.make()
    folder = tmp_path_factory.mktemp("tag")
    (folder / "own.js").write_text("window.own = 2\n")
    with running_gateway(folder, destinations=TAG) as running:
        yield running


def get(gateway: Running, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(gateway.url + path, headers=named, trust_env=False)


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config(path, {"META_ACCESS_TOKEN": META_TOKEN})
    return [fault.partition(": ")[2] for fault in refused.value.faults]


def test_a_page_gets_what_its_site_configured_cached_for_five_minutes(gateway: Running) -> None:
    answer = get(gateway, PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert '"id":"1234567890"' in answer.text
    assert "window.own = 1" in answer.text
    again = get(gateway, PATH, if_none_match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "words"), [("/tag.js", "unknown"), ("/tag.js?k=pk_other", "unknown"), (PATH + "&v=0", "version")]
)
def test_what_is_not_there_is_said_so_and_not_cached(gateway: Running, path: str, words: str) -> None:
    answer = get(gateway, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-cache")
    assert words in answer.text


def test_a_site_without_a_tag_has_none(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        answer = get(gateway, PATH)
        assert (answer.status_code, "[sites.tag]" in answer.text) == (404, True)
        told = gateway.command("tag")
    assert (told.returncode, "[sites.tag]" in told.stderr) == (1, True)


def test_the_command_prints_a_tag_that_the_browser_can_check(gateway: Running) -> None:
    told = gateway.command("tag", "--gateway", gateway.url, "--nonce", "abc")
    address, integrity = re.findall(r'src="(\S+)" integrity="(\S+)"', told.stdout)[0]
    answer = get(gateway, address.removeprefix(gateway.url).replace("&amp;", "&"))
    assert integrity == "sha384-" + base64.b64encode(hashlib.sha384(answer.content).digest()).decode()
    assert "immutable" in answer.headers["cache-control"]
    assert told.stdout.count('nonce="abc"') == 3


def test_the_command_tells_scripts_the_same(gateway: Running) -> None:
    told = json.loads(gateway.command("tag", "--site", "shop", "--gateway", gateway.url, "--json").stdout)
    answer = get(gateway, PATH)
    assert told["version"] in answer.headers["etag"]
    assert told["bytes"] == len(answer.content)


def test_a_change_of_the_configuration_shows_and_the_pinned_version_is_gone(gateway: Running) -> None:
    before = json.loads(gateway.command("tag", "--json").stdout)["version"]
    path = gateway.directory / "config.toml"
    path.write_text(path.read_text().replace('"window.own = 1"', '{ file = "own.js" }'))
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "window.own = 2" in get(gateway, PATH).text)
    assert get(gateway, f"{PATH}&v={before}").status_code == 404


def test_the_names_in_the_loader_are_the_adapters_own() -> None:
    assert (NAMES["meta"], NAMES["ga4"]) == (meta.NAMES, ga4_names.NAMES)
    assert all(table["purchase_placed"] for table in NAMES.values())


def test_a_property_that_the_site_also_sends_to_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    ga4 = '[[sites.destinations]]\nid = "ga4"\ntype = "ga4"\nmeasurement_id = "G-ABCDE12345"\napi_secret = "secret00"\n'
    path.write_text(SITE + TAG + ga4)
    [site] = load_config(path, {}).sites
    assert site.tag is not None
    text = tag_script(site, site.tag, b"").script.decode()
    assert '"id":"G-ABCDE12345","needs":["analytics"],"once":true,"value":"items"' in text
    assert not any(secret in text for secret in ("secret00", WRITE_KEY))


@pytest.mark.parametrize(
    ("tag", "field", "words"),
    [
        ('meta_pixel_id = "EAAB"', "meta_pixel_id", "a pixel's id"),
        ('gtm_container = "G-ABC"', "gtm_container", "GTM-ABC1234"),
        ('gtag_ids = ["UA-1-1"]', "gtag_ids[0]", "G-ABCDE12345"),
        ('gtag_ids = ["G-ABCD", "G-ABCD"]', "gtag_ids[1]", "leave one"),
        ('gtm_containr = "GTM-ABC1234"', "gtm_containr", "gtm_container"),
        ('snippets = [{ id = "a", script = "1", consent = [] }]', "snippets[0].consent", "at least one"),
        ('snippets = [{ id = "a", script = "1", platform = "mete" }]', "snippets[0].platform", "meta"),
        ('snippets = [{ id = "a", script = "<script>1</script>" }]', "snippets[0].script", "alone"),
        ('snippets = [{ id = "a", script = "1" }, { id = "a", script = "2" }]', "snippets[1].id", "its own"),
        (f'snippets = [{{ id = "a", script = "x = \'{WRITE_KEY}\'" }}]', "snippets[0].script", "take it out"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(tmp_path: Path, tag: str, field: str, words: str) -> None:
    [fault] = faults(tmp_path, f"{SITE}[sites.tag]\n{tag}\n")
    assert f"sites[0].tag.{field}" in fault
    assert words in fault


def test_a_site_without_a_public_key_can_have_no_tag(tmp_path: Path) -> None:
    assert faults(tmp_path, '[[sites]]\nid = "shop"\n[sites.tag]\n') == [
        "sites[0].tag: pages name the loader by a public key of the site; give public_keys"
    ]
