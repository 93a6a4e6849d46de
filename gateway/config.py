"""Reads the configuration: config.toml, or the environment where no site is declared. Faults are told all at once.

config_file     which file is meant
load_config     file and environment -> Config, or ConfigError with every fault
load_server     the process' settings alone
load_one        one destination with its site's rules, whatever the others lack
load_beside     the same of one that was connected
snapshot_of     Config -> what the core and the edge look things up in
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.consent import ConsentRules
from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.routes import Route
from actors.snapshot import DAY_MS, Site, Snapshot, key_digest
from gateway.config_checks import Placed, check_destinations, check_server, check_sites
from gateway.config_env import VARIABLES, site_table
from gateway.config_reader import Fault, Reader
from gateway.config_routes import read_routes
from gateway.config_sources import read_sources
from gateway.errors import ConfigError
from gateway.identifiers import identity_rules
from gateway.settings import Config, ServerSettings, SiteSettings
from gateway.settings_attribution import attribution_rules
from gateway.tag_settings import read_tag

__all__ = [
    "Config",
    "ServerSettings",
    "SiteSettings",
    "config_file",
    "load_beside",
    "load_config",
    "load_one",
    "load_server",
    "snapshot_of",
]

Table = dict[str, Any]

CONFIG_FILE = "config.toml"
FILE_BYTES = 4_000_000
HOUR_MS = 3_600_000
ADMIN_TOKEN = "GATEWAY_ADMIN_TOKEN"
DOORS = ("write_keys", "public_keys", "origins", "sources", "tag")  # of a site: who may post, and from what
APART = ("destinations", "sources", "routes", "tag")
KEY_BURST = 4  # times the rate, where key_burst is not given


def config_file(given: Path | None) -> Path | None:
    """The file that is meant: the one given, else config.toml of the working directory if it is there."""
    if given is not None:
        return given
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None


def load_config(path: Path | None, env: Mapping[str, str], text: bytes | None = None) -> Config:
    """The configuration. `path` None: every setting has its default, and the site comes from the environment.

    `text`: what the file held when it was accepted, to be read in its place.
    """
    reader = Reader(env, Path() if path is None else path.parent)
    table = {} if path is None else decode_file(path, text)
    server = _server(_with_admin_token(table, env), reader)
    declared = table.get("sites", [])
    sites = [] if declared == [] else _sites(declared, reader)
    faults = [f"{path}: {fault}" for fault in reader.faults]
    if declared != []:
        _refuse(faults)
        return Config(server=server, sites=tuple(sites), origin=str(path))
    site, notes, more = _site_of_environment(env)
    _refuse(faults + more)
    return Config(server=server, sites=(site,) if site else (), notes=notes)


def load_server(path: Path | None, env: Mapping[str, str]) -> ServerSettings:
    """The process' settings alone, without the API's token, for commands that read the store: they run where no secret
    is set."""
    reader = Reader(env, Path() if path is None else path.parent)
    server = _server({} if path is None else decode_file(path), reader, apart=("admin_token",))
    _refuse([f"{path}: {fault}" for fault in reader.faults])
    return server


def load_one(path: Path | None, env: Mapping[str, str], destination: str, site: str | None = None) -> Site:
    """The rules of the site that has this destination, and no other destination: the secrets of the others, and the
    keys of the site, need not be set. `site`: its id, where several sites have a destination of this id."""
    table = {} if path is None else decode_file(path)
    origin = "the environment" if path is None else str(path)
    reader = Reader(env, Path() if path is None else path.parent)
    placed = list(_placed(table.get("sites") or [site_table(env)[0]], reader))
    found = [one for one in placed if one[2].get("id") == destination and (site is None or one[0].get("id") == site)]
    _refuse([f"{origin}: {fault}" for fault in reader.faults])
    if len(found) != 1:
        raise ConfigError([f"{origin}: {_not_one(destination, site, found or placed, is_found=bool(found))}"])
    settings = _one(*found[0], reader)
    _refuse([f"{origin}: {fault}" for fault in reader.faults])
    assert settings is not None, "no record comes without a fault"
    return _site_rules(settings)


def load_beside(path: Path | None, env: Mapping[str, str], destination: Destination, site: str) -> Site:
    """The rules of this site with a destination that was connected to it, as `load_one` reads them."""
    table = {} if path is None else decode_file(path)
    reader = Reader(env, Path() if path is None else path.parent)
    tables = reader.tables(table.get("sites") or [site_table(env)[0]], "sites")
    found = [
        reader.record(
            SiteSettings,
            one,
            place,
            apart=(*APART, *DOORS),
            destinations=(destination,),
            routes=_routes(one, place, reader),
        )
        for one, place in tables
        if one.get("id") == site
    ]
    _refuse([f"{path or 'the environment'}: {fault}" for fault in reader.faults])
    if not found or found[0] is None:
        raise ConfigError([f"{path or 'the environment'}: there is no site {site!r}"])
    return _site_rules(found[0])


def _placed(declared: object, reader: Reader) -> Iterator[tuple[Table, str, Table, str]]:
    """Each destination's table with its path, after those of its site."""
    for table, path in reader.tables(declared, "sites"):
        for one, one_path in reader.tables(table.get("destinations", []), f"{path}.destinations"):
            yield table, path, one, one_path


