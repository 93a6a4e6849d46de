"""Routes, worked out again: each event's decisions are those of its version, and what left is what was decided."""

from collections.abc import Iterator, Mapping

from actors.destinations.base import Destination
from actors.event import Event
from actors.snapshot import Snapshot
from store.records import EventRow
from tests.simulation.dedup_keys import expected_key
from tests.simulation.ledger import Ledger
from tests.simulation.platforms import Station
from tests.simulation.rules import CONSENT_REASONS, GIVEN_NAME, Expected, Rule, SiteRules, expected, refusal

Published = Mapping[int, Mapping[str, SiteRules]]  # version -> site -> its rules


def hold(ledger: Ledger, snapshot: Snapshot, published: Published) -> Iterator[str]:
    """Every decision of every event that was decided at once, by the version that its row names."""
    for key, row in ledger.events.items():
        if row.status != "processed" or _is_forgotten(row):
            continue
        rules = published[row.version][row.site]
        for destination in snapshot.sites[row.site].destinations:
            if destination.id not in row.released:
                yield from _decided_as_published(row, ledger.raw[key], destination, rules)


def _is_forgotten(row: EventRow) -> bool:
    """What filters read of it is no more."""
    return bool(row.erased_at_ms) or row.consent.get("analytics") == row.consent.get("marketing") == "denied"


def _decided_as_published(row: EventRow, event: Event, destination: Destination, rules: SiteRules) -> Iterator[str]:
    wanted = expected(rules, event, destination)
    name = f"{row.event_name} {row.event_id} to {row.site}/{destination.id}"
    found = "routed" if destination.id in row.routed else row.not_routed.get(destination.id, "nothing")
    decided = row.decided.get(destination.id)
    if (decided.route if decided is not None else "") != wanted.route and found != "filter_error":
        yield f"{name} was decided by {decided}, not by {wanted.route!r} of version {row.version}"
        return
    reason = _reason(wanted, row, destination, rules)
    if row.released and (found in CONSENT_REASONS or reason in CONSENT_REASONS):
        return  # what it was decided on at once is no longer in its row
    if found != reason and (found, reason) != ("held", "consent_unknown"):
        yield f"{name} is {found}, not {reason}, by version {row.version}"


def _reason(wanted: Expected, row: EventRow, destination: Destination, rules: SiteRules) -> str:
    if not wanted.is_asked:
        return wanted.after or "routed"
    route = wanted.rule.route if wanted.rule is not None else None
    refused = refusal(row.consent, destination.platform, route, rules.absent)
    is_stripped = route is not None and route.strip and destination.platform == "webhook"
    if refused is not None and not is_stripped:
        return refused
    return wanted.after or "routed"


def of_platform(station: Station, ledger: Ledger, snapshot: Snapshot, published: Published) -> Iterator[str]:
    """Nothing was sent that was not routed, and what a route changed is what left."""
    destination = snapshot.destination(station.site, station.destination)
    assert destination is not None
    place = f"{station.site}/{station.destination}"
    rules = {rule.route.id: rule for one in published.values() for rule in one[station.site].rules}
    routed: set[str] = set()
    withheld: dict[str, str] = {}
    forms: dict[str, tuple[EventRow, Rule]] = {}
    for key, row in ledger.events.items():
        if row.site != station.site or row.status != "processed":
            continue
        sent_key = expected_key(destination, key, ledger.sent(key, row.site, destination.id))
        if destination.id in row.routed:
            routed.add(sent_key)
            decided = row.decided.get(destination.id)
            if decided is not None:
                forms[sent_key] = (row, rules[decided.route])
        elif row.not_routed.get(destination.id) not in (None, *CONSENT_REASONS):
            withheld[sent_key] = row.not_routed[destination.id]
    for sent_key in withheld.keys() & station.seen.keys() - routed:
        yield f"{place} was asked to take {sent_key}, which was {withheld[sent_key]}"
    if station.platform == "webhook":
        for one in station.taken:
            if one.key in forms:
                yield from (f"{place} got {one.key} {words}" for words in _malformed(one.event, *forms[one.key]))


def _malformed(message: Mapping[str, Mapping[str, object]], row: EventRow, rule: Rule) -> Iterator[str]:
    """Of what a webhook got by a route."""
    data = message["data"]
    custom = data.get("custom_data") or {}
    assert isinstance(custom, Mapping)
    wanted = rule.mark if rule.form in ("marked", "renamed") else None
    if custom.get("content_name") != wanted:
        yield f"with {custom.get('content_name')!r}, not {wanted!r}"
    name = GIVEN_NAME if rule.form == "renamed" else row.event_name
    if data.get("event_name") != name:
        yield f"as {data.get('event_name')}, not as {name}"
