"""Reads touchpoints and conversions, each question one range scan in one short transaction.

A damaged row raises Unreadable where it was asked for by name; in a list it stands without its record.
"""

from typing import Final

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch
from store.findings import decode
from store.journey_records import CONVERSION, TOUCH, ConversionRow, TouchRow
from store.messages import rows_after

TOUCH_DB: Final = "touch"
CONVERSION_DB: Final = "conversion"
LISTED_MOST: Final = 1_000


class ListedConversion(Struct, frozen=True, kw_only=True):
    """`place` is what the next page goes on after; `row` None: it cannot be read."""

    place: bytes
    event_key: bytes
    row: ConversionRow | None


class ListedTouch(Struct, frozen=True, kw_only=True):
    """`place`: its key, which is its id, and what the next page goes on after."""

    place: bytes
    row: TouchRow | None


def conversion(store: Store, event_key: bytes) -> ConversionRow | None:
    """The newest version of what this event converted; None: it is no conversion. Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[CONVERSION_DB], keys.conversion(event_key))
    return CONVERSION.decode(raw) if raw is not None else None


def versions(store: Store, event_key: bytes) -> list[ConversionRow]:
    """All versions that are kept, the oldest first, the newest last. Raises Unreadable."""
    with store.read() as txn:
        earlier = rows_after(txn, store, CONVERSION_DB, keys.conversion_versions(event_key), b"", LISTED_MOST)
        newest = fetch(txn, store.dbs[CONVERSION_DB], keys.conversion(event_key))
    raws = [raw for _, raw in earlier] + ([newest] if newest is not None else [])
    return [CONVERSION.decode(raw) for raw in raws]


def conversions(
    store: Store, site: str, since_ms: int, until_ms: int, limit: int = LISTED_MOST, after: bytes = b""
) -> list[ListedConversion]:
    """Conversions of a site that occurred in [since, until), the oldest first; `after`: the last page's last place."""
    prefix = keys.conversions_from(site, 0)[:9]
    with store.read() as txn:
        found = []
        for key in _keys_from(txn, store, CONVERSION_DB, prefix, after, keys.conversions_from(site, since_ms), limit):
            at_ms, event_key = keys.read_conversion_at(key)
            if at_ms >= until_ms:
                break
            raw = fetch(txn, store.dbs[CONVERSION_DB], keys.conversion(event_key))
            found.append(ListedConversion(place=key, event_key=event_key, row=decode(CONVERSION, raw)))
    return found


def touches(
    store: Store, site: str, since_ms: int, until_ms: int, limit: int = LISTED_MOST, after: bytes = b""
) -> list[ListedTouch]:
    """Touchpoints of a site in [since, until), the oldest first; `after`: the last page's last place."""
    prefix = keys.touches_from(site, 0)[:9]
    with store.read() as txn:
        found = []
        for key in _keys_from(txn, store, TOUCH_DB, prefix, after, keys.touches_from(site, since_ms), limit):
            if keys.read_touch(key) >= until_ms:
                break
            found.append(ListedTouch(place=key, row=decode(TOUCH, fetch(txn, store.dbs[TOUCH_DB], key))))
    return found


def touch(store: Store, key: bytes) -> TouchRow | None:
    """None: it is gone. Raises Unreadable."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[TOUCH_DB], key)
    return TOUCH.decode(raw) if raw is not None else None


def touches_by(store: Store, site: str, digest: bytes, limit: int = LISTED_MOST) -> list[ListedTouch]:
    """Touchpoints that carry this key (actors/attribution/touchpoints.py), the oldest first."""
    prefix = keys.touches_by(digest)[: 1 + keys.KEY_BYTES]
    with store.read() as txn:
        found = []
        for key in _keys_from(txn, store, TOUCH_DB, prefix, b"", prefix, limit):
            row_key = keys.read_touch_by(key, site)
            found.append(ListedTouch(place=row_key, row=decode(TOUCH, fetch(txn, store.dbs[TOUCH_DB], row_key))))
    return found


def has_touch(store: Store, digest: bytes) -> bool:
    """Whether there is a touchpoint that carries this key."""
    prefix = keys.touches_by(digest)[: 1 + keys.KEY_BYTES]
    with store.read() as txn:
        return bool(_keys_from(txn, store, TOUCH_DB, prefix, b"", prefix, 1))


def conversions_by(store: Store, digest: bytes, limit: int = LISTED_MOST) -> list[ListedConversion]:
    """Conversions that carry this key, the oldest first."""
    prefix = keys.conversions_by(digest)[: 1 + keys.KEY_BYTES]
    with store.read() as txn:
        found = []
        for key in _keys_from(txn, store, CONVERSION_DB, prefix, b"", prefix, limit):
            event_key = keys.read_conversion_by(key)
            raw = fetch(txn, store.dbs[CONVERSION_DB], keys.conversion(event_key))
            found.append(ListedConversion(place=key, event_key=event_key, row=decode(CONVERSION, raw)))
    return found


def _keys_from(
    txn: lmdb.Transaction, store: Store, database: str, prefix: bytes, after: bytes, start: bytes, limit: int
) -> list[bytes]:
    found: list[bytes] = []
    with txn.cursor(db=store.dbs[database]) as cursor:
        is_there = cursor.set_range(after + b"\x00" if after else start)
        while is_there and len(found) < min(limit, LISTED_MOST) and (key := bytes(cursor.key())).startswith(prefix):
            found.append(key)
            is_there = cursor.next()
    return found


def latest_conversions(store: Store, site: str, since_ms: int, before: bytes, limit: int) -> list[ListedConversion]:
    """Conversions of a site that occurred since then, the newest first; `before`: the last page's last place, empty:
    from the newest on."""
    prefix, found = keys.conversions_from(site, 0)[:9], list[ListedConversion]()
    with store.read() as txn, txn.cursor(db=store.dbs[CONVERSION_DB]) as cursor:
        is_there = cursor.prev() if cursor.set_range(before or prefix + b"\xff" * 40) else cursor.last()
        while is_there and len(found) < min(limit, LISTED_MOST) and (key := bytes(cursor.key())).startswith(prefix):
            at_ms, event_key = keys.read_conversion_at(key)
            if at_ms < since_ms:
                break
            raw = fetch(txn, store.dbs[CONVERSION_DB], keys.conversion(event_key))
            found.append(ListedConversion(place=key, event_key=event_key, row=decode(CONVERSION, raw)))
            is_there = cursor.prev()
    return found
