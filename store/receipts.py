"""Receipts of erasures: a chain, each with a keyed digest of itself and of the one before it.

The key is made of the store's own, so nobody without the store can make a receipt, and one that was changed, taken out
or put in breaks the chain from there on.
"""

import hmac
from hashlib import blake2b, sha256
from typing import Final

import msgspec

from store import keys
from store.env import ID_KEY, Store
from store.errors import Unreadable
from store.records import RECEIPT, ReceiptRow
from store.writer import WriteTxn

NAME: Final = "privacy"
CONTEXT: Final = b"receipts of erasures"
SUBJECT_BYTES: Final = 16

_encoder = msgspec.json.Encoder(order="deterministic")


def subject(id_key: bytes, site: str, kind: str, value: str) -> bytes:
    """What stands for an identifier in a receipt: who has both it and the store can find the receipt, nobody else."""
    text = "\x1f".join((site, kind, value)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=SUBJECT_BYTES, key=id_key).digest()


def listed(store: Store) -> list[tuple[ReceiptRow | None, bool]]:
    """All receipts, the oldest first, each with whether it is as it was written; None: it cannot be read."""
    found: list[tuple[ReceiptRow | None, bool]] = []
    key, previous, number = _key(store.id_key()), b"", 0
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.set_range(keys.RECEIPTS)
        while is_there and bytes(cursor.key()).startswith(keys.RECEIPTS):
            row, number = _decode(bytes(cursor.value())), number + 1
            is_true = row is not None and _is_true(row, key, previous) and row.number == number
            found.append((row, is_true))
            previous = row.mac if row is not None else b""
            is_there = cursor.next()
    return found


class Close:
    """The write of the next receipt of the chain; part of the commit that ends the job."""

    def __init__(self, receipt: ReceiptRow) -> None:
        self._receipt = receipt

    def __call__(self, write: WriteTxn) -> None:
        last = _last(write)
        draft = msgspec.structs.replace(
            self._receipt,
            number=last.number + 1 if last is not None else 1,
            previous=last.mac if last is not None else b"",
            mac=b"",
        )
        row = msgspec.structs.replace(draft, mac=_mac(draft, _key(write.get("meta", ID_KEY) or b"")))
        write.put(NAME, keys.receipt(row.number), RECEIPT.encode(row))


def _last(write: WriteTxn) -> ReceiptRow | None:
    with write.cursor(NAME) as cursor:
        if not cursor.last() or not bytes(cursor.key()).startswith(keys.RECEIPTS):
            return None
        number, row = keys.read_numbered(bytes(cursor.key())), _decode(bytes(cursor.value()))
    return row or ReceiptRow(
        number=number, job=0, site="", names=(), subject=(), asked_by="", asked_at_ms=0, ended_at_ms=0, looked_at=0,
        counts={}, platforms={}, previous=b"",
    )  # fmt: skip


def _is_true(row: ReceiptRow, key: bytes, previous: bytes) -> bool:
    own = _mac(msgspec.structs.replace(row, mac=b""), key)
    return hmac.compare_digest(own, row.mac) and row.previous == previous


def _mac(row: ReceiptRow, key: bytes) -> bytes:
    return hmac.new(key, _encoder.encode(row), sha256).digest()


def _key(id_key: bytes) -> bytes:
    return hmac.new(id_key, CONTEXT, sha256).digest()


def _decode(raw: bytes) -> ReceiptRow | None:
    try:
        return RECEIPT.decode(raw)
    except Unreadable:
        return None
