"""The settings of a destination's pace: read as operators write them, refused with what would be right."""

from pathlib import Path

import pytest

from actors.rates import Rate
from gateway.config import load_config
from gateway.errors import ConfigError

SITE = """
[[sites]]
id = "shop"
write_keys = ["wk_shop"]
[[sites.destinations]]
id = "own"
type = "webhook"
url = "https://hooks.example.com/events"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""


def loaded(tmp_path: Path, line: str) -> object:
    path = tmp_path / "config.toml"
    path.write_text(SITE + line, "utf-8")
    return load_config(path, {}).sites[0].destinations[0]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('rate = "20/min"', "rate", Rate("20/min")),
        ('rate = " 1000 / h"', "rate", Rate("1000/h")),
        ("", "rate", None),
        ("latency_goal_s = 1", "latency_goal_s", 1.0),
        ("pause_share = 0", "pause_share", 0.0),
        ("pause_after_s = 60", "pause_after_s", 60.0),
        ("pause_least = 5", "pause_least", 5),
        ("paused = true", "paused", True),
    ],
)
def test_a_setting_of_the_pace_is_read(tmp_path: Path, line: str, field: str, value: object) -> None:
    assert getattr(loaded(tmp_path, line), field) == value


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('rate = "fast"', "destinations[0].rate: 'fast' is no rate; give requests in a time, such as \"100/s\""),
        ("rate = 100", "destinations[0].rate: 100 is no rate"),
        ('rate = "0/s"', "destinations[0].rate: '0/s' is out of range"),
        ("latency_goal_s = 0", "destinations[0].latency_goal_s: 0 is out of range; give 0.05 to 15"),
        ("pause_share = 25", "destinations[0].pause_share: 25 is out of range; give 0 to 1"),
        ("pause_after_s = 1", "destinations[0].pause_after_s: 1 is out of range; give 10 to 86400"),
        ("pause_least = 0", "destinations[0].pause_least: 0 is out of range; give 1 to"),
        ('paused = "yes"', "destinations[0].paused: is a text; give true or false"),
    ],
)
def test_a_wrong_one_is_named_with_what_would_be_right(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, line)
    assert words in str(caught.value)