def _not_one(destination: str, site: str | None, placed: list[tuple[Table, str, Table, str]], *, is_found: bool) -> str:
    names = ", ".join(f"{table.get('id')}/{one.get('id')}" for table, _, one, _ in placed) or "none"
    if is_found:
        return f"several destinations have the id {destination!r}: {names}; name the site with --site"
    where = "" if site is None else f" at site {site!r}"
    return f"no destination {destination!r} is declared{where}; declared are: {names}; gateway destinations lists all"


def _one(table: Table, path: str, one: Table, one_path: str, reader: Reader) -> SiteSettings | None:
    destination = reader.one_of(AnyDestination, one, one_path)
    found = () if destination is None else (destination,)
    is_sealed = table.get("keep_plaintext") == "sealed"
    check_destinations([(one_path, destination) for destination in found], is_sealed=is_sealed, reader=reader)
    routes = _routes(table, path, reader)
    settings = reader.record(SiteSettings, table, path, apart=(*APART, *DOORS), destinations=found, routes=routes)
    if settings is not None:
        check_sites([(path, settings)], reader)
    return settings


def _routes(table: Table, path: str, reader: Reader) -> tuple[Route, ...]:
    return tuple(route for _, route in read_routes(table.get("routes", []), f"{path}.routes", reader))


def decode_file(path: Path, text: bytes | None = None) -> dict[str, Any]:
    """The file's table; `text`: what it held when it was accepted. Raises ConfigError."""
    if text is None:
        text = read_text(path)
    if len(text) > FILE_BYTES:
        raise ConfigError([f"{path}: has more than {FILE_BYTES} bytes; this is no configuration"])
    try:
        table: dict[str, Any] = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"{path}: is no TOML: {error}"]) from error
    return table


def read_text(path: Path) -> bytes:
    """The file's text, as far as a configuration may go. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error


def _with_admin_token(table: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The table with the API's token from the environment, where it is set there and not in the file."""
    server = table.get("server", {})
    if not isinstance(server, dict) or "admin_token" in server or not env.get(ADMIN_TOKEN):
        return table
    return {**table, "server": {**server, "admin_token": {"env": ADMIN_TOKEN}}}


def _server(table: dict[str, Any], reader: Reader, apart: Sequence[str] = ()) -> ServerSettings:
    """The process' settings, or their defaults where they have faults: the rest is read all the same."""
    reader.refuse_unknown(table, ("server", "sites"), "")
    before = len(reader.faults)
    server = reader.record(ServerSettings, table.get("server", {}), "server", apart=apart)
    if server is None or len(reader.faults) > before:
        return ServerSettings()
    check_server(server, reader)
    return server


