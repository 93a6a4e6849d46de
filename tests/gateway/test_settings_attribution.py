"""`[sites.attribution]`: read, refused by field, told in docs/attribution.md."""

from pathlib import Path

import msgspec
import pytest

from actors.attribution.settings import DAY_MS, AttributionRules
from gateway.config import load_config, snapshot_of
from gateway.errors import ConfigError
from gateway.settings_attribution import AttributionSettings

SITE = '[[sites]]\nid = "shop"\nwrite_keys = ["wk_1234"]\n'


def rules(tmp_path: Path, text: str) -> AttributionRules:
    path = tmp_path / "config.toml"
    path.write_text(f"{SITE}\n[sites.attribution]\n{text}\n")
    return snapshot_of(load_config(path, {})).sites["shop"].attribution


def test_without_settings_the_defaults_of_the_contract_hold(tmp_path: Path) -> None:
    assert rules(tmp_path, "") == AttributionRules()


def test_settings_become_the_rules_of_the_site(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        'default_model = "linear"\nlookback_days_of = { lead_submitted = 90 }\nposition_weights = [20, 20, 60]\n'
        'channel_rules = [{ channel = "influencer", source = "insta*" }]\nparameter_aliases = { utm_source = ["src"] }',
    )
    assert (found.default_model, found.position_weights) == ("linear", (20, 20, 60))
    assert found.window_ms("lead_submitted") == 90 * DAY_MS
    assert found.channel_rules[0].channel == "influencer"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lookback_days = 200", "sites[0].attribution.lookback_days"),
        ("lookback_days = 120", "attribution.lookback_days: is longer than retention_days; give at most 90"),
        ("position_weights = [40, 40, 40]", "attribution.position_weights: add up to 120"),
        ("w_weights = [30, 30, 30, 30]", "attribution.w_weights: add up to 120"),
        ('conversions = ["page_viewed"]', "attribution.conversions[0]: 'page_viewed' is no conversion"),
        ('default_model = "best"', "attribution.default_model"),
        ("parameter_aliases = { source = ['a'] }", "attribution.parameter_aliases.source: there is no such field"),
        ('channel_rules = [{ channel = "mine" }]', "attribution.channel_rules[0]: asks about nothing"),
        ("lookback = 30", "attribution"),
    ],
)
def test_a_fault_names_its_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        rules(tmp_path, text)
    assert told in str(refused.value)


def test_every_setting_is_on_the_page() -> None:
    text = (Path(__file__).parents[2] / "docs/attribution.md").read_text("utf-8")
    for field in msgspec.structs.fields(AttributionSettings):
        assert f"| `{field.name}` |" in text, f"{field.name} in docs/attribution.md"
