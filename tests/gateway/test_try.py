"""`gateway try`: the exact request, the platform's answer in its test mode, no secret shown, nothing stored."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import trio
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Destination, InTestMode, NoTestMode, Request
from actors.secret import Secret
from bench.simulator import Fault, Simulator, all_platforms
from bench.simulator.webhook import SECRET as WEBHOOK_SECRET
from gateway import exit_codes
from gateway.cli import cli
from gateway.commands.trial import HIDDEN, Hide, shown_request
from tests.actors.destinations.test_conformance import CASES

TOKEN = "canary/token+of=platform"
PURCHASE: dict[str, Any] = {
    "event_name": "purchase_placed",
    "event_id": "order-1001",
    "page": {"url": "https://shop.example.com/thanks"},
    "user_data": {
        "email": "jane@example.com",
        "client_ip": "8.8.8.8",
        "client_user_agent": "Mozilla/5.0",
        "ga_client_id": "123.456",
        "country": "us",
        "rdt_cid": "click-1",
        "awc": "12345_1795032251_0f3c5e0b7a1d4c2e9b8a7f6e5d4c3b2a",
    },
    "custom_data": {"value": 59.90, "currency": "EUR", "order_id": "1001", "items": [{"id": "SKU-1", "quantity": 1}]},
}
DESTINATIONS: Mapping[str, str] = {
    "meta": 'pixel_id = "1234567890123456"\naccess_token = { env = "TOKEN" }\ntest_event_code = "TEST12345"',
    "ga4": 'measurement_id = "G-ABCDE12345"\napi_secret = { env = "TOKEN" }',
    "google_ads": 'customer_id = "1234567890"\nconversion_actions = { purchase_placed = "111222333" }\n'
    'client_id = "app"\nclient_secret = { env = "TOKEN" }\nrefresh_token = { env = "TOKEN" }\ntoken_url = "AT/token"',
    "snapchat": 'pixel_id = "3f2b8c1e-0d57-4c3a"\naccess_token = { env = "TOKEN" }',
    "pinterest": 'ad_account_id = "549700000123"\naccess_token = { env = "TOKEN" }',
    "reddit": 'pixel_id = "a2_abc"\naccess_token = { env = "TOKEN" }\ntest_id = "t2_test"',
    "tiktok": 'event_source_id = "C0EXAMPLEPIXELCODE00"\naccess_token = { env = "TOKEN" }\ntest_event_code = "TEST1"',
    "awin": 'advertiser_id = "12345"\napi_key = { env = "TOKEN" }',
    "klaviyo": 'api_key = { env = "TOKEN" }',
    "linkedin": 'conversion_rules = { purchase_placed = "12345678" }\naccess_token = { env = "TOKEN" }',
}
HOOK_HEADERS = 'headers = { X-Key = { env = "TOKEN" } }'
SENDING = ("meta", "ga4", "google_ads", "snapchat", "pinterest", "reddit", "tiktok", "awin")


class Trying:
    """A configuration with every destination, on simulated platforms, and the command run on it."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder = folder
        self.simulator = simulator
        sites = "".join(self._destination(platform, text) for platform, text in DESTINATIONS.items())
        hook = f'url = "{simulator.url("webhook")}"\nsecret = {{ env = "HOOK" }}\n{HOOK_HEADERS}'
        self._write(sites + self._destination("webhook", hook))

    def _destination(self, platform: str, text: str) -> str:
        base = "" if platform == "webhook" else f'base_url = "{self.simulator.url(platform)}"\n'
        text = text.replace("AT/", self.simulator.url(platform) + "/")
        return f'[[sites.destinations]]\nid = "{platform}"\ntype = "{platform}"\nallow_private = true\n{base}{text}\n'

    def _write(self, destinations: str) -> None:
        site = '[[sites]]\nid = "shop"\nwrite_keys = [{ env = "NOT_SET" }]\nkeep_plaintext = "sealed"\n'
        (self.folder / "config.toml").write_text(site + destinations)

    async def run(self, platform: str, *options: str, event: Any = PURCHASE, token: str | None = TOKEN) -> Result:
        text = event if isinstance(event, str | bytes) else json.dumps(event)
        config = str(self.folder / "config.toml")
        arguments = ["try", "-", "--destination", platform, "--config", config, *options]
        env = {"TOKEN": token, "HOOK": WEBHOOK_SECRET, "GATEWAY_CONFIG": None}
        return await trio.to_thread.run_sync(lambda: CliRunner(env=env).invoke(cli, arguments, input=text))

    async def json(self, platform: str, *options: str, event: Any = PURCHASE) -> Any:
        return json.loads((await self.run(platform, "--json", *options, event=event)).stdout)


