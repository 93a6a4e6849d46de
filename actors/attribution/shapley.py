"""Shapley values of channels, where a set of channels is worth the conversions of the paths that lie inside it
(contracts/attribution.md, section 11).

That game is a sum of games of one path each: the path's conversion is worth 1 to every set that holds all its channels,
and 0 to any other. In such a game the channels of the path are worth the same and the others nothing, and values of a
sum add up; so the value of a channel is the sum over its paths of 1 / (different channels of the path). This is the
page's formula, exactly and for any number of channels: nothing has to be grouped. A test holds it to the formula.
"""

from collections.abc import Mapping
from fractions import Fraction

from actors.attribution.markov import Paths


def shapley_values(paths: Paths) -> dict[str, Fraction]:
    """Conversions by channel; they add up to all conversions. A channel that never converted has 0."""
    values: dict[str, Fraction] = {channel: Fraction(0) for path, _ in paths for channel in path}
    for channels, count in _converted(paths).items():
        for channel in channels:
            values[channel] += Fraction(count, len(channels))
    return values


def _converted(paths: Paths) -> Mapping[frozenset[str], int]:
    found: dict[frozenset[str], int] = {}
    for (path, is_converted), count in paths.items():
        if is_converted and path:
            channels = frozenset(path)
            found[channels] = found.get(channels, 0) + count
    return found
