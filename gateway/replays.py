"""Replay jobs as people ask for them: start, list, cancel, and the dry run. The core carries them out (replaying.py).

Works on the store alone, so any process can do it, beside a running gateway or on the store of a stopped one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import trio
from msgspec import Struct

from actors.destinations.base import Attempt, Destination, Drop
from actors.redaction import secrets_of
from actors.replay import CHOICES, DEFAULT
from actors.replaying import Chosen, look
from actors.snapshot import Site
from actors.work import delivery_id
from gateway.commands.reading import rfc3339
from gateway.commands.trial import HIDDEN, Hide, Shown, hide_person, shown_request
from store import keys, ledger, replays, versions
from store.env import Store
from store.records import DeliveryStatus, ReplayRow
from store.replays import Cancel, Start
from store.writer import Writer

SAMPLES: Final = 3
LISTED_MOST: Final = 100
NAME_CHARS: Final = 128


class Ask(Struct, frozen=True, kw_only=True):
    """What somebody asks for. `until_ms` None: until now."""

    destination: str
    since_ms: int
    site: str | None = None
    until_ms: int | None = None
    statuses: tuple[DeliveryStatus, ...] = DEFAULT
    event_name: str = ""
    is_past_window: bool = False
    is_as_decided: bool = False


class Refused(Struct, frozen=True, kw_only=True):
    """Why there is no job: the field, and what would be right."""

    field: str
    message: str


class Job(Struct, frozen=True, kw_only=True):
    """A job as it is shown. Times are RFC 3339; `progress`: of the time from the first event to the last, to 1."""

    id: int
    site: str
    destination: str
    since: str
    until: str
    statuses: tuple[str, ...]
    event: str
    past_window: bool
    as_decided: bool
    asked_by: str
    asked_at: str
    state: str
    words: str
    progress: float
    messages: int
    counts: Mapping[str, int]
    examples: Mapping[str, str]
    ended_at: str | None


class Sample(Struct, frozen=True, kw_only=True):
    """What one of the deliveries would be sent as: without secrets and personal data. `words`: why it would not be."""

    event_id: str
    event_name: str
    request: Shown | None = None
    words: str = ""


class DryRun(Struct, frozen=True, kw_only=True):
    """What a job would do now; nothing was stored or sent."""

    site: str
    destination: str
    counts: Mapping[str, int]
    examples: Mapping[str, str]
    messages: int
    samples: tuple[Sample, ...]


def job_of(store: Store, ask: Ask, now_ms: int, asked_by: str) -> ReplayRow | Refused:
    """The job that is asked for, not stored yet; or what is wrong with it."""
    site = _site_of(store, ask)
    if isinstance(site, Refused):
        return site
    until_ms = max(0, min(now_ms, ask.until_ms)) if ask.until_ms is not None else now_ms
    since_ms = max(0, ask.since_ms)
    if since_ms >= until_ms:
        return Refused(field="since", message=f"{rfc3339(since_ms)} is not before {rfc3339(until_ms)}, the end")
    wrong = [status for status in ask.statuses if status not in CHOICES]
    if wrong or not ask.statuses:
        told = f"{', '.join(wrong)!r} cannot be replayed" if wrong else "no status is given"
        return Refused(field="status", message=f"{told}; give some of {', '.join(CHOICES)}")
    if len(ask.event_name) > NAME_CHARS:
        return Refused(field="event", message=f"is longer than {NAME_CHARS} characters; give an event's name")
    first = ledger.site_events(store, site, since_ms, until_ms, 1)
    last = ledger.latest_events(store, site, since_ms, keys.site_events_from(site, until_ms), 1)
    return ReplayRow(
        number=0, site=site, destination=ask.destination, since_ms=since_ms, until_ms=until_ms,
        statuses=tuple(dict.fromkeys(ask.statuses)), event_name=ask.event_name, is_past_window=ask.is_past_window,
        is_as_decided=ask.is_as_decided,
        asked_by=asked_by, asked_at_ms=now_ms, first_ms=first[0].received_at_ms if first else until_ms,
        last_ms=last[0].received_at_ms if last else until_ms,
    )  # fmt: skip


async def start(store: Store, writer: Writer, ask: Ask, now_ms: int, asked_by: str) -> Job | Refused:
    """Makes the job; on disk when this returns. The core takes it up within a second."""
    wanted = job_of(store, ask, now_ms, asked_by)
    if isinstance(wanted, Refused):
        return wanted
    write = Start(wanted)
    await writer.submit(write).wait()
    if write.row is None:
        told = f"job {write.busy} replays to {wanted.site}/{wanted.destination} already; wait for its end, or cancel it"
        return Refused(field="destination", message=told)
    return shown(write.row)


async def cancel(writer: Writer, number: int, now_ms: int, asked_by: str) -> Job | None:
    """The job as it is now; None where there is none. What it has queued and has not gone out is taken back."""
    write = Cancel(number, now_ms, f"cancelled by {asked_by}")
    await writer.submit(write).wait()
    return shown(write.row) if write.row is not None else None


def get(store: Store, number: int) -> Job | None:
    """Raises Unreadable."""
    row = replays.get(store, number)
    return shown(row) if row is not None else None


def recent(store: Store, most: int = LISTED_MOST) -> list[Job]:
    """The latest jobs, the newest first."""
    return [shown(row) for row in replays.recent(store, most)]


def shown(row: ReplayRow) -> Job:
    return Job(
        id=row.number,
        site=row.site,
        destination=row.destination,
        since=rfc3339(row.since_ms),
        until=rfc3339(row.until_ms),
        statuses=row.statuses,
        event=row.event_name,
        past_window=row.is_past_window,
        as_decided=row.is_as_decided,
        asked_by=row.asked_by,
        asked_at=rfc3339(row.asked_at_ms),
        state=row.state,
        words=row.words,
        progress=_progress(row),
        messages=row.messages,
        counts=row.counts,
        examples=row.examples,
        ended_at=rfc3339(row.ended_at_ms) if row.ended_at_ms is not None else None,
    )


def _progress(row: ReplayRow) -> float:
    if row.state == "done":
        return 1.0
    if not row.cursor or row.last_ms <= row.first_ms:
        return 0.0
    at_ms = keys.read_site_event(row.cursor)[0]
    return round(min(1.0, max(0.0, (at_ms - row.first_ms) / (row.last_ms - row.first_ms))), 4)


# --- the dry run ---------------------------------------------------------------------------------------------------


async def dry_run(store: Store, job: ReplayRow, site: Site, destination: Destination, now_ms: int) -> DryRun:
    """Looks through all that the job would, and makes the first requests; stores and sends nothing."""
    samples: list[Sample] = []
    row = job
    while row.state == "running":
        part = look(store, row, site, destination, now_ms)
        queued = [one for one in part.chosen if one.outcome == "queued"]
        samples += [_sample(one, site, destination, now_ms) for one in queued[: SAMPLES - len(samples)]]
        row = part.after
        await trio.lowlevel.checkpoint()
    return DryRun(
        site=job.site,
        destination=job.destination,
        counts=row.counts,
        examples=row.examples,
        messages=row.messages,
        samples=tuple(samples),
    )


def _sample(one: Chosen, site: Site, destination: Destination, now_ms: int) -> Sample:
    event = one.event
    assert event is not None, "only a delivery whose event can be read would be queued"
    hide = Hide(secrets_of(destination))
    sample = Sample(event_id=one.event_id, event_name=event.event_name)
    try:
        payload = destination.encode(event)
        if isinstance(payload, Drop):
            return msgspec.structs.replace(sample, words=f"would be dropped: {hide.words(payload.reason)}")
        request = destination.request([payload], _attempt(one, site, destination, now_ms))
    except Exception as error:  # noqa: BLE001  an adapter's bug is an answer too; its text may hold values of the event
        return msgspec.structs.replace(sample, words=f"the adapter failed on it: {type(error).__name__}")
    return msgspec.structs.replace(sample, request=hide_person(shown_request(request, hide), event))


def _attempt(one: Chosen, site: Site, destination: Destination, now_ms: int) -> Attempt:
    number = delivery_id(one.key, keys.destination(site.id, destination.id))
    token = HIDDEN if destination.oauth() is not None else None
    return Attempt(at_ms=now_ms, delivery_ids=(number,), access_token=token)


# --- which destination ---------------------------------------------------------------------------------------------


def declared(store: Store) -> Mapping[str, Sequence[str]]:
    """The destinations of each site in the configuration now in force."""
    version = versions.latest(store)
    try:
        found = msgspec.json.decode(version.summary if version is not None else "{}", type=dict[str, list[str]])
    except msgspec.DecodeError:
        return {}
    return {site: [one.rpartition(" (")[0] for one in destinations] for site, destinations in found.items()}


def _site_of(store: Store, ask: Ask) -> str | Refused:
    known = declared(store)
    if ask.site is not None and ask.site not in known:
        return Refused(field="site", message=f"no site {ask.site!r} is configured; there are: {_listed(known)}")
    found = [site for site, ids in known.items() if ask.destination in ids and ask.site in (None, site)]
    if len(found) == 1:
        return found[0]
    if found:
        return Refused(
            field="site", message=f"{', '.join(found)} have a destination {ask.destination!r}; name the site"
        )
    names = [f"{site}/{one}" for site, ids in known.items() for one in ids]
    told = f"no destination {ask.destination!r} is configured; there are: {_listed(names)}"
    return Refused(field="destination", message=told)


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(names) or "none"