@pytest.fixture
async def trying(tmp_path: Path) -> AsyncIterator[Trying]:
    async with Simulator(all_platforms()).running() as simulator:
        yield Trying(tmp_path, simulator)


def with_consent(**choices: str) -> dict[str, Any]:
    return PURCHASE | {"consent": choices}


@pytest.mark.parametrize("platform", [*DESTINATIONS, "webhook"])
async def test_the_request_is_shown_without_its_secrets_and_nothing_is_sent(trying: Trying, platform: str) -> None:
    result = await trying.run(platform)
    assert result.exit_code == exit_codes.OK, result.output
    assert "POST http://127.0.0.1" in result.stdout
    assert TOKEN not in result.output
    assert quote(TOKEN, safe="") not in result.output
    assert HIDDEN in result.stdout
    assert trying.simulator.requests(platform) == 0


@pytest.mark.parametrize("platform", SENDING)
async def test_sent_in_test_mode_the_platform_says_yes(trying: Trying, platform: str) -> None:
    report = await trying.json(platform, "--send")
    assert (report["sent"], report["answer"]["outcome"]) == ("in test mode", "delivered"), report
    assert report["effect"]
    assert trying.simulator.refused(platform) == []
    assert trying.simulator.requests(platform) > 0


@pytest.mark.parametrize("platform", ["ga4", "snapchat", "pinterest", "reddit"])
async def test_what_is_sent_in_test_mode_is_not_recorded(trying: Trying, platform: str) -> None:
    await trying.run(platform, "--send")
    assert trying.simulator.accepted(platform) == []


async def test_sent_live_it_counts(trying: Trying) -> None:
    report = await trying.json("ga4", "--send", "--live")
    assert (report["sent"], report["effect"], report["answer"]["status"]) == ("live", None, 204)
    assert len(trying.simulator.accepted("ga4")) == 1


@pytest.mark.parametrize("platform", ["webhook", "klaviyo", "linkedin"])
async def test_a_platform_without_a_test_mode_is_not_sent_to_unless_live(trying: Trying, platform: str) -> None:
    refused = await trying.run(platform, "--send")
    assert refused.exit_code == exit_codes.USAGE
    assert "with --live the event is sent all the same" in refused.stderr
    assert trying.simulator.requests(platform) == 0
    live = await trying.run(platform, "--send", "--live")
    assert live.exit_code == exit_codes.OK, live.output
    assert len(trying.simulator.accepted(platform)) == 1


async def test_the_shown_body_is_the_body_that_arrives(trying: Trying) -> None:
    report = await trying.json("webhook", "--send", "--live")
    [accepted] = trying.simulator.accepted("webhook")
    assert report["request"]["body"] == accepted.event


async def test_an_event_that_is_sent_twice_carries_one_delivery_id(trying: Trying) -> None:
    first, second = [dict((await trying.json("webhook"))["request"]["headers"]) for _ in range(2)]
    assert first["webhook-id"] == second["webhook-id"] != ""


async def test_it_goes_by_the_routes_of_the_file(trying: Trying) -> None:
    config = trying.folder / "config.toml"
    big = '[[sites.routes]]\nid = "big"\ndestination = "meta"\nfilter = "event.custom_data.value > 50"\n'
    renamed = 'transform = [{ step = "event_name", name = "big_order" }]\n'
    config.write_text(config.read_text("utf-8") + big + renamed, "utf-8")
    assert "big_order" in json.dumps((await trying.json("meta"))["request"]["body"])
    small = await trying.run("meta", event=PURCHASE | {"custom_data": {"value": 5, "currency": "EUR"}})
    assert "no route's filter holds" in small.output


