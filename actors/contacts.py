"""What a browser event tells of its visitor's journey: the visit it is of, and whether it makes a touchpoint.

The touchpoints are rows of their own (`actors/journeys.py`); of them a visitor remembers only how many there are, the
last one, and what explains later why a conversion has none (contracts/attribution.md, sections 2 and 7).
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from actors.attribution.evidence import JOURNEY_ID, LINK_ID, Link, campaign_of, origin_of
from actors.attribution.gaps import NEW_VISITOR_MS, OFFLINE
from actors.attribution.landings import (
    NO_LANDING,
    Landing,
    begins_anew,
    distinct,
    hosts_of,
    is_allowed,
    is_bookmark,
    is_checkout,
    is_contact,
    is_lost_click,
    is_within,
    landing_of,
    may_keep_clicks,
)
from actors.attribution.settings import AttributionRules
from actors.attribution.touchpoints import click_digest, digest, touch_of
from actors.consent import standing_of
from actors.event import Consent, Event
from actors.snapshot import Site
from actors.visits import Touch, Visit, continues, is_same_campaign, join, lengthened, time_of
from store.journey_records import GapFacts, TouchRow

TOUCHES_KEPT: Final = 200  # of a visitor: the first, and the latest


class Journey(Struct, kw_only=True, omit_defaults=True):
    """Of one visitor. `last`: the row of the latest touchpoint."""

    touches: int = 0
    last: bytes = b""
    last_at_ms: int = 0
    is_marked: bool = False  # a cart, a checkout or a lead came after it, and is noted with it
    withheld_at_ms: int = 0  # when a touchpoint was last not recorded for want of consent
    excluded_at_ms: int = 0  # when a bot's contact came last
    lost_at_ms: int = 0  # when an ad's landing had lost its parameters
    began: Literal["", "checkout", "own"] = ""  # how the first page was reached, where that tells of a broken cookie


class Contact(NamedTuple):
    visit: Visit
    is_new_visit: bool
    campaign: Touch | None  # of the landing, where it says something new
    landing: Landing
    is_touch: bool


def meet(
    event: Event, visit: Visit | None, site: Site | None, brought: Callable[[bytes], bool], new_id: Callable[[], str]
) -> Contact:
    """`brought`: whether a click id, by its digest, came with an earlier touchpoint of the visitor. Most events are of
    pages that were reached within the site, in a visit that goes on: these are through first."""
    rules = site if site is not None else Site(id=event.site)
    if visit is not None and is_within(event, rules.attribution):
        at_ms = time_of(event)
        if at_ms < visit.started_at_ms or continues(visit, at_ms, None):
            return Contact(lengthened(visit, at_ms), False, None, NO_LANDING, False)
    return _met(event, visit, rules, brought, new_id())


def _met(event: Event, visit: Visit | None, rules: Site, brought: Callable[[bytes], bool], new_id: str) -> Contact:
    landing = landing_of(event, rules.attribution, hosts_of(rules.attribution, rules.origins))
    visitor_id = event.user_data.anonymous_id
    if landing.has_parameters and visitor_id is not None:
        known = (brought(click_digest(event.site, visitor_id, *click)) for click in distinct(landing))
        if is_bookmark(landing, known):
            landing = landing.silenced()
    campaign = _campaign(landing, time_of(event), rules.attribution)
    last_referrer = visit.referrer if visit is not None else ""
    is_anew = campaign is None and begins_anew(landing, last_referrer)
    joined, is_new = join(visit, event, campaign, new_id, referrer=landing.came.host, is_anew=is_anew)
    is_other = campaign is not None and not (visit is not None and is_same_campaign(visit.touch, campaign))
    is_touch = is_contact(landing, is_new_visit=is_new, is_new_campaign=is_other, last_referrer=last_referrer)
    return Contact(joined, is_new, campaign, landing, is_touch)


def note(journey: Journey, contact: Contact, event: Event, *, is_first: bool) -> None:
    """What the event adds to the explanation of later gaps. `is_first`: it is the visitor's first browser event."""
    if is_first and (is_checkout(event) or contact.landing.came.what == "own"):
        journey.began = "checkout" if is_checkout(event) else "own"
    if contact.is_new_visit and is_lost_click(contact.landing):
        journey.lost_at_ms = time_of(event)


def touchpoint(
    event: Event,
    contact: Contact,
    consent: Consent,
    site: Site,
    event_key: bytes,
    link: Link | None,
    brought: Callable[[bytes], bool],
) -> TouchRow | None:
    """None: it may not be recorded. `brought`: as for `meet`."""
    rules = site.attribution
    absent = standing_of(event, consent, site.consent_default, site.consent).absent
    if not is_allowed(consent, rules, absent):
        return None
    landing = contact.landing
    external = landing.came.referrer if landing.came.what == "external" else None
    host = landing.came.host if external is not None else ""
    return touch_of(
        event,
        origin_of(landing.parameters, external, host, rules, link),
        "landing",
        session_id=contact.visit.id if contact.visit.started_at_ms <= time_of(event) else None,
        parameters=_bound(landing.parameters, event.site, brought),
        keeps_clicks=may_keep_clicks(consent, absent),
        event_key=event_key,
    )


def _bound(told: dict[str, str], site: str, brought: Callable[[bytes], bool]) -> dict[str, str]:
    """A journey is its first landing's alone: an address that is shared leads others here, too."""
    journey_id = told.get(JOURNEY_ID)
    if journey_id is None or not brought(digest(site, "journey", journey_id)):
        return told
    return {name: value for name, value in told.items() if name != JOURNEY_ID}


def recorded(journey: Journey, key: bytes, at_ms: int) -> None:
    journey.touches = min(journey.touches + 1, TOUCHES_KEPT)
    if at_ms >= journey.last_at_ms:
        journey.last, journey.last_at_ms, journey.is_marked = key, at_ms, False


def facts_of(journey: Journey | None, event: Event, *, first_seen_at_ms: int, visits: int) -> GapFacts:
    """What is known of the visitor of a conversion."""
    known = journey or Journey()
    is_new = event.received_at_ms - first_seen_at_ms < NEW_VISITOR_MS
    return GapFacts(
        is_offline=event.action_source in OFFLINE,
        is_known=visits > 0,
        withheld_at_ms=known.withheld_at_ms,
        is_new_at_checkout=is_new and bool(known.began),
        click_lost_at_ms=known.lost_at_ms,
        excluded_at_ms=known.excluded_at_ms,
    )


def _campaign(landing: Landing, at_ms: int, rules: AttributionRules) -> Touch | None:
    told = landing.parameters
    if not told:
        return None
    named = campaign_of(told, rules)
    clicks = distinct(landing) + [(name, told[name]) for name in (JOURNEY_ID, LINK_ID) if name in told]
    return Touch(
        at_ms=at_ms,
        source=named["utm_source"].lower(),
        medium=named["utm_medium"].lower(),
        campaign=named["utm_campaign"] or named["utm_id"],
        click_id="=".join(clicks[0]) if clicks else "",
    )
