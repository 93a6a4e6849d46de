"""What the configuration file declares, read as far as it can be.

For those who look at destinations from a terminal in which the secrets of others are not set: what cannot be read is
there by its id and its table.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from gateway.config import DOORS, decode_file
from gateway.config_checks import check_destinations
from gateway.config_env import site_table
from gateway.config_reader import Reader
from gateway.settings import SiteSettings


class DeclaredDestination(Struct, frozen=True, kw_only=True):
    """`destination`: None where its settings have faults, or are not to be read from here; `faults` says why."""

    id: str
    table: dict[str, Any]
    destination: Destination | None = None
    faults: tuple[str, ...] = ()


class DeclaredSource(Struct, frozen=True, kw_only=True):
    id: str
    type: str


class DeclaredSite(Struct, frozen=True, kw_only=True):
    id: str
    is_sealed: bool = False  # keeps plaintext sealed
    origins: frozenset[str] = frozenset()
    cookie_domain: str | None = None
    destinations: tuple[DeclaredDestination, ...] = ()
    sources: tuple[DeclaredSource, ...] = ()
    routes: tuple[dict[str, Any], ...] = ()  # none: the store's hold


def declared(path: Path | None, env: Mapping[str, str], text: bytes | None = None) -> tuple[DeclaredSite, ...]:
    """The sites and their destinations. Raises ConfigError where the file is no TOML or cannot be read."""
    table = {} if path is None else decode_file(path, text)
    folder = Path() if path is None else path.parent
    sites = Reader(env, folder).tables(table.get("sites") or [site_table(env)[0]], "sites")
    return tuple(_site(one, env, folder) for one, _ in sites)


def _site(table: dict[str, Any], env: Mapping[str, str], folder: Path) -> DeclaredSite:
    reader = Reader(env, folder)
    settings = reader.record(SiteSettings, table, "", apart=("destinations", "routes", *DOORS))
    is_sealed = (settings.keep_plaintext if settings is not None else table.get("keep_plaintext")) == "sealed"
    tables = reader.tables(table.get("destinations", []), "destinations")
    return DeclaredSite(
        id=settings.id if settings is not None else str(table.get("id")),
        is_sealed=is_sealed,
        origins=_texts(table.get("origins")),
        cookie_domain=settings.cookie_domain if settings is not None else None,
        sources=tuple(
            DeclaredSource(id=str(one.get("id")), type=str(one.get("type")))
            for one, _ in reader.tables(table.get("sources", []), "sources")
        ),
        destinations=tuple(_destination(one, Reader(env, folder), is_sealed=is_sealed) for one, _ in tables),
        routes=tuple(one for one, _ in reader.tables(table.get("routes", []), "routes")),
    )


def _texts(value: object) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _destination(table: dict[str, Any], reader: Reader, *, is_sealed: bool) -> DeclaredDestination:
    name = str(table.get("id"))
    read = reader.one_of(AnyDestination, table, name)
    if read is not None:
        check_destinations([(name, read)], is_sealed=is_sealed, reader=reader)
    faults = tuple(str(fault) for fault in reader.faults)
    return DeclaredDestination(id=name, table=table, destination=None if faults else read, faults=faults)
