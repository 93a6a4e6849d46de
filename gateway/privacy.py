"""Exports and erasures as people and webhooks ask for them: start, list, and the receipts. The core carries them out
(erasing.py).

Works on the store alone, so any process can do it, beside a running gateway or on the store of a stopped one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from actors import person as persons
from actors.person import Person
from actors.wire import rfc3339
from gateway.identifiers import Identifier, person_of
from store import privacy, receipts
from store.env import Store
from store.privacy import Start
from store.records import PrivacyKind, PrivacyRow, ReceiptRow
from store.writer import Writer

LISTED_MOST: Final = 1_000


class Ask(Struct, frozen=True, kw_only=True):
    """What somebody asks for. `sources` in the place of identifiers: all that these sources told. `cause`: the same for
    each time that the same thing asks."""

    kind: PrivacyKind
    site: str
    given: tuple[Identifier, ...] = ()
    sources: tuple[str, ...] = ()
    asked_by: str = ""
    cause: str = ""


class PrivacyJob(Struct, frozen=True, kw_only=True):
    """A job as it is shown: of the person only by which kinds of identifiers it was asked for. Times are RFC 3339;
    `file` is in the data directory."""

    id: int
    kind: str
    site: str
    identifiers: tuple[str, ...]
    state: str
    words: str
    asked_by: str
    asked_at: str
    ended_at: str | None
    messages: int
    counts: Mapping[str, int]
    file: str | None


class Receipt(Struct, frozen=True, kw_only=True):
    """A receipt as it is shown. `is_true`: it is as it was written, and so is all before it that it rests on."""

    number: int
    job: int
    site: str
    identifiers: tuple[str, ...]
    asked_by: str
    asked_at: str
    ended_at: str
    messages: int
    counts: Mapping[str, int]
    platforms: Mapping[str, str]
    mac: str
    is_true: bool


def row_of(store: Store, ask: Ask, now_ms: int) -> PrivacyRow:
    """The job that is asked for, not stored yet."""
    person = person_of(ask.given) if ask.given else Person(sources=ask.sources)
    id_key = store.id_key()
    return PrivacyRow(
        number=0,
        kind=ask.kind,
        site=ask.site,
        names=tuple(one.name for one in ask.given) or ("sources",),
        subject=tuple(receipts.subject(id_key, ask.site, one.name, one.mark) for one in ask.given),
        person=persons.encode(person),
        cause=ask.cause,
        asked_by=ask.asked_by,
        asked_at_ms=now_ms,
    )


async def start(store: Store, writer: Writer, ask: Ask, now_ms: int) -> PrivacyJob:
    """Makes the job; on disk when this returns. The core takes it up within a second."""
    write = Start(row_of(store, ask, now_ms))
    await writer.submit(write).wait()
    assert write.row is not None, "the write makes a job, or finds the one there is"
    return shown(write.row)


def get(store: Store, number: int) -> PrivacyJob | None:
    """Raises Unreadable."""
    row = privacy.get(store, number)
    return shown(row) if row is not None else None


def recent(store: Store, most: int = LISTED_MOST) -> list[PrivacyJob]:
    """The latest jobs, the newest first."""
    return [shown(row) for row in privacy.recent(store, most)]


def receipts_of(store: Store, who: Identifier | None = None) -> list[Receipt | None]:
    """All receipts, or those of erasures that this identifier was given for; None: one that cannot be read."""
    id_key, found = store.id_key(), list[Receipt | None]()
    for row, is_true in receipts.listed(store):
        if row is None:
            found.append(None)
        elif who is None or receipts.subject(id_key, row.site, who.name, who.mark) in row.subject:
            found.append(_shown_receipt(row, is_true))
    return found


def shown(row: PrivacyRow) -> PrivacyJob:
    return PrivacyJob(
        id=row.number,
        kind=row.kind,
        site=row.site,
        identifiers=row.names,
        state="done" if row.phase == "done" else "running",
        words=row.words,
        asked_by=row.asked_by,
        asked_at=rfc3339(row.asked_at_ms),
        ended_at=rfc3339(row.ended_at_ms) if row.ended_at_ms is not None else None,
        messages=row.looked_at,
        counts=row.counts,
        file=row.file or None,
    )


def _shown_receipt(row: ReceiptRow, is_true: bool) -> Receipt:
    return Receipt(
        number=row.number,
        job=row.job,
        site=row.site,
        identifiers=row.names,
        asked_by=row.asked_by,
        asked_at=rfc3339(row.asked_at_ms),
        ended_at=rfc3339(row.ended_at_ms),
        messages=row.looked_at,
        counts=row.counts,
        platforms=row.platforms,
        mac=row.mac.hex(),
        is_true=is_true,
    )


def asks(kind: PrivacyKind, sites: Sequence[str], who: Identifier, asked_by: str) -> list[Ask]:
    """One for each site: ids are a site's own."""
    return [Ask(kind=kind, site=site, given=(who,), asked_by=asked_by) for site in sites]
