"""Which destinations a consent lets an event reach, and what an unknown purpose counts as: pure decisions.

A destination needs the purposes of its class granted (contracts/consent.md, section 3). An unknown purpose counts as
the site says; with `regional` as the law of the visitor's country has it (section 4): granted where people opt out,
denied elsewhere. The country is that of the visitor's address, else that of shipping, else the site's own.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

from actors.destinations.base import Destination
from actors.event import PURPOSES, STRIPPED, Consent, Event, Page, Purpose, State, UserData

Default = Literal["granted", "denied", "regional"]
Refusal = Literal["consent_denied", "consent_unknown", "sale_denied"]

HOLD_MS: Final = 30 * 60_000


class ConsentRules(Struct, frozen=True, kw_only=True):
    """A site's own, beside what an unknown purpose counts as. Countries are ISO 3166-1 alpha-2."""

    opt_out_countries: frozenset[str] = frozenset({"US"})  # where an unknown purpose counts as granted
    country: str | None = None  # of a visitor whose country nobody tells
    gpc_countries: frozenset[str] = frozenset()  # where Global Privacy Control counts; empty: everywhere
    relies_on: Mapping[str, str] = {}  # destination that needs less than its class -> on what other basis
    hold_ms: int = HOLD_MS  # how long an event waits for a choice; 0: not at all


class Standing(Struct, frozen=True, kw_only=True):
    """What an event's consent is, and what its unknown purposes count as."""

    consent: Consent
    absent: State


def standing_of(event: Event, consent: Consent, default: Default, rules: ConsentRules) -> Standing:
    if default != "regional":
        return Standing(consent=consent, absent=default)
    country = country_of(event, rules)
    absent: State = "granted" if country in rules.opt_out_countries else "denied"
    return Standing(consent=consent, absent=absent)


def country_of(event: Event, rules: ConsentRules) -> str | None:
    told = event.ip_country or (event.user_data.country or "").strip().upper()
    return told or rules.country


def heeds_gpc(country: str | None, rules: ConsentRules) -> bool:
    """Whether a browser's opt-out of the sale counts there; where nobody knows the country it does."""
    return not rules.gpc_countries or country is None or country in rules.gpc_countries


def needs_of(destination: Destination, more: Iterable[Purpose] = ()) -> tuple[Purpose, ...]:
    """The purposes that must be granted. `more`: what a route asks beside them."""
    own = destination.needs if destination.consent is None else destination.consent
    return (*own, *(purpose for purpose in more if purpose not in own)) if more else own


def refusal(standing: Standing, destination: Destination, more: Iterable[Purpose] = ()) -> Refusal | None:
    """Why the event does not go there. A denial counts before what is unknown: it is final."""
    is_open = False
    for purpose in needs_of(destination, more):  # asked for every event and destination: no list is made
        choice = getattr(standing.consent, purpose)
        if choice == "denied":
            return "consent_denied"
        is_open = is_open or choice is None
    if standing.consent.sale_of_data == "denied" and not destination.without_sale:
        return "sale_denied"
    return "consent_unknown" if is_open and standing.absent == "denied" else None


def unknown_of(consent: Consent, destination: Destination, more: Iterable[Purpose] = ()) -> set[Purpose]:
    """The purposes that are needed and nobody has answered."""
    return {purpose for purpose in needs_of(destination, more) if getattr(consent, purpose) is None}


def may_wait(event: Event, rules: ConsentRules) -> bool:
    """Whether the event has a visitor who may answer yet, and the site gives them time."""
    return event.user_data.anonymous_id is not None and rules.hold_ms > 0


def is_refused(consent: Consent) -> bool:
    """Measuring and marketing are both denied: nothing is kept of the person (contracts/consent.md, section 5)."""
    return consent.analytics == consent.marketing == "denied"


def are_taken_back(before: Consent, now: Consent) -> bool:
    """Whether anything is denied now that was not."""
    return any(getattr(now, purpose) == "denied" and getattr(before, purpose) != "denied" for purpose in PURPOSES)


def after_release(decided: Consent, now: Consent) -> Consent:
    """Of an event that was held: what was known when it happened stays, what was open is as the visitor says now, and
    what is denied now is denied."""
    filled = Consent(**{purpose: getattr(decided, purpose) or getattr(now, purpose) for purpose in PURPOSES})
    return stricter(filled, now)


def stricter(own: Consent, now: Consent | None) -> Consent:
    """The event's consent, with what is denied now denied."""
    if now is None:
        return own
    denied = [purpose for purpose in PURPOSES if getattr(now, purpose) == "denied"]
    if all(getattr(own, purpose) == "denied" for purpose in denied):
        return own
    return Consent(**{purpose: "denied" if purpose in denied else getattr(own, purpose) for purpose in PURPOSES})


def stripped(event: Event) -> Event:
    """The event without anybody in it: no identifier, and of its page only where it is. For destinations that take
    anonymous events; what the shop itself wrote into custom properties stays out as well."""
    custom_data = msgspec.structs.replace(event.custom_data, properties={})
    return msgspec.structs.replace(
        event,
        user_data=UserData(),
        page=_bare(event.page),
        landing_query="",
        custom_data=custom_data,
        ip_country=None,
        consent_note=None,
        marks=(*event.marks, STRIPPED),
    )


def kept_of_refused(event: Event) -> Event:
    """What is kept of an event whose person allows neither measuring nor marketing: that it happened; of an order also
    what was bought, and the shop's own id of the customer, since the order rests on a contract."""
    bare = Event(
        site=event.site, event_name=event.event_name, event_id=event.event_id, occurred_at_ms=event.occurred_at_ms,
        received_at_ms=event.received_at_ms, source=event.source, action_source=event.action_source,
        consent=event.consent, is_internal=event.is_internal, is_from_browser=event.is_from_browser,
        is_id_made=event.is_id_made, marks=event.marks,
    )  # fmt: skip
    if event.custom_data.order_id is None:
        return bare
    return msgspec.structs.replace(
        bare,
        user_data=UserData(external_id=event.user_data.external_id),
        custom_data=msgspec.structs.replace(event.custom_data, properties={}),
    )


def relied_on(reached: Iterable[str], consent: Consent, rules: ConsentRules) -> dict[str, str]:
    """Of the destinations that an event goes to, those that may have it on another basis than consent."""
    if not rules.relies_on or consent.analytics == consent.marketing == "granted":
        return {}
    return {one: rules.relies_on[one] for one in reached if one in rules.relies_on}


def choices_of(consent: Consent) -> Mapping[str, str]:
    """What is known, by purpose."""
    pairs = ((purpose, getattr(consent, purpose)) for purpose in PURPOSES)
    return {purpose: choice for purpose, choice in pairs if choice is not None}


def _bare(page: Page) -> Page:
    """Addresses without query and fragment: click ids, e-mail tags and the like stand there."""
    return Page(url=_without_query(page.url), path=_without_query(page.path), referrer=_without_query(page.referrer))


def _without_query(url: str | None) -> str | None:
    return url.partition("?")[0].partition("#")[0] if url is not None else None
