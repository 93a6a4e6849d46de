"""The index of identifiers, read: whose one is, who an identity is now, which rows go with an identity.

`actors/graph.py` is the same index as a batch of turns sees it.
"""

from typing import Final

import lmdb
import msgspec

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.identity_records import IDENTIFIER, IdentifierRow, IdentityHead
from store.records import StateRow

NAME: Final = "identifier"
IDENTITY: Final = "identity"

_heads = msgspec.msgpack.Decoder(IdentityHead)


def find(txn: lmdb.Transaction, store: Store, site: str, kind: str, value: str) -> IdentifierRow | None:
    raw = fetch(txn, store.dbs[NAME], keys.identifier(site, kind, value))
    try:
        return IDENTIFIER.decode(raw) if raw is not None else None
    except Unreadable:
        return None


def current(txn: lmdb.Transaction, store: Store, site: str, identity: str) -> str:
    """Who an identity is now: itself, or the one that it was merged into."""
    row = find(txn, store, site, IDENTITY, identity)
    return row.identity if row is not None else identity


def identity_rows(row: StateRow) -> tuple[bytes, ...]:
    """Keys of the index that go with an identity. Raises Unreadable."""
    try:
        return _heads.decode(row.data).rows
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"state of an identity: {type(error).__name__}") from error
