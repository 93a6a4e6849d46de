"""Visits: when a browser event belongs to the visit that is open, and when it begins a new one.

Rules of contracts/dedup_and_identity.md, section 3 ("ours"): 30 min between two browser events, not at midnight, at a
new campaign, at most 24 h. Time is `occurred_at`, limited to 24 h around the arrival.
"""

from msgspec import Struct

from actors.event import Event

IDLE_MS = 30 * 60_000
LONGEST_MS = 24 * 3_600_000


class Touch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A landing from a campaign. `click_id` is the first click id of the url, with its parameter's name before it."""

    at_ms: int
    source: str = ""
    medium: str = ""
    campaign: str = ""
    click_id: str = ""


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    started_at_ms: int
    last_at_ms: int
    touch: Touch | None = None
    referrer: str = ""  # host by which it began, where that was another's


def time_of(event: Event) -> int:
    """When the event happened, within 24 h of its arrival."""
    return min(max(event.occurred_at_ms, event.received_at_ms - LONGEST_MS), event.received_at_ms + LONGEST_MS)


def continues(visit: Visit, at_ms: int, touch: Touch | None) -> bool:
    """Whether something at that time belongs to this visit."""
    if at_ms - visit.last_at_ms > IDLE_MS or at_ms - visit.started_at_ms > LONGEST_MS:
        return False
    return touch is None or _campaign(touch) == (_campaign(visit.touch) if visit.touch is not None else None)


def covers(visit: Visit, event: Event) -> bool:
    """Whether the event belongs to this visit. An order's webhook may come hours after its checkout."""
    longest_ms = LONGEST_MS if event.event_name == "purchase_placed" else IDLE_MS
    return visit.started_at_ms <= time_of(event) <= visit.last_at_ms + longest_ms


def join(
    visit: Visit | None, event: Event, touch: Touch | None, new_id: str, *, referrer: str = "", is_anew: bool = False
) -> tuple[Visit, bool]:
    """The visit after the event, and whether it is a new one. A late event of an earlier time opens none. `referrer`:
    the host that the visitor comes from; `is_anew`: which begins a new visit."""
    at_ms = time_of(event)
    opened = Visit(id=new_id, started_at_ms=at_ms, last_at_ms=at_ms, touch=touch, referrer=referrer)
    if visit is None:
        return opened, True
    if at_ms < visit.started_at_ms:
        return visit, False
    if continues(visit, at_ms, touch) and not is_anew:
        return lengthened(visit, at_ms), False
    return opened, True


def lengthened(visit: Visit, at_ms: int) -> Visit:
    """With something of it at that time."""
    if at_ms <= visit.last_at_ms:
        return visit
    return Visit(
        id=visit.id, started_at_ms=visit.started_at_ms, last_at_ms=at_ms, touch=visit.touch, referrer=visit.referrer
    )


def is_same_campaign(known: Touch | None, touch: Touch) -> bool:
    return known is not None and _campaign(known) == _campaign(touch)


def _campaign(touch: Touch) -> tuple[str, str, str, str]:
    return touch.source, touch.medium, touch.campaign, touch.click_id
