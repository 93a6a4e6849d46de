"""What deciding an event costs: by default routes, by 13 routes with a filter each, sampled, and transformed.

CPU time of one core, in this process: no gateway, no store. The events are a storefront's, as they leave the door.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from actors.compiled_routes import Plan
from actors.destinations.base import Destination
from actors.event import Event
from actors.facts import VisitorFacts
from actors.routes import AnyStep, EventName, Keep, Route, Sample, Set
from actors.routing import Asking, decide, decide_one, facts_of
from actors.snapshot import Site
from bench.encoding import catalogue_events, simulated_destinations
from bench.machine import on_cores
from bench.report import Goal, Report, Section
from bench.setting import Setting

GOAL_US: Final = 150.0
EVENTS: Final = 20_000
QUICK_EVENTS: Final = 1_000
CHUNK: Final = 200

METHOD: Final = (
    "a storefront's mix of events, each with all identifiers, two items and four custom properties; 13 destinations",
    "CPU time of this process on one core, in chunks of 200 events: the 10th percentile and the median of the chunks",
    "one filter each: names, amounts, texts, items, visitor, country, several with && || and !; no two are the same",
    "transformed: each route sets, keeps and renames; what differs is encoded as it is kept with the delivery",
)
FILTERS: Final = (
    "event.event_name != 'cart_viewed' && event.custom_data.value >= 0",
    "event.custom_data.currency in ['EUR', 'USD', 'CHF']",
    "event.page.url.startsWith('https://') || !has(event.page.url)",
    "!(event.custom_data.coupon == 'STAFF')",
    "event.custom_data.items.exists(item, item.price > 0.0) || event.event_name == 'product_viewed'",
    "visitor.is_new || visitor.visits < 100",
    "geo.country in ['DE', 'AT', 'CH', 'US'] || !has(geo.country)",
    "has(event.user_data.email) || has(event.user_data.anonymous_id)",
    "event.custom_data.value > 1000.0 ? event.custom_data.currency == 'EUR' : true",
    "!(bot.score >= 60)",
    "event.source == 'server' || event.source == 'browser'",
    "!event.custom_data.content_category.contains('gift')",
    "event.custom_data.num_items < 100 || size(event.custom_data.product_ids) < 100",
)
STEPS: Final[tuple[AnyStep, ...]] = (
    EventName(name="renamed"),
    Set(path="custom_data.tier", expression="event.custom_data.value > 50.0 ? 'high' : 'low'"),
    Keep(paths=("custom_data.value", "custom_data.currency", "custom_data.order_id", "custom_data.tier")),
)


class Row(Struct, frozen=True, kw_only=True):
    what: str
    events: int
    p10_us: float
    median_us: float


class Compiling(Struct, frozen=True, kw_only=True):
    what: str
    median_ms: float


def run(setting: Setting) -> Report:
    count = QUICK_EVENTS if setting.is_quick else EVENTS
    some = list(catalogue_events(CHUNK))
    with on_cores(setting.cores.server):
        destinations = simulated_destinations(setting.directory)[: len(FILTERS)]
        names = [one.id for one in destinations]
        rows = [
            _row("no routes: each destination's default", _plain(destinations), some, count),
            _row("13 routes, a filter each", _routed(destinations, list(_routes(names))), some, count),
            _row("13 routes, half of the visitors", _routed(destinations, list(_sampled(names))), some, count),
            _row("13 routes, each transforms", _routed(destinations, list(_transforming(names))), some, count),
        ]
        compiling = [_compiling("13 filters", list(_routes(names)))]
    goal = Goal(
        what="µs of CPU to decide an event by 13 routes with a filter each, 10th percentile",
        figure=rows[1].p10_us,
        goal=f"at most {GOAL_US:g}",
        is_met=rows[1].p10_us <= GOAL_US,
    )
    sections = [
        Section(title="CPU to decide one event", rows=rows), Section(title="compiled at publishing", rows=compiling)
    ]  # fmt: skip
    return setting.report("routing", METHOD, sections, [goal])


def _routes(destinations: Sequence[str]) -> Iterator[Route]:
    for destination, text in zip(destinations, FILTERS, strict=True):
        yield Route(id=f"r-{destination}", destination=destination, events=("*",), filter=text)


def _sampled(destinations: Sequence[str]) -> Iterator[Route]:
    sample = Sample(rate=0.5, allow_conversions=True)
    return (Route(id=f"r-{one}", destination=one, events=("*",), sample=sample) for one in destinations)


def _transforming(destinations: Sequence[str]) -> Iterator[Route]:
    return (Route(id=f"r-{one}", destination=one, events=("*",), transform=STEPS) for one in destinations)


def _plain(destinations: Sequence[Destination]) -> Callable[[Event], object]:
    site = Site(id="shop", destinations=tuple(destinations))
    return lambda event: decide(event, event.consent, site)


def _routed(destinations: Sequence[Destination], routes: Sequence[Route]) -> Callable[[Event], object]:
    site = Site(id="shop", destinations=tuple(destinations), routes=tuple(routes))
    met = VisitorFacts(is_new=False, visits=3, identified=True)

    def decided(event: Event) -> object:
        facts = facts_of(event, site, met)
        asking = Asking(event, event.consent, site, facts)
        return [decide_one(asking, destination) for destination in destinations]

    return decided


def _row(what: str, decided: Callable[[Event], object], some: Sequence[Event], count: int) -> Row:
    for event in some:
        decided(event)
    times_us = sorted(_chunks_us(decided, some, count // len(some)))
    return Row(what=what, events=count, p10_us=times_us[len(times_us) // 10], median_us=statistics.median(times_us))


def _chunks_us(decided: Callable[[Event], object], some: Sequence[Event], chunks: int) -> Iterator[float]:
    for _ in range(chunks):
        begun = time.process_time()
        for event in some:
            decided(event)
        yield (time.process_time() - begun) * 1e6 / len(some)


def _compiling(what: str, routes: Sequence[Route]) -> Compiling:
    times_ms: list[float] = []
    for _ in range(10):
        begun = time.process_time()
        Plan(routes)
        times_ms.append((time.process_time() - begun) * 1e3)
    return Compiling(what=what, median_ms=statistics.median(times_ms))
