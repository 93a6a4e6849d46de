"""The eight models: what weight each touchpoint of a path has (contracts/attribution.md, section 6).

Weights are whole numbers, so that shares and amounts are exact and the same on every machine. Of touchpoints at the
same credit the later one wins.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from actors.attribution.settings import AttributionRules, Model
from store.journey_records import PathTouch

PAID_CHANNELS: Final = frozenset({"cross_network", "display"})  # beside all that begin with `paid_`
FINE: Final = 10**12  # of a weight that decays: far below what a platform's own power function is unsure of


class Path(NamedTuple):
    """In order of time, not empty. `milestone_at_ms`: the first cart, checkout or lead in it; 0: none."""

    touches: Sequence[PathTouch]
    converted_at_ms: int
    milestone_at_ms: int = 0


def weights(model: Model, path: Path, rules: AttributionRules) -> list[int]:
    """One weight per touchpoint of the path."""
    found = [0] * len(path.touches)
    for place, weight in zip(*_MODELS[model](path, rules), strict=True):
        found[place] = weight
    return found


def winner(credit: Sequence[int]) -> int:
    """The place of the highest credit, of equal ones the last."""
    return max(range(len(credit)), key=lambda place: (credit[place], place))


def is_paid(touch: PathTouch) -> bool:
    return touch.is_paid or touch.channel in PAID_CHANNELS or touch.channel.startswith("paid_")


_Weighed = tuple[list[int], list[int]]  # places, weights


def _last_non_direct(path: Path, rules: AttributionRules) -> _Weighed:
    return [_indirect(path)[-1]], [1]


def _first_touch(path: Path, rules: AttributionRules) -> _Weighed:
    return [_indirect(path)[0]], [1]


def _last_touch(path: Path, rules: AttributionRules) -> _Weighed:
    return [len(path.touches) - 1], [1]


def _last_paid(path: Path, rules: AttributionRules) -> _Weighed:
    paid = [place for place, touch in enumerate(path.touches) if is_paid(touch)]
    return [(paid or _indirect(path))[-1]], [1]


def _linear(path: Path, rules: AttributionRules) -> _Weighed:
    places = _eligible(path, rules)
    return places, [1] * len(places)


def _time_decay(path: Path, rules: AttributionRules) -> _Weighed:
    """Ages count from the latest touchpoint that gets credit: the shares are the same, and no weight is nothing."""
    places = _eligible(path, rules)
    last_ms = path.touches[places[-1]].at_ms
    ages = [last_ms - path.touches[place].at_ms for place in places]
    return places, [max(1, round(2.0 ** (-age / rules.half_life_ms) * FINE)) for age in ages]


def _position_based(path: Path, rules: AttributionRules) -> _Weighed:
    places = _eligible(path, rules)
    first, middle, last = rules.position_weights
    if len(places) == 1:
        return places, [1]
    between = len(places) - 2
    if between == 0:
        return places, [first, last] if first + last else [1, 1]
    return places, [first * between, *[middle] * between, last * between]


def _w_shaped(path: Path, rules: AttributionRules) -> _Weighed:
    places = _eligible(path, rules)
    milestone = _milestone(path, places)
    if milestone is None or milestone in (places[0], places[-1]):
        return _position_based(path, rules)
    first, at_milestone, last, middle = rules.w_weights
    between = len(places) - 3
    scale = max(1, between)
    own = {places[0]: first * scale, milestone: at_milestone * scale, places[-1]: last * scale}
    return places, [own.get(place, middle) for place in places]


_MODELS: Final[Mapping[Model, Callable[[Path, AttributionRules], _Weighed]]] = MappingProxyType(
    {
        "last_non_direct": _last_non_direct,
        "first_touch": _first_touch,
        "last_touch": _last_touch,
        "last_paid": _last_paid,
        "linear": _linear,
        "time_decay": _time_decay,
        "position_based": _position_based,
        "w_shaped": _w_shaped,
    }
)


def _indirect(path: Path) -> list[int]:
    """Those that are not direct; all, where all are direct."""
    return [place for place, touch in enumerate(path.touches) if not touch.is_direct] or list(range(len(path.touches)))


def _eligible(path: Path, rules: AttributionRules) -> list[int]:
    """Those that the models which share may give credit to."""
    return list(range(len(path.touches))) if rules.direct_credit == "always" else _indirect(path)


def _milestone(path: Path, places: Sequence[int]) -> int | None:
    """The last of them at or before the first cart, checkout or lead."""
    before = [place for place in places if path.touches[place].at_ms <= path.milestone_at_ms]
    return before[-1] if before and path.milestone_at_ms else None
