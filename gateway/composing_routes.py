"""The routes in force of each site: the file's where it declares some, else the published ones. Plain functions.

A published version that cannot be read any more, as by a release that takes fewer expressions, is a fault: what was
live stays. At a start nothing is live yet, so the newest older version that can be read takes its place; where there is
none, nothing of that site is routed until somebody publishes: an event that is let through by mistake cannot be taken
back, one that was kept can be backfilled.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from actors.routes import Route
from gateway.config_reader import Reader
from gateway.config_routes import read_routes
from gateway.routes_text import decoded
from gateway.settings import Config, SiteSettings
from store.records import SiteRoutes, StoredConfig
from store.routes_records import RoutesVersion

Older = Callable[[str], Iterable[RoutesVersion]]  # a site's versions, the newest first


def no_older(_: str) -> Iterable[RoutesVersion]:
    return ()


def with_lost_routes(config: Config, stored: StoredConfig, number: int, older: Older) -> StoredConfig:
    """Where no version of the stored document can be read, what it said of routes is asked of the history: a site that
    never published any has none to lose."""
    sites = [site.id for site in config.sites if any(not row.is_declared for row in older(site.id))]
    lost = tuple(SiteRoutes(site=site, routes=b"", version=number + 1) for site in sites)
    return msgspec.structs.replace(stored, routes=lost)


def with_routes(
    site: SiteSettings, stored: StoredConfig, origin: str, older: Older, faults: list[str], notes: list[str]
) -> SiteSettings:
    """The site, its destinations complete, with its routes; adds why they are others than what was published."""
    found = next((one for one in stored.routes if one.site == site.id), None)
    if found is not None and site.routes:
        notes.append(f"routes of {site.id} are declared by {origin} and published too: the published ones are not live")
    elif found is not None:
        site = msgspec.structs.replace(site, routes=_published(site, found, older, faults))
    notes += without_effect(site)
    return site


def _published(site: SiteSettings, found: SiteRoutes, older: Older, faults: list[str]) -> tuple[Route, ...]:
    routes, wrong = read_published(found.routes)
    if not wrong:
        return routes
    for row in older(site.id):
        if row.number < found.version and not row.is_declared:
            routes, others = read_published(row.routes)
            if not others:
                faults.append(_told(site, found, wrong, f"version {row.number} is live in its place"))
                return routes
    faults.append(_told(site, found, wrong, "no earlier one can be read: nothing is routed until one is published"))
    return closed(site)


def closed(site: SiteSettings) -> tuple[Route, ...]:
    """Routes that let nothing through."""
    return tuple(Route(id=one.id, destination=one.id, enabled=False) for one in site.destinations)


def read_published(raw: bytes) -> tuple[tuple[Route, ...], Sequence[str]]:
    try:
        tables = decoded(raw)
    except msgspec.DecodeError:
        return (), ["cannot be read"]
    reader = Reader({}, Path(), is_literal=True)
    read = read_routes(tables, "routes", reader)
    return tuple(route for _, route in read), [str(fault) for fault in reader.faults]


def _told(site: SiteSettings, found: SiteRoutes, wrong: Sequence[str], instead: str) -> str:
    return f"routes of {site.id}, version {found.version}: {'; '.join(wrong[:3])}; {instead}"


def without_effect(site: SiteSettings) -> Iterator[str]:
    """What its routes say in vain."""
    known = {one.id: one for one in site.destinations}
    for route in site.routes:
        found = known.get(route.destination)
        if route.strip and found is not None and not found.takes_anonymous:
            told = f"{found.platform} takes no events without anybody in them"
            yield f"strip of route {route.id} of {site.id} has no effect: {told}"
        if found is None:
            yield f"route {route.id} of {site.id} has no effect: there is no destination {route.destination!r}"
