"""Configuration versions: which configuration was in force since when. Secrets are in none of them.

A version is written only where the configuration differs from the last one; `fingerprint` tells, and covers secrets
too. A version that cannot be read is passed over, and set aside when the next one is published: what it said is lost,
the gateway starts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import VERSION, VersionRow
from store.writer import Writer, WriteTxn

PREFIX = b"version\x00"
NAME = "config"
NO_ROUTES: Final[Mapping[str, int]] = MappingProxyType({})
KEPT = 1_000  # each change of a destination makes one, and every reading command reads them all


class Published(Struct, frozen=True, kw_only=True):
    """`version`: the number now in force. `unreadable`: how many earlier ones were set aside."""

    version: int
    unreadable: int = 0


def history(store: Store) -> list[VersionRow]:
    """All versions that can be read, the oldest first."""
    return [row for _, _, row in _rows(store) if row is not None]


def latest(store: Store) -> VersionRow | None:
    return next(reversed(history(store)), None)


def version(store: Store, number: int) -> VersionRow | None:
    """None where there is none, or it cannot be read."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], PREFIX + keys.u64(number))
    return _read(raw) if raw is not None else None


async def publish(
    store: Store, writer: Writer, *, at_ms: int, fingerprint: str, summary: str, routes: Mapping[str, int] = NO_ROUTES
) -> Published:
    """The number of this configuration's version: the last one's if nothing changed, else a new one, on disk."""
    rows = _rows(store)
    damaged = [(key, raw) for key, raw, row in rows if row is None]
    last = rows[-1][2] if rows else None
    if last is not None and last.fingerprint == fingerprint and not damaged:
        return Published(version=last.version)
    is_new = last is None or last.fingerprint != fingerprint
    version = last.version if last is not None else _number(rows[-1][0]) if rows else 0
    row = VersionRow(
        version=version + is_new, since_ms=at_ms, fingerprint=fingerprint, summary=summary, routes=dict(routes)
    )

    def apply(write: WriteTxn) -> None:
        for key, raw in damaged:
            write.set_aside(NAME, key, raw, at_ms)
            write.delete(NAME, key)
        for key, _, _ in rows[: max(0, len(rows) + is_new - KEPT)]:
            write.delete(NAME, key)
        if is_new:
            write.put(NAME, PREFIX + keys.u64(row.version), VERSION.encode(row))

    await writer.submit(apply).wait()
    return Published(version=row.version, unreadable=len(damaged))


def _rows(store: Store) -> list[tuple[bytes, bytes, VersionRow | None]]:
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        if not cursor.set_range(PREFIX):
            return []
        found = [(bytes(key), bytes(raw)) for key, raw in cursor if bytes(key).startswith(PREFIX)]
    return [(key, raw, _read(raw)) for key, raw in found]


def _read(raw: bytes) -> VersionRow | None:
    try:
        return VERSION.decode(raw)
    except Unreadable:
        return None


def _number(key: bytes) -> int:
    return keys.read_u64(key[len(PREFIX) :])
