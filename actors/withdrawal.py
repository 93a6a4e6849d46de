"""What visitors have denied since their events were routed: a withdrawal takes effect at once (contracts/consent.md,
section 5).

Of the event's consent and what its visitor states now the stricter wins, per purpose; a later grant releases nothing.
"""

from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from actors.event import Consent
from actors.visitor import Visitor
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE


class _Stated(Struct, frozen=True):
    """Of a visitor's state what is needed here."""

    consent: Consent = Consent()


_decoder = msgspec.msgpack.Decoder(_Stated)


def stated(store: Store, site: str, visitors: Collection[str]) -> Mapping[str, Consent]:
    """What each visitor stated last; those that stated nothing are left out."""
    if not visitors:
        return {}
    with store.read() as txn:
        rows = {one: fetch(txn, store.dbs["state"], keys.state(Visitor.number, f"{site}\x1f{one}")) for one in visitors}
    found = {visitor: _consent(raw) for visitor, raw in rows.items() if raw is not None}
    return {visitor: consent for visitor, consent in found.items() if consent != Consent()}


def _consent(raw: bytes) -> Consent:
    """A state that cannot be read states nothing: its next turn sets it aside and reports it."""
    try:
        return _decoder.decode(STATE.decode(raw).data).consent
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return Consent()
