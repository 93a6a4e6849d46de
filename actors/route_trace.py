"""How the routes of a site came to what they decided of one event, for people. Pure; what decides is routing.py.

Each route of a destination in the order in which they are asked: which did not listen, whose filter said no and by
which part of it, which decided; then what consent was needed, and what sampling drew.
"""

from typing import Literal

from msgspec import Struct

from actors.compiled_routes import CompiledRoute
from actors.destinations.base import Destination
from actors.event import Event, Purpose, State
from actors.expressions import Failed
from actors.routes import Route, SampleKey
from actors.routing import Asking, first_match
from actors.sampling import WHOLE, is_kept, key_of, number, rate_of
from actors.snapshot import Site

RouteResult = Literal["decides", "next", "not_asked", "disabled"]
Step = Literal["", "source", "event", "filter"]


class RouteTrace(Struct, frozen=True, kw_only=True):
    """`step`: where it passed the event on; `part`: of its filter what decided, `words`: how it failed."""

    route: str
    result: RouteResult
    step: Step = ""
    part: str = ""
    words: str = ""


class ConsentTrace(Struct, frozen=True, kw_only=True):
    """`needed`: by the destination and the route; `states`: of those, null where nobody said anything."""

    needed: tuple[Purpose, ...]
    states: dict[str, State | None]
    sale_of_data: State | None
    learnt_from: str


class SampleTrace(Struct, frozen=True, kw_only=True):
    """`u`: drawn from salt and key, kept where it is below `rate`; null: nothing was drawn, the share is 0 or 1, or the
    event is a conversion."""

    rate: float
    key: SampleKey
    u: float | None
    is_kept: bool


def trace(asking: Asking, destination: Destination) -> tuple[RouteTrace, ...]:
    """Of each route of the destination; none where its default route decides."""
    routes = asking.site.plan.of(destination.id)
    found = [
        RouteTrace(route=one.id, result="disabled")
        for one in asking.site.routes
        if one.destination == destination.id and not one.enabled
    ]
    if routes is None:
        return tuple(found)
    decisive = first_match(routes, asking, destination)
    traced: list[RouteTrace] = []
    for one in routes:
        is_past = any(before.result == "decides" for before in traced)
        traced.append(_not_asked(one) if is_past else _traced(one, asking, destination, is_first=one is decisive))
    return (*traced, *found)


def _not_asked(one: CompiledRoute) -> RouteTrace:
    return RouteTrace(route=one.route.id, result="not_asked")


def _traced(one: CompiledRoute, asking: Asking, destination: Destination, *, is_first: bool) -> RouteTrace:
    id = one.route.id
    if not one.listens_to(asking.event, destination):
        is_source = one.route.sources is not None and asking.event.source not in one.route.sources
        return RouteTrace(route=id, result="next", step="source" if is_source else "event")
    part = one.decided_by(asking.handed) if one.has_filter else ""
    if is_first:
        return RouteTrace(route=id, result="decides", part=part)
    result = one.matches(asking.handed, asking.budget)
    words = result.words if isinstance(result, Failed) else ""
    return RouteTrace(route=id, result="next", step="filter", part=part, words=words)


def consent_trace(asking: Asking, destination: Destination, route: Route | None, learnt_from: str) -> ConsentTrace:
    own = destination.consent if destination.consent is not None else destination.needs
    needed = tuple(dict.fromkeys((*own, *(route.consent if route is not None else ()))))
    return ConsentTrace(
        needed=needed,
        states={purpose: getattr(asking.consent, purpose) for purpose in needed},
        sale_of_data=asking.consent.sale_of_data,
        learnt_from=learnt_from,
    )


def sample_trace(event: Event, route: Route, site: Site) -> SampleTrace | None:
    """None where the route keeps all."""
    sample, conversions = route.sample, site.attribution.conversions
    if sample.rate >= 1:
        return None
    is_drawn = sample.rate > 0 and rate_of(event, sample, conversions) < 1
    drawn = number(sample.salt or route.id, key_of(event, sample.key)) / WHOLE if is_drawn else None
    is_in = is_kept(event, sample, route.id, conversions)
    return SampleTrace(rate=sample.rate, key=sample.key, u=drawn, is_kept=is_in)
