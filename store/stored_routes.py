"""Where a site's routes are kept beside the stored configuration: every published version, and the draft of the next.

What is in force is in the configuration's own document (stored_config.py): publishing writes a new version of it, the
row of the history and the draft in one commit.
"""

from typing import Final

import lmdb

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.routes_records import ROUTES_DRAFT, ROUTES_VERSION, DraftText, RoutesDraft, RoutesVersion
from store.writer import WriteTxn

NAME: Final = "config"
KEPT: Final = 1_000  # versions of a site; the oldest go
EARLIER_KEPT: Final = 5  # revisions of a draft


def history(store: Store, site: str) -> list[RoutesVersion]:
    """The versions of a site that can be read, the newest first."""
    return [found for _, raw in reversed(_rows_of(store, site)) if (found := _read(raw)) is not None]


def newest(store: Store, site: str) -> RoutesVersion | None:
    """The newest version that can be read."""
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        return _newest(cursor, site)


def version(store: Store, site: str, number: int) -> RoutesVersion | None:
    """None where there is none, or it cannot be read."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], keys.routes_version(site, number))
    return _read(raw) if raw is not None else None


def draft(store: Store, site: str) -> RoutesDraft:
    """The draft as it was saved last; one that cannot be read counts as never saved."""
    with store.read() as txn:
        return _draft(site, fetch(txn, store.dbs[NAME], keys.routes_draft(site)))


def newest_in(write: WriteTxn, site: str) -> RoutesVersion | None:
    with write.cursor(NAME) as cursor:
        return _newest(cursor, site)


def draft_in(write: WriteTxn, site: str) -> RoutesDraft:
    return _draft(site, write.get(NAME, keys.routes_draft(site)))


def put_version(write: WriteTxn, row: RoutesVersion) -> None:
    """Adds it to the history; what cannot be read is set aside, and the oldest go."""
    with write.cursor(NAME) as cursor:
        rows = _rows(cursor, row.site)
    for key, raw in rows:
        if _read(raw) is None:
            write.set_aside(NAME, key, raw, row.at_ms)
            write.delete(NAME, key)
    for key, _ in rows[: max(0, len(rows) + 1 - KEPT)]:
        write.delete(NAME, key)
    write.put(NAME, keys.routes_version(row.site, row.number), ROUTES_VERSION.encode(row))


def put_draft(
    write: WriteTxn, before: RoutesDraft, routes: bytes | None, *, base: int, author: str, at_ms: int
) -> None:
    """The next revision of a draft."""
    text = DraftText(revision=before.text.revision + 1, routes=routes, author=author, at_ms=at_ms)
    earlier = (before.text, *before.earlier)[:EARLIER_KEPT]
    row = RoutesDraft(site=before.site, text=text, base=base, earlier=earlier)
    write.put(NAME, keys.routes_draft(row.site), ROUTES_DRAFT.encode(row))


def _rows_of(store: Store, site: str) -> list[tuple[bytes, bytes]]:
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        return _rows(cursor, site)


def _rows(cursor: lmdb.Cursor, site: str) -> list[tuple[bytes, bytes]]:
    """All versions of a site, the oldest first."""
    prefix = keys.routes_versions(site)
    found: list[tuple[bytes, bytes]] = []
    is_there = cursor.set_range(prefix)
    while is_there and bytes(cursor.key()).startswith(prefix):
        found.append((bytes(cursor.key()), bytes(cursor.value())))
        is_there = cursor.next()
    return found


def _newest(cursor: lmdb.Cursor, site: str) -> RoutesVersion | None:
    prefix = keys.routes_versions(site)
    is_there = cursor.prev() if cursor.set_range(prefix + b"\xff" * 9) else cursor.last()
    while is_there and bytes(cursor.key()).startswith(prefix):
        if (found := _read(bytes(cursor.value()))) is not None:
            return found
        is_there = cursor.prev()
    return None


def _read(raw: bytes) -> RoutesVersion | None:
    try:
        return ROUTES_VERSION.decode(raw)
    except Unreadable:
        return None


def _draft(site: str, raw: bytes | None) -> RoutesDraft:
    try:
        return ROUTES_DRAFT.decode(raw) if raw is not None else RoutesDraft(site=site)
    except Unreadable:
        return RoutesDraft(site=site)
