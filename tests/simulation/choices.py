"""Consent, by what visitors said and when they heard that the gateway has it: nothing that was denied leaves."""

from collections.abc import Iterator, Sequence

import msgspec

from actors.routes import Route
from actors.snapshot import Snapshot
from actors.visitor import ROTATED
from store.records import EventRow
from tests.simulation.decisions import Published
from tests.simulation.dedup_keys import expected_key
from tests.simulation.ledger import Ledger
from tests.simulation.platforms import Station
from tests.simulation.rules import NO_SALE, needs
from tests.simulation.traffic import AGAIN, Sent, Traffic

HELD = "held"
PROCESSED_S = 15.0  # a machine that is up takes no longer from a choice that it has to what follows from it
SOON_S = 120.0  # after it was heeded a visitor may hear that their choice was taken
NOBODY = ("fb.1.17", "@example.com", "GiExample", "cr-", "203.0.113.")  # beginnings of what tells visitors apart


def hold(ledger: Ledger, traffic: Traffic, *, has_jumps: bool) -> Iterator[str]:
    """What was decided on is what had been said; what waits is known to its visitor."""
    parted = _parted(ledger, traffic)
    for key, row in ledger.events.items():
        if HELD in row.not_routed.values() and key not in ledger.holds:
            yield f"{row.event_id} waits for a choice, and its visitor does not know of it"
        fact = _fact(traffic, row)
        if fact is None or row.status != "processed" or has_jumps or fact.visitor in parted:
            continue
        for purpose, choice in fact.consent.items():
            if choice == "denied" and row.consent.get(purpose) != "denied":
                yield f"{row.event_id} was decided on {row.consent}, after {fact.consent} was said"
    yield from (f"{count} entries wait for {key.hex()}" for key, count in ledger.holds.items() if count > 1)


def _fact(traffic: Traffic, row: EventRow) -> Sent | None:
    """None where an id was used for two events days apart: what had been said by either is not known here."""
    return None if row.event_id.startswith(AGAIN) else traffic.sent.get((row.site, row.event_id, row.event_name))


def _parted(ledger: Ledger, traffic: Traffic) -> set[str]:
    """Visitors one of whose events was given to another visitor: somebody else's at the same device. What each of the
    two said is not known here."""
    found: set[str] = set()
    for one in ledger.messages:
        fact = traffic.sent.get((one.event.site, one.event.event_id, one.event.event_name))
        if fact is not None and any(mark.startswith(ROTATED) for mark in one.event.marks):
            found.add(fact.visitor)
    return found


def at_end(ledger: Ledger) -> Iterator[str]:
    held = sum(HELD in row.not_routed.values() for row in ledger.events.values())
    if held:
        yield f"{held} events wait for a choice for ever"


def of_platform(
    station: Station,
    ledger: Ledger,
    snapshot: Snapshot,
    published: Published,
    traffic: Traffic,
    up: Sequence[tuple[float, float]],
) -> Iterator[str]:
    """No request carries what was denied when it happened, or had been denied since; but for what is nobody's."""
    destination = snapshot.destination(station.site, station.destination)
    assert destination is not None
    routes = {rule.route.id: rule.route for one in published.values() for rule in one[station.site].rules}
    parted = _parted(ledger, traffic)
    for key, row in ledger.events.items():
        fact = _fact(traffic, row)
        if row.site != station.site or fact is None or row.status != "processed" or fact.visitor in parted:
            continue
        sent_key = expected_key(destination, key, ledger.sent(key, row.site, destination.id))
        if sent_key not in station.seen:
            continue
        decided = row.decided.get(destination.id)
        route = routes.get(decided.route) if decided is not None else None
        words = _denied(fact, route, station, traffic, up, station.asked_s[sent_key])
        if words is None:
            continue
        if route is not None and route.strip and station.platform == "webhook":
            yield from _somebody(station, sent_key, fact)
        else:
            yield f"{station.site}/{station.destination} was asked to take {sent_key} ({row.event_id}): {words}"


def _denied(
    fact: Sent, route: Route | None, station: Station, traffic: Traffic, up: Sequence[tuple[float, float]], at_s: float
) -> str | None:
    """Why it should not have been asked at this time."""
    needed = {*needs(station.platform, route), *(("sale_of_data",) if station.platform in NO_SALE else ())}
    then = {purpose for purpose in needed if fact.consent.get(purpose) == "denied"}
    if then:
        return f"{sorted(then)} was denied when it happened"
    later = {purpose for purpose in needed if _is_denied_since(purpose, fact, traffic, up, at_s)}
    return f"{sorted(later)} was denied before that" if later else None


def _is_denied_since(
    purpose: str, fact: Sent, traffic: Traffic, up: Sequence[tuple[float, float]], at_s: float
) -> bool:
    """Whether the last word that must be heeded by then denies; and none that may be allows."""
    is_denied = False
    for said in traffic.said.get((fact.site, fact.visitor), ()):
        if purpose in said.consent and said.at_s < at_s + SOON_S:
            is_denied = said.consent[purpose] == "denied" and (is_denied or _known_s(said.at_s, up) < at_s)
    return is_denied


def _known_s(at_s: float, up: Sequence[tuple[float, float]]) -> float:
    """From when on the machine must heed what it was told then."""
    for began_s, ended_s in up:
        since_s = max(began_s, at_s) + PROCESSED_S
        if since_s <= ended_s:
            return since_s
    return float("inf")


def _somebody(station: Station, sent_key: str, fact: Sent) -> Iterator[str]:
    """Of what was sent without anybody in it."""
    for one in station.taken:
        text = msgspec.json.encode(one.event).decode() if one.key == sent_key else ""
        found = [mark for mark in (*NOBODY, fact.visitor) if mark in text]
        if found:
            yield f"{station.site}/{station.destination} got {sent_key} with {found}, which was to be nobody's"
