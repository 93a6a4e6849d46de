"""Conversions and their value by channel, source or campaign: the sums of credit rows, exact in every currency.

Under each model the lines of a currency add up to its totals: what nothing could be credited with is a line of its own.
Renewals that inherit the credit of a subscription's first order are told apart and are in no other figure.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeVar

from msgspec import Struct

from actors.attribution.amounts import amount, apportion, places_of, units
from actors.attribution.data_driven import NOT_ENOUGH, DataModel, Learnt
from actors.attribution.gap_words import meaning, what_to_do
from actors.attribution.paths import EVIDENCE_WEIGHTS, HIGH, LINK_WEIGHTS, MEDIUM, Confidence
from store.journey_records import MODELS, SHARE, ConversionRow, Gap, Model, PathTouch

By = Literal["channel", "source", "campaign"]
UNATTRIBUTED: Final = "(unattributed)"
NO_CAMPAIGN: Final = "(none)"

K = TypeVar("K")


class CurrencyTotal(Struct, frozen=True, kw_only=True):
    """Of one currency; empty where a conversion named none. Net: less refunds and cancellations."""

    currency: str
    conversions: int
    gross: Decimal
    net: Decimal


class CreditLine(Struct, frozen=True, kw_only=True):
    """What one model gives to one channel (or source, or campaign) in one currency. `share`: of the net value, or of
    the conversions where that is 0. Without figures: there is not enough data, as `note` says."""

    model: Model | DataModel
    name: str
    currency: str
    conversions: float | None
    gross: Decimal | None
    net: Decimal | None
    share: float | None
    confidence: Confidence | None = None  # none for what is not attributed, and for what is learnt from data
    note: str = ""


class GapLine(Struct, frozen=True, kw_only=True):
    """Conversions for which nothing, or only a direct visit, could be credited."""

    gap: Gap
    means: str
    what_to_do: str
    currency: str
    conversions: int
    gross: Decimal
    net: Decimal


class _Sum:
    """`shares`: millionths of conversions; `certainty`: of these, each weighed by how sure it is, in 1/10,000."""

    __slots__ = ("certainty", "gross", "net", "shares")

    def __init__(self) -> None:
        self.shares = self.certainty = 0
        self.gross = self.net = Decimal(0)

    def add(self, shares: int, gross: Decimal, net: Decimal, certainty: int = 0) -> None:
        self.shares += shares
        self.gross += gross
        self.net += net
        self.certainty += shares * certainty


class Totals:
    """`conversion`: of this event name only; empty: of all. `models`: whose lines will be asked for."""

    def __init__(self, by: By, conversion: str = "", models: Collection[str] = MODELS) -> None:
        self.by = by
        self.provisional = 0
        self.changed_after_final = 0
        self._conversion = conversion
        self._models = models
        self._all: dict[str, _Sum] = {}
        self._renewals: dict[str, _Sum] = {}
        self._gaps: dict[tuple[Gap, str], _Sum] = {}
        self._sums: dict[tuple[Model, str, str], _Sum] = {}
        self._unattributed: dict[str, _Sum] = {}

    def add(self, row: ConversionRow, now_ms: int) -> bool:
        """Whether it counts: it is of the name that was asked for, and no renewal, unless these were asked for."""
        if self._conversion and row.event_name != self._conversion:
            return False
        currency, gross, net = row.currency or "", row.value, row.net_value
        if row.renewal_of and not self._conversion:
            _add(self._renewals, currency, gross, net)
            return False
        _add(self._all, currency, gross, net)
        self.provisional += now_ms < row.final_at_ms
        self.changed_after_final += row.changes_after_final > 0
        if row.gap:
            _add(self._gaps, (row.gap, currency), gross, net)
        if not row.results:
            _add(self._unattributed, currency, gross, net)
        for model, result in zip(MODELS, row.results, strict=False):
            if model not in self._models:
                continue
            given = zip(result.places, result.shares, result.gross, result.net, strict=True)
            for place, share, own_gross, own_net in given:
                touch = row.path[place]
                key = model, name_of(touch, self.by), currency
                own = self._sums.setdefault(key, _Sum())
                amounts = amount(own_gross, row.places), amount(own_net, row.places)
                own.add(share, *amounts, LINK_WEIGHTS[touch.label] * EVIDENCE_WEIGHTS[touch.evidence])
        return True

    def totals(self) -> tuple[CurrencyTotal, ...]:
        return _totals(self._all)

    def renewals(self) -> tuple[CurrencyTotal, ...]:
        return _totals(self._renewals)

    def gaps(self) -> tuple[GapLine, ...]:
        lines = [
            GapLine(
                gap=gap,
                means=meaning(gap),
                what_to_do=what_to_do(gap),
                currency=currency,
                conversions=own.shares // SHARE,
                gross=own.gross,
                net=own.net,
            )
            for (gap, currency), own in self._gaps.items()
        ]
        return tuple(sorted(lines, key=lambda line: (-line.conversions, line.gap, line.currency)))

    def lines(self, model: Model) -> tuple[CreditLine, ...]:
        """The largest first."""
        lines = [
            self._line(model, name, currency, own, _confidence(own))
            for (of, name, currency), own in self._sums.items()
            if of == model
        ]
        return _ordered(lines + self._rest(model))

    def learnt_lines(self, learnt: Learnt) -> tuple[CreditLine, ...]:
        """What a data-driven model gives of the conversions that have a path."""
        if learnt.why:
            return ()
        names, weights = list(learnt.weights), list(learnt.weights.values())
        found: list[CreditLine] = []
        for currency, own in self._attributed().items():
            places = places_of(currency or None, own.gross, own.net)
            counts = apportion(own.shares, weights)
            gross, net = (apportion(units(value, places), weights) for value in (own.gross, own.net))
            for at, name in enumerate(names):
                given = _Sum()
                given.add(counts[at], amount(gross[at], places), amount(net[at], places))
                found.append(self._learnt_line(learnt, name, currency, given))
        return _ordered(found + self._rest(learnt.model))

    def _learnt_line(self, learnt: Learnt, name: str, currency: str, given: _Sum) -> CreditLine:
        if name not in learnt.withheld:
            return self._line(learnt.model, name, currency, given, None)
        note = f"{NOT_ENOUGH}: {learnt.paths_of[name]} paths"
        return CreditLine(
            model=learnt.model, name=name, currency=currency, conversions=None, gross=None, net=None, share=None,
            note=note,
        )  # fmt: skip

    def _rest(self, model: Model | DataModel) -> list[CreditLine]:
        """What nothing could be credited with."""
        return [self._line(model, UNATTRIBUTED, currency, own, None) for currency, own in self._unattributed.items()]

    def _attributed(self) -> dict[str, _Sum]:
        """Of each currency all that has a path."""
        found: dict[str, _Sum] = {}
        for currency, own in self._all.items():
            rest = self._unattributed.get(currency) or _Sum()
            found[currency] = kept = _Sum()
            kept.add(own.shares - rest.shares, own.gross - rest.gross, own.net - rest.net)
        return {currency: own for currency, own in found.items() if own.shares}

    def _line(
        self, model: Model | DataModel, name: str, currency: str, own: _Sum, confidence: Confidence | None
    ) -> CreditLine:
        whole = self._all[currency]
        share = float(own.net / whole.net) if whole.net else own.shares / whole.shares
        return CreditLine(
            model=model, name=name, currency=currency, conversions=own.shares / SHARE, gross=own.gross, net=own.net,
            share=round(share, 6), confidence=confidence,
        )  # fmt: skip


def name_of(touch: PathTouch, by: By) -> str:
    match by:
        case "channel":
            return touch.channel
        case "source":
            return touch.source.lower()
        case "campaign":
            return touch.campaign or NO_CAMPAIGN


def _add(sums: dict[K, _Sum], key: K, gross: Decimal, net: Decimal) -> None:
    sums.setdefault(key, _Sum()).add(SHARE, gross, net)


def _totals(sums: dict[str, _Sum]) -> tuple[CurrencyTotal, ...]:
    return tuple(
        CurrencyTotal(currency=currency, conversions=own.shares // SHARE, gross=own.gross, net=own.net)
        for currency, own in sorted(sums.items())
    )


def _confidence(own: _Sum) -> Confidence:
    sure = own.certainty / (own.shares * 10_000) if own.shares else 0.0
    return "high" if sure >= HIGH else "medium" if sure >= MEDIUM else "low"


def _ordered(lines: Sequence[CreditLine]) -> tuple[CreditLine, ...]:
    def key(line: CreditLine) -> tuple[str, bool, Decimal, float, str]:
        is_last = line.name == UNATTRIBUTED
        return line.currency, is_last, -(line.net or Decimal(0)), -(line.conversions or 0.0), line.name

    return tuple(sorted(lines, key=key))
