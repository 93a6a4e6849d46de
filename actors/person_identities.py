"""A person's identities: those that the identifiers of a job lead to, and what they tell of the person."""

from collections.abc import Iterator
from typing import Final

import lmdb
import msgspec
from msgspec import Struct

from actors.graph import identity_id
from actors.identifying import VISITOR
from actors.identities import Identity
from actors.identity_state import IdentityState, standards
from actors.person import KINDS, Kind, Person, Values
from store import identifiers, keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE, StateRow

NAMED: Final[dict[Kind, str]] = {
    "external_id": "external_id", "email": "email", "phone": "phone", "order": "order_id",
    "checkout": "checkout_token", "subscription": "subscription_id", "lead": "lead_id",
}  # fmt: skip

_states = msgspec.msgpack.Decoder(IdentityState)


class Found(Struct, frozen=True):
    id: str
    key: bytes
    row: StateRow
    state: IdentityState

    @property
    def values(self) -> Values:
        """The identifiers that tell whose it is."""
        return {
            **{kind: frozenset[str]() for kind in KINDS},
            "external_id": frozenset(standards(self.state, "external_id")),
            "email": frozenset(standards(self.state, "email")),
            "phone": frozenset(standards(self.state, "phone")),
            "visitor": frozenset(standards(self.state, VISITOR)),
        }


def found(txn: lmdb.Transaction, store: Store, site: str, person: Person) -> Iterator[Found]:
    """The identities that the person's identifiers lead to, each once."""
    id_key = store.id_key()
    names = {identity_id(id_key, site, VISITOR, one) for one in person.visitors()}
    for kind, name in NAMED.items():
        for value in sorted(person.known(kind)):
            row = identifiers.find(txn, store, site, name, value)
            if row is not None:
                names.add(row.identity)
    for identity in sorted({identifiers.current(txn, store, site, one) for one in names}):
        one = read(txn, store, site, identity)
        if one is not None:
            yield one


def read(txn: lmdb.Transaction, store: Store, site: str, identity: str) -> Found | None:
    key = keys.state(Identity.number, f"{site}\x1f{identity}")
    raw = fetch(txn, store.dbs["state"], key)
    try:
        row = STATE.decode(raw) if raw is not None else None
        return Found(identity, key, row, _states.decode(row.data)) if row is not None else None
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError):
        return None


def learn(txn: lmdb.Transaction, store: Store, site: str, person: Person) -> bool:
    """The person's other visitors, emails and ids; True where it is news."""
    return any([person.learn_identity(one.values) for one in list(found(txn, store, site, person))])
