"""Attribution, worked out again from the stored touchpoints (contracts/attribution.md, sections 5 and 6): every
conversion's path, every model's credit to the cent, its value after refunds, and its versions without a gap."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from actors.attribution.settings import CONVERSIONS
from store.journey_records import MODELS, VERSIONS_KEPT, ConversionRow, PathTouch, TouchRow
from tests.simulation.ledger import Ledger

WINDOW_MS: Final = 30 * 86_400_000
HALF_LIFE_MS: Final = 7 * 86_400_000
MOST: Final = 50
FOLLOWED: Final = ("external_id", "email", "customer")  # keys that do not lead to another customer's touchpoints


def hold(ledger: Ledger) -> Iterator[str]:
    """After every commit: there is one conversion for each converting event, and it says what the touchpoints say."""
    converted = {
        key
        for key, row in ledger.events.items()
        if row.status == "processed" and row.event_name in CONVERSIONS and row.source != "test"
    }
    for key in converted ^ ledger.conversions.keys():
        yield f"{ledger.events[key].event_id} {'converted' if key in converted else 'is a conversion'} wrongly"
    changes = _changes(ledger)
    by_digest = _by_digest(ledger.touches)
    for key, row in ledger.conversions.items():
        for words in _faults(row, changes, by_digest, ledger.touches):
            yield f"conversion {row.event_id}: {words}"
        versions = [one.version for one in ledger.versions.get(key, ())]
        wanted = [number for number in range(1, row.version) if number == 1 or number > row.version - VERSIONS_KEPT + 1]
        if versions != wanted:
            yield f"conversion {row.event_id} of version {row.version} has earlier versions {versions}"


def _changes(ledger: Ledger) -> Mapping[tuple[str, str], tuple[Decimal, bool]]:
    """Of each order: what was refunded, and whether it was cancelled."""
    found: dict[tuple[str, str], tuple[Decimal, bool]] = {}
    for key, row in ledger.events.items():
        data = ledger.raw[key].custom_data
        if row.status != "processed" or data.order_id is None:
            continue
        refunded, is_cancelled = found.get((row.site, data.order_id), (Decimal(0), False))
        if row.event_name == "order_refunded" and data.value is not None:
            found[row.site, data.order_id] = (refunded + data.value, is_cancelled)
        elif row.event_name == "order_cancelled":
            found[row.site, data.order_id] = (refunded, True)
    return found


def _by_digest(touches: Mapping[bytes, TouchRow]) -> Mapping[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for key, row in touches.items():
        for one in row.keys:
            found[one].append(key)
    return found


def _faults(
    row: ConversionRow,
    changes: Mapping[tuple[str, str], tuple[Decimal, bool]],
    by_digest: Mapping[bytes, list[bytes]],
    touches: Mapping[bytes, TouchRow],
) -> Iterator[str]:
    path = [(one.id, one.label) for one in row.path if one.label != "erased"]
    fresh = _path(row, by_digest, touches)
    if not row.erased_at_ms and path != fresh:
        yield f"its path is {_told(path)}, not {_told(fresh)}"
    refunded, is_cancelled = changes.get((row.site, row.order_id or ""), (Decimal(0), False))
    if row.event_name == "purchase_placed" and not row.erased_at_ms:
        if row.is_cancelled != is_cancelled:
            yield f"it is {'' if row.is_cancelled else 'not '}cancelled"
        if not is_cancelled and row.refunded != refunded:
            yield f"{row.refunded} of it was refunded, not {refunded}"
    yield from _miscredited(row)


def _told(path: Sequence[tuple[bytes, str]]) -> list[tuple[str, str]]:
    return [(key.hex()[-8:], label) for key, label in path]


def _path(
    row: ConversionRow, by_digest: Mapping[bytes, list[bytes]], touches: Mapping[bytes, TouchRow]
) -> list[tuple[bytes, str]]:
    reached: dict[bytes, str] = {}
    for link in row.keys:
        for key in by_digest.get(link.digest, ()):
            if row.occurred_at_ms - WINDOW_MS < touches[key].at_ms <= row.occurred_at_ms:
                reached.setdefault(key, link.label)
    if all(label == "customer" for label in reached.values()):
        return []
    ordered = sorted(reached, key=lambda key: (touches[key].at_ms, key))
    ordered = ordered if len(ordered) <= MOST else [ordered[0], *ordered[1 - MOST :]]
    own = next((link.digest for link in row.keys if link.label == "external_id"), b"")
    return [
        (key, reached[key])
        for key in ordered
        if reached[key] not in FOLLOWED or not own or touches[key].external in (b"", own)
    ]


def _miscredited(row: ConversionRow) -> Iterator[str]:
    """Of the models, each by itself."""
    if not row.path:
        if row.results:
            yield "there is credit without a path"
        return
    net = Decimal(0) if row.is_cancelled else row.value - row.refunded
    for model, result in zip(MODELS, row.results, strict=True):
        shares = _shares(model, row)
        for name, value, given in (("gross", row.value, result.gross), ("net", net, result.net)):
            units = int(value.scaleb(row.places))
            wanted = _split([shares[place] for place in result.places], units)
            if sum(given) != units or any(abs(one - other) > 1 for one, other in zip(given, wanted, strict=True)):
                yield f"{model} gives {name} {given} of {units}, not {wanted}"
        if sum(shares[place] for place in result.places) != 1:
            yield f"{model} gives to {result.places} of {[float(one) for one in shares]}"


def _shares(model: str, row: ConversionRow) -> list[Fraction]:
    path: Sequence[PathTouch] = row.path
    eligible = [place for place, touch in enumerate(path) if not touch.is_direct] or list(range(len(path)))
    paid = [place for place, touch in enumerate(path) if _is_paid(touch)]
    found = [Fraction(0)] * len(path)
    match model:
        case "last_non_direct":
            parts = {eligible[-1]: Fraction(1)}
        case "first_touch":
            parts = {eligible[0]: Fraction(1)}
        case "last_touch":
            parts = {len(path) - 1: Fraction(1)}
        case "last_paid":
            parts = {paid[-1] if paid else eligible[-1]: Fraction(1)}
        case "linear":
            parts = dict.fromkeys(eligible, Fraction(1, len(eligible)))
        case "time_decay":
            halves = [Fraction(2.0 ** ((path[place].at_ms - row.occurred_at_ms) / HALF_LIFE_MS)) for place in eligible]
            parts = {place: half / sum(halves) for place, half in zip(eligible, halves, strict=True)}
        case "position_based":
            parts = dict(zip(eligible, _ends(len(eligible)), strict=True))
        case _:
            times = [path[place].at_ms for place in eligible]
            milestone = bisect_right(times, row.milestone_at_ms) - 1 if row.milestone_at_ms else -1
            parts = dict(zip(eligible, _three(len(eligible), milestone), strict=True))
    for place, share in parts.items():
        found[place] = share
    return found


def _is_paid(touch: PathTouch) -> bool:
    return touch.is_paid or touch.channel.startswith("paid_") or touch.channel in ("cross_network", "display")


def _ends(count: int) -> list[Fraction]:
    if count <= 2:
        return [Fraction(1, count)] * count
    return [Fraction(2, 5), *[Fraction(1, 5) / (count - 2)] * (count - 2), Fraction(2, 5)]


def _three(count: int, milestone: int) -> list[Fraction]:
    if milestone <= 0 or milestone >= count - 1:
        return _ends(count)
    if count == 3:
        return [Fraction(1, 3)] * 3
    ends = (0, milestone, count - 1)
    return [Fraction(3, 10) if place in ends else Fraction(1, 10) / (count - 3) for place in range(count)]


def _split(shares: Sequence[Fraction], units: int) -> list[int]:
    """Rounded down; the rest goes where most is left, of equal ones to the later."""
    exact = [share * units for share in shares]
    amounts = [int(one) for one in exact]
    rest = units - sum(amounts)
    order = sorted(range(len(shares)), key=lambda place: (exact[place] - amounts[place], place), reverse=True)
    for place in order[:rest]:
        amounts[place] += 1
    return amounts
