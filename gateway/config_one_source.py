"""One source of the configuration with its site, for whoever tries it: nothing else is read, no other secret needed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.config import DOORS, decode_file
from gateway.config_env import site_table
from gateway.config_reader import Reader
from gateway.config_sources import read_source
from gateway.errors import ConfigError
from gateway.settings import SiteSettings
from gateway.sources.base import WebhookSource

Placed = tuple[dict[str, Any], str, dict[str, Any], str]  # tables and paths of a site and of one of its sources


class OneSource(Struct, frozen=True, kw_only=True):
    site: SiteSettings
    source: WebhookSource


def load_source(path: Path | None, env: Mapping[str, str], name: str) -> OneSource:
    """`name`: SITE/ID, or ID where one site has it. Raises ConfigError."""
    origin = "the environment" if path is None else str(path)
    table = {} if path is None else decode_file(path)
    reader = Reader(env, Path() if path is None else path.parent)
    placed = list(_placed(table.get("sites") or [site_table(env)[0]], reader))
    found = [one for one in placed if name in (f"{one[0].get('id')}/{one[2].get('id')}", one[2].get("id"))]
    if len(found) != 1 and not reader.faults:
        raise ConfigError([f"{origin}: {_not_one(name, found, placed)}"])
    if found:
        site_of, where, one, one_path = found[0]
        site = reader.record(SiteSettings, site_of, where, apart=("destinations", "routes", *DOORS))
        source = read_source(one, one_path, reader)
        if site is not None and source is not None and not reader.faults:
            return OneSource(site=site, source=source)
    raise ConfigError([f"{origin}: {fault}" for fault in reader.faults])


def _placed(declared: object, reader: Reader) -> Iterator[Placed]:
    for table, path in reader.tables(declared, "sites"):
        for one, one_path in reader.tables(table.get("sources", []), f"{path}.sources"):
            yield table, path, one, one_path


def _not_one(name: str, found: list[Placed], placed: list[Placed]) -> str:
    names = ", ".join(f"{table.get('id')}/{one.get('id')}" for table, _, one, _ in found or placed) or "none"
    if found:
        return f"several sources have the id {name!r}: {names}; give SITE/ID"
    return f"no source {name!r} is declared; there are: {names}"
