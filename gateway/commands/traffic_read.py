"""Reads the traffic counters and the books of a site's hours into one report, day by day: each a short read of its own.

Hours are those in which events arrived, in UTC. Sums over several days count a visitor once for each of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import Struct

from actors.twins import is_twin
from gateway.commands.reading import rfc3339
from store import books, keys, traffic
from store.env import Store
from store.traffic import total
from store.writer import SAMPLES_KEPT

By = Literal[
    "total", "hour", "day", "event", "source", "consent", "refusal", "copy", "bot", "conversion", "destination"
]  # fmt: skip
DAY_MS: Final = 24 * keys.HOUR_MS
DAYS_MOST: Final = 400  # no site keeps its counters longer

# What a report by these is made of: kinds of columns, and which of their parts are told (their places, from 1).
PARTS: Final[Mapping[By, Mapping[str, Mapping[str, int]]]] = {
    "event": {"events": {"event_name": 1}},
    "source": {"accepted": {"source": 1}, "refused": {"source": 1}, "events": {"source": 2}},
    "consent": {"events": {"consent": 3}},
    "refusal": {"refused": {"source": 1, "reason": 2}},
    "copy": {kind: {"key": 1, "event_name": 2} for kind in ("duplicates", "merged", "conflicts")},
    "bot": {"bots": {"reason": 1}},
    "conversion": {"conversions": {"event_name": 1, "currency": 2}},
}


class PeriodLine(Struct, frozen=True, kw_only=True):
    """An hour, a day, or all of the time. received = accepted + refused; accepted = processed + held + duplicates +
    merged + lost (to a turn that failed). Visitors are of each day once."""

    since: str
    received: int
    accepted: int
    refused: int
    processed: int
    held: int
    duplicates: int
    merged: int
    lost: int
    conflicts: int
    bots: int
    visitors: int
    new_visitors: int
    identified_visitors: int
    visits: int
    conversions: int


class CountLine(Struct, frozen=True, kw_only=True):
    """One counter. What it is not told by is empty; `amount`: of conversions, their value."""

    kind: str
    event_name: str = ""
    source: str = ""
    consent: str = ""
    key: str = ""
    reason: str = ""
    currency: str = ""
    count: int
    amount: Decimal | None = None


class DestinationLine(Struct, frozen=True, kw_only=True):
    """processed = delivered + queued + failed + dropped + not_routed. `reasons`: of the last two."""

    destination: str
    processed: int
    delivered: int
    queued: int
    failed: int
    dropped: int
    not_routed: int
    reasons: dict[str, int]
    samples: dict[str, tuple[str, ...]] = {}  # why not routed -> ids of events, at most ten


class TrafficReport(Struct, frozen=True, kw_only=True):
    """Of one site. `partial_hours`: begun before they were counted, so that their counters are too low."""

    site: str
    since: str
    by: By
    partial_hours: int
    periods: tuple[PeriodLine, ...] = ()
    counts: tuple[CountLine, ...] = ()
    destinations: tuple[DestinationLine, ...] = ()


class _Period:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.booked: Counter[str] = Counter()


class TrafficReading:
    """A report in the making."""

    def __init__(self, store: Store, site: str, since_ms: int, now_ms: int, by: By) -> None:
        span_ms = DAY_MS if by == "day" else keys.HOUR_MS
        since_ms = max(0, since_ms, now_ms - DAYS_MOST * DAY_MS)
        self._store, self._site, self._by = store, site, by
        self._since_ms = since_ms - since_ms % span_ms
        self._until_ms = now_ms + DAY_MS
        self._periods: dict[int, _Period] = {}
        self._counts: Counter[str] = Counter()
        self._amounts: dict[str, Decimal] = {}
        self._destinations: dict[str, Counter[str]] = {}
        self._samples: dict[str, dict[str, list[tuple[int, int]]]] = {}
        self._partial = 0

    def steps(self) -> Iterator[None]:
        """Raises Unreadable."""
        for from_ms in range(self._since_ms, self._until_ms, DAY_MS):
            for hour in traffic.hours(self._store, self._site, from_ms, from_ms + DAY_MS):
                self._partial += hour.is_partial
                self._period(hour.hour_ms).counts.update(hour.counts)
                self._counts.update(hour.counts)
                for column, amount in hour.amounts.items():
                    self._amounts[column] = self._amounts.get(column, Decimal(0)) + amount
            for booked in books.hours(self._store, self._site, from_ms, from_ms + DAY_MS):
                if not booked.destination:
                    self._period(booked.hour_ms).booked.update(booked.counts)
                elif booked.destination != books.TEST_EVENTS and not is_twin(booked.destination):
                    self._destinations.setdefault(booked.destination, Counter()).update(booked.counts)
                    self._sample(booked)
            yield

    def report(self) -> TrafficReport:
        """Once all steps are done."""
        is_by_time = self._by in ("total", "hour", "day")
        return TrafficReport(
            site=self._site,
            since=rfc3339(self._since_ms),
            by=self._by,
            partial_hours=self._partial,
            periods=tuple(_period(at_ms, one) for at_ms, one in sorted(self._periods.items())) if is_by_time else (),
            counts=tuple(self._count_lines()),
            destinations=tuple(self._destination(*one) for one in sorted(self._destinations.items()))
            if self._by in ("total", "destination")
            else (),
        )

    def _sample(self, hour: books.Hour) -> None:
        kept = self._samples.setdefault(hour.destination, {})
        for column, places in hour.samples.items():
            kept[column] = [*kept.get(column, ()), *places][:SAMPLES_KEPT]

    def _destination(self, name: str, counts: Counter[str]) -> DestinationLine:
        samples = {
            column.removeprefix("not_routed:"): tuple(books.sampled(self._store, places))
            for column, places in self._samples.get(name, {}).items()
            if counts[column] > 0
        }
        return msgspec.structs.replace(_destination(name, counts), samples=samples)

    def _period(self, hour_ms: int) -> _Period:
        at_ms = {"hour": hour_ms, "day": hour_ms - hour_ms % DAY_MS}.get(self._by, self._since_ms)
        return self._periods.setdefault(at_ms, _Period())

    def _count_lines(self) -> list[CountLine]:
        """The largest first; what was counted past the bound of columns has empty names."""
        lines = [
            CountLine(kind=kind, count=count, amount=amount, **dict(names))
            for kind, parts in PARTS.get(self._by, {}).items()
            for names, (count, amount) in self._summed(kind, parts).items()
        ]
        return sorted(lines, key=lambda line: (line.kind, -line.count, line.event_name, line.source, line.reason))

    def _summed(
        self, kind: str, parts: Mapping[str, int]
    ) -> dict[tuple[tuple[str, str], ...], tuple[int, Decimal | None]]:
        found: dict[tuple[tuple[str, str], ...], tuple[int, Decimal | None]] = {}
        for column, count in self._counts.items():
            own, *rest = column.split(":")
            if own == kind:
                names = tuple((name, rest[at - 1] if len(rest) >= at else "") for name, at in parts.items())
                before, amount = found.get(names, (0, None))
                added = self._amounts.get(column)
                found[names] = before + count, amount if added is None else (amount or Decimal(0)) + added
        return found


def _period(at_ms: int, one: _Period) -> PeriodLine:
    accepted, refused = total(one.counts, "accepted"), total(one.counts, "refused")
    return PeriodLine(
        since=rfc3339(at_ms),
        received=accepted + refused,
        accepted=accepted,
        refused=refused,
        processed=one.booked["processed"],
        held=one.booked["held"],
        duplicates=one.booked["duplicates"],
        merged=one.booked["merged"],
        lost=one.booked["dead"],
        conflicts=total(one.counts, "conflicts"),
        bots=total(one.counts, "bots"),
        visitors=one.counts["visitors"],
        new_visitors=one.counts["new_visitors"],
        identified_visitors=one.counts["identified_visitors"],
        visits=one.counts["visits"],
        conversions=total(one.counts, "conversions"),
    )


def _destination(name: str, counts: Counter[str]) -> DestinationLine:
    return DestinationLine(
        destination=name,
        processed=counts["processed"],
        delivered=counts["delivered"],
        queued=counts["queued"],
        failed=counts["failed"],
        dropped=total(counts, "dropped"),
        not_routed=total(counts, "not_routed"),
        reasons={column: count for column, count in sorted(counts.items()) if ":" in column and count},
    )
