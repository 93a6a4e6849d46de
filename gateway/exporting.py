"""Writes what is stored about a person into a file for the operator: JSON Lines, readable by its owner only.

The file is in `exports/` of the data directory. It is written beside its place and moved there when it is whole.
"""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from actors import person as persons
from actors.consent_record import RecordState
from actors.content import read_content
from actors.event import Event, Plaintext
from actors.finding import LOOKED_AT, consent_key, decode_event, event_of, state_of, visitor_key, visitor_of
from actors.identity_state import IdentityState
from actors.person import Person
from actors.person_identities import found
from actors.wire import rfc3339
from gateway.exporting_journeys import person_journeys
from store import keys, ledger
from store.env import Store, fetch
from store.errors import Unreadable
from store.messages import Message, read_on
from store.records import PrivacyRow

FOLDER: Final = "exports"
COUNTED: Final = {
    "event": "events",
    "visitor": "visitors",
    "touchpoint": "touchpoints",
    "conversion": "conversions",
    "identity": "identities",
}

Opened = Callable[[str, bytes, tuple[str, ...]], Plaintext | None]  # site, sealed value, ids of the event's copies

_encoder = msgspec.json.Encoder(decimal_format="string")


async def write_export(
    store: Store, job: PrivacyRow, open_plaintext: Opened, now_ms: int
) -> tuple[str, dict[str, int]]:
    """The file's path in the data directory, and how many rows of each kind it holds."""
    name = f"{FOLDER}/privacy-{job.number}-{secrets.token_hex(4)}.jsonl"
    place = store.path / name
    draft = place.with_suffix(".part")
    counts = {"events": 0, "visitors": 0, "touchpoints": 0, "conversions": 0, "identities": 0}
    _clear_drafts(store.path, job.number)
    with os.fdopen(_create(draft), "wb") as file:
        file.write(_line(_head(job, now_ms)))
        async for row in _rows(store, job, open_plaintext):
            counts[COUNTED[row["record"]]] += 1
            file.write(_line(row))
        file.flush()
        await trio.to_thread.run_sync(os.fsync, file.fileno())
    os.replace(draft, place)
    return name, {kind: count for kind, count in counts.items() if count}


def _create(path: Path) -> int:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    owner = path.parent.parent.stat()
    if owner.st_uid != os.geteuid():  # a command run by root, for a gateway that runs as another user
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.chown(path.parent, owner.st_uid, owner.st_gid)
    return descriptor


def _clear_drafts(data_dir: Path, number: int) -> None:
    """Those that a process has left which ended in the middle."""
    for path in (data_dir / FOLDER).glob(f"privacy-{number}-*"):
        path.unlink(missing_ok=True)


def _head(job: PrivacyRow, now_ms: int) -> dict[str, Any]:
    return {
        "record": "export",
        "job": job.number,
        "site": job.site,
        "asked_by": job.asked_by,
        "asked_at": rfc3339(job.asked_at_ms),
        "written_at": rfc3339(now_ms),
    }


async def _rows(store: Store, job: PrivacyRow, open_plaintext: Opened) -> AsyncIterator[dict[str, Any]]:
    person = persons.decode(job.person)
    after = b""
    while True:
        messages = _page(store, job, after)
        for message in messages:
            if (row := _event(store, job.site, person, message, open_plaintext)) is not None:
                yield row
        if len(messages) < LOOKED_AT:
            break
        after = messages[-1].place
        await trio.lowlevel.checkpoint()
    with store.read() as txn:
        known = [one.state for one in found(txn, store, job.site, person) if person.is_identity(one.values)]
    for state in known:
        yield {"record": "identity", "state": _identity(state)}
    for visitor_id in person.visitors():
        if (row := _visitor(store, job.site, visitor_id)) is not None:
            yield row
        if (row := _consents(store, job.site, visitor_id)) is not None:
            yield row
    for row in person_journeys(store, job.site, person):
        yield row


def _page(store: Store, job: PrivacyRow, after: bytes) -> list[Message]:
    with store.read() as txn:
        found = read_on(txn, store, job.site, after, job.asked_at_ms)
        return [message for message, _ in zip(found, range(LOOKED_AT), strict=False)]


def _event(store: Store, site: str, person: Person, message: Message, open_plaintext: Opened) -> dict[str, Any] | None:
    """A message as it came, with what became of its event; None where it is not the person's."""
    event = event_of(message.raw)
    try:
        found = ledger.event(store, message.event_key)
        main = ledger.event(store, found.row.merged_into) if found is not None and found.row.merged_into else found
    except Unreadable:
        found = main = None
    merged = decode_event(main.body) if main is not None and main.body is not None else None
    if event is None or not event.event_id or not any(one is not None and person.has(one) for one in (event, merged)):
        return None
    row = {"record": "event", "event": _plain(event, site, open_plaintext)}
    if found is None:
        return row
    is_main = main is found and keys.log(found.row.shard, found.row.sequence) == message.log_key
    return row | {
        "status": found.row.status,
        "consent": found.row.consent,
        "not_routed": found.row.not_routed,
        "deliveries": list(_deliveries(store, message.event_key)) if is_main else [],
    }


def _plain(event: Event, site: str, open_plaintext: Opened) -> dict[str, Any]:
    """As it is stored; what was sealed, opened."""
    sealed = event.user_data.sealed
    plain = open_plaintext(site, sealed, (event.event_id,)) if sealed is not None else None
    user_data = msgspec.structs.replace(event.user_data, sealed=None, plain=plain)
    found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(event, user_data=user_data))
    return found | {"occurred_at": rfc3339(event.occurred_at_ms), "received_at": rfc3339(event.received_at_ms)}


def _deliveries(store: Store, event_key: bytes) -> Iterator[dict[str, Any]]:
    for one in ledger.deliveries_of(store, event_key):
        row = one.row
        times = [rfc3339(attempt.at_ms) for attempt in row.attempts] if row is not None else []
        status = row.status if row is not None else "queued"
        told = {"destination": one.destination, "status": status, "attempted_at": times}
        changed = read_content(row.content) if row is not None and row.content is not None else None
        yield told if changed is None else told | {"changed": msgspec.to_builtins(changed)}


def _identity(state: IdentityState) -> dict[str, Any]:
    """Each value with when and by which source it was given."""
    return {
        "first_at": rfc3339(state.first_at_ms),
        "values": {
            field: [{"value": one.form, "given_at": rfc3339(one.first_at_ms), "source": one.source} for one in values]
            for field, values in state.values.items()
        },
    }


def _visitor(store: Store, site: str, visitor_id: str) -> dict[str, Any] | None:
    with store.read() as txn:
        raw = fetch(txn, store.dbs["state"], visitor_key(site, visitor_id))
    row = state_of(raw) if raw is not None else None
    state = visitor_of(row) if row is not None else None
    return {"record": "visitor", "visitor_id": visitor_id, "state": state} if state is not None else None


def _consents(store: Store, site: str, visitor_id: str) -> dict[str, Any] | None:
    """What the visitor said about consent, each change of mind with its time."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["state"], consent_key(site, visitor_id))
    row = state_of(raw) if raw is not None else None
    if row is None:
        return None
    changes = msgspec.msgpack.decode(row.data, type=RecordState).changes
    return {"record": "consent", "visitor_id": visitor_id, "changes": changes}


def _line(row: dict[str, Any]) -> bytes:
    return _encoder.encode(row) + b"\n"
