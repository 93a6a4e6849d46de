"""The removal effect of each channel in a Markov chain of order 1 (contracts/attribution.md, section 11).

States are start, the channels, conversion and null; p(a→b) = transitions from a to b / all transitions from a. P is the
chance to get from start to conversion; without channel x every transition into x goes to null. Those who reach
conversion without x are all who reach it but those who come by x, so P₋ₓ = P − h(x) · c(x): h(x) the chance to come by
x at all, c(x) that of conversion from there. With N = (I − Q)⁻¹, h(x) = N[start, x] / N[x, x] and c = N r: one inverse
instead of one for each channel.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

START: Final = -1

Paths = Mapping[tuple[tuple[str, ...], bool], int]  # channels in order of time, whether it converted -> how many


def removal_effects(paths: Paths) -> dict[str, float]:
    """By channel, 0 to 1. All 0 where nothing converted. Paths without a channel tell nothing and are left out."""
    channels = sorted({channel for path, _ in paths for channel in path})
    place = {channel: at for at, channel in enumerate(channels)}
    onward, converting = _transitions(paths, place)
    size = len(channels)
    first = [onward[START, to] / max(1, onward[START, size]) for to in range(size)]
    inverse = _inverse(_kept(onward, size))
    from_channel = [
        sum(inverse[at][to] * converting[to] / onward[to, size] for to in range(size)) for at in range(size)
    ]
    visits = [sum(first[at] * inverse[at][to] for at in range(size)) for to in range(size)]
    chance = sum(first[at] * from_channel[at] for at in range(size))
    if chance <= 0:
        return dict.fromkeys(channels, 0.0)
    return {
        channel: min(1.0, visits[at] / inverse[at][at] * from_channel[at] / chance) for channel, at in place.items()
    }


def _transitions(paths: Paths, place: Mapping[str, int]) -> tuple[Counter[tuple[int, int]], Counter[int]]:
    """How often each state follows another, and all that follow it (under the number of channels); how often conversion
    follows a channel."""
    size = len(place)
    onward: Counter[tuple[int, int]] = Counter()
    converting: Counter[int] = Counter()
    for (path, is_converted), count in paths.items():
        states = [START, *(place[channel] for channel in path)]
        if len(states) == 1:
            continue
        for one, following in pairwise(states):
            onward[one, following] += count
            onward[one, size] += count
        onward[states[-1], size] += count
        converting[states[-1]] += count * is_converted
    return onward, converting


def _kept(onward: Counter[tuple[int, int]], size: int) -> list[list[float]]:
    """I − Q, of the channels."""
    return [[(one == to) - onward[one, to] / onward[one, size] for to in range(size)] for one in range(size)]


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Gauss and Jordan, with the largest pivot. There always is one: from every channel a path ends."""
    size = len(matrix)
    rows = [[*row, *(float(at == column) for column in range(size))] for at, row in enumerate(matrix)]
    for at in range(size):
        best = max(range(at, size), key=lambda one: abs(rows[one][at]))
        rows[at], rows[best] = rows[best], rows[at]
        pivot = rows[at][at]
        rows[at] = [value / pivot for value in rows[at]]
        for other in range(size):
            if other != at and (factor := rows[other][at]):
                rows[other] = [value - factor * own for value, own in zip(rows[other], rows[at], strict=True)]
    return [row[size:] for row in rows]
