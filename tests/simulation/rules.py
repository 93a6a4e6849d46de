"""What the shops' routes say in a version, drawn from the seed; and what they come to, worked out apart.

A rule is a route with the same thing said in Python: whom its filter lets through, what its transformation makes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final, Literal

from msgspec import Struct

from actors.attribution.settings import CONVERSIONS
from actors.consent import Default
from actors.destinations.base import Destination
from actors.event import Event
from actors.routes import AnyStep, DropIf, EventName, Route, Sample, SampleKey, Set

Filter = Literal["none", "known", "dear", "fails"]
Form = Literal["as_it_is", "marked", "renamed", "drops", "fails"]
FILTERS: Final = {
    "none": "",
    "known": "has(event.user_data.email)",
    "dear": "event.custom_data.value > 20",
    "fails": "event.event_name > 3",
}
FORMS: Final[tuple[Form, ...]] = ("as_it_is", "marked", "marked", "renamed", "drops", "fails")
KEYS: Final[tuple[SampleKey, ...]] = ("anonymous_id", "event_id", "order_id", "external_id")
RATES: Final = (1.0, 1.0, 0.7, 0.3, 0.0)
ADS: Final = ("marketing",)
MEASURING: Final = ("analytics",)
NEEDS: Final = {"ga4": MEASURING, "webhook": MEASURING}  # all others ADS
NO_SALE: Final = frozenset({"criteo", "linkedin", "snapchat", "taboola"})  # get nothing whose sale is denied
GIVEN_NAME: Final = "collection_viewed"
CONSENT_REASONS: Final = frozenset({"held", "consent_denied", "consent_unknown", "sale_denied"})


class Rule(Struct, frozen=True, kw_only=True):
    route: Route
    filter: Filter
    form: Form

    @property
    def mark(self) -> str:
        return f"by {self.route.id}"


class SiteRules(Struct, frozen=True, kw_only=True):
    """Of one site in one version. A destination without rules has its default route."""

    rules: tuple[Rule, ...] = ()
    disabled: frozenset[str] = frozenset()
    default: Default = "granted"
    country: str | None = None  # where `default` is regional
    hold_ms: int = 0

    def of(self, destination: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.route.destination == destination]

    @property
    def absent(self) -> Literal["granted", "denied"]:
        """What an unknown purpose counts as."""
        if self.default != "regional":
            return self.default
        return "granted" if self.country == "US" else "denied"


class Expected(Struct, frozen=True, kw_only=True):
    """What the routes come to. `after`: the reason where consent allows the event, None: it goes."""

    route: str = ""
    after: str | None = None
    rule: Rule | None = None
    is_asked: bool = True  # consent is asked before `after` counts


def drawn(random: Random, version: int, destinations: Sequence[str], before: SiteRules | None) -> SiteRules:
    """A version's rules. How consent counts is a site's for ever: `before` is of the version before."""
    if before is None:
        before = SiteRules(
            default=random.choice(("granted", "granted", "denied", "regional")),
            country=random.choice(("DE", "US")),
            hold_ms=random.choice((60_000, 30 * 60_000, 0)),
        )
    routed = [one for one in destinations if random.random() < 0.5]
    rules = [_rule(random, f"v{version}-{one}-{place}", one, place) for one in routed for place in range(2)]
    return SiteRules(
        rules=tuple(rules),
        disabled=frozenset(one for one in destinations if random.random() < 0.05),
        default=before.default,
        country=before.country,
        hold_ms=before.hold_ms,
    )


def _rule(random: Random, name: str, destination: str, order: int) -> Rule:
    """The first of two is choosy, the second takes most."""
    choice: Filter = random.choice(("known", "dear", "fails", "none")) if order == 0 else "none"
    form = random.choice(FORMS)
    events = random.choice((None, ("product_viewed", "purchase_placed"), ("cart_item_added",))) if order == 0 else None
    return Rule(
        filter=choice,
        form=form,
        route=Route(
            id=name,
            destination=destination,
            order=order,
            events=events,
            filter=FILTERS[choice],
            consent=random.choice(((), (), (), ("preferences",))),
            strip=random.random() < 0.3,
            sample=Sample(
                rate=random.choice(RATES), key=random.choice(KEYS), allow_conversions=random.random() < 0.3,
                salt=random.choice(("", "", "together")),
            ),
            transform=tuple(_steps(form, f"by {name}")),
        ),
    )  # fmt: skip


def _steps(form: Form, mark: str) -> Iterable[AnyStep]:
    match form:
        case "marked":
            yield Set(path="custom_data.content_name", expression=f"'{mark}'")
        case "renamed":
            yield DropIf(expression="event.event_name == 'purchase_placed'")
            yield EventName(name=GIVEN_NAME)
            yield Set(path="custom_data.content_name", expression=f"'{mark}'")
        case "drops":
            yield DropIf(expression="event.event_name == 'product_viewed' || event.event_name == 'purchase_placed'")
        case "fails":
            yield Set(path="custom_data.num_items", expression="int(event.event_id)")


def expected(rules: SiteRules, event: Event, destination: Destination) -> Expected:
    """`event`: with its copies merged, before anything is added to it."""
    if event.is_internal:
        return Expected(after="no_route", is_asked=False)
    if destination.id in rules.disabled:
        return Expected(after="destination_disabled", is_asked=False)
    own = rules.of(destination.id)
    if not own:
        takes = destination.takes(event.event_name)
        return Expected(after=None if takes else "no_route", is_asked=takes)
    missed = "no_route"
    for rule in own:
        names = rule.route.events
        if not (destination.takes(event.event_name) if names is None else event.event_name in names):
            continue
        match _fits(rule.filter, event):
            case True:
                return Expected(route=rule.route.id, after=_after(rule, event), rule=rule)
            case False:
                missed = "filtered" if missed == "no_route" else missed
            case None:
                missed = "filter_error"
    return Expected(after=missed, is_asked=False)


def _fits(choice: Filter, event: Event) -> bool | None:
    match choice:
        case "known":
            return event.user_data.email is not None
        case "dear":
            return event.custom_data.value is not None and event.custom_data.value > 20
        case "fails":
            return None
    return True


def _after(rule: Rule, event: Event) -> str | None:
    if not is_sampled(rule.route, event):
        return "sampled"
    is_order = event.event_name == "purchase_placed"
    match rule.form:
        case "fails":
            return "transform_error"
        case "drops" if is_order or event.event_name == "product_viewed":
            return "dropped_by_transform"
        case "renamed" if is_order:
            return "dropped_by_transform"
    return None


def is_sampled(route: Route, event: Event) -> bool:
    """Whether the share holds it (contracts/routing.md, section 4.5)."""
    sample = route.sample
    if event.event_name in CONVERSIONS and not sample.allow_conversions:
        return True
    found = {
        "anonymous_id": event.user_data.anonymous_id,
        "external_id": event.user_data.external_id,
        "order_id": event.custom_data.order_id,
        "event_id": event.event_id,
    }[sample.key]
    key = found or event.event_id
    first = hashlib.sha256((sample.salt or route.id).encode() + b"\x00" + key.encode()).digest()[:8]
    return int.from_bytes(first, "big") < int(sample.rate * 2**64)


def needs(platform: str, route: Route | None) -> tuple[str, ...]:
    """The purposes that an event needs granted to go there."""
    own = NEEDS.get(platform, ADS)
    return (*own, *(route.consent if route is not None else ()))


def refusal(choices: dict[str, str], platform: str, route: Route | None, absent: str) -> str | None:
    """Why consent keeps an event back."""
    needed = [choices.get(purpose) for purpose in needs(platform, route)]
    if "denied" in needed:
        return "consent_denied"
    if choices.get("sale_of_data") == "denied" and platform in NO_SALE:
        return "sale_denied"
    return "consent_unknown" if None in needed and absent == "denied" else None
