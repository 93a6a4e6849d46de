"""A merge that an operator undoes: what stays with the identity that survived, and what goes back.

Asked for by an internal event (`SPLIT`) that the identity itself receives: so it is durable, is done once, and is on
record with its time as any event is.
"""

import msgspec

from actors.actor import Turn
from actors.graph import MERGE
from actors.identity_state import IdentityState, Merge, ids_of, split, visitors_of
from store import keys
from store.identifiers import IDENTITY
from store.identity_records import IdentifierRow

SPLIT = "identity_split"  # name of the event
MERGE_ID = "merge_id"  # its property


def undone(state: IdentityState, own: str, merge: Merge, site: str, turn: Turn) -> tuple[IdentityState, IdentityState]:
    """Both parts, each with its rows of the index; links return to where the record says."""
    stays, back = split(state, own, merge)
    gone = ids_of(back, merge.merged)
    turn.graph.drop(keys.identifier(site, IDENTITY, merge.merged))
    turn.graph.drop(keys.identifier(site, MERGE, merge.id))
    row = IdentifierRow(site=site, identity=merge.merged, at_ms=turn.now_ms)
    theirs = [turn.graph.put(site, IDENTITY, one.merged, row) for one in back.merges]
    theirs += [turn.graph.put(site, MERGE, one.id, row) for one in back.merges]
    found = {key: one for key in state.rows if (one := turn.graph.row(key)) is not None}
    theirs += [key for key, one in found.items() if key not in theirs and one.identity in gone]
    ours = tuple(key for key in found if key not in theirs)
    turn.identity_changed(site, ids_of(stays, own), visitors_of(stays))
    turn.identity_changed(site, gone, visitors_of(back))
    return msgspec.structs.replace(stays, rows=ours), msgspec.structs.replace(back, rows=tuple(theirs))
