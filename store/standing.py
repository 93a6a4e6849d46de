"""What each destination is doing, on record: sending, probing a platform that failed, or paused, and why.

Its dispatcher writes the row at its start and whenever that changes; any process may read it. The row says what was so
when it was written: whether the core runs now is not in it.
"""

from collections.abc import Container

from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STANDING, Standing
from store.writer import Apply, WriteTxn

NAME = "standing"


def read(store: Store, destination_key: bytes) -> Standing | None:
    """None where it never ran, or its row cannot be read (the consistency check names that one)."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs[NAME], destination_key)
    try:
        return STANDING.decode(raw) if raw is not None else None
    except Unreadable:
        return None


def put(write: WriteTxn, destination_key: bytes, standing: Standing) -> None:
    write.put(NAME, destination_key, STANDING.encode(standing))


def strangers(store: Store, known: Container[bytes]) -> list[bytes]:
    """Keys of the rows whose destinations are not known: of such as were removed."""
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        found = [bytes(key) for key in cursor.iternext(keys=True, values=False)]
    return [key for key in found if key not in known]


def forget(destination_keys: list[bytes]) -> Apply:
    """The write that takes those rows away."""

    def apply(write: WriteTxn) -> None:
        for key in destination_keys:
            write.delete(NAME, key)

    return apply
