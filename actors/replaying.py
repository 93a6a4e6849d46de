"""Looks through the events of a replay job, a bounded part at a time, and plans what is queued again.

A part is read in one short transaction without a checkpoint. The same look serves the job, which commits what is
planned, and the dry run, which shows it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from actors.destinations.base import Destination
from actors.event import Consent, Event
from actors.replay import Candidate, Outcome, Replayed, decide
from actors.routing import facts_then
from actors.snapshot import Site
from actors.withdrawal import said
from actors.work import event_to_send
from store import keys
from store.asked import Asked, Page, read_asked
from store.env import Store
from store.records import DecidedRow, DeliveryRow, ReplayMark, ReplayRow
from store.replays import Move

LOOKED_AT: Final = 100  # messages in one part at most: some 6 ms of the loop, and 10 ms of the writer for their commit
MARKS_KEPT: Final = 10


class Chosen(Struct, frozen=True, kw_only=True):
    """A delivery of the part that the job asks for, and what becomes of it. `event` is None where it cannot be read."""

    outcome: Outcome
    key: bytes
    event_id: str
    event: Event | None = None
    move: Move | None = None


class Part(Struct, frozen=True, kw_only=True):
    """`after`: the job's row once this part is done."""

    after: ReplayRow
    chosen: list[Chosen]


def look(
    store: Store,
    job: ReplayRow,
    site: Site,
    destination: Destination,
    now_ms: int,
    *,
    most: int = LOOKED_AT,
    claim: Callable[[bytes], bool] = lambda _: True,
) -> Part:
    """The next part of a job: at most `most` messages, one or more.

    `claim`: keeps a delivery that waits for its next attempt from being sent; False: it is under way already.
    """
    page = read_asked(store, job, most)
    consents = said(store, site.id, [one.event for one in page.asked])
    chosen = [Chosen(outcome="unreadable", key=key, event_id="") for key in page.unreadable]
    for one in page.asked:
        event = event_to_send(one.event, one.body) if one.body is not None else None
        found = _decided(one, event, job, site, destination, now_ms, consents.of(one.event))
        if found.outcome == "queued" and one.old_outbox_key is not None and not claim(one.old_outbox_key):
            found = Replayed(outcome="in_queue")
        move = _move(one, job, now_ms, found) if found.outcome == "queued" else None
        sent = found.event or event
        chosen.append(Chosen(outcome=found.outcome, key=one.key, event_id=one.event.event_id, event=sent, move=move))
    after = _moved_on(job, page, chosen, now_ms if page.messages < most else None)
    return Part(after=after, chosen=chosen)


def _moved_on(job: ReplayRow, page: Page, chosen: Sequence[Chosen], ended_at_ms: int | None) -> ReplayRow:
    counts = Counter(job.counts)
    counts.update(one.outcome for one in chosen)
    left_out = {one.outcome: one.event_id for one in reversed(chosen) if one.outcome != "queued" and one.event_id}
    return msgspec.structs.replace(
        job,
        cursor=page.cursor,
        messages=job.messages + page.messages,
        counts=dict(counts),
        examples={**left_out, **job.examples},
        words="",
        state="done" if ended_at_ms is not None else "running",
        ended_at_ms=ended_at_ms,
    )


# --- deciding ------------------------------------------------------------------------------------------------------


def _decided(
    one: Asked,
    event: Event | None,
    job: ReplayRow,
    site: Site,
    destination: Destination,
    now_ms: int,
    stated_now: Consent | None,
) -> Replayed:
    if one.row is None or one.row.status == "queued":
        return Replayed(outcome="in_queue")
    if one.row.status == "failed" and one.old_outbox_key is None:  # its next attempt is a probe, or under way
        return Replayed(outcome="in_queue")
    if event is None:
        return Replayed(outcome="unreadable")
    candidate = Candidate(
        event=event, received_at_ms=one.event.received_at_ms, row=one.row, stated=stated_now,
        facts=facts_then(one.event, event, site), decided=one.row.decided or one.event.decided.get(job.destination),
    )  # fmt: skip
    return decide(
        candidate, site, destination, now_ms, is_past_window=job.is_past_window, is_as_decided=job.is_as_decided
    )


def _move(one: Asked, job: ReplayRow, now_ms: int, found: Replayed) -> Move:
    assert one.row is not None, "only a delivery with a row was asked for"
    assert one.raw is not None
    before, event = one.row, one.event
    destination_key = keys.destination(job.site, job.destination)
    mark = ReplayMark(
        job=job.number, at_ms=now_ms, status=before.status, reason=before.reason, settled_at_ms=before.settled_at_ms,
        latency_ms=before.latency_ms, is_past_window=job.is_past_window,
    )  # fmt: skip
    decided = found.decided if found.decided != event.decided.get(job.destination, DecidedRow()) else None
    row = DeliveryRow(
        status="queued", destination=job.destination, attempts=before.attempts, match=before.match,
        replays=(*before.replays, mark)[-MARKS_KEPT:], content=found.content, decided=decided,
    )  # fmt: skip
    return Move(
        event_key=one.key,
        destination_key=destination_key,
        outbox_key=keys.outbox(destination_key, keys.REPLAY_LANE, now_ms, event.shard, event.sequence),
        old_outbox_key=one.old_outbox_key,
        received_at_ms=event.received_at_ms,
        raw=one.raw,
        before=before,
        row=row,
    )
