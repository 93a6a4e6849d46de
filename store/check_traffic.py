"""Traffic counters: each row can be read, and its sums are what the books of the same hour say."""

import lmdb

from store import keys, traffic
from store.books import read_row
from store.check_log import watermark
from store.env import Store
from store.findings import Findings, get, pages
from store.records import TRAFFIC, TrafficRow

# kind of a column here -> column of the site's own books
SUMS = (
    ("accepted", "accepted"),
    ("events", "processed"),
    ("duplicates", "duplicates"),
    ("merged", "merged"),
)


def check_traffic(store: Store, findings: Findings) -> None:
    """Both rows of an hour are read in one transaction, and one commit writes both: what differs is wrong, unless
    retention has begun to take the hour away."""
    for txn, rows in pages(store, traffic.NAME):
        for key, raw in rows:
            row = findings.read(traffic.NAME, TRAFFIC, key, raw)
            if row is not None and not row.is_partial:
                _compare(txn, store, key, row, findings)


def _compare(txn: lmdb.Transaction, store: Store, key: bytes, row: TrafficRow, findings: Findings) -> None:
    site, hour = keys.read_traffic(key)
    if hour * keys.HOUR_MS < watermark(txn, store, site):
        return
    raw = get(txn, store, "books", keys.books(row.site, hour * keys.HOUR_MS))
    books = read_row(raw) if raw is not None else None
    if books is None and raw is not None:
        return  # check_books reports it
    findings.counted["traffic_hours"] += 1
    for kind, column in SUMS:
        counted, booked = traffic.total(row.counts, kind), books.counts.get(column, 0) if books is not None else 0
        if counted != booked:
            findings.add(f"traffic {row.site} hour {hour}: {counted} {kind}, the books have {booked} {column}")
    below = sorted(column for column, count in row.counts.items() if count < 0)
    if below:
        findings.add(f"traffic {row.site} hour {hour}: below zero: {', '.join(below)}")
