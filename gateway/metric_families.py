"""Counters, gauges and histograms with bounded labels, cheap enough for every event.

prometheus-client's own children take a lock and walk the buckets at each observation; these are plain cells, written by
the event loop's thread alone and read by the thread that renders (a reader may see a count that is one behind).

Each family has a bound on its series. Past it, what is new is counted in one cell whose labels are all `other`, so
nothing is lost and no caller can grow the page.

A family of destinations (`own` above 0, its first labels `site` and `destination`) has, beside its bound, that many
series for each destination there is: only those nobody configured share `other`. What is taken out of the configuration
leaves the page.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

OTHER = "other"
LABEL_CHARS = 128
NUMBERS = 256  # different ones that are counted before they are taken apart
FOLDED = 4_096  # series of one gauge whose values are remembered under `other`


class Cell:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Buckets:
    """One histogram: how many observations fell under each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def observe(self, value: float, count: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += count
        self.total += value * count


class Flags:
    """How many had each bit set. Numbers are counted whole, and taken apart when the page is made: so one costs no more
    the more bits it has. `_state` changes at once, or a reader would count some twice."""

    __slots__ = ("_state",)

    def __init__(self, bits: int) -> None:
        self._state: tuple[list[int], dict[int, int]] = ([0] * bits, {})

    def add(self, number: int, count: int) -> None:
        _, numbers = self._state
        numbers[number] = numbers.get(number, 0) + count
        if len(numbers) >= NUMBERS:
            self._state = (self.totals(), {})

    def totals(self) -> list[int]:
        """By bit, the lowest first."""
        totals, numbers = self._state
        totals = list(totals)
        for number, count in list(numbers.items()):
            for bit in range(len(totals)):
                totals[bit] += count if number >> bit & 1 else 0
        return totals


C = TypeVar("C", Cell, Buckets, Flags)


class _Family(Generic[C]):
    """Cells by their labels. `bound`: how many there may be beside the `own` ones, the one for `other` included."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], bound: int, own: int = 0) -> None:
        self.name, self.text, self.labels, self.bound, self.own = name, text, labels, bound, own
        self._cells: dict[tuple[str, ...], C] = {}
        # By site and destination: how many own series it may still open. None: nobody has told what there is.
        self._left: dict[tuple[str, ...], int] | None = None
        self._shared = 0  # cells that are nobody's own, without `other`
        self._other: C | None = None

    def new(self) -> C:
        raise NotImplementedError

    def at(self, *labels: str) -> C:
        """The cell with these label values."""
        cell = self._cells.get(labels)
        return cell if cell is not None else self._add(tuple(map(_label, labels)))

    def _add(self, labels: tuple[str, ...]) -> C:
        cell = self._cells.get(labels)
        if cell is not None:
            return cell
        if not self._open(labels[:2]):
            return self._the_other()
        return self._cells.setdefault(labels, self.new())

    def _open(self, owner: tuple[str, ...]) -> bool:
        """Whether there is room for one more."""
        if self._left is not None and owner in self._left:
            left = self._left[owner]
            self._left[owner] = max(0, left - 1)
            return left > 0
        has_room = self._shared < self.bound - bool(self.labels)  # the last place is that of `other`
        self._shared += has_room
        return has_room

    def keep(self, owners: Collection[tuple[str, str]]) -> None:
        """Only these destinations are there now: what others had goes, and each of these has series of its own."""
        if not self.own:
            return
        for labels in [labels for labels in self._cells if labels[:2] not in owners]:
            del self._cells[labels]
        self._other, self._shared = None, 0
        kept = [labels[:2] for labels in self._cells]
        self._left = {owner: max(0, self.own - kept.count(owner)) for owner in owners}

    def _the_other(self) -> C:
        if self._other is None:
            self._other = self._cells.setdefault((OTHER,) * len(self.labels), self.new())
        return self._other

    def cells(self) -> list[tuple[tuple[str, ...], C]]:
        return list(self._cells.items())

    def collect(self) -> Metric:
        raise NotImplementedError

    @property
    def samples(self) -> int:
        """Lines of one cell on the page."""
        return 1


class Counter(_Family[Cell]):
    def new(self) -> Cell:
        return Cell()

    def collect(self) -> Metric:
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, cell in self.cells():
            family.add_metric(labels, cell.value)
        return family


class Gauge(_Family[Cell]):
    def __init__(self, name: str, text: str, labels: tuple[str, ...], bound: int, own: int = 0) -> None:
        super().__init__(name, text, labels, bound, own)
        self._folded: dict[tuple[str, ...], float] = {}

    def set(self, value: float, *labels: str) -> None:
        """Past the bound `other` shows the highest of what shares it: one that is paused is not hidden by others."""
        if self._left is not None and labels[:2] not in self._left:
            return  # taken out of the configuration: its dispatcher says a last word
        cell = self.at(*labels)
        if cell is not self._other:
            cell.value = value
            return
        if labels in self._folded or len(self._folded) < FOLDED:
            self._folded[labels] = value
        cell.value = max(value, *self._folded.values())

    def keep(self, owners: Collection[tuple[str, str]]) -> None:
        super().keep(owners)
        self._folded.clear()

    def has(self, *labels: str) -> bool:
        """Whether it was set before, by its own name or under `other`."""
        return labels in self._cells or labels in self._folded

    def new(self) -> Cell:
        return Cell()

    def collect(self) -> Metric:
        family = GaugeMetricFamily(self.name, self.text, labels=self.labels)
        for labels, cell in self.cells():
            family.add_metric(labels, cell.value)
        return family


class Histogram(_Family[Buckets]):
    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...], bound: int, own: int = 0
    ) -> None:
        super().__init__(name, text, labels, bound, own)
        self.bounds = bounds

    def new(self) -> Buckets:
        return Buckets(self.bounds)

    def collect(self) -> Metric:
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, cell in self.cells():
            family.add_metric(labels, list(_cumulative(cell)), cell.total)
        return family

    @property
    def samples(self) -> int:
        return len(self.bounds) + 3  # one for each bound, +Inf, _count and _sum


class FlagCounter(_Family[Flags]):
    """A counter for each bit of a number; the last label tells which. What was never set has no line."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], flags: tuple[str, ...], bound: int) -> None:
        super().__init__(name, text, labels, bound)
        self.flags = flags

    def new(self) -> Flags:
        return Flags(len(self.flags))

    def _the_other(self) -> Flags:
        if self._other is None:
            self._other = self._cells.setdefault((OTHER,) * (len(self.labels) - 1), self.new())
        return self._other

    def collect(self) -> Metric:
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, cell in self.cells():
            for flag, count in zip(self.flags, cell.totals(), strict=True):
                if count:
                    family.add_metric((*labels, flag), count)
        return family

    @property
    def samples(self) -> int:
        return len(self.flags)


class Families(Collector):
    """All families of one observer, as prometheus-client's registry wants them."""

    def __init__(self) -> None:
        self.all: list[Counter | Gauge | Histogram | FlagCounter] = []

    def counter(self, name: str, text: str, *labels: str, bound: int, own: int = 0) -> Counter:
        return self._keep(Counter(name, text, labels, bound, own))

    def gauge(self, name: str, text: str, *labels: str, bound: int = 1, own: int = 0) -> Gauge:
        return self._keep(Gauge(name, text, labels, bound, own))

    def histogram(
        self, name: str, text: str, *labels: str, bounds: tuple[float, ...], bound: int = 1, own: int = 0
    ) -> Histogram:
        return self._keep(Histogram(name, text, labels, bounds, bound, own))

    def flags(self, name: str, text: str, *labels: str, flags: tuple[str, ...], bound: int) -> FlagCounter:
        return self._keep(FlagCounter(name, text, labels, flags, bound))

    def keep(self, owners: Collection[tuple[str, str]]) -> None:
        for family in self.all:
            family.keep(owners)

    def _keep(self, family: "F") -> "F":
        self.all.append(family)
        return family

    def collect(self) -> Iterable[Metric]:
        for family in self.all:
            yield family.collect()

    @property
    def most_samples(self) -> int:
        """How many lines the page can have at most, beside those of configured destinations."""
        return sum(family.bound * family.samples for family in self.all)


F = TypeVar("F", Counter, Gauge, Histogram, FlagCounter)


def _cumulative(cell: Buckets) -> Iterator[tuple[str, float]]:
    seen = 0
    for bound, count in zip((*cell.bounds, float("inf")), tuple(cell.counts), strict=True):
        seen += count
        yield "+Inf" if bound == float("inf") else str(bound), seen


def _label(value: str) -> str:
    """A label value that renders: a lone surrogate would make every scrape fail."""
    return value[:LABEL_CHARS].encode("utf-8", "replace").decode("utf-8")