async def test_the_estimated_match_quality_is_told_before_anything_is_sent(trying: Trying) -> None:
    event = PURCHASE | {"user_data": {"email": "jane@example.com", "external_id": "cust_7"}}
    match = (await trying.json("meta", event=event))["match_quality"]
    assert (match["estimated"], match["counted"]) == (4.0, ["email", "external_id"])
    assert "match quality 4.0 of 10 estimated; phone would add 2.0" in (await trying.run("meta", event=event)).stdout
    assert (await trying.json("webhook", event=event))["match_quality"] is None


async def test_denied_consent_stops_it_and_nothing_is_sent(trying: Trying) -> None:
    result = await trying.run("meta", "--send", event=with_consent(marketing="denied"))
    assert result.exit_code == exit_codes.FAILED
    assert "would not go there: consent_denied" in result.stdout
    assert "marketing" in result.stdout
    assert trying.simulator.requests("meta") == 0


@pytest.mark.parametrize(
    ("who", "reason"), [({}, "consent_unknown"), ({"anonymous_id": "0123456789abcdef0123456789abcdef"}, "held")]
)
async def test_what_has_a_visitor_who_may_yet_choose_waits_for_that(
    trying: Trying, who: dict[str, str], reason: str
) -> None:
    config = trying.folder / "config.toml"
    text = config.read_text()
    config.write_text(text.replace('id = "shop"\n', 'id = "shop"\nconsent_default = "denied"\n', 1))
    report = await trying.json("meta", event=PURCHASE | {"user_data": {**PURCHASE["user_data"], **who}})
    assert report["stopped"]["reason"] == reason


async def test_a_denied_sale_stops_it_where_the_platform_cannot_honour_that(trying: Trying) -> None:
    report = await trying.json("linkedin", event=with_consent(sale_of_data="denied"))
    assert report["stopped"]["reason"] == "sale_denied"
    assert report["request"] is None


async def test_what_the_platform_cannot_take_is_told_as_the_adapter_says_it(trying: Trying) -> None:
    result = await trying.run("meta", event={"event_name": "purchase_placed"})
    assert result.exit_code == exit_codes.FAILED
    assert "not_encodable: " in result.stdout


async def test_an_event_too_old_for_the_platform_is_not_sent(trying: Trying) -> None:
    report = await trying.json("meta", "--send", event=PURCHASE | {"occurred_at": "2020-01-01T00:00:00Z"})
    assert report["stopped"]["reason"] == "too_old"
    assert trying.simulator.requests("meta") == 0


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (PURCHASE | {"custom_data": {"value": "much"}}, "custom_data.value: "),
        ('{"event_name": ', "the text is no valid JSON"),
        (b"\xff", "the text is no valid JSON"),
        ("[]", "no event; give at least one"),
        ({"events": [PURCHASE, PURCHASE]}, "has 2 events; give one"),
        (" " * (1 << 20) + "{}", "more than 1048576 bytes"),
    ],
)
async def test_a_wrong_event_is_answered_with_its_fault(trying: Trying, event: Any, told: str) -> None:
    result = await trying.run("meta", event=event)
    assert result.exit_code == exit_codes.FAILED
    assert told in result.stderr
    assert "Traceback" not in result.output


async def test_a_wrong_event_is_answered_to_scripts_as_the_gateway_does(trying: Trying) -> None:
    answer = await trying.json("meta", event=PURCHASE | {"custom_data": {"value": "much"}})
    assert answer["error"]["field"] == "custom_data.value"


async def test_a_refusal_is_told_in_words_without_what_is_secret(trying: Trying) -> None:
    trying.simulator.fail("meta", Fault(kind="bad_token"))
    result = await trying.run("meta", "--send")
    assert result.exit_code == exit_codes.FAILED
    assert "paused: the credentials or the account are refused" in result.stdout
    assert TOKEN not in result.output


async def test_no_answer_is_an_answer(trying: Trying) -> None:
    trying.simulator.fail("snapchat", Fault(kind="reset"))
    report = await trying.json("snapchat", "--send")
    assert report["answer"]["outcome"] == "again"
    assert "status" not in report["answer"]


async def test_without_an_access_token_no_event_is_sent(trying: Trying) -> None:
    trying.simulator.fail("google_ads", Fault(kind="status", status=500))
    report = await trying.json("google_ads", "--send")
    assert report["answer"]["words"].startswith("not this time")
    assert trying.simulator.requests("google_ads") == 1


