"""What an event names its person by: the identifiers with their priorities, limits and blocked values.

Rules of contracts/dedup_and_identity.md, section 2.2. Four groups, by what an identifier may do:

    joins    external_id, email, anonymous_id: what was seen with the same one is the same person
    finds    phone, klaviyo_id, kx: linked; they tell whose an event is only where nothing that joins is on it, since
             families share phones
    leads    order_id, checkout_token, subscription_id, lead_id: tell whose an event is where nothing else is known
    kept     click ids, browser ids, names, address: stored for later events, never looked up
"""

from collections.abc import Iterator

from msgspec import Struct

from actors.event import CustomData, Event, UserData
from actors.identity import is_blocked, is_placeholder

DAY_MS = 86_400_000
JOINS = ("external_id", "email", "anonymous_id")
FINDS = ("phone", "klaviyo_id", "kx")
LEADS = ("order_id", "checkout_token", "subscription_id", "lead_id")
BY_PRIORITY = ("external_id", "email", "phone", "klaviyo_id", "kx", "anonymous_id")
FOUNDS = ("external_id", "email", "phone")  # make an identity where there is no visitor
LINKED = frozenset(BY_PRIORITY)
VISITOR = "anonymous_id"


class Limit(Struct, frozen=True):
    """At most so many values in all, and so many that were new within a time; 0: no such bound."""

    most: int = 0
    most_within: int = 0
    within_ms: int = 0


LIMITS = {
    "external_id": Limit(most=1),
    "email": Limit(most_within=5, within_ms=365 * DAY_MS),
    "phone": Limit(most_within=5, within_ms=365 * DAY_MS),
    "klaviyo_id": Limit(most=3),
    "kx": Limit(most=3),
    "anonymous_id": Limit(most=50, most_within=5, within_ms=7 * DAY_MS),
}


class IdentityRules(Struct, frozen=True, kw_only=True):
    """Of one site. `blocked` and `links_only` hold digests of addresses as they are in events, and other ids."""

    max_age_ms: int = 180 * DAY_MS  # of what is added to events; 0: nothing is
    blocked: frozenset[str] = frozenset()  # never an identifier
    links_only: frozenset[str] = frozenset()  # kept with its identity, joins nobody
    visitors_a_day: int = 20  # a value that is seen with more is set aside


class Named(Struct, frozen=True):
    """One identifier of an event: `value` in its standard form, and whose it is, where it is known."""

    kind: str
    value: str
    identity: str | None = None
    joins: bool = False


def names_nobody(event: Event) -> bool:
    """Whether an event has no identifier beside its visitor. Written out: it is asked of every event."""
    user, data = event.user_data, event.custom_data
    return (
        user.email is None
        and user.external_id is None
        and user.phone is None
        and user.klaviyo_id is None
        and user.kx is None
        and not has_leads(data)
    )


def has_leads(data: CustomData) -> bool:
    return (
        data.order_id is not None
        or data.checkout_token is not None
        or data.subscription_id is not None
        or data.lead_id is not None
    )


def named_in(event: Event, rules: IdentityRules) -> Iterator[Named]:
    """The identifiers of an event that may tell whose it is, by priority; without its visitor."""
    user = event.user_data
    for kind in BY_PRIORITY:
        value = None if kind == VISITOR else standard_form(user, kind)
        if value is not None and not is_blocked(value) and value not in rules.blocked:
            yield Named(kind, value, joins=kind in JOINS and value not in rules.links_only)


def leads_in(data: CustomData) -> Iterator[tuple[str, str]]:
    for kind in LEADS:
        value = getattr(data, kind)
        if value is not None and not is_placeholder(value):
            yield kind, value


def standard_form(user: UserData, kind: str) -> str | None:
    """Of a digest set the SHA-256 that identifiers are compared by."""
    value = getattr(user, kind)
    return value if value is None or isinstance(value, str) else str(value.sha256)
