"""What `gateway attribution` tells of a year, beside what it has to be."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from gateway.commands.attribution_read import Asked, AttributionReport, Reading
from store.env import Store
from store.journey_records import MODELS
from tests.year.expected import Figures
from tests.year.requests import BEGIN_S

ROUNDING: Final = 1e-6  # of one conversion's share
NOBODY: Final = frozenset({"no_identity", "no_touchpoints", "outside_window", "new_visitor_at_checkout"})
UNATTRIBUTED: Final = "(unattributed)"


def report(store: Store, site: str, now_ms: int) -> AttributionReport:
    """All models by channel."""
    asked = Asked(site=site, since_ms=BEGIN_S * 1000, now_ms=now_ms, models=MODELS)
    reading = Reading(store, asked)
    for _ in reading.steps():
        pass
    return reading.report()


def differences(told: AttributionReport, expected: Figures) -> Iterator[str]:
    count = sum(one.conversions for one in told.totals)
    if count != expected.conversions:
        yield f"{count} conversions, {expected.conversions} expected"
    if told.unreadable:
        yield f"{told.unreadable} conversions cannot be read"
    lines = {(str(one.model), one.name, one.currency): one for one in told.lines if one.name != UNATTRIBUTED}
    for place in sorted({*lines, *expected.gross}):
        line = lines.get(place)
        gross = line.gross if line is not None and line.gross is not None else Decimal(0)
        shares = line.conversions if line is not None and line.conversions is not None else 0.0
        if gross != expected.gross.get(place, Decimal(0)):
            yield f"{place}: {gross}, {expected.gross.get(place)} expected"
        if abs(shares - float(expected.shares.get(place, 0))) > ROUNDING * max(1, expected.conversions):
            yield f"{place}: {shares} conversions, {expected.shares.get(place)} expected"
    gaps = Counter[str]()
    for one in told.gaps:
        gaps["nobody" if one.gap in NOBODY else one.gap] += one.conversions
    if gaps != expected.gaps:
        yield f"gaps {dict(gaps)}, {dict(expected.gaps)} expected"
