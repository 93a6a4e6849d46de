"""The eight models, to the cent: the worked path of contracts/attribution.md, section 6, and what holds of any path."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.attribution.amounts import amount, apportion, places_of, units
from actors.attribution.conversions import credited
from actors.attribution.models import Path, weights, winner
from actors.attribution.settings import AttributionRules
from store.journey_records import MODELS, SHARE, ConversionRow, Model, PathTouch, Result
from tests.actors.attribution.touches import DAY_MS, NOW_MS, WORKED, touch

MILESTONE_MS = NOW_MS - 8 * DAY_MS  # after T3, before T4


def conversion(path: tuple[PathTouch, ...], value: str, *, milestone_at_ms: int = 0) -> ConversionRow:
    return ConversionRow(
        site="shop", event_id="e", event_name="purchase_placed", occurred_at_ms=NOW_MS, received_at_ms=NOW_MS,
        version=1, cause="conversion", computed_at_ms=NOW_MS, final_at_ms=NOW_MS, value=Decimal(value),
        currency="EUR", path=path, milestone_at_ms=milestone_at_ms,
    )  # fmt: skip


def result(model: Model, rules: AttributionRules | None = None, *, path: tuple[PathTouch, ...] = WORKED) -> Result:
    row = conversion(path, "120.00", milestone_at_ms=MILESTONE_MS)
    return credited(row, rules or AttributionRules()).results[MODELS.index(model)]


def spread(found: Result, values: tuple[int, ...]) -> list[int]:
    whole = [0] * len(WORKED)
    for place, value in zip(found.places, values, strict=True):
        whole[place] = value
    return whole


@pytest.mark.parametrize(
    ("model", "amounts", "won"),
    [
        ("last_non_direct", [0, 0, 0, 120_00, 0], 3),
        ("first_touch", [120_00, 0, 0, 0, 0], 0),
        ("last_touch", [0, 0, 0, 0, 120_00], 4),
        ("last_paid", [0, 0, 0, 120_00, 0], 3),
        ("linear", [30_00, 30_00, 30_00, 30_00, 0], 3),
        ("time_decay", [10_75, 19_46, 31_94, 57_85, 0], 3),
        ("position_based", [48_00, 12_00, 12_00, 48_00, 0], 3),
        ("w_shaped", [36_00, 12_00, 36_00, 36_00, 0], 3),
    ],
)
def test_the_worked_path_is_credited_to_the_cent(model: Model, amounts: list[int], won: int) -> None:
    found = result(model)
    assert spread(found, found.gross) == amounts
    assert found.winner == won


@pytest.mark.parametrize(
    ("model", "amounts", "won"),
    [
        ("last_non_direct", [0, 0, 0, 120_00, 0], 3),
        ("linear", [24_00, 24_00, 24_00, 24_00, 24_00], 4),
        ("time_decay", [6_58, 11_92, 19_56, 35_43, 46_51], 4),
        ("position_based", [48_00, 8_00, 8_00, 8_00, 48_00], 4),
        ("w_shaped", [36_00, 6_00, 36_00, 6_00, 36_00], 4),
    ],
)
def test_the_worked_path_with_direct_credited_always(model: Model, amounts: list[int], won: int) -> None:
    found = result(model, AttributionRules(direct_credit="always"))
    assert spread(found, found.gross) == amounts
    assert found.winner == won


def test_time_decay_has_the_shares_of_the_page() -> None:
    assert result("time_decay").shares == (89_549, 162_214, 266_139, 482_098)


def test_adobes_own_example_of_time_decay() -> None:
    path = (touch("email", 9), touch("social", 6), touch("email", 0), touch("search", 0))
    assert [round(share / 1e6, 3) for share in result("time_decay", path=path).shares] == [0.138, 0.186, 0.338, 0.338]


def test_only_direct_touchpoints_leave_direct_as_the_fallback() -> None:
    path = (touch("direct", 5), touch("direct", 1))
    assert [result(model, path=path).winner for model in ("last_non_direct", "first_touch", "linear")] == [1, 0, 1]


def test_without_a_paid_one_last_paid_is_the_last_that_is_not_direct() -> None:
    assert result("last_paid", path=(touch("email", 3), touch("referral", 2), touch("direct", 1))).winner == 1


def test_a_click_id_that_only_ads_have_makes_a_touchpoint_paid_whatever_its_channel() -> None:
    assert result("last_paid", path=(touch("organic_social", 3, is_paid=True), touch("email", 2))).winner == 0


@pytest.mark.parametrize(
    ("model", "count", "shares"),
    [
        ("position_based", 1, (1_000_000,)),
        ("position_based", 2, (500_000, 500_000)),
        ("position_based", 4, (400_000, 100_000, 100_000, 400_000)),
        ("w_shaped", 3, (333_333, 333_333, 333_334)),
        ("w_shaped", 5, (300_000, 50_000, 300_000, 50_000, 300_000)),
    ],
)
def test_positions_share_as_the_page_says(model: Model, count: int, shares: tuple[int, ...]) -> None:
    path = tuple(touch("email", count - place) for place in range(count))
    row = conversion(path, "1", milestone_at_ms=path[count // 2].at_ms)
    assert credited(row, AttributionRules()).results[MODELS.index(model)].shares == shares


def test_w_shaped_without_a_milestone_between_is_position_based() -> None:
    for milestone_at_ms in (0, WORKED[0].at_ms, WORKED[3].at_ms + 1):
        path = Path(WORKED, NOW_MS, milestone_at_ms)
        assert weights("w_shaped", path, AttributionRules()) == weights("position_based", path, AttributionRules())


def test_adobes_j_shape_is_a_setting() -> None:
    rules = AttributionRules(position_weights=(20, 20, 60))
    assert result("position_based", rules, path=WORKED[:2]).shares == (250_000, 750_000)


def test_of_equal_credits_the_later_one_wins() -> None:
    assert winner([3, 5, 5, 1]) == 2


def test_the_largest_remainder_gets_what_is_left_the_later_one_first() -> None:
    assert apportion(100, [1, 1, 1]) == [33, 33, 34]
    assert apportion(-100, [1, 1, 1]) == [-33, -33, -34]


@pytest.mark.parametrize(
    ("value", "currency", "places"), [("10", "JPY", 0), ("10", "EUR", 2), ("10.5", "KWD", 3), ("0.1234", "EUR", 4)]
)
def test_amounts_are_whole_in_the_currencys_smallest_unit(value: str, currency: str, places: int) -> None:
    assert places_of(currency, Decimal(value)) == places
    assert amount(units(Decimal(value), places), places) == Decimal(value)


channels = st.sampled_from(["direct", "email", "paid_search", "organic_search", "referral", "display"])
paths = st.lists(st.tuples(channels, st.floats(0, 30)), min_size=1, max_size=50).map(
    lambda some: tuple(sorted((touch(channel, days) for channel, days in some), key=lambda one: one.at_ms))
)


@given(
    path=paths,
    value=st.decimals(0, 10**9, places=2),
    refund=st.decimals(0, 10**6, places=2),
    milestone=st.integers(0, 30),
    direct=st.sampled_from(["fallback", "always"]),
)
def test_credit_sums_to_the_value_in_every_model(
    path: tuple[PathTouch, ...], value: Decimal, refund: Decimal, milestone: int, direct: str
) -> None:
    row = conversion(path, str(value), milestone_at_ms=NOW_MS - milestone * DAY_MS)
    rules = AttributionRules(direct_credit="always" if direct == "always" else "fallback")
    done = credited(msgspec.structs.replace(row, refunded=refund), rules)
    for one in done.results:
        assert sum(one.shares) == SHARE
        assert amount(sum(one.gross), done.places) == value
        assert amount(sum(one.net), done.places) == value - refund
        assert one.winner in one.places
