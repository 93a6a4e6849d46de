"""Tracked links: one row each, by site and slug. A redirect reads it anew: a change is live in every process at once.

`change` makes the next version from the row that the write transaction itself finds: processes that change one link at
once come one after the other.
"""

from collections.abc import Callable
from typing import Final

import lmdb

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import LINK, LinkRow
from store.writer import Writer, WriteTxn

NAME: Final = "link"
MOST: Final = 200_000  # links of all sites together, some 60 MB

REVISION: Final = b"links\x00"  # in front of a site's digest

Change = Callable[[LinkRow | None], LinkRow | None]


def read(store: Store, site: str, slug: str) -> LinkRow | None:
    """None where there is none, or none that can be read (the consistency check names that one)."""
    with store.read() as txn:
        return read_in(txn, store, site, slug)


def read_in(txn: lmdb.Transaction, store: Store, site: str, slug: str) -> LinkRow | None:
    """As `read`, for a batch of turns in its own transaction."""
    return _row(fetch(txn, store.dbs[NAME], keys.link(site, slug)))


def of_site(store: Store, site: str) -> list[LinkRow]:
    """All of a site's that can be read, the newest first."""
    prefix = keys.links_of(site)
    found: list[LinkRow] = []
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.set_range(prefix)
        while is_there and bytes(cursor.key()).startswith(prefix):
            found += [row for row in [_row(bytes(cursor.value()))] if row is not None]
            is_there = cursor.next()
    return sorted(found, key=lambda row: (-row.created_at_ms, row.slug))


async def change(writer: Writer, site: str, slug: str, made: Change) -> LinkRow | None:
    """The row that `made` makes of the one there is, on disk; None takes it away. What `made` raises is raised, and
    nothing kept."""
    outcome: list[LinkRow | Exception | None] = []

    def apply(write: WriteTxn) -> None:
        outcome.clear()
        key = keys.link(site, slug)
        try:
            before = _row(write.get(NAME, key))
            row = made(before)
        except Exception as error:  # noqa: BLE001  raised to the caller below: it says nothing about the write
            outcome.append(error)
            return
        if row is None:
            write.delete(NAME, key)
        else:
            write.put(NAME, key, LINK.encode(row))
            if before is not None and told(row) != told(before):
                mark = REVISION + keys.digest8(site)
                write.put("meta", mark, keys.digest16((write.get("meta", mark) or b"").hex(), slug, *told(row)))
        outcome.append(row)

    await writer.submit(apply).wait()
    (result,) = outcome
    if isinstance(result, Exception):
        raise result
    return result


def told(row: LinkRow) -> tuple[str, ...]:
    """What a landing by the link tells attribution."""
    return row.source, row.medium, row.campaign, row.term, row.content, row.channel


def revision(store: Store, site: str) -> bytes:
    """Another one whenever a link of the site tells something else than before; empty: none ever did."""
    with store.read() as txn:
        return fetch(txn, store.dbs["meta"], REVISION + keys.digest8(site)) or b""


def count(store: Store) -> int:
    with store.read() as txn:
        return int(txn.stat(store.dbs[NAME])["entries"])


def _row(raw: bytes | None) -> LinkRow | None:
    try:
        return LINK.decode(raw) if raw is not None else None
    except Unreadable:
        return None
