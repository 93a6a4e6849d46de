"""A site's `/tag.js`: the loader as it was built, called with what the site configured.

The names by which the platforms know events are the adapters' own tables, so that a browser's copy of an event and the
gateway's are one event to the platform.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from actors.destinations import (
    awin,
    criteo,
    ga4,
    ga4_names,
    klaviyo,
    linkedin,
    meta,
    pinterest,
    reddit,
    snapchat,
    taboola,
    tiktok_names,
)
from actors.event import Purpose
from actors.names import ALIASES
from gateway.script_answer import Script, script_of
from gateway.settings import Config, SiteSettings
from gateway.tag_settings import Snippet, TagSettings

LOADER: Final = Path(__file__).parent / "web" / "dist" / "tag.js"
NAMES: Final[Mapping[str, Mapping[str, str | None]]] = MappingProxyType(
    {
        "awin": awin.NAMES, "criteo": criteo.NAMES, "ga4": ga4_names.NAMES, "klaviyo": klaviyo.NAMES,
        "linkedin": linkedin.NAMES, "meta": meta.NAMES, "pinterest": pinterest.NAMES, "reddit": reddit.NAMES,
        "snapchat": snapchat.NAMES, "taboola": taboola.NAMES, "tiktok": tiktok_names.NAMES,
    }
)  # fmt: skip
GOOGLE: Final[Mapping[str, Any]] = MappingProxyType({"names": NAMES["ga4"], "separators": ga4_names.SEPARATORS.pattern})
NEEDS: Final[Mapping[str, tuple[Purpose, ...]]] = MappingProxyType(
    {"G": ("analytics",), "AW": ("marketing",), "DC": ("marketing",), "GT": ("analytics", "marketing")}
)

Tags = Mapping[str, Script]  # by the id of the site


def read_loader(path: Path = LOADER) -> bytes | None:
    """None where the gateway runs from a checkout in which it was not built."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def tags_of(config: Config, loader: bytes | None) -> Tags:
    """Of the sites that have a tag."""
    if loader is None:
        return {}
    return {site.id: tag_script(site, site.tag, loader) for site in config.sites if site.tag is not None}


def tag_script(site: SiteSettings, tag: TagSettings, loader: bytes) -> Script:
    """`GATEWAY_TAG` is the loader's name for what it is called with."""
    told = msgspec.json.encode(_told(site, tag), order="deterministic")
    return script_of(b"!function(GATEWAY_TAG){" + loader.rstrip() + b"}(" + told + b");\n")


def _told(site: SiteSettings, tag: TagSettings) -> dict[str, Any]:
    """As gateway/web/src/tag.ts reads it."""
    told: dict[str, Any] = {"aliases": dict(ALIASES), "snippets": [_snippet(one) for one in tag.snippets]}
    if tag.meta_pixel_id:
        told["meta"] = {"id": tag.meta_pixel_id, "names": NAMES["meta"]}
    if tag.gtag_ids:
        told["gtag"] = {**GOOGLE, "tags": [_gtag(one, site) for one in tag.gtag_ids]}
    if tag.gtm_container:
        told["gtm"] = {**GOOGLE, "id": tag.gtm_container, "needs": tag.gtm_consent}
    return told


def _gtag(gtag_id: str, site: SiteSettings) -> dict[str, Any]:
    """`once`: the gateway sends the same property its events, and GA4 recognises a copy of a purchase only."""
    twins = [one for one in site.destinations if isinstance(one, ga4.Ga4) and one.measurement_id == gtag_id]
    return {
        "id": gtag_id,
        "needs": NEEDS[gtag_id.partition("-")[0]],
        "once": bool(twins),
        "value": twins[0].value if twins else "items",
    }


def _snippet(snippet: Snippet) -> dict[str, Any]:
    told: dict[str, Any] = {"id": snippet.id, "needs": snippet.consent, "script": snippet.script}
    return told if snippet.platform is None else {**told, "names": NAMES[snippet.platform]}
