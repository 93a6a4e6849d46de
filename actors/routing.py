"""Which destinations an event goes to, in what form, and why not to the others: a pure decision.

Of a destination's routes the first that listens to the event's source and name and whose filter holds decides; what
follows does not fall through to another, or a refusal would be routed around: consent, sampling, transformation
(contracts/routing.md, section 4.2). A destination without routes has one that takes the event names that it lists
(default: those its platform knows). Before all of them: what the sender does not want there, and test events, which
only test twins get.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from actors import consent as consents
from actors.compiled_routes import CompiledRoute
from actors.content import content_of
from actors.destinations.base import Destination
from actors.event import Consent, Event, Purpose, is_bot, is_test
from actors.expressions import Budget, Failed
from actors.facts import NOTHING_MET, AttributionFacts, Facts, Handed, VisitorFacts
from actors.filters import EVENT_BUDGET_US
from actors.sampling import is_kept, rate_of
from actors.snapshot import Site
from actors.transform import Dropped, Unmade
from actors.twins import real_id, twin_id, twin_of
from store.records import EventRow

Unmatched = Literal["no_route", "filtered", "filter_error"]
NotRouted = Literal[
    Unmatched,
    consents.Refusal,
    "held",
    "sampled",
    "dropped_by_transform",
    "transform_error",
    "destination_disabled",
    "test_event",
    "bot",
]


IDENTIFY = "identify"  # tells who a visitor is; an event for the gateway alone
# What a caller of the Events API leaves out is not meant for that platform (contracts/events_api.md, section 5).
EVENTS_API_FIELDS = {"meta": "meta_event", "ga4": "ga_event", "google_ads": "gads_conversion_label"}


class Decision(Struct, frozen=True, kw_only=True):
    """`reason` is None where the event goes to the destination."""

    destination: str
    reason: NotRouted | None = None
    route: str = ""  # id of the route that decided; empty: none did, or the default one
    sample_rate: float = 1.0  # of the share that the event stands for
    content: bytes | None = None  # what the route's transformation made of it, where it has one
    words: str = ""  # of a filter or transformation that failed; no value of the event
    consent: tuple[Purpose, ...] = ()  # that the route asks for besides; none where nobody is in what goes out


class Asking:
    """One event before all destinations of its site. What filters read of it is converted with the first filter.

    `sent`: makes the event as it would go out, which a transformation works on; default: the event with the consent.
    """

    __slots__ = ("_handed", "budget", "consent", "event", "facts", "sent", "site", "standing")

    def __init__(
        self,
        event: Event,
        consent: Consent,
        site: Site,
        facts: Facts | None = None,
        sent: Callable[[], Event] | None = None,
    ) -> None:
        self.event = event
        self.consent = consent
        self.standing = standing_of(event, consent, site)
        self.site = site
        self.facts = facts if facts is not None else facts_of(event, site)
        self.sent = sent
        self.budget = Budget(EVENT_BUDGET_US)
        self._handed: Handed | None = None

    @property
    def handed(self) -> Handed:
        if self._handed is None:
            self._handed = Handed(self.site.plan.names, self.facts)
        return self._handed

    def to_transform(self) -> Event:
        if self.sent is not None:
            return self.sent()
        return msgspec.structs.replace(self.event, consent=self.consent)


def facts_of(
    event: Event, site: Site, visitor: VisitorFacts = NOTHING_MET, attribution: AttributionFacts | None = None
) -> Facts:
    """What the event alone tells, and what is known beside it."""
    country = event.ip_country or event.user_data.country
    return Facts(
        event=event,
        site=site.id,
        visitor=visitor,
        attribution=attribution,
        country=country.strip().upper() if country else None,
    )


def facts_asked(asking: Asking | None) -> dict[str, Any]:
    """What its site's routes asked about beside the event, to be kept with it: `facts_then` reads it."""
    if asking is None:
        return {}
    asked: dict[str, Any] = {}
    if asking.site.plan.asks("visitor"):
        asked["visitor"] = msgspec.to_builtins(asking.facts.visitor)
    if asking.facts.attribution is not None:
        asked["attribution"] = msgspec.to_builtins(asking.facts.attribution)
    return asked


def facts_then(row: EventRow, event: Event, site: Site) -> Facts:
    """What was known when the event was decided, as far as its row tells."""
    facts = facts_of(event, site)
    visitor, attribution = row.facts.get("visitor"), row.facts.get("attribution")
    if visitor is not None:
        facts = msgspec.structs.replace(facts, visitor=msgspec.convert(visitor, VisitorFacts))
    if attribution is not None:
        facts = msgspec.structs.replace(facts, attribution=msgspec.convert(attribution, AttributionFacts))
    return facts


def decide(
    event: Event,
    consent: Consent,
    site: Site,
    facts: Facts | None = None,
    sent: Callable[[], Event] | None = None,
) -> list[Decision]:
    """One decision per destination of the site, in their order. A test event is decided of their twins."""
    if not site.routes:
        return _all_by_default(event, standing_of(event, consent, site), site)
    asking = Asking(event, consent, site, facts, sent)
    return [decide_one(asking, destination) for destination in site.destinations]


def _all_by_default(event: Event, standing: consents.Standing, site: Site) -> list[Decision]:
    """Most sites have no routes: what is the same for all destinations is asked once."""
    if is_test(event) or barred(event, site) is not None:
        return [
            Decision(destination=_id_for(event, one), reason=_by_default(event, standing, one, site))
            for one in site.destinations
        ]
    name, has_wishes = event.event_name, bool(event.integrations) or event.source == "events_api"
    decided: list[Decision] = []
    for one in site.destinations:
        reason: NotRouted | None = unwanted(event, one) if has_wishes or not one.enabled else None
        if reason is None:
            reason = consents.refusal(standing, one) if one.takes(name) else "no_route"
        decided.append(Decision(destination=one.id, reason=reason))
    return decided


