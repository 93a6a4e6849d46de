"""What is a conversion, and its record: the path, every model's credit, the gap (contracts/attribution.md, 4, 6, 7).

All models are computed for every conversion; which one is shown first is a setting that computes nothing anew.
Amounts come from the weights themselves, not from the rounded shares, so that they are exact at any value; of the net
value (after refunds) each touchpoint has the same share as of the gross one.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from actors.attribution.amounts import apportion, places_of, units
from actors.attribution.gaps import gap_of
from actors.attribution.models import Path, weights, winner
from actors.attribution.paths import TOUCHES_MOST, Matched, milestone_of, path_of, visits_of
from actors.attribution.settings import AttributionRules
from actors.event import Event
from store.journey_records import MODELS, SHARE, Cause, ConversionRow, Result, next_version

RENEWAL: Final = "subscription_renewed"
REFUND, CANCELLATION = "order_refunded", "order_cancelled"
AFTERMATH: Final = frozenset({REFUND, CANCELLATION})  # events that change the value of an earlier conversion


def is_conversion(event: Event, rules: AttributionRules) -> bool:
    """One per canonical event after deduplication; a renewal is never a new one."""
    return event.event_name in rules.conversions and not event.is_internal and event.source != "test"


def computed(
    row: ConversionRow,
    inside: Sequence[Matched],
    rules: AttributionRules,
    *,
    has_older: bool,
    cause: Cause,
    now_ms: int,
) -> ConversionRow:
    """The row's next version. `inside`: the touchpoints of its window that its keys reach, in order of time; what was
    erased stays. `has_older`: there are some from before the window."""
    erased = tuple(touch for touch in row.path if touch.label == "erased")
    path = path_of(inside)
    if erased:
        path = tuple(sorted((*path, *erased), key=lambda touch: (touch.at_ms, touch.id)))[-TOUCHES_MOST:]
    milestone_at_ms = milestone_of(inside, row.occurred_at_ms)
    fresh = msgspec.structs.replace(
        row,
        path=path,
        milestone_at_ms=milestone_at_ms,
        visits=visits_of(inside),
        gap=gap_of(
            path,
            row.facts,
            since_ms=row.occurred_at_ms - rules.window_ms(row.event_name),
            has_older=has_older,
            has_keys=bool(row.keys),
        ),
    )
    return next_version(credited(fresh, rules), row, cause=cause, now_ms=now_ms)


def credited(row: ConversionRow, rules: AttributionRules) -> ConversionRow:
    """With every model's result for its path."""
    places = places_of(row.currency, row.value, row.refunded)
    if not row.path:
        return msgspec.structs.replace(row, results=(), places=places)
    path = Path(row.path, row.occurred_at_ms, row.milestone_at_ms)
    gross, net = units(row.value, places), units(row.net_value, places)
    results = tuple(_result(weights(model, path, rules), gross, net) for model in MODELS)
    return msgspec.structs.replace(row, results=results, places=places)


def with_value(
    row: ConversionRow, rules: AttributionRules, *, refund: Decimal | None, cause: Cause, now_ms: int
) -> ConversionRow:
    """After a refund of that much, or (None) a cancellation. Shares stay: path and milestone are those of the row."""
    changed = (
        msgspec.structs.replace(row, is_cancelled=True)
        if refund is None
        else msgspec.structs.replace(row, refunded=row.refunded + abs(refund))  # some senders write it below zero
    )
    return next_version(_revalued(changed, rules), row, cause=cause, now_ms=now_ms)


def inherited(row: ConversionRow, first: ConversionRow, key: bytes, rules: AttributionRules) -> ConversionRow:
    """A renewal with the path of the subscription's first order; told apart by `renewal_of`."""
    fresh = msgspec.structs.replace(
        row, renewal_of=key, path=first.path, milestone_at_ms=first.milestone_at_ms, visits=first.visits, gap=first.gap,
        results=first.results,
    )  # fmt: skip
    return _revalued(fresh, rules)


def _revalued(row: ConversionRow, rules: AttributionRules) -> ConversionRow:
    """The same shares of other amounts. The models' weights may be others by now, so the amounts come from the shares
    that were given: where the rules are as they were, that is the same to the last unit or one beside it."""
    places = places_of(row.currency, row.value, row.refunded)
    gross, net = units(row.value, places), units(row.net_value, places)
    if not row.results:
        return msgspec.structs.replace(row, places=places)
    fresh = credited(row, rules)
    same = [one.places == other.places and one.shares == other.shares for one, other in _pairs(fresh, row)]
    results = tuple(
        new if is_same else _apportioned(old, gross, net)
        for is_same, (new, old) in zip(same, _pairs(fresh, row), strict=True)
    )
    return msgspec.structs.replace(row, results=results, places=places)


def _pairs(fresh: ConversionRow, row: ConversionRow) -> list[tuple[Result, Result]]:
    return list(zip(fresh.results, row.results, strict=False))


def _apportioned(result: Result, gross: int, net: int) -> Result:
    return msgspec.structs.replace(
        result, gross=tuple(apportion(gross, result.shares)), net=tuple(apportion(net, result.shares))
    )


def _result(credit: Sequence[int], gross: int, net: int) -> Result:
    places = tuple(place for place, weight in enumerate(credit) if weight)
    kept = [credit[place] for place in places]
    return Result(
        winner(credit),
        places,
        tuple(apportion(SHARE, kept)),
        tuple(apportion(gross, kept)),
        tuple(apportion(net, kept)),
    )
