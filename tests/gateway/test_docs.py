"""The reference pages and the example name everything there is."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from actors.coverage import IDENTIFIERS
from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.event import UserData
from actors.match_quality import KINDS as WEIGHTS
from actors.observer import REASONS
from actors.secret import Secret
from gateway.config import load_config
from gateway.config_env import site_table
from gateway.config_reader import members
from gateway.metric_families import Counter, Gauge, Histogram
from gateway.metrics import PrometheusObserver
from gateway.settings import ServerSettings, SiteSettings
from gateway.sources.base import WebhookSource
from gateway.sources.registry import AnySource
from gateway.tag_settings import Snippet, TagSettings
from tests.support.certificates import authority
from tests.support.service_accounts import make_account

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
ENV = {
    "DEMO_WRITE_KEY": "wk_demo",
    "GATEWAY_ADMIN_TOKEN": "0123456789abcdef",
    "META_ACCESS_TOKEN": "token",
    "SHOPIFY_SECRET": "secret",
    "RECHARGE_SECRET": "secret",
    "KLAVIYO_WEBHOOK_SECRET": "klaviyo_webhook_secret",
    "KLAVIYO_FLOW_TOKEN": "klaviyo_flow_token",
    "FORMS_SECRET": "secret",
    "GA_API_SECRET": "secret",
    "GADS_CLIENT_SECRET": "secret",
    "GADS_REFRESH_TOKEN": "token",
    "GADS_ACCESS_TOKEN": "token",
    "LINKEDIN_ACCESS_TOKEN": "token",
    "LINKEDIN_CLIENT_SECRET": "secret",
    "LINKEDIN_REFRESH_TOKEN": "token",
    "REDDIT_ACCESS_TOKEN": "token",
    "TIKTOK_ACCESS_TOKEN": "token",
    "PINTEREST_ACCESS_TOKEN": "token",
    "SNAPCHAT_ACCESS_TOKEN": "token",
    "KLAVIYO_API_KEY": "pk_key",
    "AWIN_API_KEY": "token",
    "WEBHOOK_SECRET": "whsec_" + "A" * 44,
    "WEBHOOK_AUTHORIZATION": "Bearer abc",
}
SETTINGS = [*msgspec.structs.fields(ServerSettings), *msgspec.structs.fields(SiteSettings)]
KINDS = members(AnyDestination)
SOURCES = members(AnySource)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: str(kind.kind))
def test_every_source_has_its_page_and_its_block(kind: type[WebhookSource]) -> None:
    own = [one.name for one in msgspec.structs.fields(kind) if one.name != "id"]
    text = page(f"sources/{kind.kind}.md")
    assert [name for name in own if f"`{name}`" not in text] == []
    assert [
        name
        for name in own
        if not re.search(rf"(?m)^#?({name} = |\[\[sites.sources.{name}\]\])", EXAMPLE.read_text("utf-8"))
    ] == []


def own_settings(kind: type[Destination]) -> list[str]:
    common = {field.name for field in msgspec.structs.fields(Destination)}
    return [field.name for field in msgspec.structs.fields(kind) if field.name not in common]


def test_the_example_loads() -> None:
    config = load_config(EXAMPLE, ENV)
    assert [one.platform for one in config.sites[0].destinations] == [str(kind.platform) for kind in KINDS]


def test_the_example_loads_with_everything_in_it_set(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    text = EXAMPLE.read_text("utf-8").replace("/etc/ssl/own-ca.pem", str(authority("own").write(tmp_path, "own")))
    path.write_text(re.sub(r"(?m)^#(?=\w)", "", text), "utf-8")
    config = load_config(path, ENV | {"GADS_SERVICE_ACCOUNT": make_account().key_file})
    assert config.server == ServerSettings(admin_token=Secret("0123456789abcdef")), "the example shows the defaults"
    assert config.sites[0].default_country == "DE"


@pytest.mark.parametrize(
    "name", [*(field.name for field in SETTINGS), *(f.name for f in msgspec.structs.fields(Destination))]
)
def test_every_setting_is_in_the_example_and_on_its_page(name: str) -> None:
    assert re.search(rf"(?m)^#?(\[+sites\.)?{name}( =|\])", EXAMPLE.read_text("utf-8")), (
        f"{name} in config.example.toml"
    )
    assert f"`{name}`" in page("configuration.md"), f"{name} in docs/configuration.md"


@pytest.mark.parametrize("name", [*TagSettings.__struct_fields__, *Snippet.__struct_fields__])
def test_every_setting_of_the_tag_loader_is_in_the_example_and_on_its_page(name: str) -> None:
    _, _, block = EXAMPLE.read_text("utf-8").partition("[sites.tag]")
    assert re.search(rf"(?m)^#?(\[+sites\.tag\.)?{name}( =|\])", block.partition("[[sites.sources]]")[0])
    assert f"`{name}`" in page("tag.md")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.platform))
def test_every_setting_of_a_destination_is_in_the_example_and_on_its_page(kind: type[Destination]) -> None:
    _, _, destinations = EXAMPLE.read_text("utf-8").partition("[[sites.destinations]]")
    _, _, block = destinations.partition(f'type = "{kind.platform}"\n')
    block = block.partition("[[")[0]
    for name in own_settings(kind):
        assert re.search(rf"(?m)^#?{name} =", block), f"{name} under {kind.platform} in config.example.toml"
        assert f"`{name}`" in page(f"destinations/{kind.platform}.md"), f"{name} on the page of {kind.platform}"


@pytest.mark.parametrize("family", PrometheusObserver().families.all, ids=lambda family: str(family.name))
def test_every_metric_is_on_its_page(family: Counter | Gauge | Histogram) -> None:
    row = next((line for line in page("metrics.md").splitlines() if line.startswith(f"| `{family.name}`")), "")
    assert row, f"{family.name} has a row in docs/metrics.md"
    assert all(f"`{label}`" in row for label in family.labels), f"the labels of {family.name}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.platform))
def test_what_a_platform_takes_is_in_its_row_of_match_quality(kind: type[Destination]) -> None:
    name = {"google_ads": "google ads, data"}.get(kind.platform, kind.platform)
    [row] = [line for line in page("match-quality.md").splitlines() if line.lower().startswith(f"| {name}")]
    told = {text for text in re.findall(r"`([a-z0-9_]+)`", row) if text in UserData.__struct_fields__}
    assert told == {*kind.click_ids, *kind.browser_ids}
    cells = [cell.strip() for cell in row.strip("|").split("|")[1:]]
    assert not kind.match_on or [bool(cell) for cell in cells] == [bool(kind.match_on & bit) for bit, _, _ in WEIGHTS]


def test_every_weight_and_every_identifier_is_on_the_page_of_match_quality() -> None:
    text = page("match-quality.md")
    assert re.findall(r"(?m)^\| .* \| (\d\.\d) \|$", text)[: len(WEIGHTS)] == [f"{w / 10}" for _, _, w in WEIGHTS]
    assert [name for name in IDENTIFIERS if f"`{name}`" not in text] == []


def test_every_reason_is_on_its_page() -> None:
    assert [reason for reason in REASONS if f"`{reason}`" not in page("metrics.md")] == []


def test_every_variable_of_the_environment_is_on_its_page() -> None:
    asked = Asked()
    site_table(asked)
    assert len(asked.names) >= 8
    assert [name for name in asked.names if f"`{name}`" not in page("configuration.md")] == []


class Asked(Mapping[str, str]):
    """An environment in which everything is set, and which remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return "x"

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def test_every_reason_is_told_by_some_part_of_the_code() -> None:
    apart = {ROOT / "actors/observer.py", ROOT / "gateway/metrics.py", ROOT / "gateway/commands/story.py"}
    files = [file for package in ("actors", "gateway") for file in (ROOT / package).rglob("*.py") if file not in apart]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    told = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(REASONS) <= told
