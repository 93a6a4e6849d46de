"""The configuration in force: what the file declares, and what the store holds beside it.

The file wins where both have a destination of one id; an operator's pause counts for the file's destinations too. What
the store has and cannot be in force is a fault by itself: it is left out, the rest is right.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from actors.destinations.base import Destination
from gateway.composing_routes import Older, no_older, with_routes
from gateway.errors import SettingsError
from gateway.settings import Config, SiteSettings
from gateway.stored_destinations import opened_table, read_destination, unopened_destination
from gateway.stored_sources import is_taken, read_stored_source
from gateway.vault import Vault
from store.records import StoredConfig, StoredDestination, StoredSource


class Composed(Struct, frozen=True, kw_only=True):
    """`faults`: why a stored destination is left out or sends nothing. `notes`: what is told although nothing is."""

    config: Config
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compose(config: Config, stored: StoredConfig, vault: Vault, older: Older = no_older) -> Composed:
    """`config`: the file's, or the environment's. `older`: versions of routes that may take the place of one that
    cannot be read. Raises BadSecretKey where secrets are stored and there is no key."""
    sites = {site.id: _with_pauses(site, stored) for site in config.sites}
    faults: list[str] = []
    notes: list[str] = []
    held: list[tuple[str, str]] = []
    for record in stored.destinations:
        site = sites.get(record.site)
        if site is not None and any(one.id == record.id for one in site.destinations):
            notes.append(_clash(record, config.origin))
            continue
        destination, told = _read(record, site, vault)
        faults += told
        if destination is None or site is None:
            held.append((record.site, record.id))
        else:
            sites[site.id] = msgspec.structs.replace(site, destinations=(*site.destinations, destination))
    for connected in stored.sources:
        _add_source(sites, connected, vault, faults, notes)
    sites = {id: with_routes(site, stored, config.origin, older, faults, notes) for id, site in sites.items()}
    composed = msgspec.structs.replace(config, sites=tuple(sites.values()), held=tuple(held))
    return Composed(config=composed, faults=tuple(faults), notes=tuple(notes))


def _add_source(
    sites: dict[str, SiteSettings], record: StoredSource, vault: Vault, faults: list[str], notes: list[str]
) -> None:
    """Puts it among its site's sources, or says why it is not there. What the file declares counts."""
    place, site = f"{record.site}/{record.id}", sites.get(record.site)
    if site is None:
        faults.append(f"source {place}: there is no site {record.site!r}; gateway disconnect --source {place}")
        return
    table, unopened = opened_table(record, vault)
    if unopened:
        faults += [f"source {place}.{name}: no key opens it; give the gateway its key" for name in unopened]
        return
    try:
        source = read_stored_source(record.id, table)
    except SettingsError as error:
        faults += [f"source {place}.{field}: {text}" for field, text in error.fields]
        return
    if is_taken(source, site.sources):
        told = f"source {place}: another one has its path, which counts; gateway disconnect --source {place}"
        notes.append(told)
        return
    sites[site.id] = msgspec.structs.replace(site, sources=(*site.sources, source))


def _clash(record: StoredDestination, origin: str) -> str:
    place = f"{record.site}/{record.id}"
    return f"{place} is declared by {origin} and stored too: the stored one is out of force; gateway disconnect {place}"


def _with_pauses(site: SiteSettings, stored: StoredConfig) -> SiteSettings:
    told = {one.id: one.is_paused for one in stored.pauses if one.site == site.id}
    found = tuple(
        msgspec.structs.replace(one, paused=told[one.id]) if one.id in told else one for one in site.destinations
    )
    return msgspec.structs.replace(site, destinations=found)


def _read(
    record: StoredDestination, site: SiteSettings | None, vault: Vault
) -> tuple[Destination | None, Sequence[str]]:
    place = f"{record.site}/{record.id}"
    if site is None:
        return None, [f"{place}: there is no site {record.site!r}; declare it, or gateway disconnect {place}"]
    table, unopened = opened_table(record, vault)
    if unopened:
        named = [f"{place}.{name}: no key opens it; give the gateway its key, or set it anew" for name in unopened]
        return unopened_destination(record, unopened), named
    try:
        return read_destination(record.id, table, is_sealed=site.keep_plaintext == "sealed"), ()
    except SettingsError as error:
        return None, [f"{place}.{field}: {text}" for field, text in error.fields]
