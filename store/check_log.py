"""Messages and what leads to them: cursors within their logs, an index row for each message taken, no orphan."""

from typing import Final

import lmdb

from store import keys
from store.env import Store
from store.errors import StoreError
from store.findings import Findings, decode, get, pages
from store.mailbox import read_cursors
from store.purge import read_head
from store.records import DEAD, EVENT, LOG
from store.retention import WATERMARK

LETTERS_KEPT: Final = 1_000_000  # dead letters whose messages are known to have no index row
DIGEST_BYTES: Final = 8  # of a site, in front of its events' keys


def check_log(store: Store, shards: int, findings: Findings) -> None:
    lost = _lost_messages(store)
    try:
        cursors = read_cursors(store, shards)
    except StoreError as error:
        findings.add(str(error))
        return
    for shard, cursor in cursors.items():
        _check_shard(store, shard, cursor, lost, findings)
    with store.read() as txn, txn.cursor(db=store.dbs["log"]) as rows:
        last = keys.read_log(bytes(rows.key()))[0] if rows.last() else 0
    if last >= shards:
        findings.add(f"log: a message in shard {last}, but there are {shards} shards")


def _lost_messages(store: Store) -> set[tuple[int, int]]:
    """Places of messages whose turn raised: they have a dead letter and no index row."""
    found: set[tuple[int, int]] = set()
    for _, rows in pages(store, "dead"):
        for _, raw in rows:
            letter = decode(DEAD, raw)
            if letter is not None and letter.shard is not None and letter.sequence is not None:
                found.add((letter.shard, letter.sequence))
        if len(found) > LETTERS_KEPT:
            break
    return found


def _check_shard(store: Store, shard: int, cursor: int, lost: set[tuple[int, int]], findings: Findings) -> None:
    previous: int | None = None
    for txn, rows in pages(store, "log", keys.shard(shard)):
        for key, raw in rows:
            _, sequence = keys.read_log(key)
            if sequence > cursor and sequence != (max(previous or 0, cursor)) + 1:
                findings.add(f"log {shard}/{sequence}: the message before it is missing, and was not processed")
            previous = sequence
            if sequence <= cursor:
                _check_message(txn, store, key, raw, (shard, sequence) in lost, findings)


def _check_message(
    txn: lmdb.Transaction, store: Store, key: bytes, raw: bytes, is_lost: bool, findings: Findings
) -> None:
    """A message that was taken: one row by time of its site, unless its turn raised or it could not be read."""
    shard, sequence = keys.read_log(key)
    is_aside = get(txn, store, "quarantine", keys.quarantine("log", key)) is not None
    record = decode(LOG, raw)
    head = read_head(record.body) if record is not None else None
    if record is None or head is None:
        if not is_aside:
            findings.add(f"log {shard}/{sequence}: unreadable")
        return
    index = get(txn, store, "site_event", keys.site_event(head.site, record.received_at_ms, shard, sequence))
    if index is None and not is_aside and not is_lost:
        findings.add(
            f"log {shard}/{sequence}: was processed, but event {head.event_id} of {head.site} does not show it"
        )
    findings.counted["messages"] += 1


def check_indexes(store: Store, findings: Findings) -> None:
    """Rows by site, visitor and order: each leads to an event that is there, or that retention is taking away."""
    for txn, rows in pages(store, "site_event"):
        for key, event_key in rows:
            received_at_ms, shard, sequence = keys.read_site_event(key)
            _check_target(txn, store, "site_event", event_key, received_at_ms, findings)
            if get(txn, store, "log", keys.log(shard, sequence)) is None:
                findings.add(f"site_event: its message {shard}/{sequence} is gone")
    for database in ("visitor_event", "order_event"):
        for txn, rows in pages(store, database):
            for key, _ in rows:
                received_at_ms = keys.read_u64(key[16:24])
                _check_target(txn, store, database, key[24:], received_at_ms, findings)


def _check_target(
    txn: lmdb.Transaction, store: Store, database: str, event_key: bytes, received_at_ms: int, findings: Findings
) -> None:
    if get(txn, store, "event", event_key) is not None:
        return
    if received_at_ms >= watermark(txn, store, event_key[:DIGEST_BYTES]):
        findings.add(f"{database}: event {event_key.hex()} of {received_at_ms} is gone")


def watermark(txn: lmdb.Transaction, store: Store, site: bytes) -> int:
    """Events of a site that arrived before this may be gone."""
    raw = get(txn, store, "meta", WATERMARK + site)
    return keys.number_or(raw, 0)


def check_events(store: Store, findings: Findings) -> None:
    """Each event has its body, and the row by time that retention finds it by."""
    for txn, rows in pages(store, "event"):
        for key, raw in rows:
            row = findings.read("event", EVENT, key, raw)
            if row is None:
                continue
            if row.body is None and get(txn, store, "log", keys.log(row.shard, row.sequence)) is None:
                findings.add(f"event {row.event_id} of {row.site}: its message {row.shard}/{row.sequence} is gone")
            if not row.erased_at_ms and not key.startswith(keys.event_prefix(row.site, row.event_id)):
                findings.add(f"event {row.event_id} of {row.site}: stands under another event's key")
            index = keys.site_event(row.site, row.received_at_ms, row.shard, row.sequence)
            is_old = row.received_at_ms < watermark(txn, store, key[:DIGEST_BYTES])
            if not is_old and get(txn, store, "site_event", index) is None:
                findings.add(f"event {row.event_id} of {row.site}: no row by time leads to it")
