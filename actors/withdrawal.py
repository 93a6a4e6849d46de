"""What visitors have denied since their events were routed: a withdrawal takes effect at once (contracts/consent.md,
section 5).

Of the event's consent and what its visitor states now the stricter wins, per purpose; a later grant releases nothing.
What the same person denied at another visitor counts from when it was said: it withdraws what came before; a choice of
this visitor goes before an older one of that. What nobody had answered here is denied by any denial there.
"""

from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from actors.consent import choices_of, stricter
from actors.event import Consent
from actors.identities import Identity
from actors.person_consent import SILENT, Word, but
from actors.visitor import Visitor
from store import identifiers, keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE, EventRow

NOTHING = Consent()


class _Stated(Struct, frozen=True):
    """Of a visitor's state what is needed here. `person`: what the same person states elsewhere."""

    consent: Consent = NOTHING
    person: Word = SILENT


class _Said(Struct, frozen=True):
    """Of an identity's state, likewise."""

    said: dict[str, Word] = {}


_visitors = msgspec.msgpack.Decoder(_Stated)
_identities = msgspec.msgpack.Decoder(_Said)


class Said(Struct, frozen=True):
    """What visitors state now, and what the persons do that events were found to be of."""

    visitors: Mapping[str, _Stated]
    persons: Mapping[str, Mapping[str, Word]]

    def of(self, row: EventRow) -> Consent | None:
        """What counts for the event beside its own consent."""
        visitor = row.visitor_id or ""
        own = self.visitors.get(visitor)
        found = own.consent if own is not None else NOTHING
        heard = row.consent if row.consent_from != "identity" else {}  # what others said then they may take back
        known = {*heard, *choices_of(found)}
        words = [but(self.persons[row.identity], visitor)] if row.identity in self.persons else []
        words += [own.person] if own is not None else []
        for word in words:
            if word.consent != NOTHING:
                found = stricter(found, word.denies_since(row.received_at_ms, known))
        return found if found != NOTHING else None


def said(store: Store, site: str, rows: Collection[EventRow]) -> Said:
    """Of the events' visitors and of the persons that they are."""
    visitors = {row.visitor_id for row in rows if row.visitor_id is not None}
    persons = {row.identity for row in rows if row.identity}
    if not visitors and not persons:
        return Said({}, {})
    states = store.dbs["state"]
    with store.read() as txn:
        stated = {one: fetch(txn, states, keys.state(Visitor.number, f"{site}\x1f{one}")) for one in visitors}
        names = {one: identifiers.current(txn, store, site, one) for one in persons}
        told = {one: fetch(txn, states, keys.state(Identity.number, f"{site}\x1f{names[one]}")) for one in persons}
    return Said(
        {visitor: _visitor(raw) for visitor, raw in stated.items() if raw is not None},
        {identity: words for identity, raw in told.items() if raw is not None and (words := _words(raw))},
    )


def _visitor(raw: bytes) -> _Stated:
    """A state that cannot be read states nothing: its next turn sets it aside and reports it."""
    try:
        return _visitors.decode(STATE.decode(raw).data)
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return _Stated()


def _words(raw: bytes) -> Mapping[str, Word]:
    try:
        return _identities.decode(STATE.decode(raw).data).said
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return {}
