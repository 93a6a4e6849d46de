"""A site's routes as commands, API and console show them: what is live, the draft of the next version, the history."""

from typing import Literal

from msgspec import Struct

from gateway.commands.reading import rfc3339
from gateway.routes_compare import RouteChange, compare
from gateway.routes_text import Table, decoded
from store.records import StoredConfig
from store.routes_records import RoutesDraft, RoutesVersion

Origin = Literal["defaults", "file", "store"]


class LiveRoutes(Struct, frozen=True, kw_only=True):
    """What is in force. `origin` file: changed there only; defaults: each destination takes what its platform knows."""

    site: str
    version: int  # 0: nothing was ever published
    origin: Origin
    author: str
    at: str | None
    note: str
    routes: tuple[Table, ...]


class DraftRoutes(Struct, frozen=True, kw_only=True):
    """The next version as far as it was written. `revision`: to be named by whoever saves over it. `base`: the live
    version that it was written against; `changes`: from what is live now."""

    site: str
    revision: int
    base: int
    live_version: int
    is_open: bool  # it differs from what is live
    author: str
    at: str | None
    routes: tuple[Table, ...]
    changes: tuple[RouteChange, ...]
    faults: tuple[str, ...]  # why it could not be published
    warnings: tuple[str, ...]


class VersionLine(Struct, frozen=True, kw_only=True):
    """One entry of the history. `of`: the version that a rollback took it from."""

    site: str
    version: int
    is_live: bool
    author: str
    at: str
    note: str
    of: int | None
    origin: Origin
    routes: int  # how many


class VersionText(Struct, frozen=True, kw_only=True):
    """A version with its routes."""

    entry: VersionLine
    routes: tuple[Table, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """`before` and `after`: a version's number, `live` or `draft`."""

    site: str
    before: str
    after: str
    changes: tuple[RouteChange, ...]


def live_routes(
    site: str, declared: tuple[Table, ...], stored: StoredConfig, newest: RoutesVersion | None
) -> LiveRoutes:
    """`newest`: of the history; a file that was changed and is not published yet has no version."""
    found = next((one for one in stored.routes if one.site == site), None)
    routes = declared or (tuple(decoded(found.routes)) if found is not None else ())
    is_told = newest is not None and tuple(decoded(newest.routes)) == routes
    row = newest if is_told else None
    return LiveRoutes(
        site=site,
        version=row.number if row is not None else 0,
        origin="file" if declared else "store" if found is not None else "defaults",
        author=row.author if row is not None else "",
        at=rfc3339(row.at_ms) if row is not None else None,
        note=row.note if row is not None else "",
        routes=routes,
    )


def draft_routes(
    draft: RoutesDraft, live: LiveRoutes, faults: tuple[str, ...] = (), warnings: tuple[str, ...] = ()
) -> DraftRoutes:
    text = draft.text
    routes = tuple(decoded(text.routes)) if text.routes is not None else live.routes
    return DraftRoutes(
        site=draft.site,
        revision=text.revision,
        base=draft.base if text.routes is not None else live.version,
        live_version=live.version,
        is_open=routes != live.routes,
        author=text.author,
        at=rfc3339(text.at_ms) if text.at_ms else None,
        routes=routes,
        changes=compare(live.routes, routes),
        faults=faults,
        warnings=warnings,
    )


def version_line(row: RoutesVersion, live: LiveRoutes) -> VersionLine:
    return VersionLine(
        site=row.site,
        version=row.number,
        is_live=row.number == live.version,
        author=row.author,
        at=rfc3339(row.at_ms),
        note=row.note,
        of=row.of or None,
        origin="file" if row.is_declared else "store",
        routes=len(decoded(row.routes)),
    )
