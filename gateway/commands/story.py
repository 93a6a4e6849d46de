"""One event's whole story, as records: what came in, what became of it, and why it counted or did not.

Built from stored rows alone. No personal data is in it: of an identifier the story tells that it is there, of a digest
its first eight digits.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from actors.event import Event
from actors.pacing import MOST_ATTEMPTS
from gateway.commands.conversion_story import ConversionStory, conversion_story
from gateway.commands.delivery_context import Sent
from gateway.commands.match_story import MatchStory, match_story
from gateway.commands.reading import rfc3339, shown_span, shown_time
from store.journey_records import ConversionRow
from store.records import AttemptRow, Copy, DecidedRow, DeliveryRow, EventRow, ReplayMark

DIGEST_CHARS = 8
SPOKEN = {
    "ga4": "GA4", "google_ads": "Google Ads", "tiktok": "TikTok", "linkedin": "LinkedIn", "webhook": "the receiver",
}  # fmt: skip
DIGEST_SETS = ("email", "phone", "first_name", "last_name", "street", "date_of_birth", "gender")
WAITS = "Not counted yet: it waits in the outbox, and nothing was sent so far."
APART = ("anonymous_id", "session_id", "sealed", "plain")  # told elsewhere, or not at all


class Facts(Struct, frozen=True, kw_only=True):
    """What the store has of one event. `deliveries`: by destination; None: nothing was sent yet."""

    row: EventRow
    event: Event | None  # None: its body is gone or cannot be read
    first: Event | None  # the first copy as it arrived
    deliveries: Mapping[str, DeliveryRow | None] = {}
    conversion: tuple[ConversionRow, ...] = ()  # all versions that are kept, the newest last
    routes_version: int = 0  # that decided; 0: the defaults, or it is not known any more


class CopyStory(Struct, frozen=True, kw_only=True):
    event_id: str
    source: str
    received_at: str
    became: str  # first, merged, duplicate
    met_by: str = ""
    conflicts: tuple[str, ...] = ()


class Identifier(Struct, frozen=True, kw_only=True):
    name: str
    shown: str
    source: str = ""  # of the copy it came from, where that made a difference


class AttemptStory(Struct, frozen=True, kw_only=True):
    at: str
    outcome: str
    status: int | None
    latency_ms: int | None
    batch: int
    counts: bool
    words: str


class ReplayStory(Struct, frozen=True, kw_only=True):
    """It was queued again: by which job, and what it was before."""

    at: str
    job: int
    before: str
    reason: str = ""
    past_window: bool = False


class DestinationStory(Struct, frozen=True, kw_only=True):
    destination: str
    platform: str
    status: str  # queued, delivered, failed, dropped, not_routed
    why: str  # one sentence
    reason: str = ""
    words: str = ""
    attempts: tuple[AttemptStory, ...] = ()
    replays: tuple[ReplayStory, ...] = ()
    next_attempt_at: str | None = None
    settled_at: str | None = None
    latency_ms: int | None = None
    match_quality: MatchStory | None = None  # of what was sent last
    relies_on: str = ""  # the basis other than consent on which it got the event
    route: str = ""  # that decided; empty: the default one, or none did
    sample_rate: float = 1.0  # of the share that the event stands for
    consent_version: int = 0  # of what its visitor had said when this was decided; 0: nothing


class Story(Struct, frozen=True, kw_only=True):
    site: str
    event_id: str
    event_name: str
    status: str
    summary: str  # one sentence
    source: str
    received_at: str
    occurred_at: str | None
    asked_for: str | None = None  # the id of the copy that was asked for, where it is another
    visitor_id: str | None = None
    session_id: str | None = None
    order_id: str | None = None
    value: str | None = None
    currency: str | None = None
    marks: tuple[str, ...] = ()
    bot_score: int = 0  # 0 to 100: how likely it is that no person sent it
    bot_reasons: tuple[str, ...] = ()
    copies: tuple[CopyStory, ...] = ()
    fields_from: Mapping[str, str] = {}
    identity: tuple[Identifier, ...] = ()
    identity_id: str = ""  # whose it is; empty: its visitor's own, or nobody's
    added: Mapping[
        str, str
    ] = {}  # identifiers that were known besides what it brought -> where and when they were learnt
    consent: Mapping[str, str] = {}
    consent_from: str = ""
    version: int = 0  # of the configuration that decided; 0: none did yet, or an earlier release
    routes_version: int = 0  # of the site's routes in it; 0: the defaults
    consent_version: int = 0  # of what its visitor had said; 0: nothing
    destinations: tuple[DestinationStory, ...] = ()
    conversion: ConversionStory | None = None  # where it is one: its path and credit


def tell(facts: Facts, platforms: Mapping[tuple[str, str], str], asked_for: str | None = None) -> Story:
    """`platforms`: (site, destination) -> platform. `asked_for`: the id that was asked for."""
    row, event = facts.row, facts.event
    custom = event.custom_data if event is not None else None
    destinations = tuple(_destinations(facts, platforms))
    return Story(
        site=row.site,
        event_id=row.event_id,
        event_name=row.event_name,
        status=row.status,
        summary=_summary(row, destinations),
        source=row.source,
        received_at=rfc3339(row.received_at_ms),
        occurred_at=rfc3339(event.occurred_at_ms) if event is not None else None,
        asked_for=asked_for if asked_for != row.event_id and not row.erased_at_ms else None,
        visitor_id=row.visitor_id,
        session_id=row.session_id,
        order_id=custom.order_id if custom is not None else None,
        value=str(custom.value) if custom is not None and custom.value is not None else None,
        currency=custom.currency if custom is not None else None,
        marks=event.marks if event is not None else (),
        bot_score=event.bot_score if event is not None else 0,
        bot_reasons=event.bot_reasons if event is not None else (),
        copies=tuple(_copies(facts)),
        fields_from=row.fields_from,
        identity=tuple(_identity(event, row.fields_from)) if event is not None else (),
        identity_id=row.identity,
        added={field: f"{one.via}, from {one.source} at {rfc3339(one.at_ms)}" for field, one in row.added_from.items()},
        consent=row.consent,
        consent_from=row.consent_from,
        version=row.version,
        routes_version=facts.routes_version,
        consent_version=max(row.consent_version, *row.released.values(), 0),
        destinations=destinations,
        conversion=conversion_story(facts.conversion, _sent(facts, platforms)),
    )


def _sent(facts: Facts, platforms: Mapping[tuple[str, str], str]) -> Sent:
    user = facts.event.user_data if facts.event is not None else None
    return Sent(row=facts.row, deliveries=facts.deliveries, user=user, platforms=platforms)


def _summary(row: EventRow, destinations: Sequence[DestinationStory]) -> str:
    erased = f" Its person was taken out of it at {rfc3339(row.erased_at_ms)}." if row.erased_at_ms else ""
    return _became(row, destinations) + erased


def _became(row: EventRow, destinations: Sequence[DestinationStory]) -> str:
    match row.status:
        case "held":
            return "It waits for its twin from the other side before anything is sent."
        case "merged":
            return "Its fields went into another copy of the same event, which is sent in its place."
        case "duplicate":
            return "It is a copy of an event that was known already; it is on record and was not sent again."
    if not destinations:
        return "It is on record; the site has no destination."
    counted = sum(one.status == "delivered" for one in destinations)
    return f"It was delivered to {counted} of {len(destinations)} destinations."


def _copies(facts: Facts) -> list[CopyStory]:
    row = facts.row
    first = CopyStory(
        event_id=facts.first.event_id if facts.first is not None else row.event_id,
        source=row.source,
        received_at=rfc3339(row.received_at_ms),
        became="first",
    )
    return [first, *map(_copy, row.copies)]


def _copy(copy: Copy) -> CopyStory:
    return CopyStory(
        event_id=copy.event_id,
        source=copy.source,
        received_at=rfc3339(copy.received_at_ms),
        became="merged" if copy.is_merged else "duplicate",
        met_by=f"{copy.key} {copy.value}",
        conflicts=copy.conflicts,
    )


def _identity(event: Event, fields_from: Mapping[str, str]) -> list[Identifier]:
    """Which identifiers are there, never what they are."""
    found: list[Identifier] = []
    for name in event.user_data.__struct_fields__:
        value = getattr(event.user_data, name)
        if value is None or name in APART:
            continue
        shown = _digest(value) if name in DIGEST_SETS else "present"
        found.append(Identifier(name=name, shown=shown, source=fields_from.get(f"user_data.{name}", "")))
    if event.user_data.sealed is not None:
        found.append(Identifier(name="plaintext", shown="sealed"))
    return found


def _digest(value: object) -> str:
    """The head of the standard form, and which further forms platforms can be given."""
    forms: dict[str, str] = {name: text for name, text in msgspec.to_builtins(value).items() if text}
    further = [name for name in forms if name not in ("sha256", "suffix")]
    head = f"sha256 {forms['sha256'][:DIGEST_CHARS]}…"
    return f"{head}, also as {', '.join(further)}" if further else head


def _destinations(facts: Facts, platforms: Mapping[tuple[str, str], str]) -> list[DestinationStory]:
    row = facts.row
    told = [_delivery(destination, platforms.get((row.site, destination), ""), facts) for destination in row.routed]
    for destination, reason in row.not_routed.items():
        platform = platforms.get((row.site, destination), "")
        why = _why_not_routed(reason, row.consent)
        told.append(
            DestinationStory(destination=destination, platform=platform, status="not_routed", reason=reason, why=why)
        )
    told = [
        msgspec.structs.replace(
            one,
            relies_on=row.relied_on.get(one.destination, ""),
            consent_version=row.released.get(one.destination, row.consent_version),
        )
        for one in told
    ]
    return [_decided(one, row.decided.get(one.destination)) for one in told]


def _decided(story: DestinationStory, decided: DecidedRow | None) -> DestinationStory:
    if decided is None:
        return story
    return msgspec.structs.replace(
        story, route=decided.route, sample_rate=decided.sample_rate, words=story.words or decided.words
    )


def _delivery(destination: str, platform: str, facts: Facts) -> DestinationStory:
    row = facts.deliveries.get(destination)
    if row is None:
        return DestinationStory(destination=destination, platform=platform, status="queued", why=WAITS)
    next_ms, user = row.next_at_ms, facts.event.user_data if facts.event is not None else None
    return DestinationStory(
        destination=destination,
        platform=platform,
        status=row.status,
        why=_why(row, SPOKEN.get(platform, platform.capitalize() or destination), next_ms),
        reason=row.reason,
        words=row.words,
        attempts=tuple(map(_attempt, row.attempts)),
        replays=tuple(map(_replay, row.replays)),
        next_attempt_at=rfc3339(next_ms) if next_ms is not None else None,
        settled_at=rfc3339(row.settled_at_ms) if row.settled_at_ms is not None else None,
        latency_ms=row.latency_ms,
        match_quality=match_story(row.match, platform, user) if row.match is not None else None,
    )


def _replay(mark: ReplayMark) -> ReplayStory:
    return ReplayStory(
        at=rfc3339(mark.at_ms), job=mark.job, before=mark.status, reason=mark.reason, past_window=mark.is_past_window
    )


def _attempt(row: AttemptRow) -> AttemptStory:
    return AttemptStory(
        at=rfc3339(row.at_ms),
        outcome=row.outcome,
        status=row.status,
        latency_ms=row.latency_ms,
        batch=row.batch,
        counts=row.counts,
        words=row.words,
    )


def _why(row: DeliveryRow, platform: str, next_ms: int | None) -> str:
    match row.status:
        case "delivered":
            after = f", {shown_span(row.latency_ms)} after it arrived" if row.latency_ms is not None else ""
            tries = f" at attempt {row.tries}" if row.tries > 1 else ""
            silent = "; it never says what it makes of it" if platform == "GA4" else ""
            return f"Counted: {platform} took it{tries}{after}{silent}."
        case "dropped":
            return _why_dropped(row, platform)
        case "failed":
            when = f"the next is at {shown_time(next_ms)} UTC" if next_ms is not None else "it is tried again"
            return f"Not counted yet: attempt {row.tries} of {MOST_ATTEMPTS} failed; {when}."
    if not row.attempts and not row.replays:
        return WAITS
    if row.replays and not any(attempt.at_ms >= row.replays[-1].at_ms for attempt in row.attempts):
        return "Not counted yet: a replay queued it again; it goes out behind live traffic."
    if row.attempts and row.attempts[-1].outcome == "pause":
        return f"Not counted yet: {platform} refuses the credentials; it goes out once they are replaced."
    return f"Not counted yet: it was {platform}'s probe while the breaker was open; that cost no attempt."


def _why_dropped(row: DeliveryRow, platform: str) -> str:
    told = {
        "too_old": f"it was older than {platform} takes when its turn came",
        "consent_withdrawn": f"its visitor has withdrawn the consent that {platform} needs",
        "not_encodable": f"it lacks what {platform} needs",
        "platform_refused": f"{platform} refused it for good",
        "attempts_exhausted": f"all {row.tries} attempts failed",
        "outbox_full": "the destination's outbox was full when it came",
        "past_window": f"its replay came past {platform}'s own deduplication window, where it could count twice",
        "destination_deleted": "the destination was taken out of the configuration",
        "destination_removed": "the destination was taken out of the configuration",  # as an earlier release said it
        "unreadable": "the stored event can no longer be read",
    }
    return f"Not counted: {told.get(row.reason, row.reason or 'it was dropped')}."


def _why_not_routed(reason: str, consent: Mapping[str, str]) -> str:
    denied = [purpose for purpose, choice in consent.items() if choice == "denied"]
    told = {
        "no_route": "no route of the destination takes events of this name from this source",
        "filtered": "no route's filter takes it",
        "filter_error": "a route's filter failed",
        "held": "it waits until its visitor has made a choice",
        "sampled": "its route keeps only a share of events, and this one is not in it",
        "dropped_by_transform": "its route's transformation drops it",
        "transform_error": "its route's transformation failed, and nothing half changed is sent",
        "destination_disabled": "the destination is disabled",
        "consent_denied": f"consent is denied ({', '.join(denied)})",
        "consent_unknown": "no consent was stated, and the site counts that as denied",
        "sale_denied": "the sale of data is denied, and the platform has no way to honour that",
        "test_event": "it is a test event, and the platform has no test mode in which nothing is counted",
        "bot": "no person seems to have sent it, and the site keeps such events from all platforms",
    }
    return f"Not counted: {told.get(reason, reason)}."
