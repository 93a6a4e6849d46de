"""How many requests may go out: the set rate, the learnt one, and the quota that a platform told."""

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rates import GROWTH_PER_S, QUOTA_MOST_S, RESERVE, Allowance, Quota, Rate, read_rate


def sent_times(allowance: Allowance, for_s: float, start_s: float = 0.0) -> list[float]:
    """When requests go out that wait as long as they are told, and no longer."""
    now_s, times = start_s, []
    while now_s < start_s + for_s:
        wait_s = allowance.wait_s(now_s)
        if wait_s == 0:
            allowance.take(now_s)
            times.append(now_s)
        now_s += wait_s
    return times


def most_within(times: list[float], period_s: float) -> int:
    """The most requests in any window of that length."""
    return max(bisect_left(times, time_s + period_s - 1e-3) - index for index, time_s in enumerate(times))


@pytest.mark.parametrize(
    ("text", "per_s"), [("100/s", 100), ("20/min", 1 / 3), ("1000/h", 1000 / 3600), (" 007 / min ", 7 / 60)]
)
def test_a_rate_is_read_as_operators_write_it(text: str, per_s: float) -> None:
    assert read_rate(text).per_s == pytest.approx(per_s)
    assert read_rate(read_rate(text)) == read_rate(text)


NO_RATES = ["", "100", "100/day", "0/s", "-1/s", "1.5/s", "1e9/s", "9999999/s", "/s", 100, None]


@pytest.mark.parametrize("text", NO_RATES)
def test_what_is_no_rate_is_refused_saying_what_would_be_right(text: object) -> None:
    with pytest.raises(ValueError, match=r"give .*(100/s|1/h)"):
        read_rate(text)


rates = st.builds(lambda count, period: Rate(f"{count}/{period}"), st.integers(1, 400), st.sampled_from(["s", "min"]))


@given(rate=rates, idle_s=st.floats(0, 100))
def test_no_window_of_the_period_holds_more_requests_than_the_rate_and_a_twentieth(rate: Rate, idle_s: float) -> None:
    allowance = Allowance(rate)
    sent_times(allowance, 0.1)
    times = sent_times(allowance, min(2 * rate.period_s, 500 / rate.per_s), start_s=1 + idle_s)
    assert most_within(times, rate.period_s) <= rate.requests + max(1, rate.requests / 20)


@given(rate=rates)
def test_a_set_rate_is_used_to_the_full(rate: Rate) -> None:
    for_s = min(2 * rate.period_s, 500 / rate.per_s)
    assert len(sent_times(Allowance(rate), for_s)) >= math.floor(rate.per_s * for_s * 0.98)


@given(rate=rates, idle_s=st.floats(0, 100))
def test_a_platforms_own_limit_is_kept_in_every_window(rate: Rate, idle_s: float) -> None:
    allowance = Allowance(None, rate)
    sent_times(allowance, 0.1)
    times = sent_times(allowance, min(2 * rate.period_s, 500 / rate.per_s), start_s=1 + idle_s)
    assert most_within(times, rate.period_s) <= max(2, rate.requests)


def test_awins_twenty_calls_a_minute_are_never_exceeded() -> None:
    times = sent_times(Allowance(None, Rate("20/min")), 600)
    assert most_within(times, 60) <= 20
    assert len(times) == pytest.approx(600 * RESERVE / 3, abs=2)


def test_where_no_rate_is_known_nothing_waits() -> None:
    allowance = Allowance(None)
    assert allowance.per_s(0) == math.inf
    for _ in range(10_000):
        assert allowance.wait_s(0) == 0
        allowance.take(0)


def test_a_set_rate_counts_for_more_than_the_platforms() -> None:
    assert Allowance(Rate("50/s"), Rate("10/s")).per_s(0) == 50
    assert Allowance(None, Rate("10/s")).per_s(0) == 10 * RESERVE


# --- learnt --------------------------------------------------------------------------------------------------------


def busy(rate: Rate | None = Rate("100/s"), for_s: float = 20) -> Allowance:  # noqa: B008  a frozen text
    allowance = Allowance(rate)
    sent_times(allowance, for_s)
    return allowance


def test_a_refusal_halves_the_rate_and_it_grows_back_slowly() -> None:
    allowance = busy()
    allowance.refused(20, 19.9, 20)
    assert allowance.per_s(20) == pytest.approx(50, rel=0.05)
    assert allowance.per_s(30) == pytest.approx(60, rel=0.05)
    assert allowance.per_s(30 + 0.5 / GROWTH_PER_S) == 100


def test_refusals_of_requests_that_were_under_way_together_count_once() -> None:
    allowance = busy()
    for _ in range(8):
        allowance.refused(20, 19.9, 20)
    assert allowance.per_s(20) == pytest.approx(50, rel=0.05)
    allowance.refused(21, 20.5, 21)
    assert allowance.per_s(21) < 30


def test_nothing_grows_back_while_the_platform_asks_to_wait() -> None:
    allowance = busy()
    allowance.refused(20, 19.9, 1_000)
    assert allowance.per_s(999) == pytest.approx(50, rel=0.05)
    assert allowance.per_s(1_010) > 58


def test_without_a_set_rate_half_of_what_was_sent_is_learnt_and_later_forgotten() -> None:
    allowance = Allowance(None)
    for step in range(2_000):
        allowance.wait_s(step / 100)
        allowance.take(step / 100)
    allowance.refused(20, 19.9, 20)
    assert allowance.per_s(20) == pytest.approx(50, rel=0.05)
    assert allowance.wait_s(20) < 0.1
    assert allowance.per_s(100) < 140
    assert allowance.per_s(200) == math.inf


@given(refusals=st.lists(st.floats(0.01, 100), max_size=50))
def test_no_number_of_refusals_stops_a_destination_for_good(refusals: list[float]) -> None:
    allowance, now_s = Allowance(None), 0.0
    for passed_s in refusals:
        now_s += passed_s
        allowance.take(now_s)
        allowance.refused(now_s, now_s, now_s)
    assert allowance.wait_s(now_s) <= 60 * 10
    assert allowance.per_s(now_s + 1_000) == math.inf


# --- told ----------------------------------------------------------------------------------------------------------


def told(allowance: Allowance, now_s: float, remaining: int, reset_s: float, under_way: int = 0) -> None:
    allowance.told(now_s, Quota(remaining=remaining, reset_s=reset_s), under_way)


def test_no_more_requests_go_out_than_the_platform_says_remain() -> None:
    allowance = Allowance(None)
    told(allowance, 0, 3, 30)
    times = sent_times(allowance, 29)
    assert len(times) == 3
    assert allowance.wait_s(10) == pytest.approx(20)
    assert allowance.wait_s(30) == 0


def test_requests_under_way_are_part_of_what_remains() -> None:
    allowance = Allowance(None)
    told(allowance, 0, 3, 30, under_way=2)
    assert len(sent_times(allowance, 20)) == 1


def test_an_answer_that_comes_late_brings_nothing_back() -> None:
    allowance = Allowance(None)
    told(allowance, 0, 1, 30)
    told(allowance, 0.5, 5, 29.5)
    assert len(sent_times(allowance, 20, start_s=1)) == 1


def test_the_platforms_next_window_counts_anew() -> None:
    allowance = Allowance(None)
    told(allowance, 0, 0, 30)
    told(allowance, 5, 10, 60)
    assert allowance.wait_s(5) == 0


def test_a_quota_that_is_years_away_is_asked_for_again_in_an_hour() -> None:
    allowance = Allowance(None)
    told(allowance, 0, 0, 1e12)
    assert allowance.wait_s(0) == QUOTA_MOST_S
