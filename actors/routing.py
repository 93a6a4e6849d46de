"""Which destinations an event goes to, and why not to the others: a pure decision.

Simple routes: each destination of the site takes the event names it lists (default: those its platform knows), needs
the consent purposes of its class or of its own setting, and keeps to what a denied `sale_of_data` allows
(contracts/consent.md, section 3; contracts/routing.md, section 4.2).
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from actors.destinations.base import Destination
from actors.event import Consent, Event, is_bot, is_test
from actors.snapshot import Site
from actors.twins import twin_id, twin_of

NotRouted = Literal["no_route", "consent_denied", "consent_unknown", "sale_denied", "test_event", "bot"]


IDENTIFY = "identify"  # tells who a visitor is; an event for the gateway alone
# What a caller of the Events API leaves out is not meant for that platform (contracts/events_api.md, section 5).
EVENTS_API_FIELDS = {"meta": "meta_event", "ga4": "ga_event", "google_ads": "gads_conversion_label"}


class Decision(Struct, frozen=True, kw_only=True):
    """`reason` is None where the event goes to the destination."""

    destination: str
    reason: NotRouted | None = None


def decide(event: Event, consent: Consent, site: Site) -> list[Decision]:
    """One decision per destination of the site, in their order. A test event is decided of their twins."""
    return [
        Decision(
            destination=twin_id(destination.id) if is_test(event) else destination.id,
            reason=refusal(event, consent, destination, site),
        )
        for destination in site.destinations
    ]


def refusal(event: Event, consent: Consent, destination: Destination, site: Site) -> NotRouted | None:
    """Why the event does not go to the destination; None where it goes."""
    if is_test(event) and twin_of(destination) is None:
        return "test_event"
    if site.bots == "drop" and is_bot(event):
        return "bot"
    if event.is_internal or event.event_name == IDENTIFY or not destination.takes(event.event_name):
        return "no_route"
    if event.source == "events_api" and _is_left_out(event, destination):
        return "no_route"
    if event.integrations and not _is_wanted(event.integrations, destination):
        return "no_route"
    for purpose in destination.consent if destination.consent is not None else destination.needs:
        choice = getattr(consent, purpose)
        if choice == "denied":
            return "consent_denied"
        if choice is None and site.consent_default == "denied":
            return "consent_unknown"
    if consent.sale_of_data == "denied" and not destination.without_sale:
        return "sale_denied"
    return None


def _is_wanted(integrations: Mapping[str, bool], destination: Destination) -> bool:
    """By the destination's own id, else its platform, else what is said of all."""
    for name in (destination.id, destination.platform, "all"):
        if name in integrations:
            return integrations[name]
    return True


def _is_left_out(event: Event, destination: Destination) -> bool:
    field = EVENTS_API_FIELDS.get(destination.platform)
    return field is not None and field not in event.custom_data.properties
