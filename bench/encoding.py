"""What an event costs at each platform before it is sent: encoding it, and its part of the request that carries it.

CPU time of one core, in this process: no gateway, no socket. The events are a storefront's, each with all that a shop
can know of a buyer, so that no adapter has anything to leave out.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.coverage import coverage
from actors.destinations.base import Attempt, Destination, Payload, Request
from actors.event import Event, Plaintext
from actors.match_quality import estimate
from bench import traffic
from bench.catalogue_events import Given, raw
from bench.destinations import PLATFORMS as PLATFORM_OF
from bench.errors import BenchFailed
from bench.gateway_process import SITE, Platforms, config
from bench.machine import on_cores
from bench.report import Goal, Report, Section
from bench.setting import Setting
from gateway.config import load_config, snapshot_of
from gateway.incoming import Intake, to_event

GOAL_US: Final = 60.0
ROUNDS: Final = 40
QUICK_ROUNDS: Final = 3
EVENTS: Final = 400
QUICK_EVENTS: Final = 20

METHOD: Final = (
    "a storefront's mix of events (70 % product_viewed, 15 % cart_item_added, 10 % checkout_started, 5 % "
    "purchase_placed; those the platform takes), each with all identifiers, two items and four custom properties",
    "CPU time of this process on one core; the least and the median of the rounds, each over all events",
    "request: building the requests for these events, in batches as large as the platform takes, for one event",
    "match quality: the estimate for what was encoded; and, once an event, which identifiers it carries",
)


class Row(Struct, frozen=True, kw_only=True):
    platform: str
    events: int
    encode_least_us: float
    encode_median_us: float
    request_median_us: float
    all_median_us: float
    body_bytes: int  # of one event, on average


class Match(Struct, frozen=True, kw_only=True):
    what: str
    median_us: float


def run(setting: Setting) -> Report:
    events = list(catalogue_events(QUICK_EVENTS if setting.is_quick else EVENTS))
    rounds = QUICK_ROUNDS if setting.is_quick else ROUNDS
    with on_cores(setting.cores.server):
        destinations = simulated_destinations(setting.directory)
        rows = [_row(one, events, rounds) for one in destinations]
        matches = [_match(one, events, rounds) for one in destinations] + [_coverage(events, rounds)]
    median_us = statistics.median(row.all_median_us for row in rows)
    above = ", ".join(row.platform for row in rows if row.all_median_us > GOAL_US) or "none"
    goal = Goal(
        what=f"µs of CPU for an event and platform, median over the platforms (above it: {above})",
        figure=median_us,
        goal=f"at most {GOAL_US:g}",
        is_met=median_us <= GOAL_US,
    )
    sections = [Section(title="CPU for one event", rows=rows), Section(title="its match quality", rows=matches)]
    return setting.report("encoding", METHOD, sections, [goal])


def simulated_destinations(directory: Path) -> Sequence[Destination]:
    """As the gateway reads them from its configuration."""
    text = config(directory / "data", Platforms(0, "http://127.0.0.1:1"), tuple(PLATFORM_OF))
    read = load_config(directory / "config.toml", {}, text.encode())
    return snapshot_of(read).sites[SITE].destinations


def catalogue_events(count: int) -> Iterator[Event]:
    """As they come out of the door, with the plaintext that a sealed site would open."""
    now_ms = time.time_ns() // 1_000_000
    intake = Intake(site=SITE, source="server", received_at_ms=now_ms, make_id=lambda: "0" * 32)
    order = traffic.order()
    for number in range(count):
        event = to_event(msgspec.json.encode(raw(_given(number, traffic.NAMES[order[number % 20]]), now_ms)), intake)
        if not isinstance(event, Event):
            raise BenchFailed(f"no event: {event}")
        plain = Plaintext(email=f"jane.doe+{number}@example.com", phone="+12125550123", first_name="Anne-Marie")
        yield msgspec.structs.replace(event, user_data=msgspec.structs.replace(event.user_data, plain=plain))


def _given(number: int, name: str) -> Given:
    return Given(
        number=number, name=name, person="full", choice="granted", money="whole", items="full", where="website",
        has_order_id=name == "purchase_placed", has_coupon=name == "purchase_placed", age_s=0, text="Trail Shoe",
        price=79.9,
    )  # fmt: skip


def _row(destination: Destination, all_events: Sequence[Event], rounds: int) -> Row:
    events = [event for event in all_events if destination.takes(event.event_name)]
    payloads = [_payload(destination, event) for event in events]
    lots = _lots(payloads, destination.limits.events)
    encode_us = list(_times_us(lambda: [destination.encode(event) for event in events], len(events), rounds))
    request_us = list(_times_us(lambda: [_request(destination, lot) for lot in lots], len(events), rounds))
    return Row(
        platform=destination.id,
        events=len(events),
        encode_least_us=min(encode_us),
        encode_median_us=statistics.median(encode_us),
        request_median_us=statistics.median(request_us),
        all_median_us=statistics.median(encode_us) + statistics.median(request_us),
        body_bytes=sum(len(payload.body) for payload in payloads) // len(payloads),
    )


def _match(destination: Destination, all_events: Sequence[Event], rounds: int) -> Match:
    events = [event for event in all_events if destination.takes(event.event_name)]
    sent = [(event, _payload(destination, event).carries) for event in events]
    times_us = _times_us(lambda: [estimate(*one, destination) for one in sent], len(events), rounds)
    return Match(what=destination.id, median_us=statistics.median(times_us))


def _coverage(events: Sequence[Event], rounds: int) -> Match:
    times_us = _times_us(lambda: [coverage(event.user_data) for event in events], len(events), rounds)
    return Match(what="coverage, once an event", median_us=statistics.median(times_us))


def _payload(destination: Destination, event: Event) -> Payload:
    payload = destination.encode(event)
    if not isinstance(payload, Payload):
        raise BenchFailed(f"{destination.id} drops a {event.event_name}: {payload.reason}")
    return payload


def _lots(payloads: Sequence[Payload], most: int) -> list[list[Payload]]:
    """What may share a request does, as far as the platform takes."""
    groups: dict[bytes, list[Payload]] = {}
    for payload in payloads:
        groups.setdefault(payload.envelope, []).append(payload)
    return [group[at : at + most] for group in groups.values() for at in range(0, len(group), most)]


def _request(destination: Destination, lot: Sequence[Payload]) -> Request:
    ids = tuple(f"delivery{number}" for number in range(len(lot)))
    return destination.request(lot, Attempt(at_ms=1_795_166_130_250, delivery_ids=ids, access_token="bench-token"))


def _times_us(work: Callable[[], object], events: int, rounds: int) -> Iterator[float]:
    work()  # what is looked up once is looked up now
    for _ in range(rounds):
        started = time.process_time_ns()
        work()
        yield (time.process_time_ns() - started) / 1_000 / events
