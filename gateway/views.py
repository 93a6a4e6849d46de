"""A destination as commands, API and console show it: the file's and the store's alike, secrets as `***`."""

from typing import Any, Literal

from msgspec import Struct

from gateway.declared import DeclaredDestination, DeclaredSite
from gateway.errors import SettingsError
from gateway.key_ring import BadSecretKey
from gateway.stored_destinations import HIDDEN, opened_table, plain_table, read_destination, shown_settings, shown_table
from gateway.vault import Vault
from store.records import PauseOverride, StoredDestination


class DestinationView(Struct, frozen=True, kw_only=True):
    """`settings`: those that are set, secrets as `***`. `version`: of the stored configuration that changed it last,
    0 for what only the file says. `faults`: why it is not in force, or cannot be read from here."""

    site: str
    id: str
    type: str
    origin: Literal["file", "store"]
    settings: dict[str, Any]
    is_paused: bool
    version: int
    faults: tuple[str, ...] = ()


def view_of_file(site: str, one: DeclaredDestination, pause: PauseOverride | None) -> DestinationView:
    settings = shown_settings(one.destination) if one.destination is not None else shown_table(one.table)
    return DestinationView(
        site=site,
        id=one.id,
        type=str(one.table.get("type")),
        origin="file",
        settings=settings,
        is_paused=pause.is_paused if pause is not None else settings.get("paused") is True,
        version=pause.version if pause is not None else 0,
        faults=one.faults,
    )


def view_of_store(record: StoredDestination, site: DeclaredSite | None, vault: Vault) -> DestinationView:
    plain = plain_table(record)
    settings, faults = _settings(record, site, vault)
    return DestinationView(
        site=record.site,
        id=record.id,
        type=str(plain["type"]),
        origin="store",
        settings=settings,
        is_paused=plain.get("paused") is True,
        version=record.version,
        faults=faults,
    )


def _settings(
    record: StoredDestination, site: DeclaredSite | None, vault: Vault
) -> tuple[dict[str, Any], tuple[str, ...]]:
    bare = shown_table({**plain_table(record), **dict.fromkeys(record.sealed, HIDDEN)})
    if site is None:
        return bare, (f"there is no site {record.site!r}",)
    if any(one.id == record.id for one in site.destinations):
        return bare, ("the file declares a destination of this id, which counts",)
    try:
        table, unopened = opened_table(record, vault)
    except BadSecretKey:  # without the key nobody can tell from here
        return bare, ()
    if unopened:
        return bare, tuple(f"{name}: no key of this gateway opens it" for name in unopened)
    try:
        return shown_settings(read_destination(record.id, table, is_sealed=site.is_sealed)), ()
    except SettingsError as error:
        return bare, error.faults
