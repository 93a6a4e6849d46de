"""What a site's `[sites.attribution]` says of how its credit is shown: its default model, and whether direct visits get
credit. Read from the file alone, so that it works where no secret is set; where it says nothing, the built-in defaults.
"""

from pathlib import Path
from typing import Any, Final, cast

from msgspec import Struct

from actors.attribution.settings import AttributionRules
from gateway.config import config_file, decode_file
from gateway.errors import ConfigError
from store.journey_records import MODELS, Model

BUILT_IN: Final = AttributionRules()


class Shown(Struct, frozen=True, kw_only=True):
    default_model: Model = BUILT_IN.default_model
    direct_credit: str = BUILT_IN.direct_credit


def shown_for(config_path: Path | None, site: str) -> Shown:
    """A file that cannot be read says nothing: it says nothing against the store either."""
    path = config_file(config_path)
    try:
        sites = decode_file(path).get("sites", []) if path is not None else []
    except ConfigError:
        sites = []
    tables = [one for one in sites if isinstance(one, dict) and one.get("id") == site]
    own = tables[0].get("attribution") if tables else None
    return _shown(own) if isinstance(own, dict) else Shown()


def _shown(table: dict[str, Any]) -> Shown:
    model, direct = table.get("default_model"), table.get("direct_credit")
    return Shown(
        default_model=cast("Model", model) if model in MODELS else BUILT_IN.default_model,
        direct_credit=direct if direct in ("fallback", "always") else BUILT_IN.direct_credit,
    )
