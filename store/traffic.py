"""Traffic counters of a site and hour of arrival (contracts/dedup_and_identity.md, section 6): beside the books.

Columns are names joined by colons; each is a count, but `conversions` has an amount beside it:

    accepted:source                  events that turns took, copies among them; the sum is the books' `accepted`
    refused:source:reason            events the edge did not take, written by it every few seconds
    bots:reason                      accepted events that count as a bot's, by the strongest reason
    events:name:source:consent       processed events; the sum is the books' `processed`
    duplicates:key:name, merged:…    copies by the key they met by; the sums are the books'
    conflicts:key:name               of these copies, those that differ from the first in what matters
    visits                           visits that began
    visitors, new_visitors, identified_visitors    of a day (UTC) each once, in the hour in which it was seen
    conversions:type:currency        and their value

Rows are written in the commit of the events they count. A name is one of the 32 or `custom`; at `COLUMNS_MOST` columns
what is new is counted under the kind alone, so that sums stay right.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from store import keys
from store.env import Store
from store.errors import Unreadable
from store.records import TRAFFIC, TrafficRow
from store.writer import WriteTxn

NAME: Final = "traffic"
COLUMNS_MOST: Final = 1_500
HOURS_A_READ: Final = 200  # in one transaction

Column = tuple[str, ...]


class Changes:
    """What is to be added to one hour, in memory."""

    __slots__ = ("amounts", "counts")

    def __init__(self) -> None:
        self.counts: dict[Column, int] = {}
        self.amounts: dict[Column, Decimal] = {}

    def add(self, column: Column, count: int = 1) -> None:
        self.counts[column] = self.counts.get(column, 0) + count

    def add_amount(self, column: Column, amount: Decimal) -> None:
        self.amounts[column] = self.amounts.get(column, Decimal(0)) + amount


class Hour(Struct, frozen=True, kw_only=True):
    hour_ms: int
    is_partial: bool
    counts: dict[str, int]
    amounts: dict[str, Decimal]


def add(write: WriteTxn, site: str, received_at_ms: int, changes: Changes) -> None:
    """Adds to the counters of the hour. One that cannot be read is set aside: counting must not stop what it counts."""
    key = keys.traffic(site, received_at_ms)
    row = _row(write, key, site, received_at_ms)
    for column, count in changes.counts.items():
        name = _bounded(row.counts, column)
        row.counts[name] = row.counts.get(name, 0) + count
    for column, amount in changes.amounts.items():
        name = ":".join(column)
        if name in row.amounts or name in row.counts:  # amounts of what went under the kind alone could not be summed
            row.amounts[name] = row.amounts.get(name, Decimal(0)) + amount
    write.put(NAME, key, TRAFFIC.encode(row))


def hours(store: Store, site: str, since_ms: int, until_ms: int) -> list[Hour]:
    """The counters of a site's hours that begin in [since, until), in order, the first `HOURS_A_READ` of them.

    Raises Unreadable.
    """
    found: list[Hour] = []
    prefix = keys.digest8(site)
    with store.read() as txn, txn.cursor(db=store.dbs[NAME]) as cursor:
        is_there = cursor.set_range(keys.traffic(site, since_ms))
        while is_there and len(found) < HOURS_A_READ and (key := bytes(cursor.key())).startswith(prefix):
            hour_ms = keys.read_traffic(key)[1] * keys.HOUR_MS
            if hour_ms >= until_ms:
                break
            row = TRAFFIC.decode(bytes(cursor.value()))
            found.append(Hour(hour_ms=hour_ms, is_partial=row.is_partial, counts=row.counts, amounts=row.amounts))
            is_there = cursor.next()
    return found


def total(counts: Mapping[str, int], kind: str) -> int:
    """All columns of one kind together."""
    prefix = f"{kind}:"
    return sum(count for column, count in counts.items() if column == kind or column.startswith(prefix))


def _row(write: WriteTxn, key: bytes, site: str, received_at_ms: int) -> TrafficRow:
    """A row that begins in an hour which the books know already counts but the rest of it."""
    raw = write.get(NAME, key)
    try:
        if raw is not None:
            return TRAFFIC.decode(raw)
    except Unreadable:
        write.set_aside(NAME, key, raw or b"", keys.read_traffic(key)[1] * keys.HOUR_MS)
    return TrafficRow(site=site, is_partial=write.get("books", keys.books(site, received_at_ms)) is not None)


def _bounded(counts: Mapping[str, int], column: Column) -> str:
    name = ":".join(column)
    return name if name in counts or len(counts) < COLUMNS_MOST else column[0]
