"""Sampling: the vectors of contracts/routing.md, section 4.5; a higher rate keeps all that a lower one kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import CustomData, UserData
from actors.routes import Sample
from actors.sampling import is_kept, key_of, number, rate_of, threshold
from tests.support.making import event

VECTORS = [
    ("route-meta-1", "v-0001", "983d88b5f9339514", False, False),
    ("route-meta-1", "v-0002", "0089d1104c458d1a", True, True),
    ("route-meta-1", "v-0003", "2ba4d5c19b46080b", False, True),
    ("route-meta-1", "v-0004", "6d2f1de3d792a650", False, True),
    ("route-ga4-1", "v-0001", "74d6cd08cc385b59", False, True),
]
RATES = st.floats(0, 1)


@pytest.mark.parametrize(("salt", "visitor", "hexed", "tenth", "half"), VECTORS)
def test_the_vectors_hold(salt: str, visitor: str, hexed: str, tenth: bool, half: bool) -> None:
    one = event(user_data=UserData(anonymous_id=visitor))
    assert number(salt, visitor) == int(hexed, 16)
    assert is_kept(one, Sample(rate=0.1), salt) is tenth
    assert is_kept(one, Sample(rate=0.5), salt) is half
    assert is_kept(one, Sample(rate=0.5, salt=salt), "another") is half


def test_nothing_and_everything_are_exact() -> None:
    assert (threshold(0), threshold(1)) == (0, 1 << 64)
    assert not is_kept(event(), Sample(rate=0), "r")
    assert is_kept(event(), Sample(rate=1), "r")


@pytest.mark.parametrize(
    ("key", "wanted"), [("anonymous_id", "v"), ("external_id", "c"), ("order_id", "o"), ("event_id", "e-1")]
)
def test_the_key_is_what_the_route_says_and_the_events_id_where_it_is_missing(key: Any, wanted: str) -> None:
    told = event(user_data=UserData(anonymous_id="v", external_id="c"), custom_data=CustomData(order_id="o"))
    assert key_of(told, key) == wanted
    assert key_of(event(), key) == "e-1"


def test_conversions_are_kept_unless_the_route_allows_to_sample_them() -> None:
    bought = event(name="purchase_placed")
    assert is_kept(bought, Sample(rate=0), "r")
    assert rate_of(bought, Sample(rate=0)) == 1
    assert not is_kept(bought, Sample(rate=0, allow_conversions=True), "r")
    assert rate_of(bought, Sample(rate=0.5, allow_conversions=True)) == 0.5


@given(key=st.text(max_size=20), salt=st.text(max_size=5), rates=st.tuples(RATES, RATES))
def test_a_higher_rate_keeps_all_that_a_lower_one_kept(key: str, salt: str, rates: tuple[float, float]) -> None:
    one = event(event_id=key)
    low, high = (is_kept(one, Sample(rate=rate, key="event_id"), salt) for rate in sorted(rates))
    assert high >= low