def _sites(declared: object, reader: Reader) -> list[SiteSettings]:
    placed: list[Placed] = []
    for table, path in reader.tables(declared, "sites"):
        destinations = _destinations(table, path, reader)
        sources = read_sources(table, path, reader)
        routes = _routes(table, path, reader)
        tag = read_tag(table, path, reader)
        rest = {key: value for key, value in table.items() if key not in APART}
        ready = {"destinations": destinations, "sources": sources, "routes": routes, "tag": tag}
        site = reader.record(SiteSettings, rest, path, apart=APART, **ready)
        if site is not None:
            placed.append((path, site))
    check_sites(placed, reader)
    return [site for _, site in placed]


def _destinations(table: dict[str, Any], site_path: str, reader: Reader) -> tuple[Destination, ...]:
    found: list[tuple[str, Destination]] = []
    for one, path in reader.tables(table.get("destinations", []), f"{site_path}.destinations"):
        destination = reader.one_of(AnyDestination, one, path)
        if destination is not None:
            found.append((path, destination))
    check_destinations(found, is_sealed=table.get("keep_plaintext") == "sealed", reader=reader)
    return tuple(destination for _, destination in found)


def _site_of_environment(env: Mapping[str, str]) -> tuple[SiteSettings | None, tuple[str, ...], list[str]]:
    """The site, its notes, and its faults by the variable that has them."""
    table, notes = site_table(env)
    reader = Reader(env, Path())
    sites = _sites([table], reader)
    return (sites[0] if sites else None), notes, [_by_variable(fault) for fault in reader.faults]


def _by_variable(fault: Fault) -> str:
    field = fault.path.rpartition(".")[2].partition("[")[0]
    return f"the environment: {VARIABLES.get(field, fault.path)}: {fault.text}"


def _refuse(faults: list[str]) -> None:
    if faults:
        raise ConfigError(faults)


def snapshot_of(config: Config, version: int = 1) -> Snapshot:
    """What the core and the edge look things up in."""
    return Snapshot(
        version=version,
        sites={site.id: _site_rules(site) for site in config.sites},
        write_keys={key_digest(key.reveal()): site.id for site in config.sites for key in site.write_keys},
        public_keys={key_digest(key): site.id for site in config.sites for key in site.public_keys},
        events_api_site=next((site.id for site in config.sites if site.events_api), None),
        held=frozenset(config.held),
    )


def _site_rules(site: SiteSettings) -> Site:
    return Site(
        id=site.id,
        destinations=site.destinations,
        origins=frozenset(map(str, site.origins)),
        retention_ms=site.retention_days * DAY_MS,
        consent_default=site.consent.default or site.consent_default,
        consent=ConsentRules(
            opt_out_countries=frozenset(site.consent.opt_out_countries),
            country=site.consent.country or site.default_country,
            gpc_countries=frozenset(site.consent.gpc_countries),
            hold_ms=round(site.consent.hold_s * 1_000),
            relies_on={one.id: one.relies_on for one in site.destinations if one.relies_on is not None},
        ),
        is_plaintext_sealed=site.keep_plaintext == "sealed",
        purchase_hold_ms=round(site.purchase_hold_s * 1_000),
        dedup_window_ms=round(site.dedup_window_h * HOUR_MS),
        ip_rate=site.ip_rate,
        ip_burst=site.ip_burst,
        key_rate=site.key_rate,
        key_burst=site.key_burst if site.key_burst is not None else max(1.0, site.key_rate * KEY_BURST),
        default_country=site.default_country,
        cookie_domain=site.cookie_domain,
        is_events_api=site.events_api,
        home_url=site.home_url,
        bots=site.bots,
        consent_categories=site.consent_categories,
        routes=site.routes,
        attribution=attribution_rules(site.attribution),
        identity=identity_rules(site.identity),
    )
