"""The index of identifiers as a batch of turns sees it: whose an identifier is, and who an identity is now.

Reads see the store as it was when the batch began and, over it, what earlier turns of the batch wrote. A row names the
identity that an identifier was linked to; an identity that was merged into another has a row of its own that says into
which, so that to merge and to split changes no other row. The identity of an anonymous visitor has no row at all: its
id follows from the visitor's.
"""

from hashlib import blake2b

import lmdb
import msgspec

from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.identifiers import IDENTITY, NAME
from store.identity_records import IDENTIFIER, IdentifierRow

SHARED, DEVICE, MERGE = "shared", "device", "merge"  # kinds of rows and ids beside identifiers and identities
DATABASE = NAME


class Graph:
    """`unreadable`: rows that cannot be read, by key. Knows no way back to its batch, as `Sightings`."""

    def __init__(self, store: Store, txn: lmdb.Transaction, id_key: bytes) -> None:
        self.unreadable: dict[bytes, bytes] = {}
        self._db = store.dbs[DATABASE]
        self._txn = txn
        self._id_key = id_key
        self._rows: dict[bytes, IdentifierRow | None] = {}

    def find(self, site: str, kind: str, value: str) -> IdentifierRow | None:
        return self.row(keys.identifier(site, kind, value))

    def owner(self, site: str, kind: str, value: str) -> str | None:
        """The identity that an identifier leads to today."""
        row = self.find(site, kind, value)
        return self.current(site, row.identity) if row is not None else None

    def current(self, site: str, identity: str) -> str:
        """Who an identity is now: itself, or the one that it was merged into."""
        row = self.find(site, IDENTITY, identity)
        return row.identity if row is not None else identity

    def of_visitor(self, site: str, visitor: str) -> str:
        return self.current(site, self.id_of(site, "anonymous_id", visitor))

    def is_joined(self, site: str, visitor: str) -> bool:
        """Whether a visitor's own identity went into another, or the visitor is shared."""
        own = self.id_of(site, "anonymous_id", visitor)
        return self.find(site, IDENTITY, own) is not None or self.find(site, SHARED, visitor) is not None

    def id_of(self, site: str, kind: str, value: str) -> str:
        """The id of an identity that this identifier makes; the edge tells the same."""
        return identity_id(self._id_key, site, kind, value)

    def put(self, site: str, kind: str, value: str, row: IdentifierRow) -> bytes:
        """The key of the row."""
        key = keys.identifier(site, kind, value)
        self._rows[key] = row
        return key

    def row(self, key: bytes) -> IdentifierRow | None:
        """By its own key."""
        if key in self._rows:
            return self._rows[key]
        raw = fetch(self._txn, self._db, key)
        try:
            return IDENTIFIER.decode(raw) if raw is not None else None
        except Unreadable:
            self.unreadable[key] = raw or b""
            return None

    def drop(self, key: bytes) -> None:
        self._rows[key] = None

    def set_aside(self, site: str, kind: str, value: str) -> None:
        """The identifier tells nobody apart any more."""
        row = self.find(site, kind, value)
        if row is not None:
            self.put(site, kind, value, msgspec.structs.replace(row, is_set_aside=True))

    def puts(self) -> list[tuple[str, bytes, bytes | None]]:
        """All that the batch wrote, encoded."""
        return [(DATABASE, key, IDENTIFIER.encode(row) if row is not None else None) for key, row in self._rows.items()]


def identity_id(id_key: bytes, site: str, kind: str, value: str) -> str:
    """32 hexadecimal digits; without the store's key nobody can try identifiers out."""
    text = "\x1f".join(("identity", site, kind, value)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, key=id_key).hexdigest()
