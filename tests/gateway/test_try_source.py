"""`gateway try-source`: what a body would become, refusals in words, no secret needed to look."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway import exit_codes
from gateway.cli import cli
from tests.gateway.sources.cases import cases, encoded, read

CONFIG = """
[[sites]]
id = "shop"
write_keys = [{ env = "NOT_SET" }]

[[sites.destinations]]
id = "meta"
type = "meta"
pixel_id = "1"
access_token = { env = "NOT_SET" }

[[sites.sources]]
id = "shopify"
type = "shopify"
shop = "example.myshopify.com"
secrets = ["shopify-secret"]

[[sites.sources]]
id = "recharge"
type = "recharge"
secrets = [{ env = "NOT_SET" }]

[[sites.sources]]
id = "forms"
type = "generic"
signature = { scheme = "standard_webhooks", secrets = [{ env = "NOT_SET" }] }
[[sites.sources.events]]
each = "$.leads"
event_name = "lead_submitted"
user_data.email = "@.email"
custom_data.value = { cel = "double(item.amount)" }
"""
LEADS = {"leads": [{"email": "jane@example.com", "amount": 12}, {"email": "joe@example.com", "amount": "much"}]}


class Trial:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.toml").write_text(CONFIG, "utf-8")

    def __call__(self, body: Any, source: str, *options: str) -> Result:
        (self.folder / "sample.json").write_bytes(body if isinstance(body, bytes) else encoded(body))
        given = ["try-source", str(self.folder / "sample.json"), "--source", source, *options]
        return CliRunner().invoke(cli, [*given, "--config", str(self.folder / "config.toml")])


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def worked(kind: str, name: str) -> Any:
    return read(next(path for path in cases(kind) if path.stem == name))["delivery"]


def test_the_events_are_shown_and_the_canonical_event_s_identifiers_by_name(trial: Trial) -> None:
    told = trial(worked("recharge", "worked_renewal"), "shop/recharge", "--topic", "charge-paid", "--unsigned")
    assert told.exit_code == exit_codes.OK, told.output
    assert '"event_id": "renewal.730010001"' in told.output
    assert "becomes     subscription_renewed renewal.730010001" in told.output
    [names] = [line for line in told.output.splitlines() if line.startswith("identifiers")]
    assert {"email", "external_id", "anonymous_id"} <= set(names.removeprefix("identifiers").strip().split(", "))
    assert "sha256" not in told.output


def test_what_cannot_be_an_event_is_told_and_ends_with_1(trial: Trial) -> None:
    told = trial(LEADS, "forms", "--unsigned", "--json")
    assert told.exit_code == exit_codes.FAILED
    good, bad = json.loads(told.output)["events"]
    assert (good["event"]["custom_data"]["value"], good["identifiers"], good["goes"]) == (12, ["email"], True)
    assert bad["error"].startswith("events[0].custom_data.value: failed")
    assert bad["goes"] is False


def test_a_signature_is_looked_at_unless_it_is_not_to_be(trial: Trial) -> None:
    body = encoded({"id": 7, "total_price": "1.00", "currency": "EUR"})
    right = base64.b64encode(hmac.new(b"shopify-secret", body, hashlib.sha256).digest()).decode()
    signed = ("--header", f"X-Shopify-Hmac-Sha256={right}", "--header", "X-Shopify-Shop-Domain=example.myshopify.com")
    topic = ("--header", "X-Shopify-Topic=orders/create")
    told = trial(body, "shopify", *topic, *signed)
    assert told.exit_code == exit_codes.OK, told.output
    assert "signature   right" in told.output
    told = trial(body + b" ", "shopify", *topic, *signed)
    assert told.exit_code == exit_codes.FAILED
    assert "refused (401): the signature is missing" in told.output
    assert trial(body, "shopify", *topic, "--unsigned").exit_code == exit_codes.OK


def test_what_would_only_be_kept_is_said_to_go_nowhere(trial: Trial) -> None:
    told = trial({"id": 7}, "shopify", "--header", "X-Shopify-Topic=products/update", "--unsigned")
    assert "goes        to no platform: it is kept" in told.output


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"\xff\x00", b"[" * 900 + b"]" * 900, b'"\\ud800"'])
@pytest.mark.parametrize("source", ["forms", "recharge", "shopify"])
def test_any_bytes_are_answered_in_words(trial: Trial, body: bytes, source: str) -> None:
    told = trial(body, source, "--unsigned")
    assert told.exit_code in (exit_codes.OK, exit_codes.FAILED)
    assert told.exception is None or isinstance(told.exception, SystemExit)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (
            "shop/none",
            ["--unsigned"],
            "no source 'shop/none' is declared; there are: shop/shopify, shop/recharge, shop/forms",
        ),
        ("recharge", [], "sites[0].sources[1].secrets[0]: the environment variable NOT_SET is not set"),
        ("forms", ["--unsigned", "--header", "X"], "--header: 'X' is no header; give NAME=VALUE"),
    ],
)
def test_wrong_arguments_end_with_2(trial: Trial, source: str, options: list[str], words: str) -> None:
    told = trial(b"{}", source, *options)
    assert told.exit_code == exit_codes.USAGE
    assert words in told.output
