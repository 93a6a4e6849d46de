"""A site's messages in the order of their arrival, a bounded part at a time."""

from collections.abc import Iterator

import lmdb
from msgspec import Struct

from store import keys
from store.env import Store, fetch


class Message(Struct, frozen=True, kw_only=True):
    """`place`: its key in the index by time; `raw`: its row of the log, None where that is gone."""

    place: bytes
    event_key: bytes
    log_key: bytes
    raw: bytes | None


def read_on(txn: lmdb.Transaction, store: Store, site: str, after: bytes, until_ms: int) -> Iterator[Message]:
    """What arrived until then, that moment included; `after`: the last place that was looked at."""
    prefix = keys.digest8(site)
    with txn.cursor(db=store.dbs["site_event"]) as cursor:
        is_there = cursor.set_range(after + b"\x00" if after else prefix)
        while is_there and (key := bytes(cursor.key())).startswith(prefix):
            received_at_ms, shard, sequence = keys.read_site_event(key)
            if received_at_ms > until_ms:
                return
            log_key = keys.log(shard, sequence)
            raw = fetch(txn, store.dbs["log"], log_key)
            yield Message(place=key, event_key=bytes(cursor.value()), log_key=log_key, raw=raw)
            is_there = cursor.next()


def rows_after(
    txn: lmdb.Transaction, store: Store, database: str, prefix: bytes, after: bytes, most: int
) -> list[tuple[bytes, bytes]]:
    """The next rows of a database under a prefix, in the order of their keys."""
    found: list[tuple[bytes, bytes]] = []
    with txn.cursor(db=store.dbs[database]) as cursor:
        start = after + b"\x00" if after else prefix
        is_there = cursor.set_range(start) if start else cursor.first()
        while is_there and len(found) < most and (key := bytes(cursor.key())).startswith(prefix):
            found.append((key, bytes(cursor.value())))
            is_there = cursor.next()
    return found
