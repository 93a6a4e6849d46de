"""Reads the conversions and touchpoints of a period into sums, in steps: each a short read of its own.

Who serves requests does other work between two steps; a command takes them one after the other. Times are those at
which conversions and touchpoints happened.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from actors.attribution.data_driven import DATA_MODELS, DataModel, Observed, eligible, learn
from actors.attribution.totals import By, CreditLine, CurrencyTotal, GapLine, Totals, name_of
from gateway.commands.reading import rfc3339
from store import journeys
from store.env import Store
from store.journey_records import MODELS, Model, PathTouch, TouchRow

Chosen = Literal[Model, DataModel, "all"]
STEP: Final = 50  # rows of one read: 2 ms
UNTIL_MS: Final = 1 << 62


class Asked(Struct, frozen=True, kw_only=True):
    """`most`: conversions and touchpoints that are read; past it the answer is `TooMany`."""

    site: str
    since_ms: int
    now_ms: int
    by: By = "channel"
    models: tuple[Model | DataModel, ...] = ("last_non_direct",)
    conversion: str = ""
    direct_credit: str = "fallback"
    most: int = 5_000_000


class TooMany(Exception):
    """The period has more rows than may be read for one answer."""


class RestsOn(Struct, frozen=True, kw_only=True):
    """How much a data-driven model rests on. `why`: why it gives no figure."""

    model: DataModel
    conversions: int
    paths: int
    why: str = ""


class AttributionReport(Struct, frozen=True, kw_only=True):
    """Of one site and period. `unreadable`: conversions whose rows cannot be read, which are in no figure."""

    site: str
    since: str
    by: By
    conversion: str
    totals: tuple[CurrencyTotal, ...]
    lines: tuple[CreditLine, ...]
    gaps: tuple[GapLine, ...]
    renewals: tuple[CurrencyTotal, ...]
    rests_on: tuple[RestsOn, ...]
    provisional: int
    changed_after_final: int
    unreadable: int


class Reading:
    """A report in the making."""

    def __init__(self, store: Store, asked: Asked) -> None:
        self._store = store
        self._asked = asked
        self._totals = Totals(asked.by, asked.conversion, asked.models)
        self._learnt: list[DataModel] = [model for model in DATA_MODELS if model in asked.models]
        self._observed = Observed()
        self._used: set[bytes] = set()  # touchpoints that led to a conversion
        self._left: dict[bytes | str, list[PathTouch]] = {}  # and those that did not, by whose they are
        self._read = self._unreadable = 0

    def steps(self) -> Iterator[None]:
        """Raises TooMany."""
        yield from self._conversions()
        if self._learnt:
            yield from self._touches()
            for path in self._left.values():
                self._observe(path, is_converted=False)

    def report(self) -> AttributionReport:
        """Once all steps are done."""
        asked, totals = self._asked, self._totals
        learnt = [learn(model, self._observed) for model in self._learnt]
        lines = [line for model in MODELS if model in asked.models for line in totals.lines(model)]
        lines += [line for one in learnt for line in totals.learnt_lines(one)]
        return AttributionReport(
            site=asked.site,
            since=rfc3339(asked.since_ms),
            by=asked.by,
            conversion=asked.conversion,
            totals=totals.totals(),
            lines=tuple(lines),
            gaps=totals.gaps(),
            renewals=totals.renewals(),
            rests_on=tuple(
                RestsOn(model=one.model, conversions=one.conversions, paths=one.paths, why=one.why) for one in learnt
            ),
            provisional=totals.provisional,
            changed_after_final=totals.changed_after_final,
            unreadable=self._unreadable,
        )

    def _conversions(self) -> Iterator[None]:
        asked, after = self._asked, b""
        while page := journeys.conversions(self._store, asked.site, asked.since_ms, UNTIL_MS, STEP, after):
            self._bound(len(page))
            for one in page:
                if one.row is None:
                    self._unreadable += 1
                elif self._totals.add(one.row, asked.now_ms) and self._learnt and one.row.path:
                    self._observe(one.row.path, is_converted=True)
                    self._used.update(touch.id for touch in one.row.path)
            after = page[-1].place
            yield

    def _touches(self) -> Iterator[None]:
        asked, after = self._asked, b""
        while page := journeys.touches(self._store, asked.site, asked.since_ms, UNTIL_MS, STEP, after):
            self._bound(len(page))
            for one in page:
                if one.row is not None and one.place not in self._used:
                    whose = one.row.visitor_id or (one.row.keys[0] if one.row.keys else one.place)
                    self._left.setdefault(whose, []).append(_path_touch(one.place, one.row))
            after = page[-1].place
            yield

    def _observe(self, path: Sequence[PathTouch], *, is_converted: bool) -> None:
        kept = eligible(path, self._asked.direct_credit)
        self._observed.add([name_of(touch, self._asked.by) for touch in kept], is_converted=is_converted)

    def _bound(self, rows: int) -> None:
        self._read += rows
        if self._read > self._asked.most:
            raise TooMany


def _path_touch(place: bytes, row: TouchRow) -> PathTouch:
    return PathTouch(
        place, row.at_ms, row.channel, row.source, row.medium, row.campaign, "visitor", row.evidence, row.is_direct,
        row.is_paid,
    )  # fmt: skip


def chosen_models(model: Chosen) -> tuple[Model | DataModel, ...]:
    """`all`: the eight and the two that are learnt."""
    return (*MODELS, *DATA_MODELS) if model == "all" else (model,)
