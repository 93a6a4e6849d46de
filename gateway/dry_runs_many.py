"""Dry runs over the events of the last hours: what would be sent and what not, in sums, live and by the draft.

The newest events first, a bounded part at a time, each part in a thread of its own: other work of the process goes on.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import trio
from msgspec import Struct, field

from actors.destinations.base import Destination
from actors.event import Event
from actors.pacing import age_s
from actors.rates import RESERVE
from actors.trial import Failed
from gateway.commands.reading import rfc3339
from gateway.dry_run_records import DestinationTotals, ManyTrial, Totals
from gateway.dry_runs import SENT, DryRuns, Outcome, Side, difference
from store import keys, ledger
from store.env import Store
from store.errors import Unreadable

PART: Final = 50  # events looked at in one go
MOST: Final = 100_000
DEAD: Final = "dead_letter"


class _Counts(Struct):
    """Of one destination on one side."""

    destination: Destination
    sent: int = 0
    not_sent: Counter[str] = field(default_factory=Counter)
    new: int = 0
    lost: int = 0
    changed: int = 0
    too_old: int = 0
    in_window: int = 0
    past_window: int = 0


class Many:
    """Adds up event by event. `is_over`: there are no more events, or as many as were asked for were looked at."""

    def __init__(
        self, store: Store, runs: DryRuns, site: str, sides: Sequence[Side], *, since_ms: int, now_ms: int, most: int
    ) -> None:
        self._store = store
        self._runs = runs
        self._site = site
        self._sides = sides
        self._since_ms = since_ms
        self._now_ms = now_ms
        self._most = most
        self._place = b""
        self._events = 0
        self._left_out = 0
        self._is_cut = False
        self._counts: list[dict[str, _Counts]] = [{} for _ in sides]
        self._examples: list[dict[str, str]] = [{} for _ in sides]
        self.is_over = False

    def look(self) -> None:
        """The next part."""
        page = ledger.latest_events(self._store, self._site, self._since_ms, self._place, PART)
        for one in page:
            if self._events >= self._most:
                self._is_cut = self.is_over = True
                return
            self._place = one.place
            self._take(one)
        self.is_over = len(page) < PART

    def told(self) -> ManyTrial:
        return ManyTrial(
            site=self._site,
            since=rfc3339(self._since_ms),
            until=rfc3339(self._now_ms),
            events=self._events,
            left_out=self._left_out,
            is_cut=self._is_cut or not self.is_over,
            sides=tuple(self._totals(index) for index in range(len(self._sides))),
        )

    # --- one event ---

    def _take(self, one: ledger.Listed) -> None:
        row = one.row
        if row is not None and (row.shard, row.sequence) != keys.read_site_event(one.place)[1:]:
            return  # a further message under the id of an event that is looked at by itself
        found = self._found(one) if row is not None and row.status == "processed" and not row.erased_at_ms else None
        if found is None or found.body is None:
            self._left_out += 1
            return
        self._events += 1
        asked = [self._asked(side, found) for side in self._sides]
        for index, outcomes in enumerate(asked):
            before = {one.decision.destination: one for one in asked[0]} if index else None
            for outcome in outcomes:
                self._count(index, outcome, found, before)

    def _found(self, one: ledger.Listed) -> ledger.Found | None:
        try:
            return ledger.event(self._store, one.key)
        except Unreadable:
            return None

    def _asked(self, side: Side, found: ledger.Found) -> list[Outcome]:
        tried = self._runs.again(side, found)
        return [] if isinstance(tried, Failed) else self._runs.outcomes(side, tried)

    def _count(self, index: int, one: Outcome, found: ledger.Found, before: dict[str, Outcome] | None) -> None:
        id = one.decision.destination
        counts = self._counts[index].setdefault(id, _Counts(one.destination))
        self._examples[index].setdefault(f"{id} {one.reason}", found.row.event_id)
        if before is not None:
            what = difference(before.get(id), one)
            counts.new += what == "new"
            counts.lost += what == "lost"
            counts.changed += what == "payload"
        if one.reason != SENT or one.event is None:
            counts.not_sent[one.reason] += 1
            return
        counts.sent += 1
        self._count_again(counts, one.event, found, id)

    def _count_again(self, counts: _Counts, event: Event, found: ledger.Found, destination: str) -> None:
        """What would be in the way of sending it now: its age, and the copy that the platform has."""
        old_s = age_s(event.occurred_at_ms, event.received_at_ms, self._now_ms)
        most_s = counts.destination.max_age_s(event)
        counts.too_old += most_s is not None and old_s > most_s
        if self._is_delivered(found, destination):
            window_s = counts.destination.deduplicates_for_s(event)
            is_known = window_s is not None and old_s <= window_s
            counts.in_window += is_known
            counts.past_window += not is_known

    def _is_delivered(self, found: ledger.Found, destination: str) -> bool:
        if destination not in found.row.routed:
            return False
        try:
            rows = ledger.deliveries_of(self._store, found.key)
        except Unreadable:
            return False
        return any(
            one.destination == destination and one.row is not None and one.row.status == "delivered" for one in rows
        )

    # --- the sums ---

    def _totals(self, index: int) -> Totals:
        side, counts = self._sides[index], self._counts[index]
        return Totals(
            side=side.name,
            version=side.number,
            destinations=tuple(_shown(id, one) for id, one in counts.items()),
            examples=self._examples[index],
        )


async def run(many: Many) -> ManyTrial:
    """Looks until it is over; a cancelled one can still be told as far as it came."""
    while not many.is_over:
        await trio.to_thread.run_sync(many.look)
    return many.told()


def _shown(id: str, one: _Counts) -> DestinationTotals:
    requests = math.ceil(one.sent / one.destination.limits.events)
    return DestinationTotals(
        destination=id,
        platform=one.destination.platform,
        sent=one.sent,
        not_sent=dict(one.not_sent),
        new=one.new,
        lost=one.lost,
        changed=one.changed,
        too_old=one.too_old,
        in_window=one.in_window,
        past_window=one.past_window,
        requests=requests,
        takes_s=_takes_s(one.destination, requests),
    )


def _takes_s(destination: Destination, requests: int) -> float | None:
    """At the rate that is set, else at what a dispatcher uses of the one that is known of the platform."""
    if destination.rate is not None:
        return round(requests / destination.rate.per_s, 1)
    known = destination.platform_rate()
    return round(requests / (known.per_s * RESERVE), 1) if known is not None else None
