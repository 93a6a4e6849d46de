"""What must be true of a store after every crash, and of the world at the end. Each rule yields what breaks it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from actors.destinations.base import Destination
from actors.event import Event
from actors.snapshot import Snapshot
from store import keys
from store.books import imbalance
from store.records import DeliveryRow, EventRow
from tests.simulation.dedup_keys import expected_key
from tests.simulation.ledger import Ledger
from tests.simulation.plan import Plan
from tests.simulation.platforms import Station

REASONS: Final = frozenset({"not_encodable", "attempts_exhausted", "too_old", "platform_refused", "consent_withdrawn"})
# The schedule as the documentation promises it: 5 attempts in 24 h, waits of 150 s times 4 to the n, give or take 10 %.
ATTEMPTS: Final = 5
SCHEDULE_MS: Final = 24 * 3_600_000
SHORTEST_WAIT_MS: Final = 135_000
SLACK_MS: Final = 60_000  # an attempt is noted at its beginning, the schedule counts from its end
HELD: Final = "purchase_placed"
# Refusals that a gateway in good order meets: an old token, a repeat after an answer that was lost, and an id that
# a shop used again while its first event still waits.
EVERYDAY: Final = re.compile(r"OAUTH_TOKEN_EXPIRED|ORDER_ID_ALREADY_IN_USE|DUPLICATE_ORDER_ID|unique_id stands twice")
BY_NAME: Final = frozenset({"google_ads", "linkedin"})  # events of different names never share a request there
Name = tuple[str, str, str]


def after_crash(ledger: Ledger, snapshot: Snapshot, acknowledged: set[Name]) -> Iterator[str]:
    """The promises that hold at every instant."""
    yield from _acknowledged_is_stored(ledger, acknowledged)
    yield from _consumed_is_recorded(ledger)
    yield from _each_delivery_is_in_one_place(ledger, snapshot)
    yield from _books_balance(ledger)
    yield from _counters_count_once(ledger)
    if ledger.set_aside:
        yield f"{ledger.set_aside} rows were set aside"


def at_end(ledger: Ledger, snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """When all platforms are well again and time has passed."""
    waiting = [one for one in ledger.messages if not one.is_consumed]
    if waiting:
        yield f"{len(waiting)} messages were never processed"
    if ledger.outbox:
        yield f"{len(ledger.outbox)} deliveries never left the outbox"
    held = [row for row in ledger.events.values() if row.status == "held"]
    if held or ledger.orders_waiting:
        yield f"{len(held)} orders are held for ever, {ledger.orders_waiting} alarms wait"
    for row in ledger.deliveries.values():
        yield from _schedule_is_kept(row, has_jumps=bool(plan.jumps))
        if row.status == "dropped" and row.reason not in _allowed_reasons(plan):
            yield f"a delivery to {row.destination} was dropped: {row.reason}: {row.words}"
    if not plan.jumps:
        yield from _an_order_counts_once(ledger)


def _allowed_reasons(plan: Plan) -> frozenset[str]:
    """Where no platform ever failed and no clock jumped, only what cannot be said to a platform may be dropped."""
    return REASONS if plan.jumps or not plan.is_calm else frozenset({"not_encodable", "consent_withdrawn"})


def _acknowledged_is_stored(ledger: Ledger, acknowledged: set[Name]) -> Iterator[str]:
    logged = {(one.event.site, one.event.event_id, one.event.event_name) for one in ledger.messages}
    for name in sorted(acknowledged - logged):
        yield f"acknowledged and lost: {name}"


def _consumed_is_recorded(ledger: Ledger) -> Iterator[str]:
    known = {(row.site, row.event_id, row.event_name) for row in ledger.events.values()}
    consumed = [one.event for one in ledger.messages if one.is_consumed]
    for event in consumed:
        if (event.site, event.event_id, event.event_name) not in known:
            yield f"consumed without a record: {event.event_id} {event.event_name}"
    for row in ledger.events.values():
        into = ledger.events.get(row.merged_into) if row.merged_into is not None else None
        if row.status in ("merged", "duplicate") and (into is None or into.status not in ("processed", "held")):
            yield f"a {row.status} event points nowhere: {row.event_id}"
    evidence = Counter((copy.shard, copy.sequence) for row in ledger.events.values() for copy in row.copies)
    yield from (f"a message is a copy of {count} events: {at}" for at, count in evidence.items() if count > 1)


def _each_delivery_is_in_one_place(ledger: Ledger, snapshot: Snapshot) -> Iterator[str]:
    expected = {
        (key, keys.destination(row.site, one))
        for key, row in ledger.events.items()
        if row.status == "processed"
        for one in row.routed
    }
    for place in expected | ledger.outbox.keys() | ledger.deliveries.keys():
        row = ledger.deliveries.get(place)
        is_over = row is not None and row.status in ("delivered", "dropped")
        if place not in expected:
            yield f"a delivery of nothing routed: {place}"
        if len(ledger.outbox.get(place, ())) != (0 if is_over else 1):
            yield f"a delivery is {row.status if row else 'new'} and in {len(ledger.outbox.get(place, ()))} places"
        if row is not None and row.status == "dropped" and not row.reason:
            yield f"dropped without a reason: {place}"
    for site, one in snapshot.destinations():
        destination_key = keys.destination(site.id, one.id)
        depth = sum(key == destination_key for _, key in ledger.outbox)
        if ledger.depths.get(destination_key, 0) != depth:
            yield f"{site.id}/{one.id} counts {ledger.depths.get(destination_key)} deliveries and holds {depth}"


def _books_balance(ledger: Ledger) -> Iterator[str]:
    """Row by row, and in all against what is really there."""
    booked: Counter[tuple[str, str, str]] = Counter()
    for row in ledger.books:
        if imbalance(row.destination, row.counts):
            yield f"the books of {row.site}/{row.destination} do not balance: {row.counts}"
        for column, count in row.counts.items():
            booked[row.site, row.destination, column] += count
            if count < 0:
                yield f"the books of {row.site}/{row.destination} are below zero: {row.counts}"
    yield from _differences(booked, _counted(ledger))


def _counted(ledger: Ledger) -> Counter[tuple[str, str, str]]:
    counted: Counter[tuple[str, str, str]] = Counter()
    for message in ledger.messages:
        counted[message.event.site, "", "accepted"] += message.is_consumed
    for key, row in ledger.events.items():
        if row.status in ("processed", "held"):
            counted[row.site, "", row.status] += 1
        for one in row.routed:
            delivery = ledger.deliveries.get((key, keys.destination(row.site, one)))
            counted[row.site, one, _column(delivery)] += 1
        for one, reason in row.not_routed.items():
            counted[row.site, one, f"not_routed:{reason}"] += 1
    return counted


def _column(delivery: DeliveryRow | None) -> str:
    if delivery is None:
        return "queued"
    return f"dropped:{delivery.reason}" if delivery.status == "dropped" else delivery.status


def _differences(booked: Counter[tuple[str, str, str]], counted: Counter[tuple[str, str, str]]) -> Iterator[str]:
    for place in sorted(booked.keys() | counted.keys()):
        is_recounted = place[2] in ("accepted", "processed", "held") if not place[1] else place[2] != "processed"
        if is_recounted and booked[place] != counted[place]:
            yield f"booked {booked[place]} and counted {counted[place]}: {place}"


def _counters_count_once(ledger: Ledger) -> Iterator[str]:
    consumed = Counter(one.event.site for one in ledger.messages if one.is_consumed)
    for site in consumed:
        events, copies = ledger.tallies.get(site, (0, 0))
        if events + copies != consumed[site]:
            yield f"{site} counted {events} events and {copies} copies of {consumed[site]}"


def _schedule_is_kept(row: DeliveryRow, *, has_jumps: bool) -> Iterator[str]:
    counted = [attempt.at_ms for attempt in row.attempts if attempt.counts]
    if row.tries > ATTEMPTS or len(counted) > ATTEMPTS:
        yield f"{row.tries} attempts of a delivery to {row.destination}"
    if has_jumps:
        return
    for number, (one, next_one) in enumerate(pairwise(counted)):
        if next_one - one < SHORTEST_WAIT_MS * 4**number - 1:
            yield f"attempts to {row.destination} only {next_one - one} ms apart"
    if counted and counted[-1] - counted[0] > SCHEDULE_MS + SLACK_MS:
        yield f"attempts to {row.destination} over {counted[-1] - counted[0]} ms"


def _an_order_counts_once(ledger: Ledger) -> Iterator[str]:
    orders = Counter(
        (row.site, ledger.bodies[key].custom_data.order_id)
        for key, row in ledger.events.items()
        if row.event_name == HELD and row.status in ("processed", "held") and ledger.bodies[key].custom_data.order_id
    )
    for order, count in orders.items():
        if count > 1:
            yield f"an order counts {count} times: {order}"


def of_platform(station: Station, ledger: Ledger, snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """What one platform saw: all that is called delivered, a repeat only with a cause."""
    destination = snapshot.destination(station.site, station.destination)
    assert destination is not None
    place = f"{station.site}/{station.destination}"
    taken = Counter(one.key for one in station.taken)
    unheard = Counter(one.key for one in station.taken if not one.is_heard or one.is_lost)
    ours = _keys_of_processed(ledger, destination, station.site)
    for key, count in taken.items():
        if count > max(1, ours[key]) + unheard[key]:
            yield f"{place} got {key} {count} times, {unheard[key]} of them unheard of"
    for event_key, row in ledger.events.items():
        if row.site != station.site:
            continue
        key = expected_key(destination, event_key, ledger.sent(event_key, row.site, destination.id))
        delivery = ledger.deliveries.get((event_key, keys.destination(row.site, destination.id)))
        if delivery is not None and delivery.status == "delivered" and not taken[key]:
            yield f"{place} never took {key}, which is called delivered"
        is_late = delivery is not None and bool(plan.jumps) and "too old" in delivery.words  # by a clock that is wrong
        if delivery is not None and not is_late and _is_taken_for_bad(delivery, station, ours, key):
            yield f"{place} dropped {key}, which the platform would take: {delivery.words}"
    yield from (f"{place} was asked to take {key}, which nobody sent" for key in station.seen.keys() - ours.keys())
    yield from (f"{place}: {words}" for words in station.families.problems())
    if not plan.jumps:
        refused = [words for words in station.refused if not EVERYDAY.search(words)]
        yield from (f"{place} refused: {words}" for words in refused[:3])
    if not plan.jumps and station.platform not in BY_NAME:
        yield from _first_attempts_in_order(station, ledger, snapshot)


def _is_taken_for_bad(delivery: DeliveryRow, station: Station, ours: Counter[str], key: str) -> bool:
    """Refused for good, though the platform takes it; an id that a shop used again may be refused as a repeat."""
    return delivery.reason == "platform_refused" and not station.is_bad(key) and ours[key] == 1


def _keys_of_processed(ledger: Ledger, destination: Destination, site: str) -> Counter[str]:
    """How many events have each key: several where a shop uses an id again after its window."""
    return Counter(
        expected_key(destination, event_key, ledger.sent(event_key, site, destination.id))
        for event_key, row in ledger.events.items()
        if row.site == site and row.status == "processed"
    )


def _first_attempts_in_order(station: Station, ledger: Ledger, snapshot: Snapshot) -> Iterator[str]:
    destination = snapshot.destination(station.site, station.destination)
    assert destination is not None
    by_visitor: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for event_key, row in ledger.events.items():
        is_plain = (
            row.site == station.site and row.status == "processed" and row.event_name != HELD and not row.released
        )
        if is_plain and row.visitor_id is not None:
            key = expected_key(destination, event_key, ledger.sent(event_key, row.site, destination.id))
            line = (
                _line(row, ledger.bodies[event_key]) if station.platform == "ga4" else ""
            )  # what may share a request has a line of its own
            by_visitor.setdefault((row.visitor_id, line), []).append((row.shard, row.sequence, key))
    for rows in by_visitor.values():
        unique = dict.fromkeys(key for _, _, key in sorted(rows))  # what happened in one millisecond may share its key
        first = [station.seen[key] for key in unique if key in station.seen]
        if first != sorted(first):
            yield f"{station.site}/{station.destination} was first asked out of order: {sorted(rows)} {first}"


def _line(row: EventRow, event: Event) -> str:
    """What GA4 has once in a request: only events alike in it share one."""
    return f"{row.source} {event.user_data.ga_client_id} {sorted(row.consent.items())}"


def lines(problems: Sequence[str], most: int = 20) -> str:
    more = [f"… and {len(problems) - most} more"] if len(problems) > most else []
    return "\n".join([*problems[:most], *more])
