"""Takes a person out of attribution: touchpoints go, conversions stay without anybody.

What a conversion gave to whom stays, so that the sums stay as they are; its touchpoints are marked as erased. Earlier
versions go, since they name what the row does not name any more. A conversion of somebody else whose path had a
touchpoint of the person gets a new version, with that touchpoint marked.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from actors.attribution.touchpoints import own_digest, person_digests
from actors.event import Event
from actors.visits import time_of
from store import keys
from store.findings import decode
from store.journey_records import CONVERSION, TOUCH, ConversionRow, next_version, version_dropped, without
from store.journeys import CONVERSION_DB, TOUCH_DB
from store.messages import rows_after
from store.purge_journeys import index_rows

if TYPE_CHECKING:
    from actors.erasing import Eraser

ROWS_MOST: Final = 1_000  # of one key


def erase_event(eraser: "Eraser", event: Event, event_key: bytes) -> None:
    """The touchpoints that one event of the person made, or named."""
    erase_touch(eraser, event.site, keys.touch(event.site, time_of(event), event_key))
    for key in _under(eraser, TOUCH_DB, keys.touches_by(own_digest(event_key))):
        erase_touch(eraser, event.site, keys.read_touch_by(key, event.site))


def erase_person(eraser: "Eraser", site: str) -> None:
    """What is found by the person's own identifiers: also what no message tells of any more."""
    for one in person_digests(site, eraser.person):
        for key in _under(eraser, TOUCH_DB, keys.touches_by(one)):
            erase_touch(eraser, site, keys.read_touch_by(key, site))
        for key in _under(eraser, CONVERSION_DB, keys.conversions_by(one)):
            erase_conversion(eraser, keys.read_conversion_by(key), one)


def erase_touch(eraser: "Eraser", site: str, key: bytes) -> None:
    row = decode(TOUCH, eraser.draft.get(TOUCH_DB, key))
    if not eraser.draft.delete(TOUCH_DB, key) or row is None:
        return
    eraser.counts["touchpoints"] += 1
    for one in row.keys:
        eraser.draft.delete(TOUCH_DB, keys.touch_by(one, key))
        for found in _under(eraser, CONVERSION_DB, keys.conversions_by(one, row.at_ms)):
            _mark(eraser, keys.read_conversion_by(found), key)


def erase_conversion(eraser: "Eraser", event_key: bytes, by: bytes | None = None) -> None:
    """`by`: the key it was found by; one that is the conversion's by its identity alone makes it nobody's own."""
    row = _conversion(eraser, event_key)
    if row is None or row.erased_at_ms or (by is not None and _is_of_other(row, by)):
        return
    for database, key in index_rows(row, event_key):
        eraser.draft.delete(database, key)
    for key in _under(eraser, CONVERSION_DB, keys.conversion_versions(event_key), keys.EVENT_KEY_BYTES):
        eraser.draft.delete(CONVERSION_DB, key)
    for key in _under(eraser, TOUCH_DB, keys.touches_by(own_digest(event_key))):
        erase_touch(eraser, row.site, keys.read_touch_by(key, row.site))
    gone = {touch.id for touch in row.path}
    blank = msgspec.structs.replace(
        without(row, gone), event_id="", order_id=None, visitor_id=None, identity=None, keys=(), found_by=(),
        erased_at_ms=eraser.now_ms,
    )  # fmt: skip
    after = next_version(blank, row, cause="erasure", now_ms=eraser.now_ms)
    eraser.draft.put(CONVERSION_DB, keys.conversion(event_key), CONVERSION.encode(after))
    eraser.counts["conversions"] += 1


def _mark(eraser: "Eraser", event_key: bytes, touch_key: bytes) -> None:
    row = _conversion(eraser, event_key)
    if row is None or row.erased_at_ms or (fresh := without(row, {touch_key})) is row:
        return
    after = next_version(fresh, row, cause="erasure", now_ms=eraser.now_ms)
    eraser.draft.put(CONVERSION_DB, keys.conversion_version(event_key, row.version), CONVERSION.encode(row))
    if (dropped := version_dropped(row.version)) is not None:
        eraser.draft.delete(CONVERSION_DB, keys.conversion_version(event_key, dropped))
    eraser.draft.put(CONVERSION_DB, keys.conversion(event_key), CONVERSION.encode(after))


def _conversion(eraser: "Eraser", event_key: bytes) -> ConversionRow | None:
    return decode(CONVERSION, eraser.draft.get(CONVERSION_DB, keys.conversion(event_key)))


def _is_of_other(row: ConversionRow, by: bytes) -> bool:
    labels = {link.label for link in row.keys if link.digest == by}
    return labels == {"identity"}


def _under(eraser: "Eraser", database: str, start: bytes, digest_bytes: int = keys.KEY_BYTES) -> list[bytes]:
    """Keys with the digest that `start` has, not before it; of the store and of this plan."""
    prefix = start[: 1 + digest_bytes]
    stored = [key for key, _ in rows_after(eraser.draft.txn, eraser.store, database, prefix, b"", ROWS_MOST)]
    planned = eraser.draft.planned(database, prefix)
    return sorted(key for key in {*stored, *planned} if key >= start)