async def test_a_private_address_is_refused_unless_the_destination_allows_it(trying: Trying) -> None:
    config = trying.folder / "config.toml"
    config.write_text(config.read_text().replace("allow_private = true", "allow_private = false"))
    result = await trying.run("webhook", "--send", "--live")
    assert result.exit_code == exit_codes.USAGE
    assert "allow_private" in result.stderr
    assert trying.simulator.requests("webhook") == 0


async def test_a_secret_that_is_not_set_is_named_and_those_of_others_are_not_asked_for(trying: Trying) -> None:
    missing = await trying.run("meta", token=None)
    assert missing.exit_code == exit_codes.USAGE
    assert "sites[0].destinations[0].access_token: the environment variable TOKEN is not set" in missing.stderr
    config = trying.folder / "config.toml"
    config.write_text(config.read_text().replace(HOOK_HEADERS, ""))
    assert (await trying.run("webhook", token=None)).exit_code == exit_codes.OK


@pytest.mark.parametrize("options", [("nothing",), ("meta", "--site", "other")])
async def test_an_unknown_destination_is_answered_with_those_there_are(
    trying: Trying, options: tuple[str, ...]
) -> None:
    result = await trying.run(*options)
    assert result.exit_code == exit_codes.USAGE
    assert "shop/meta, shop/ga4" in result.stderr


async def test_a_destination_of_several_sites_wants_its_site_named(trying: Trying) -> None:
    config = trying.folder / "config.toml"
    text = config.read_text()
    config.write_text(text + text.replace('id = "shop"', 'id = "outlet"'))
    result = await trying.run("meta")
    assert result.exit_code == exit_codes.USAGE
    assert "name the site with --site" in result.stderr
    assert (await trying.json("meta", "--site", "outlet"))["site"] == "outlet"


async def test_live_alone_is_refused(trying: Trying) -> None:
    result = await trying.run("meta", "--live")
    assert result.exit_code == exit_codes.USAGE


async def test_nothing_is_stored(trying: Trying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trying.folder)
    await trying.run("klaviyo", "--send", "--live")
    assert [path.name for path in trying.folder.iterdir()] == ["config.toml"]


async def test_plaintext_is_opened_for_a_destination_that_takes_it(trying: Trying) -> None:
    assert "jane@example.com" in (await trying.run("klaviyo")).stdout
    assert "jane@example.com" not in (await trying.run("meta")).stdout


@pytest.mark.parametrize("destination", CASES, ids=lambda one: one.id)
def test_every_adapter_has_a_test_mode_or_says_that_it_has_none(destination: Destination) -> None:
    assert "in_test_mode" in vars(type(destination)), "each adapter says it of its platform"
    match destination.in_test_mode():
        case InTestMode(destination=tested, effect=effect):
            assert effect
            assert type(tested) is type(destination)
            assert list(tested.problems()) == []
        case NoTestMode(why=why):
            assert why


@given(secret=st.text(min_size=8, max_size=40, alphabet=st.characters(codec="utf-8")))
def test_no_secret_is_seen_wherever_it_stands(secret: str) -> None:
    """Its marks are not part of what surrounds it."""
    secret = f"canary-{secret}-yranac"
    request = Request(
        url=f"https://platform.example/a?access_token={quote(secret, safe='')}",
        headers=(("authorization", f"Bearer {secret}"),),
        body=msgspec.json.encode({"api_key": secret}),
    )
    shown = shown_request(request, Hide([Secret(secret)]))
    assert "canary" not in repr((shown.url, shown.headers, shown.pretty_body()))
    assert HIDDEN in shown.url
    assert json.loads(bytes(shown.body) if not isinstance(shown.body, str) else shown.body) == {"api_key": HIDDEN}


def test_a_platform_that_echoes_a_secret_or_a_person_is_not_repeated() -> None:
    hide = Hide([Secret(TOKEN)])
    shown = hide.words(f"Malformed access token {TOKEN} ({quote(TOKEN, safe='')}) of jane@example.com")
    assert shown == f"Malformed access token {HIDDEN} ({HIDDEN}) of [email]"
