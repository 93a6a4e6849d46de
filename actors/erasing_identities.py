"""Takes a person's identities out of the store, and the rows of the index that lead to them.

An identity is the person's unless it names somebody else (person.py); of such a one only the person's own values go.
"""

import msgspec

from actors.erasing import Eraser
from actors.graph import SHARED
from actors.person_identities import NAMED, Found, found
from store import keys
from store.env import Store


def erase(eraser: Eraser, store: Store, site: str) -> None:
    """What the person's identities know, and what leads to them."""
    person = eraser.person
    for one in list(found(eraser.draft.txn, store, site, person)):
        if person.is_identity(one.values):
            eraser.identity(one)
        else:
            _strip(eraser, one, site)
    for kind, name in NAMED.items():
        for value in person.known(kind):
            eraser.identifier(site, name, value)
    for visitor in person.visitors():
        eraser.identifier(site, SHARED, visitor)


def _strip(eraser: Eraser, one: Found, site: str) -> None:
    """Another's identity, without the values that are the person's."""
    person, gone = eraser.person, list[bytes]()
    values = dict(one.state.values)
    for field, known in one.state.values.items():
        mine = [value for value in known if person.is_known_by(value.standard)]
        values[field] = tuple(value for value in known if value not in mine)
        gone += [keys.identifier(site, field, value.standard) for value in mine]
    today = {name: seen for name, seen in one.state.today.items() if not person.is_known_by(name.partition("\x1f")[2])}
    if gone or today != one.state.today:
        rows = tuple(key for key in one.state.rows if key not in gone)
        after = msgspec.structs.replace(one.state, values=values, rows=rows, today=today)
        eraser.rewrite_state(one.key, one.row, msgspec.msgpack.encode(after))
