"""What visitors have denied since their events were routed: a withdrawal takes effect at once (contracts/consent.md,
section 5).

Of the event's consent and what its visitor states now the stricter wins, per purpose; a later grant releases nothing.
What the same person denied on another device counts from when it was said: it withdraws what came before; a choice on
this device goes before an older one on that.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from actors.consent import stricter
from actors.event import PURPOSES, Consent
from actors.identities import Identity
from actors.identity_state import IdentityState, visitors_of
from actors.visitor import Visitor
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE, EventRow

PERSONS_VISITORS: Final = 50  # of one person that are asked, the limit of an identity


class _Stated(Struct, frozen=True):
    """Of a visitor's state what is needed here."""

    consent: Consent = Consent()
    consent_at_ms: dict[str, int] = {}


_decoder = msgspec.msgpack.Decoder(_Stated)
_identities = msgspec.msgpack.Decoder(IdentityState)


class Said(Struct, frozen=True):
    """What visitors state now, and which of them are one person."""

    visitors: Mapping[str, _Stated]
    persons: Mapping[str, tuple[str, ...]]

    def of(self, row: EventRow) -> Consent | None:
        """What counts for the event beside its own consent."""
        own = self.visitors.get(row.visitor_id or "")
        found = own.consent if own is not None else Consent()
        for visitor in self.persons.get(row.identity, ()):
            other = self.visitors.get(visitor)
            if other is not None and visitor != row.visitor_id:
                found = stricter(found, _denied_since(other, row.received_at_ms))
        return found if found != Consent() else None


def said(store: Store, site: str, rows: Collection[EventRow]) -> Said:
    """Of the events' visitors and of the persons that they are."""
    persons = {one: _visitors_of(store, site, one) for one in {row.identity for row in rows if row.identity}}
    visitors = {row.visitor_id for row in rows if row.visitor_id is not None}
    return Said(_states(store, site, visitors.union(*persons.values())), persons)


def stated(store: Store, site: str, visitors: Collection[str]) -> Mapping[str, Consent]:
    """What each visitor stated last; those that stated nothing are left out."""
    return {visitor: one.consent for visitor, one in _states(store, site, visitors).items()}


def _states(store: Store, site: str, visitors: Collection[str]) -> dict[str, _Stated]:
    if not visitors:
        return {}
    with store.read() as txn:
        rows = {one: fetch(txn, store.dbs["state"], keys.state(Visitor.number, f"{site}\x1f{one}")) for one in visitors}
    found = {visitor: _read(raw) for visitor, raw in rows.items() if raw is not None}
    return {visitor: one for visitor, one in found.items() if one.consent != Consent()}


def _visitors_of(store: Store, site: str, identity: str) -> tuple[str, ...]:
    with store.read() as txn:
        raw = fetch(txn, store.dbs["state"], keys.state(Identity.number, f"{site}\x1f{identity}"))
    try:
        state = _identities.decode(STATE.decode(raw).data) if raw is not None else IdentityState()
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple(visitors_of(state)[:PERSONS_VISITORS])


def _denied_since(one: _Stated, at_ms: int) -> Consent:
    denied = {
        purpose: "denied"
        for purpose in PURPOSES
        if getattr(one.consent, purpose) == "denied" and one.consent_at_ms.get(purpose, 0) > at_ms
    }
    return msgspec.convert(denied, Consent)


def _read(raw: bytes) -> _Stated:
    """A state that cannot be read states nothing: its next turn sets it aside and reports it."""
    try:
        return _decoder.decode(STATE.decode(raw).data)
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return _Stated()
