"""The routes that the configuration file declares, in the history of their site: each change a version by `config`.

Called where the file was read, at a start and on a reload; of several workers the first one writes, the others find it
written. What is published by command is in the history already.
"""

from typing import Final

import msgspec

from actors.routes import as_table
from gateway.routes_text import encoded
from gateway.settings import Config, SiteSettings
from store import stored_config, stored_routes
from store.env import Store
from store.records import StoredConfig
from store.routes_records import RoutesVersion
from store.stored_config import Switching, plan_switch, put_switch
from store.writer import Writer, WriteTxn

AUTHOR: Final = "config"
NO_ROUTES: Final = b"[]"


async def record_declared(store: Store, writer: Writer, config: Config, at_ms: int) -> tuple[int, ...]:
    """`config`: the file's alone. The numbers of the stored versions that this made."""
    made = []
    for site in config.sites:
        if _wanted(site, stored_routes.newest(store, site.id), stored_config.latest(store).config) is not None:
            made.append(await _record(writer, site, at_ms))
    return tuple(number for number in made if number is not None)


def numbers_in_force(store: Store, config: Config, stored: StoredConfig) -> dict[str, int]:
    """By site the version of its routes; sites that never had any are left out. `config`: the file's alone, whose
    routes are in the history."""
    found: dict[str, int] = {}
    for site in config.sites:
        published = next((one.version for one in stored.routes if one.site == site.id), None)
        newest = stored_routes.newest(store, site.id)
        if published is not None and not site.routes:
            found[site.id] = published
        elif newest is not None:
            found[site.id] = newest.number
    return found


async def _record(writer: Writer, site: SiteSettings, at_ms: int) -> int | None:
    def plan(write: WriteTxn) -> tuple[Switching, RoutesVersion] | None:
        switching = plan_switch(write, lambda stored: stored, at_ms=at_ms, words=f"routes of {site.id} by the file")
        row = _wanted(site, stored_routes.newest_in(write, site.id), switching.made)
        if row is None:
            return None
        return switching, msgspec.structs.replace(row, number=switching.made.version, at_ms=at_ms)

    def put(write: WriteTxn, planned: tuple[Switching, RoutesVersion] | None) -> None:
        if planned is not None:
            put_switch(write, planned[0])
            stored_routes.put_version(write, planned[1])

    done = await stored_config.in_one_commit(writer, plan, put)
    return done[1].number if done is not None else None


def _wanted(site: SiteSettings, newest: RoutesVersion | None, stored: StoredConfig) -> RoutesVersion | None:
    """The row that the history lacks, without its number; None where it tells what is live."""
    is_told = newest is not None and newest.is_declared
    if site.routes:
        routes = encoded([as_table(route) for route in site.routes])
        if is_told and newest is not None and newest.routes == routes:
            return None
        return _row(site.id, routes, "", is_declared=True)
    if not is_told:
        return None
    published = next((one.routes for one in stored.routes if one.site == site.id), None)
    instead = "the defaults hold" if published is None else "the published ones hold"
    return _row(site.id, published or NO_ROUTES, f"the file declares no routes any more: {instead}", is_declared=False)


def _row(site: str, routes: bytes, note: str, *, is_declared: bool) -> RoutesVersion:
    return RoutesVersion(site=site, number=0, at_ms=0, author=AUTHOR, routes=routes, note=note, is_declared=is_declared)
