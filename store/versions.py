"""Configuration versions: which configuration was in force since when. Secrets are in none of them.

A version is written only where the configuration differs from the last one; `fingerprint` tells, and covers secrets
too.
"""

import msgspec
from msgspec import Struct

from store import keys
from store.env import Store
from store.writer import Writer

PREFIX = b"version\x00"
NAME = "config"


class VersionRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: int
    since_ms: int
    fingerprint: str  # SHA-256 of all settings
    summary: str  # what it declares, for people


def history(store: Store) -> list[VersionRow]:
    """All versions, the oldest first."""
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        if not cursor.set_range(PREFIX):
            return []
        rows = [bytes(value) for key, value in cursor if bytes(key).startswith(PREFIX)]
    return [msgspec.msgpack.decode(raw, type=VersionRow) for raw in rows]


def latest(store: Store) -> VersionRow | None:
    return next(reversed(history(store)), None)


async def publish(store: Store, writer: Writer, *, at_ms: int, fingerprint: str, summary: str) -> int:
    """The number of this configuration's version: the last one's if nothing changed, else a new one, on disk."""
    last = latest(store)
    if last is not None and last.fingerprint == fingerprint:
        return last.version
    version = last.version + 1 if last is not None else 1
    row = VersionRow(version=version, since_ms=at_ms, fingerprint=fingerprint, summary=summary)
    await writer.submit(lambda write: write.put(NAME, PREFIX + keys.u64(version), msgspec.msgpack.encode(row))).wait()
    return version
