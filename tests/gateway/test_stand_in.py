"""The configuration where its secrets are not set: read all the same, with its other faults told."""

from pathlib import Path

import pytest

from actors.destinations.webhook import Webhook
from gateway.errors import ConfigError
from gateway.stand_in import load_without_secrets

SITE = """
[[sites]]
id = "{id}"
write_keys = [{{ env = "KEY_OF_{id}" }}]
[[sites.destinations]]
id = "hook"
type = "webhook"
url = "{url}"
secret = {{ env = "WEBHOOK_SECRET" }}
"""


def written(folder: Path, *, url: str = "https://backend.example.com/") -> Path:
    path = folder / "config.toml"
    path.write_text("".join(SITE.format(id=id, url=url) for id in ("a", "b")))
    return path


def test_no_secret_of_any_form_need_be_set_and_no_two_are_alike(tmp_path: Path) -> None:
    first, second = load_without_secrets(written(tmp_path), {}).sites
    assert first.write_keys[0].reveal() != second.write_keys[0].reveal()


def test_what_is_set_counts(tmp_path: Path) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    site = load_without_secrets(written(tmp_path), {"WEBHOOK_SECRET": secret}).sites[0]
    hook = site.destinations[0]
    assert isinstance(hook, Webhook)
    assert hook.secret.reveal() == secret


def test_another_fault_is_told(tmp_path: Path) -> None:
    env = {"KEY_OF_a": "wk_a", "KEY_OF_b": "wk_b", "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    with pytest.raises(ConfigError) as raised:
        load_without_secrets(written(tmp_path, url="nowhere"), env)
    assert any("url" in fault for fault in raised.value.faults)
