"""Identities and the index agree: each row of the index leads to an identity that counts it as its own, and each that
an identity counts is there. Both are looked at in one transaction."""

from typing import Final

import lmdb

from store import keys
from store.env import Store
from store.errors import Unreadable
from store.findings import Findings, decode, get, pages
from store.identifiers import NAME, current, identity_rows
from store.identity_records import IDENTIFIER
from store.purge import IDENTITY_KIND
from store.records import STATE

KIND: Final = bytes((IDENTITY_KIND,))


def check_identifiers(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, NAME):
        for key, raw in rows:
            row = findings.read(NAME, IDENTIFIER, key, raw)
            if row is None or row.until_ms:
                continue
            identity = current(txn, store, row.site, row.identity)
            if key not in _own(txn, store, keys.state(IDENTITY_KIND, f"{row.site}\x1f{identity}")):
                findings.add(f"link {key.hex()}: its identity {identity} does not know of it")
    for txn, rows in pages(store, "state", KIND):
        for key, raw in rows:
            _check_identity(txn, store, key, raw, findings)


def _check_identity(txn: lmdb.Transaction, store: Store, key: bytes, raw: bytes, findings: Findings) -> None:
    row = decode(STATE, raw)
    if row is None:
        return
    site, _, identity = row.actor_key.partition("\x1f")
    for one in _own(txn, store, key):
        link = decode(IDENTIFIER, get(txn, store, NAME, one))
        if link is None:
            findings.add(f"identity {identity}: its row {one.hex()} of the index is gone")
        elif current(txn, store, site, link.identity) != identity:
            findings.add(f"identity {identity}: its row {one.hex()} of the index leads to {link.identity}")


def _own(txn: lmdb.Transaction, store: Store, key: bytes) -> tuple[bytes, ...]:
    row = decode(STATE, get(txn, store, "state", key))
    try:
        return identity_rows(row) if row is not None else ()
    except Unreadable:
        return ()
