"""What retention deletes of attribution: touchpoints and conversions of a site from before its cutoff.

A conversion that stays and had a touchpoint which goes gets a new version: the touchpoint keeps its place and its
credit there, marked as erased.
"""

import lmdb

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.findings import decode
from store.journey_records import CONVERSION, TOUCH, ConversionRow, TouchRow, next_version, version_dropped, without
from store.journeys import CONVERSION_DB, TOUCH_DB
from store.purge import EXAMINED_A_STEP, Doomed, Plan, Row, rows_a_commit, rows_from

CONVERSIONS_MOST = 400  # that one touchpoint may be in


def touches(store: Store, site: bytes, cutoff_ms: int, now_ms: int, after: bytes) -> Plan:
    """`site`: its digest."""
    found: list[Doomed] = []
    gone: dict[bytes, set[bytes]] = {}  # conversion -> touchpoints of its path that go
    last, most = b"", rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs[TOUCH_DB]) as cursor:
        for key, raw in rows_from(cursor, keys.touches_of(site), after):
            if keys.read_touch(key) >= cutoff_ms:
                last = b""
                break
            if len(found) >= most:
                break
            last = key
            row = decode(TOUCH, raw)
            rows: list[Row] = [(TOUCH_DB, key)]
            rows += [(TOUCH_DB, keys.touch_by(one, key)) for one in (row.keys if row is not None else ())]
            found.append(Doomed(rows, (TOUCH_DB, key, raw)))
            for event_key in _later(txn, store, row) if row is not None else ():
                gone.setdefault(event_key, set()).add(key)
        else:
            last = b""
        found += [one for event_key, some in gone.items() for one in _marked(txn, store, event_key, some, now_ms)]
    return Plan(found, last)


def conversions(store: Store, site: bytes, cutoff_ms: int, after: bytes) -> Plan:
    """With their versions and what leads to them. `site`: its digest."""
    found: list[Doomed] = []
    last, most = b"", rows_a_commit(store)
    with store.read() as txn, txn.cursor(db=store.dbs[CONVERSION_DB]) as cursor:
        for examined, (key, _) in enumerate(rows_from(cursor, keys.conversions_of(site), after)):
            at_ms, event_key = keys.read_conversion_at(key)
            if at_ms >= cutoff_ms:
                return Plan(found, b"")
            if len(found) >= most or examined >= EXAMINED_A_STEP:
                return Plan(found, last)
            last = key
            found.append(_conversion(txn, store, key, event_key))
    return Plan(found, b"")


def index_rows(row: ConversionRow, event_key: bytes) -> list[Row]:
    """What leads to a conversion by the keys it has."""
    digests = {*(link.digest for link in row.keys), *row.found_by}
    return [(CONVERSION_DB, keys.conversion_by(one, row.occurred_at_ms, event_key)) for one in digests]


def _conversion(txn: lmdb.Transaction, store: Store, key: bytes, event_key: bytes) -> Doomed:
    row_key = keys.conversion(event_key)
    raw = fetch(txn, store.dbs[CONVERSION_DB], row_key)
    row = decode(CONVERSION, raw)
    rows: list[Row] = [(CONVERSION_DB, key), (CONVERSION_DB, row_key), *(index_rows(row, event_key) if row else [])]
    with txn.cursor(db=store.dbs[CONVERSION_DB]) as cursor:
        rows += [(CONVERSION_DB, one) for one, _ in rows_from(cursor, keys.conversion_versions(event_key), b"")]
    return Doomed(rows, (CONVERSION_DB, row_key, raw) if raw is not None else None)


def _later(txn: lmdb.Transaction, store: Store, row: TouchRow) -> list[bytes]:
    """Conversions that may have the touchpoint in their path."""
    found: dict[bytes, None] = {}
    for digest in row.keys:
        start = keys.conversions_by(digest, row.at_ms)
        with txn.cursor(db=store.dbs[CONVERSION_DB]) as cursor:
            for key, _ in rows_from(cursor, start[: 1 + keys.KEY_BYTES], b""):
                if key >= start:
                    found[keys.read_conversion_by(key)] = None
                if len(found) >= CONVERSIONS_MOST:
                    break
    return list(found)


def _marked(txn: lmdb.Transaction, store: Store, event_key: bytes, gone: set[bytes], now_ms: int) -> list[Doomed]:
    key = keys.conversion(event_key)
    raw = fetch(txn, store.dbs[CONVERSION_DB], key)
    try:
        row = CONVERSION.decode(raw) if raw is not None else None
    except Unreadable:
        return []
    if row is None or raw is None or (fresh := without(row, gone)) is row:
        return []
    after = next_version(fresh, row, cause="retention", now_ms=now_ms)
    dropped = version_dropped(row.version)
    rows: list[Row] = [(CONVERSION_DB, keys.conversion_version(event_key, dropped))] if dropped is not None else []
    puts = (
        (CONVERSION_DB, keys.conversion_version(event_key, row.version), raw),
        (CONVERSION_DB, key, CONVERSION.encode(after)),
    )
    return [Doomed(rows, (CONVERSION_DB, key, raw), puts)]
