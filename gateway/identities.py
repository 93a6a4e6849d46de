"""Identities as people and the API see them: looked up, and a merge handed over to be undone. No plaintext.

Works on the store alone, so any process can do it: what is handed over goes into the mailbox, as an internal event for
the identity, and the core does it when its turn comes.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.event import CustomData, Event
from actors.graph import MERGE, identity_id
from actors.identifying import BY_PRIORITY, VISITOR
from actors.identities import Identity
from actors.identity_state import IdentityState, visitors_of
from actors.person_identities import Found, read
from actors.splitting import MERGE_ID, SPLIT
from actors.wire import rfc3339
from store import identifiers, keys
from store.env import Store
from store.mailbox import append
from store.records import LOG, LogRecord
from store.writer import Writer

DIGEST_SHOWN: Final = 12  # hexadecimal digits of a digest
OPAQUE: Final = ("external_id", "klaviyo_id", "kx")  # ids of the shop's and of a platform's own making


class Known(Struct, frozen=True, kw_only=True):
    """One value: `shown` is an id, or the first digits of a digest; empty for what could name somebody."""

    kind: str
    shown: str
    first_at: str
    last_at: str
    source: str


class MergeView(Struct, frozen=True, kw_only=True):
    id: str
    surviving: str
    merged: str
    at: str
    event_id: str
    key: str


class IdentityView(Struct, frozen=True, kw_only=True):
    """`also`: ids that it was known by before it was merged. Times are RFC 3339."""

    site: str
    id: str
    also: tuple[str, ...]
    first_at: str
    last_at: str
    visitors: tuple[str, ...]
    known: tuple[Known, ...]
    merges: tuple[MergeView, ...]
    apart_from: tuple[str, ...]


def look_up(store: Store, site: str, who: str) -> IdentityView | None:
    """By customer id, digest of an email or phone, visitor id, or an id of the identity itself."""
    with store.read() as txn:
        found = _found(txn, store, site, who.strip())
    return _view(site, found) if found is not None else None


def _found(txn: Any, store: Store, site: str, who: str) -> Found | None:
    named = [identifiers.find(txn, store, site, kind, value) for kind in BY_PRIORITY for value in (who, who.lower())]
    ids = [row.identity for row in named if row is not None]
    ids += [identity_id(store.id_key(), site, VISITOR, who), who]
    for one in ids:
        found = read(txn, store, site, identifiers.current(txn, store, site, one))
        if found is not None:
            return found
    return None


def owner_of(store: Store, site: str, merge_id: str) -> str | None:
    """The identity that has this merge on record, where it can be undone."""
    with store.read() as txn:
        row = identifiers.find(txn, store, site, MERGE, merge_id)
        identity = identifiers.current(txn, store, site, row.identity) if row is not None else None
        found = read(txn, store, site, identity) if identity is not None else None
    has = found is not None and any(one.id == merge_id for one in found.state.merges)
    return identity if has else None


async def ask_split(store: Store, writer: Writer, site: str, merge_id: str, now_ms: int) -> str | None:
    """Hands the split over; on disk when this returns. The identity that it is of; None: there is no such merge."""
    identity = owner_of(store, site, merge_id)
    if identity is None:
        return None
    actor_key = f"{site}\x1f{identity}"
    event = Event(
        site=site, event_name=SPLIT, event_id=f"split-{merge_id}-{now_ms}", occurred_at_ms=now_ms,
        received_at_ms=now_ms, source="server", action_source="system_generated", is_internal=True,
        custom_data=CustomData(properties={MERGE_ID: merge_id}),
    )  # fmt: skip
    record = LogRecord(
        kind=Identity.kind, actor_key=actor_key, received_at_ms=now_ms, body=msgspec.msgpack.encode(event)
    )
    shard = keys.shard_of(actor_key, store.shards() or 1)
    await writer.submit(append([(shard, LOG.encode(record))])).wait()
    return identity


def _view(site: str, found: Found) -> IdentityView:
    state = found.state
    return IdentityView(
        site=site,
        id=found.id,
        also=tuple(one.merged for one in state.merges),
        first_at=rfc3339(state.first_at_ms),
        last_at=rfc3339(state.last_at_ms),
        visitors=tuple(visitors_of(state)),
        known=tuple(_known(state)),
        merges=tuple(
            MergeView(
                id=one.id, surviving=one.surviving, merged=one.merged, at=rfc3339(one.at_ms), event_id=one.event_id,
                key=one.key,
            )
            for one in state.merges
        ),
        apart_from=state.apart,
    )  # fmt: skip


def _known(state: IdentityState) -> list[Known]:
    return [
        Known(
            kind=kind,
            shown=_shown(kind, value.standard),
            first_at=rfc3339(value.first_at_ms),
            last_at=rfc3339(value.last_at_ms),
            source=value.source,
        )
        for kind, values in sorted(state.values.items())
        if kind != VISITOR
        for value in values
    ]


def _shown(kind: str, standard: str) -> str:
    if kind in OPAQUE:
        return standard
    return f"{standard[:DIGEST_SHOWN]}…" if kind in ("email", "phone") else ""
