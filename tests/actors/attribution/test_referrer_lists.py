"""The lists of referrers: what the package holds, and how its file is made from its sources."""

import datetime
from pathlib import Path

import msgspec
import pytest

from actors.attribution.referrers import category, classify, lists
from scripts.refresh_referrers import written

SEARCH = """
Google:
  -
    urls:
      - google.com
      - 'google.{}'
      - www2.google.com
      - google.com/cse
    params:
      - q
    hiddenkeyword:
      - '/.*/'
Facebook:
  -
    urls:
      - www.facebook.com
    params:
      - q
"""
SOCIAL = 'Facebook:\n  - facebook.com\n  - m.facebook.com\n\n"Hacker News":\n  - news.ycombinator.com\n'
ASSISTANTS = "Grok:\n  - grok.com\n  - x.com/i/grok\n"
CATEGORIES = "source,source_category\n" + "".join(
    f"{source},SOURCE_CATEGORY_{kind}\n"
    for source, kind in (
        ("facebook", "SOCIAL"),
        ("m.facebook.com", "SOCIAL"),
        ("ebay.de", "SHOPPING"),
        ("d.tube", "VIDEO"),
    )
)


def test_the_file_is_made_from_both_sources_without_what_says_nothing_more(tmp_path: Path) -> None:
    for name, text in (("SearchEngines", SEARCH), ("Socials", SOCIAL), ("AIAssistants", ASSISTANTS)):
        (tmp_path / f"{name}.yml").write_text(text, "utf-8")
    (tmp_path / "ga4.csv").write_text(CATEGORIES, "utf-8")
    made = msgspec.json.decode(written(tmp_path, tmp_path / "ga4.csv", datetime.date(2026, 11, 20)))
    assert made["matomo"]["search"] == {"google": ["google.com", "google.{}"]}
    assert made["matomo"]["social"] == {"facebook": ["facebook.com"], "hacker news": ["news.ycombinator.com"]}
    assert made["matomo"]["ai"] == {"grok": ["grok.com", "x.com/i/grok"]}
    assert (made["ga4"]["social"], made["ga4"]["shopping"]) == (["facebook"], ["ebay.de"])


def test_the_packages_file_names_its_sources_and_licences() -> None:
    raw = msgspec.json.decode((Path(__file__).parents[3] / "actors/attribution/referrers.json").read_bytes())
    assert [raw[part]["licence"] for part in ("matomo", "ga4")] == ["CC0-1.0", "Apache-2.0"]
    assert len(lists().hosts) > 700


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("google.de", "search"),
        ("www.bing.com", "search"),
        ("de.search.yahoo.com", "search"),
        ("m.facebook.com", "social"),
        ("t.co", "social"),
        ("vimeo.com", "video"),
        ("etsy.com", "shopping"),
        ("perplexity.ai", "ai"),
        ("outlook.live.com", "mail"),
        ("login.live.com", "social"),
        ("example.com", "other"),
    ],
)
def test_a_host_is_of_its_class(host: str, kind: str) -> None:
    assert classify(host).kind == kind


def test_a_host_that_is_a_network_is_no_search_engine() -> None:
    assert category("facebook.com") == "social"
    assert classify("news.ycombinator.com").source == "hacker news"
