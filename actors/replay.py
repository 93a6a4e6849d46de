"""Which deliveries a replay may queue again: a pure decision for each, and the fence that keeps events from counting
twice.

The fence is the platform's own deduplication window, read literally. Within it a second copy is dropped by the
platform, so everything may be sent again. Past it everything is left out, also what this gateway never got through: the
shop's own pixel may have told the platform of the same event, and its copy is forgotten by then. A platform that names
no window is trusted with no copy at all: left out is what may have been counted, and only what surely never was is sent
again. `is_past_window` insists.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from actors.consent import refusal, stricter
from actors.content import read_content, with_content
from actors.destinations.base import Destination
from actors.event import PURPOSES, Consent, Event
from actors.facts import Facts
from actors.pacing import age_s
from actors.routing import Asking, NotRouted, decide_one, facts_of, kept_from, standing_of
from actors.snapshot import Site
from actors.work import ATTEMPTS_KEPT
from store.records import AttemptRow, DecidedRow, DeliveryRow, DeliveryStatus

Outcome = Literal["queued", "in_queue", "past_window", "too_old", "unreadable"] | NotRouted

CHOICES: Final[tuple[DeliveryStatus, ...]] = ("dropped", "failed", "delivered")
DEFAULT: Final[tuple[DeliveryStatus, ...]] = ("dropped", "failed")
NOT_SENT: Final = frozenset({"connect", "dns", "refused_address", "tls"})  # failures before a byte of a request left
REFUSALS: Final = frozenset({"drop", "split", "pause", "refresh", "again"})  # the platform's word that it took nothing
UNAVAILABLE, REQUEST_TIMEOUT = 503, 408


class Candidate(Struct, frozen=True, kw_only=True):
    """A delivery that was asked for. `event`: as it would be sent by a route that transforms nothing; `stated`: what
    its visitor and its person say now; `facts`: what was known beside the event; `decided`: by which route it went
    then."""

    event: Event
    received_at_ms: int
    row: DeliveryRow
    stated: Consent | None = None
    facts: Facts | None = None
    decided: DecidedRow | None = None


class Replayed(Struct, frozen=True, kw_only=True):
    """What becomes of it. Where it is queued: `event` as it goes out, and what is kept of its route with it."""

    outcome: Outcome
    event: Event | None = None
    content: bytes | None = None
    decided: DecidedRow | None = None


def decide(
    one: Candidate,
    site: Site,
    destination: Destination,
    now_ms: int,
    *,
    is_past_window: bool,
    is_as_decided: bool = False,
) -> Replayed:
    """Queued, or why it is left out. Consent that was denied then or is denied now keeps it in.

    `is_as_decided`: by the route and in the form of then; else the routes in force decide anew."""
    consent = stricter(one.event.consent, one.stated)
    event = msgspec.structs.replace(one.event, consent=consent)
    routed = _as_then(one, event, site, destination) if is_as_decided else _anew(one, event, site, destination)
    if routed.event is None:
        return routed
    outcome = _timely(routed.event, one, site, destination, now_ms, is_past_window=is_past_window)
    return routed if outcome == "queued" else Replayed(outcome=outcome)


def _anew(one: Candidate, event: Event, site: Site, destination: Destination) -> Replayed:
    facts = one.facts or facts_of(event, site)
    found = decide_one(Asking(event, event.consent, site, facts), destination)
    if found.reason is not None:
        return Replayed(outcome=found.reason)
    decided = DecidedRow(
        route=found.route,
        sample_rate=found.sample_rate,
        has_content=found.content is not None,
        consent=found.consent,
    )
    return _formed(event, found.content, decided)


def _as_then(one: Candidate, event: Event, site: Site, destination: Destination) -> Replayed:
    """What the destination needs is asked, what the route asked for then, and what it asks for now if it is there."""
    decided = one.decided or DecidedRow()
    route = next((route for route in site.routes if route.id == decided.route), None)
    asked = (*decided.consent, *(route.consent if route is not None else ()))
    more = tuple(purpose for purpose in PURPOSES if purpose in asked)
    reason = kept_from(event, destination, site)
    changes = read_content(one.row.content) if one.row.content is not None else None
    if reason is None and not (changes is not None and changes.is_stripped and destination.takes_anonymous):
        reason = refusal(standing_of(event, event.consent, site), destination, more)
    if reason is not None:
        return Replayed(outcome=reason)
    if decided.has_content and one.row.content is None:
        return Replayed(outcome="unreadable")
    return _formed(event, one.row.content, decided)


def _formed(event: Event, content: bytes | None, decided: DecidedRow) -> Replayed:
    if content is None:
        return Replayed(outcome="queued", event=event, decided=decided)
    changes = read_content(content)
    if changes is None:
        return Replayed(outcome="unreadable")
    return Replayed(outcome="queued", event=with_content(event, changes), content=content, decided=decided)


def _timely(
    event: Event, one: Candidate, site: Site, destination: Destination, now_ms: int, *, is_past_window: bool
) -> Outcome:
    old_s = age_s(event.occurred_at_ms, one.received_at_ms, now_ms)
    most_s = destination.max_age_s(event)
    if (most_s is not None and old_s > most_s) or now_ms - one.received_at_ms >= site.retention_ms:
        return "too_old"
    if not is_past_window and is_fenced(destination.deduplicates_for_s(event), old_s, may_have_counted(one.row)):
        return "past_window"
    return "queued"


def is_fenced(window_s: int | None, old_s: int, has_maybe_counted: bool) -> bool:
    """Whether the event could count twice. `window_s`: for how long the platform drops a second copy, where it says."""
    return has_maybe_counted if window_s is None else old_s > window_s


def may_have_counted(row: DeliveryRow) -> bool:
    """Whether the platform may have this delivery: it said so, or an attempt ended without its word."""
    if row.status == "delivered" or any(mark.status == "delivered" for mark in row.replays):
        return True
    return len(row.attempts) >= ATTEMPTS_KEPT or any(map(_is_unsure, row.attempts))


def _is_unsure(attempt: AttemptRow) -> bool:
    """An answer 4xx or 503 says that nothing was taken; another 5xx, a timeout or a broken connection does not."""
    if attempt.outcome in REFUSALS:
        return False
    if attempt.outcome == "failure":
        return attempt.words.partition(":")[0] not in NOT_SENT
    if attempt.outcome != "retry":
        return True
    if attempt.status is None:  # there was no access token to send it with
        return False
    is_refusal = 400 <= attempt.status < 500 and attempt.status != REQUEST_TIMEOUT
    return not is_refusal and attempt.status != UNAVAILABLE
