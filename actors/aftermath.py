"""Refunds and cancellations that a batch finds in the store from before their order: webhooks come in any order."""

from collections.abc import Iterator

import lmdb
import msgspec

from actors.attribution.conversions import AFTERMATH
from actors.event import Event
from store import keys
from store.env import Store, fetch
from store.findings import decode
from store.mailbox import body_at
from store.records import EVENT

_events = msgspec.msgpack.Decoder(Event)


class Aftermath:
    def __init__(self, store: Store, txn: lmdb.Transaction) -> None:
        self._dbs = store.dbs
        self._txn = txn

    def of_order(self, site: str, order_id: str) -> Iterator[Event]:
        """Those that were processed before this batch."""
        prefix = keys.order_prefix(site, order_id)
        found: dict[bytes, None] = {}
        with self._txn.cursor(db=self._dbs["order_event"]) as cursor:
            is_there = cursor.set_range(prefix)
            while is_there and (key := bytes(cursor.key())).startswith(prefix):
                found[key[-keys.EVENT_KEY_BYTES :]] = None
                is_there = cursor.next()
        for event_key in found:
            event = self._event(event_key)
            if event is not None:
                yield event

    def _event(self, event_key: bytes) -> Event | None:
        row = decode(EVENT, fetch(self._txn, self._dbs["event"], event_key))
        if row is None or row.event_name not in AFTERMATH or row.status != "processed" or row.erased_at_ms:
            return None
        body = row.body or body_at(self._txn, self._dbs, row.shard, row.sequence)
        try:
            return _events.decode(body) if body is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
