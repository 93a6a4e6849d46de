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

from actors.destinations.base import Destination
from actors.event import Consent, Event
from actors.pacing import age_s
from actors.routing import NotRouted, refusal
from actors.snapshot import Site
from actors.withdrawal import stricter
from actors.work import ATTEMPTS_KEPT
from store.records import AttemptRow, DeliveryRow, DeliveryStatus

Outcome = Literal["queued", "in_queue", "past_window", "too_old", "unreadable"] | NotRouted

CHOICES: Final[tuple[DeliveryStatus, ...]] = ("dropped", "failed", "delivered")
DEFAULT: Final[tuple[DeliveryStatus, ...]] = ("dropped", "failed")
NOT_SENT: Final = frozenset({"connect", "dns", "refused_address", "tls"})  # failures before a byte of a request left
REFUSALS: Final = frozenset({"drop", "split", "pause", "refresh", "again"})  # the platform's word that it took nothing
UNAVAILABLE, REQUEST_TIMEOUT = 503, 408


class Candidate(Struct, frozen=True, kw_only=True):
    """A delivery that was asked for. `event`: as it would be sent; `stated`: its visitor's consent now."""

    event: Event
    received_at_ms: int
    row: DeliveryRow
    stated: Consent | None = None


def decide(one: Candidate, site: Site, destination: Destination, now_ms: int, *, is_past_window: bool) -> Outcome:
    """`queued`, or why it is left out. Consent that was denied then or is denied now keeps it in."""
    consent = stricter(one.event.consent, one.stated)
    event = msgspec.structs.replace(one.event, consent=consent)
    if (reason := refusal(event, consent, destination, site)) is not None:
        return reason
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
