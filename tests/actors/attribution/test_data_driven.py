"""The data-driven models: the page's worked example to its figures, and both held to their definitions."""

from collections import Counter
from itertools import combinations, pairwise
from math import factorial
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.attribution import data_driven
from actors.attribution.data_driven import DATA_MODELS, FINE, REST, Observed, eligible, learn
from actors.attribution.markov import Paths, removal_effects
from actors.attribution.shapley import shapley_values
from tests.actors.attribution.touches import touch

# contracts/attribution.md, section 11: 12 paths, 6 conversions
WORKED: Final[Paths] = {
    (("paid_social", "email"), True): 2,
    (("paid_search",), True): 3,
    (("paid_search",), False): 2,
    (("paid_social",), False): 4,
    (("email", "paid_search"), True): 1,
}
CHANNEL = st.sampled_from(["a", "b", "c", "d"])
PATHS = st.dictionaries(
    st.tuples(st.lists(CHANNEL, min_size=1, max_size=5).map(tuple), st.booleans()), st.integers(1, 9), min_size=1
)


def observed(paths: Paths, times: int = 1) -> Observed:
    made = Observed()
    for (path, is_converted), count in paths.items():
        for _ in range(count * times):
            made.add(path, is_converted=is_converted)
    return made


def test_the_worked_paths_give_the_removal_effects_of_the_page() -> None:
    effects = removal_effects(WORKED)
    assert {name: round(value, 6) for name, value in effects.items()} == {
        "email": 0.444444,
        "paid_search": 0.666667,
        "paid_social": 0.296296,
    }
    credit = {name: round(6 * value / sum(effects.values()), 6) for name, value in effects.items()}
    assert credit == {"email": 1.894737, "paid_search": 2.842105, "paid_social": 1.263158}


def test_the_worked_paths_give_the_shapley_values_of_the_page() -> None:
    assert shapley_values(WORKED) == {"email": 1.5, "paid_search": 3.5, "paid_social": 1}


def chance(paths: Paths, without: str = "") -> float:
    """That of conversion, step by step until nothing moves, with every transition into a channel sent to null."""
    onward: dict[str, Counter[str]] = {}
    for (path, is_converted), count in paths.items():
        states = ["start", *path, "conversion" if is_converted else "null"]
        for one, following in pairwise(states):
            onward.setdefault(one, Counter())[following] += count
    at: dict[str, float] = {"start": 1.0}
    converted = 0.0
    for _ in range(2_000):
        after: dict[str, float] = {}
        for state, mass in at.items():
            total = sum(onward[state].values())
            for to, count in onward[state].items():
                if to == "conversion":
                    converted += mass * count / total
                elif to not in ("null", without):
                    after[to] = after.get(to, 0.0) + mass * count / total
        at = after
    return converted


@given(paths=PATHS)
def test_a_removal_effect_is_what_conversion_loses_without_the_channel(paths: Paths) -> None:
    whole = chance(paths)
    for channel, effect in removal_effects(paths).items():
        assert effect == pytest.approx(1 - chance(paths, channel) / whole if whole else 0, abs=1e-6)


@given(paths=PATHS)
def test_a_shapley_value_is_the_mean_of_what_a_channel_adds_to_every_set(paths: Paths) -> None:
    channels = sorted({one for path, _ in paths for one in path})

    def worth(some: frozenset[str]) -> int:
        return sum(count for (path, is_converted), count in paths.items() if is_converted and set(path) <= some)

    size = len(channels)
    values = shapley_values(paths)
    for channel in channels:
        others = [one for one in channels if one != channel]
        expected = 0.0
        for count in range(size):
            weight = factorial(count) * factorial(size - count - 1) / factorial(size)
            for some in map(frozenset, combinations(others, count)):
                expected += weight * (worth(some | {channel}) - worth(some))
        assert float(values[channel]) == pytest.approx(expected)
    assert sum(values.values()) == worth(frozenset(channels))


@pytest.mark.parametrize("model", DATA_MODELS)
def test_below_300_conversions_there_is_no_figure(model: data_driven.DataModel) -> None:
    few, enough = learn(model, observed(WORKED, 49)), learn(model, observed(WORKED, 50))
    assert (few.weights, few.conversions) == ({}, 294)
    assert few.why == "not enough data: 294 conversions, it takes 300"
    assert (enough.why, enough.conversions, enough.paths) == ("", 300, 600)
    assert sum(enough.weights.values()) == pytest.approx(FINE, abs=3)


def test_a_channel_in_fewer_than_30_paths_has_no_figure() -> None:
    seen = observed(WORKED, 50)
    for _ in range(29):
        seen.add(("sms",), is_converted=True)
    found = learn("shapley", seen)
    assert (found.withheld, found.paths_of["sms"]) == (frozenset({"sms"}), 29)
    seen.add(("sms",), is_converted=False)
    assert learn("shapley", seen).withheld == frozenset()


def test_steps_that_repeat_count_as_one_and_paths_without_any_are_left_out() -> None:
    seen = Observed()
    seen.add(("a", "a", "b", "b", "a"), is_converted=True)
    seen.add((), is_converted=False)
    assert seen.paths == {(("a", "b", "a"), True): 1}


@given(paths=PATHS)
def test_a_stay_in_a_channel_changes_no_removal_effect(paths: Paths) -> None:
    doubled: Counter[tuple[tuple[str, ...], bool]] = Counter()
    for (path, is_converted), count in paths.items():
        doubled[tuple(one for one in path for _ in range(2)), is_converted] += count
    effects = removal_effects(doubled)
    assert {name: pytest.approx(value, abs=1e-6) for name, value in removal_effects(paths).items()} == effects


def test_beyond_100_channels_the_rarest_are_one() -> None:
    seen = Observed()
    for number in range(120):
        for _ in range(60 if number < 99 else 40):
            seen.add((f"c{number}",), is_converted=True)
    found = learn("markov", seen)
    assert len(found.weights) == 100
    assert found.paths_of[REST] == 21 * 40


def test_direct_contacts_count_only_where_the_site_counts_them_or_there_is_nothing_else() -> None:
    path = [touch("email", 1), touch("direct", 2)]
    assert [one.channel for one in eligible(path, "fallback")] == ["email"]
    assert [one.channel for one in eligible(path, "always")] == ["email", "direct"]
    assert [one.channel for one in eligible(path[1:], "fallback")] == ["direct"]
