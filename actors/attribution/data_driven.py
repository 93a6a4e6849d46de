"""The two data-driven models over all paths of a period, with how much they rest on (contracts/attribution.md, 11).

A channel's share is its removal effect over all removal effects, or its Shapley value over all of them. Below
`CONVERSIONS_LEAST` conversions there is no figure at all, and none for a channel in fewer than `PATHS_LEAST` paths;
what such a channel gets still counts in the sum, so the shares that are shown need not add up to 1.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from actors.attribution.markov import Paths, removal_effects
from actors.attribution.shapley import shapley_values
from store.journey_records import PathTouch

DataModel = Literal["markov", "shapley"]
DATA_MODELS: Final[tuple[DataModel, ...]] = ("markov", "shapley")
CONVERSIONS_LEAST: Final = 300
PATHS_LEAST: Final = 30  # of a channel
CHANNELS_MOST: Final = 100  # told apart; the rarest beyond that are one. An inverse of 100 channels takes 0.3 s
REST: Final = "(all others)"
FINE: Final = 10**12
NOT_ENOUGH: Final = "not enough data"


class Learnt(Struct, frozen=True, kw_only=True):
    """Of one model. `weights`: the shares in units of 1 / `FINE`; `withheld`: channels with too few
    paths for a figure. `why`: words where there is not enough data for any; then `weights` is empty."""

    model: DataModel
    conversions: int
    paths: int
    weights: dict[str, int]
    paths_of: dict[str, int]
    withheld: frozenset[str]
    why: str = ""


class Observed:
    """Paths of a period, alike ones counted together."""

    def __init__(self) -> None:
        self.paths: Counter[tuple[tuple[str, ...], bool]] = Counter()

    def add(self, channels: Sequence[str], *, is_converted: bool) -> None:
        """One path. Neighbours that are the same say no more than one: a stay changes nothing in the chain."""
        steps = tuple(one for at, one in enumerate(channels) if at == 0 or one != channels[at - 1])
        if steps:
            self.paths[steps, is_converted] += 1


def eligible(touches: Sequence[PathTouch], direct_credit: str) -> list[PathTouch]:
    """As in the models that share: direct ones count where there is nothing else, or where the site counts them."""
    indirect = [touch for touch in touches if not touch.is_direct]
    return list(touches) if direct_credit == "always" or not indirect else indirect


def learn(model: DataModel, observed: Observed) -> Learnt:
    paths = _bounded(observed.paths)
    conversions = sum(count for (_, is_converted), count in paths.items() if is_converted)
    paths_of: Counter[str] = Counter()
    for (path, _), count in paths.items():
        paths_of.update(dict.fromkeys(path, count))
    why = (
        ""
        if conversions >= CONVERSIONS_LEAST
        else f"{NOT_ENOUGH}: {conversions} conversions, it takes {CONVERSIONS_LEAST}"
    )
    return Learnt(
        model=model,
        conversions=conversions,
        paths=sum(paths.values()),
        weights={} if why else _weights(model, paths),
        paths_of=dict(paths_of),
        withheld=frozenset(channel for channel, count in paths_of.items() if count < PATHS_LEAST),
        why=why,
    )


def _weights(model: DataModel, paths: Paths) -> dict[str, int]:
    values = removal_effects(paths) if model == "markov" else {k: float(v) for k, v in shapley_values(paths).items()}
    whole = sum(values.values())
    return {channel: round(value / whole * FINE) for channel, value in sorted(values.items())}


def _bounded(paths: Mapping[tuple[tuple[str, ...], bool], int]) -> Paths:
    seen: Counter[str] = Counter()
    for (path, _), count in paths.items():
        seen.update(dict.fromkeys(path, count))
    if len(seen) <= CHANNELS_MOST:
        return paths
    kept = {channel for channel, _ in seen.most_common(CHANNELS_MOST - 1)}
    bounded: Counter[tuple[tuple[str, ...], bool]] = Counter()
    for (path, is_converted), count in paths.items():
        bounded[tuple(one if one in kept else REST for one in path), is_converted] += count
    return bounded
