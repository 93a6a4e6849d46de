"""What becomes of one event when its copies are known: its row, and per destination a delivery or a reason."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from actors.actor import Position, Processing
from actors.attribution.conversions import is_conversion
from actors.consent import is_refused, relied_on
from actors.coverage import coverage
from actors.event import Event
from actors.facts import AttributionFacts
from actors.holding import forget_event, hold
from actors.holds import HELD
from actors.routing import Asking, Decision, NotRouted, decide, decide_one, facts_asked, facts_of, facts_then
from actors.snapshot import Site, Snapshot
from actors.work import as_sent
from actors.writes import Writes
from store import keys
from store.records import DELIVERY, OUTBOX, DecidedRow, DeliveryRow, EventRow, OutboxRow

NOT_ROUTED = {reason: f"not_routed:{reason}" for reason in get_args(NotRouted)}

_event_encoder = msgspec.msgpack.Encoder()


def asking_of(processing: Processing, site: Site, attribution: AttributionFacts | None = None) -> Asking:
    """What the routes of a site are asked about an event. `attribution`: of a conversion."""

    def sent() -> Event:
        return as_sent(processing.event, processing.consent, processing.session_id, processing.added)

    facts = facts_of(processing.event, site, processing.met, attribution)
    return Asking(processing.event, processing.consent, site, facts, sent)


class Processor:
    """Of one batch. `depths`: how much each outbox held before it."""

    def __init__(
        self, writes: Writes, snapshot: Snapshot, depths: Mapping[bytes, int], *, now_ms: int, outbox_limit: int
    ) -> None:
        self._writes = writes
        self._snapshot = snapshot
        self._depths = depths
        self._now_ms = now_ms
        self._outbox_limit = outbox_limit

    def route(self, processing: Processing) -> None:
        if processing.released:
            self._release(processing)
            return
        event, writes = processing.event, self._writes
        key = self._settle_copies(processing)
        covered = (event.site, event.source, event.event_name, coverage(event.user_data))
        writes.covered[covered] = writes.covered.get(covered, 0) + 1
        writes.journeys.after(processing, key, processing.visitors)
        site = self._snapshot.sites.get(event.site)
        if site is not None and is_conversion(event, site.attribution):
            writes.traffic.converted(event)
        asking = self._asking(processing, key, site) if site is not None and site.routes else None
        decisions = self._decide(processing, site, asking) if site is not None else []
        if site is not None:
            decisions = hold(decisions, event, processing.consent, site, key, self._now_ms, writes)
        self._put_row(processing, key, decisions, facts_asked(asking))
        for decision in decisions:
            if decision.reason is None:
                self._enqueue(event, processing.at, key, decision)
            else:
                writes.tally.destination(event, decision.destination, NOT_ROUTED[decision.reason], processing.at)
                writes.count("not_routed", site=event.site, destination=decision.destination, reason=decision.reason)
        if is_refused(processing.consent) and all(one.reason not in (None, HELD) for one in decisions):
            forget_event(event, processing.at, key, processing.copies, writes, is_merged=processing.is_merged)

    def _asking(self, processing: Processing, key: bytes, site: Site) -> Asking:
        credited = self._writes.journeys.credited(key, site) if site.plan.asks("attribution") else None
        if credited is None:
            return asking_of(processing, site)
        channel, winner = credited
        return asking_of(processing, site, AttributionFacts(channel=channel, winner=winner))

    def _decide(self, processing: Processing, site: Site, asking: Asking | None) -> list[Decision]:
        if asking is None:
            return decide(processing.event, processing.consent, site)
        return [decide_one(asking, destination) for destination in site.destinations]

    def _release(self, processing: Processing) -> None:
        """Decides anew about the destinations that were held, by the consent and the configuration of now."""
        event, writes, key = processing.event, self._writes, processing.released
        row, site = writes.known.event(key), self._snapshot.sites.get(processing.event.site)
        assert row is not None, "what is released was looked up in this very turn"
        asking = self._asking_again(processing, row, site) if site is not None and site.routes else None
        decided = {one.destination: one for one in self._decide(processing, site, asking)} if site is not None else {}
        routed, not_routed, released = list(row.routed), dict(row.not_routed), dict(row.released)
        by_route = dict(row.decided)
        for destination in [one for one, reason in row.not_routed.items() if reason == HELD]:
            decision = decided.get(destination) or Decision(destination=destination, reason="no_route")
            if decision.reason == "consent_unknown" and not processing.is_last:
                continue
            released[destination] = processing.consent_version
            by_route.pop(destination, None)
            if decision.route:
                by_route[destination] = _decided(decision)
            if decision.reason is None:
                del not_routed[destination]
                routed.append(destination)
                self._enqueue(event, processing.at, key, decision, before=NOT_ROUTED[HELD])
                continue
            not_routed[destination] = decision.reason
            writes.tally.moved(event, destination, NOT_ROUTED[HELD], NOT_ROUTED[decision.reason])
            writes.count("not_routed", site=event.site, destination=destination, reason=decision.reason)
        writes.known.events[key] = msgspec.structs.replace(
            row, routed=tuple(routed), not_routed=not_routed, released=released, decided=by_route,
            identity=processing.identity, added=processing.added, added_from=processing.added_from,
            consent=_choices(processing), consent_from=processing.consent_from,
        )  # fmt: skip
        if is_refused(processing.consent) and not routed and HELD not in not_routed.values():
            is_merged = row.body is not None
            forget_event(event, processing.at, key, row.copies, writes, is_merged=is_merged)

    def _asking_again(self, processing: Processing, row: EventRow, site: Site) -> Asking:
        """What was known beside the event when it happened is asked about again."""
        asking = asking_of(processing, site)
        asking.facts = facts_then(row, processing.event, site)
        return asking

    def _settle_copies(self, processing: Processing) -> bytes:
        """The key of the one event; the rows of its copies point to it, and the hour that held it lets it go."""
        event, writes = processing.event, self._writes
        key = writes.known.key_of(event)
        writes.traffic.processed(event, processing.consent)
        others = {copy.event_id for copy in processing.copies if copy.is_merged}
        if processing.held_as is not None:
            others.add(processing.held_as)
            writes.tally.site(event, held=-1, processed=1)
        else:
            writes.index(event, processing.at, key)
            writes.tally.site(event, processed=1)
        for event_id in others - {event.event_id}:
            other = writes.known.key_of(msgspec.structs.replace(event, event_id=event_id))
            row = writes.known.event(other)
            if row is not None:
                writes.known.events[other] = msgspec.structs.replace(row, status="merged", merged_into=key)
        return key

    def _put_row(self, processing: Processing, key: bytes, decisions: list[Decision], asked: dict[str, Any]) -> None:
        event = processing.event
        self._writes.event(
            event,
            processing.at,
            key,
            status="processed",
            order=processing.order,
            body=_event_encoder.encode(event) if processing.is_merged else None,
            copies=processing.copies,
            fields_from=processing.fields_from,
            session_id=processing.session_id,
            consent=_choices(processing),
            consent_from=processing.consent_from,
            consent_version=processing.consent_version,
            relied_on=self._relied_on(processing, decisions),
            identity=processing.identity,
            added=processing.added,
            added_from=processing.added_from,
            last_copy_at_ms=self._last_message_ms(processing, key),
            routed=tuple(decision.destination for decision in decisions if decision.reason is None),
            not_routed={d.destination: d.reason for d in decisions if d.reason is not None},
            version=self._snapshot.version,
            decided={d.destination: _decided(d) for d in decisions if d.route},
            facts=asked,
        )

    def _relied_on(self, processing: Processing, decisions: list[Decision]) -> dict[str, str]:
        site = self._snapshot.sites.get(processing.event.site)
        if site is None or not site.consent.relies_on:
            return {}
        reached = (one.destination for one in decisions if one.reason is None)
        return relied_on(reached, processing.consent, site.consent)

    def _last_message_ms(self, processing: Processing, key: bytes) -> int:
        """An event that waited may have got further messages under the key that it keeps or takes over."""
        row = self._writes.known.event(key) if processing.order is not None else None
        return max(row.last_copy_at_ms, row.received_at_ms) if row is not None else 0

    def _enqueue(self, event: Event, at: Position, key: bytes, decision: Decision, before: str = "") -> None:
        writes, destination = self._writes, decision.destination
        destination_key = keys.destination(event.site, destination)
        depth = self._depths.get(destination_key, 0) + writes.queued.get(destination_key, 0)
        if depth >= self._outbox_limit:
            self._drop(event, key, destination, f"the outbox holds {depth} deliveries, its limit", before)
            return
        writes.queued[destination_key] = writes.queued.get(destination_key, 0) + 1
        outbox_key = keys.outbox(destination_key, keys.NEW_LANE, self._now_ms, at.shard, at.sequence)
        writes.puts.append(("outbox", outbox_key, OUTBOX.encode(OutboxRow(key))))
        if decision.content is not None:
            delivery = DeliveryRow(status="queued", destination=destination, content=decision.content)
            writes.puts.append(("delivery", keys.delivery(key, destination_key), DELIVERY.encode(delivery)))
        self._book(event, destination, before, "queued")

    def _book(self, event: Event, destination: str, before: str, column: str) -> None:
        """`before`: the column that it leaves; empty: it is in none yet."""
        if before:
            self._writes.tally.moved(event, destination, before, column)
        else:
            self._writes.tally.destination(event, destination, column)

    def _drop(self, event: Event, key: bytes, destination: str, words: str, before: str = "") -> None:
        writes = self._writes
        row = DeliveryRow(
            status="dropped", destination=destination, reason="outbox_full", settled_at_ms=self._now_ms, words=words
        )
        delivery_key = keys.delivery(key, keys.destination(event.site, destination))
        writes.puts.append(("delivery", delivery_key, DELIVERY.encode(row)))
        self._book(event, destination, before, "dropped:outbox_full")
        writes.count("outbox_full", site=event.site, destination=destination)
        found = self._snapshot.destination(event.site, destination)
        writes.count(
            "delivery", site=event.site, destination=destination, platform=found.platform if found else "",
            outcome="dropped", reason="outbox_full",
        )  # fmt: skip


def _decided(decision: Decision) -> DecidedRow:
    return DecidedRow(
        route=decision.route,
        sample_rate=decision.sample_rate,
        has_content=decision.content is not None,
        words=decision.words,
        consent=decision.consent,
    )


def _choices(processing: Processing) -> dict[str, str]:
    consent = processing.consent
    pairs = ((name, getattr(consent, name)) for name in consent.__struct_fields__)
    return {name: choice for name, choice in pairs if choice is not None}
