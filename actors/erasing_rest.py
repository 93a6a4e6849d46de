"""Takes a person out of what no index of events leads to: visitors' memories, touchpoints, dead letters, rows
set aside."""

from typing import Final

import msgspec

from actors import erasing_identities
from actors.erasing import Eraser, Part, summed
from actors.erasing_journeys import erase_person
from actors.finding import LOOKED_AT, consent_key, event_of, state_of, visitor_key, visitor_of
from actors.holds import HELD, Hold
from actors.visitor import VisitorState
from store import keys
from store.env import Store
from store.errors import Unreadable
from store.messages import rows_after
from store.records import DEAD, EVENT, REPLAY, STATE, DeadLetter, PrivacyRow
from store.rewriting import Draft

REPLAYS_MOST: Final = 1_000  # more than are kept
LETTERS, ASIDE = b"d", b"q"  # in front of a job's cursor: which database it is in
DATABASES: Final = {LETTERS: "dead", ASIDE: "quarantine"}


def erase_rest(store: Store, job: PrivacyRow, now_ms: int) -> Part:
    """The next part of it; `after` says `done` where there is no more."""
    which, cursor = job.cursor[:1] or LETTERS, job.cursor[1:]
    with store.read() as txn:
        eraser = Eraser(Draft(store, txn), store, job, lambda *_: True, now_ms)
        if not job.cursor:
            erasing_identities.erase(eraser, store, job.site)
            _visitors(eraser, job)
            erase_person(eraser, job.site)
            _examples(eraser, rows_after(txn, store, "replay", keys.REPLAYS, b"", REPLAYS_MOST))
        rows = rows_after(txn, store, DATABASES[which], b"", cursor, LOOKED_AT)
        for key, raw in rows:
            if which == LETTERS:
                _letter(eraser, key, raw, job)
            else:
                _aside(eraser, key, raw)
        rewrite = eraser.draft.done()
    is_over = len(rows) < LOOKED_AT
    after = msgspec.structs.replace(
        job,
        phase="done" if is_over and which == ASIDE else "rest",
        cursor=ASIDE if is_over else which + rows[-1][0],
        words="",
        **summed(job, eraser),
    )
    return Part(after=after, rewrite=rewrite, forget=eraser.forget, settled={})


def _visitors(eraser: Eraser, job: PrivacyRow) -> None:
    for visitor_id in eraser.person.visitors():
        _visitor(eraser, visitor_key(job.site, visitor_id))
        eraser.state(consent_key(job.site, visitor_id))
    for visitor_id in eraser.person.shared:
        _shared_visitor(eraser, visitor_key(job.site, visitor_id))


def _visitor(eraser: Eraser, key: bytes) -> None:
    """The memory of a visitor; events that came after the job was asked for and wait for a choice are still waited
    for, by a memory of nothing else."""
    raw = eraser.draft.get("state", key)
    row = state_of(raw) if raw is not None else None
    state = visitor_of(row) if row is not None else None
    waiting = [one for one in state.held if _waits(eraser, one)] if state is not None else []
    if row is None or not waiting:
        eraser.state(key)
        return
    eraser.forget.append(key)
    data = msgspec.msgpack.encode(VisitorState(held=waiting))
    eraser.draft.put("state", key, STATE.encode(msgspec.structs.replace(row, data=data)))
    eraser.counts["states"] += 1


def _waits(eraser: Eraser, hold: Hold) -> bool:
    raw = eraser.draft.get("event", hold.event_key)
    try:
        return raw is not None and HELD in EVENT.decode(raw).not_routed.values()
    except Unreadable:
        return False


def _shared_visitor(eraser: Eraser, key: bytes) -> None:
    """A device that others use too keeps its visit and its consent, and forgets who this person was there."""
    raw = eraser.draft.get("state", key)
    row = state_of(raw) if raw is not None else None
    state = visitor_of(row) if row is not None else None
    if row is None or state is None:
        return
    state.seen = {
        field: kept
        for field, known in state.seen.items()
        if (kept := [one for one in known if not eraser.person.is_known_by(one.value)])
    }
    state.settled = None
    eraser.rewrite_state(key, row, msgspec.msgpack.encode(state))


def _examples(eraser: Eraser, rows: list[tuple[bytes, bytes]]) -> None:
    """Replay jobs name an event for each reason to leave one out."""
    for key, raw in rows:
        try:
            row = REPLAY.decode(raw)
        except Unreadable:
            continue
        kept = {reason: one for reason, one in row.examples.items() if not eraser.is_erased(row.site, one)}
        if kept != row.examples:
            eraser.draft.put("replay", key, REPLAY.encode(msgspec.structs.replace(row, examples=kept)))


def _letter(eraser: Eraser, key: bytes, raw: bytes, job: PrivacyRow) -> None:
    """A turn that raised, with the message it was for: it stays as a number in the books, without either's content."""
    try:
        letter = DEAD.decode(raw)
    except Unreadable:
        if eraser.holds(raw) and not eraser.person.sources:
            eraser.counts["dead_letters"] += eraser.draft.delete("dead", key)
        return
    log_key = (
        keys.log(letter.shard, letter.sequence) if letter.shard is not None and letter.sequence is not None else b""
    )
    raw_log = eraser.draft.get("log", log_key) if log_key else None
    event = event_of(raw_log)
    is_person = event is not None and event.site == job.site and eraser.person.has(event)
    if not is_person and (eraser.person.sources or not _is_named_in(eraser, letter)):
        return
    if event is not None and is_person and event.received_at_ms > job.asked_at_ms:
        return
    if is_person:
        indexed = keys.site_event(job.site, event.received_at_ms, *keys.read_log(log_key)) if event else b""
        if eraser.draft.peek("site_event", indexed) is None:
            eraser.log(log_key, raw_log, None)
    blank = msgspec.structs.replace(letter, actor_key="", body=b"")
    if blank != letter:
        eraser.draft.put("dead", key, DEAD.encode(blank))
        eraser.counts["dead_letters"] += 1


def _is_named_in(eraser: Eraser, letter: DeadLetter) -> bool:
    return eraser.holds(letter.body) or eraser.holds(letter.actor_key.encode("utf-8", "surrogatepass"))


def _aside(eraser: Eraser, key: bytes, raw: bytes) -> None:
    """A row that nobody can read: whether it is the person's is told by its bytes alone."""
    if eraser.person.sources or not eraser.holds(raw):
        return
    database, own = keys.read_quarantine(key)
    eraser.counts["set_aside"] += eraser.draft.delete("quarantine", key)
    if database == "log":
        eraser.draft.delete("log", own)
