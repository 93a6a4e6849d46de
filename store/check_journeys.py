"""Touchpoints and conversions: readable, found by every key they carry, nothing leads to what is gone, and credit that
adds up."""

from store import keys
from store.env import Store
from store.findings import Findings, decode, get, pages
from store.journey_records import CONVERSION, MODELS, SHARE, TOUCH, ConversionRow
from store.journeys import CONVERSION_DB, TOUCH_DB
from store.purge_journeys import index_rows


def check_journeys(store: Store, findings: Findings) -> None:
    _check_touches(store, findings)
    _check_conversions(store, findings)


def _check_touches(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, TOUCH_DB, keys.TOUCHES):
        for key, raw in rows:
            row = findings.read(TOUCH_DB, TOUCH, key, raw)
            if row is None:
                continue
            findings.counted["touchpoints"] += 1
            if key[:17] != keys.touches_from(row.site, row.at_ms):
                findings.add(f"touch {key.hex()}: it stands under another site or time")
            for digest in row.keys:
                if get(txn, store, TOUCH_DB, keys.touch_by(digest, key)) is None:
                    findings.add(f"touch {key.hex()}: nothing leads to it by {digest.hex()}")
    sites = _sites(store)
    for txn, rows in pages(store, TOUCH_DB, keys.TOUCHES_BY):
        for key, _ in rows:
            at = key[1 + keys.KEY_BYTES :]
            if all(get(txn, store, TOUCH_DB, keys.TOUCHES + site + at) is None for site in sites):
                findings.add(f"touch {key.hex()}: it leads to a touchpoint that is gone")


def _sites(store: Store) -> list[bytes]:
    found: dict[bytes, None] = {}
    with store.read() as txn, txn.cursor(db=store.dbs[TOUCH_DB]) as cursor:
        is_there = cursor.set_range(keys.TOUCHES)
        while is_there and bytes(cursor.key()).startswith(keys.TOUCHES):
            site = bytes(cursor.key())[1:9]
            found[site] = None
            is_there = cursor.set_range(keys.TOUCHES + site + b"\xff" * 16)
    return list(found)


def _check_conversions(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, CONVERSION_DB, keys.CONVERSIONS):
        for key, raw in rows:
            row = findings.read(CONVERSION_DB, CONVERSION, key, raw)
            if row is None:
                continue
            findings.counted["conversions"] += 1
            event_key = key[1:]
            at = keys.conversion_at(row.site, row.occurred_at_ms, event_key)
            if get(txn, store, CONVERSION_DB, at) is None:
                findings.add(f"conversion {row.event_id} of {row.site}: no row by time leads to it")
            for _, index_key in index_rows(row, event_key):
                if get(txn, store, CONVERSION_DB, index_key) is None:
                    findings.add(f"conversion {row.event_id} of {row.site}: a key of its does not lead to it")
            _check_credit(row, findings)
    for prefix in (keys.CONVERSIONS_AT, keys.CONVERSIONS_BY, keys.VERSIONS):
        _check_targets(store, prefix, findings)


def _check_targets(store: Store, prefix: bytes, findings: Findings) -> None:
    for txn, rows in pages(store, CONVERSION_DB, prefix):
        for key, raw in rows:
            event_key = key[1 : 1 + keys.EVENT_KEY_BYTES] if prefix == keys.VERSIONS else key[-keys.EVENT_KEY_BYTES :]
            if get(txn, store, CONVERSION_DB, keys.conversion(event_key)) is None:
                findings.add(f"conversion {key.hex()}: it leads to one that is gone")
            if prefix == keys.VERSIONS and decode(CONVERSION, raw) is None:
                findings.add(f"conversion {key.hex()}: an earlier version cannot be read")


def _check_credit(row: ConversionRow, findings: Findings) -> None:
    """All models are there, and what each gives adds up to the value."""
    gross = int(row.value.scaleb(row.places).to_integral_value())
    net = int(row.net_value.scaleb(row.places).to_integral_value())
    if row.path and len(row.results) < len(MODELS):
        findings.add(f"conversion {row.event_id} of {row.site}: it has {len(row.results)} of {len(MODELS)} models")
    for model, result in zip(MODELS, row.results, strict=False):
        if (sum(result.shares), sum(result.gross), sum(result.net)) != (SHARE, gross, net):
            findings.add(f"conversion {row.event_id} of {row.site}: the credit of {model} does not add up")