def decide_one(asking: Asking, destination: Destination) -> Decision:
    event, routed_to = asking.event, _id_for(asking.event, destination)
    routes = asking.site.plan.of(real_id(destination.id))
    if routes is None:
        return Decision(destination=routed_to, reason=_by_default(event, asking.standing, destination, asking.site))
    reason = kept_from(event, destination, asking.site)
    if reason is not None:
        return Decision(destination=routed_to, reason=reason)
    found = first_match(routes, asking, destination)
    if not isinstance(found, CompiledRoute):
        return Decision(destination=routed_to, reason=found.reason, route=found.route, words=found.words)
    route, conversions = found.route, asking.site.attribution.conversions
    decided = Decision(destination=routed_to, route=route.id, sample_rate=rate_of(event, route.sample, conversions))
    reason = consents.refusal(asking.standing, destination, route.consent)
    is_stripped = route.strip and destination.takes_anonymous and reason in ("consent_denied", "consent_unknown")
    if is_stripped:
        reason = None
    elif route.consent:
        decided = msgspec.structs.replace(decided, consent=route.consent)
    if reason is None and not is_kept(event, route.sample, route.id, conversions):
        reason = "sampled"
    if reason is not None:
        return msgspec.structs.replace(decided, reason=reason)
    if found.transformation is None and not is_stripped:
        return decided
    return _formed(decided, found, asking, destination, is_stripped=is_stripped)


class NoMatch(Struct, frozen=True):
    """No route took the event. `route`: of a filter that failed; `words`: how."""

    reason: Unmatched
    route: str = ""
    words: str = ""


def first_match(routes: Sequence[CompiledRoute], asking: Asking, destination: Destination) -> CompiledRoute | NoMatch:
    """The first route that listens to the event and whose filter holds. One whose filter fails does not match."""
    missed = NoMatch("no_route")
    for one in routes:
        if not one.listens_to(asking.event, destination):
            continue
        if not one.has_filter:
            return one
        found = one.matches(asking.handed, asking.budget)
        if found is True:
            return one
        if isinstance(found, Failed):
            missed = NoMatch("filter_error", one.route.id, found.words)
        elif missed.reason == "no_route":
            missed = NoMatch("filtered")
    return missed


def _formed(
    decided: Decision, found: CompiledRoute, asking: Asking, destination: Destination, *, is_stripped: bool
) -> Decision:
    """In the form that the route gives the event; without anybody in it where consent allows no more."""
    before = asking.to_transform()
    before = consents.stripped(before) if is_stripped else before
    if found.transformation is None:
        return msgspec.structs.replace(decided, content=content_of(before, before, is_stripped=is_stripped))
    after = found.transformation.apply(before, asking.facts, asking.budget, destination.max_age_s(before))
    match after:
        case Dropped():
            return msgspec.structs.replace(decided, reason="dropped_by_transform")
        case Unmade(words=words):
            return msgspec.structs.replace(decided, reason="transform_error", words=words)
    return msgspec.structs.replace(decided, content=content_of(before, after, is_stripped=is_stripped))


def refusal(event: Event, consent: Consent, destination: Destination, site: Site) -> NotRouted | None:
    """Why the event does not go to the destination by its default route; None where it goes."""
    return _by_default(event, standing_of(event, consent, site), destination, site)


def _by_default(event: Event, standing: consents.Standing, destination: Destination, site: Site) -> NotRouted | None:
    reason = kept_from(event, destination, site)
    if reason is None and not destination.takes(event.event_name):
        reason = "no_route"
    return reason or consents.refusal(standing, destination)


def kept_from(event: Event, destination: Destination, site: Site) -> NotRouted | None:
    """Why no route may take the event there."""
    if is_test(event) and twin_of(destination) is None:
        return "test_event"
    return barred(event, site) or unwanted(event, destination)


def barred(event: Event, site: Site) -> NotRouted | None:
    """Why no destination gets it."""
    if site.bots == "drop" and is_bot(event):
        return "bot"
    return "no_route" if event.is_internal or event.event_name == IDENTIFY else None


def unwanted(event: Event, destination: Destination) -> NotRouted | None:
    """Why this destination does not get it: its sender, or the destination's own setting."""
    if event.source == "events_api" and _is_left_out(event, destination):
        return "no_route"
    if event.integrations and not _is_wanted(event.integrations, destination):
        return "no_route"
    return None if destination.enabled else "destination_disabled"


def standing_of(event: Event, consent: Consent, site: Site) -> consents.Standing:
    """What the event is decided on, with what its unknown purposes count as."""
    return consents.standing_of(event, consent, site.consent_default, site.consent)


def _id_for(event: Event, destination: Destination) -> str:
    return twin_id(destination.id) if is_test(event) else destination.id


def _is_wanted(integrations: Mapping[str, bool], destination: Destination) -> bool:
    """By the destination's own id, else its platform, else what is said of all."""
    for name in (destination.id, destination.platform, "all"):
        if name in integrations:
            return integrations[name]
    return True


def _is_left_out(event: Event, destination: Destination) -> bool:
    field = EVENTS_API_FIELDS.get(destination.platform)
    return field is not None and field not in event.custom_data.properties
