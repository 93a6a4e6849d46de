"""When a destination may be asked again: the schedule, the breaker, the window, the throttle."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pacing import (
    BREAKER_AFTER,
    MOST_ATTEMPTS,
    MOST_MS,
    PROBE_MOST_S,
    Breaker,
    Throttle,
    Window,
    elapsed_ms,
    next_attempt_ms,
)

NOW_MS = 1_795_166_400_000
DAY_S = 86_400
times = st.integers(0, 2**45)
seeds = st.integers().map(Random)


@pytest.mark.parametrize(("tries", "wait_s"), [(1, 150), (2, 600), (3, 2_400), (4, 9_600)])
@given(random=seeds)
def test_waits_grow_fourfold_from_150_s_within_ten_per_cent(tries: int, wait_s: int, random: Random) -> None:
    due_ms = next_attempt_ms(NOW_MS, tries, NOW_MS, None, random)
    assert due_ms is not None
    assert 0.9 * wait_s * 1000 - 1 <= due_ms - NOW_MS <= 1.1 * wait_s * 1000


def test_the_fifth_attempt_is_the_last() -> None:
    assert next_attempt_ms(NOW_MS, MOST_ATTEMPTS, NOW_MS, None, Random(1)) is None


@given(asked_s=st.floats(0, 10 * DAY_S), tries=st.integers(1, 4), random=seeds)
def test_a_platforms_own_delay_wins_when_longer_and_fits_the_day(asked_s: float, tries: int, random: Random) -> None:
    due_ms = next_attempt_ms(NOW_MS, tries, NOW_MS, asked_s, random)
    assert due_ms is not None
    assert min(asked_s, DAY_S) * 1000 - 1 <= due_ms - NOW_MS <= MOST_MS


def test_past_24_hours_from_the_first_attempt_nothing_more_is_tried() -> None:
    assert next_attempt_ms(NOW_MS, 1, NOW_MS - MOST_MS + 1_000, None, Random(1)) is None
    assert next_attempt_ms(NOW_MS, 1, NOW_MS - MOST_MS + 200_000, None, Random(1)) is not None


@given(now_ms=times, first_ms=times, tries=st.integers(1, 4), asked_s=st.none() | st.floats(0, 10**9), random=seeds)
def test_whatever_the_clock_says_a_retry_is_due_within_a_day(
    now_ms: int, first_ms: int, tries: int, asked_s: float | None, random: Random
) -> None:
    due_ms = next_attempt_ms(now_ms, tries, first_ms, asked_s, random)
    assert due_ms is None or now_ms < due_ms <= now_ms + MOST_MS


def test_a_clock_set_years_ahead_ends_no_schedule() -> None:
    assert next_attempt_ms(NOW_MS + 3_650 * DAY_S * 1000, 1, NOW_MS, None, Random(1)) is not None
    assert elapsed_ms(NOW_MS, NOW_MS + 5) == elapsed_ms(NOW_MS + 3_650 * DAY_S * 1000, NOW_MS) == 0
    assert elapsed_ms(NOW_MS + 5, NOW_MS) == 5


# --- breaker -------------------------------------------------------------------------------------------------------


def opened() -> Breaker:
    breaker = Breaker(Random(1))
    for _ in range(BREAKER_AFTER):
        breaker.failed(0.0)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(Random(1))
    for _ in range(3):
        for _ in range(BREAKER_AFTER - 1):
            breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.state == "closed"
    assert opened().state == "open"


def test_an_open_breaker_lets_one_probe_through_when_its_time_has_come() -> None:
    breaker = opened()
    wait_s = breaker.wait_s(0.0)
    assert wait_s is not None
    assert 4.5 <= wait_s <= 5.5
    assert not breaker.may_send(wait_s - 0.01)
    assert breaker.may_send(wait_s + 0.01)
    assert breaker.is_probing
    assert not breaker.may_send(wait_s + 0.02)


def test_probes_come_later_and_later_up_to_five_minutes() -> None:
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(12):
        waits.append(breaker.wait_s(now_s) or 0.0)
        now_s += waits[-1] + 0.001
        assert breaker.may_send(now_s)
        breaker.failed(now_s)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(waits[:6]))
    assert 0.9 * PROBE_MOST_S <= waits[-1] <= 1.1 * PROBE_MOST_S


def test_a_probe_that_succeeds_closes_the_breaker_and_forgets_the_failures() -> None:
    breaker = opened()
    assert breaker.may_send(10.0)
    breaker.succeeded()
    assert breaker.state == "closed"
    breaker.failed(11.0)
    assert breaker.state == "closed"


@given(steps=st.lists(st.sampled_from(["fail", "ok", "answer", "ask"]), max_size=60))
def test_the_breaker_is_never_stuck(steps: list[str]) -> None:
    breaker, now_s = Breaker(Random(2)), 0.0
    for step in steps:
        now_s += 1.0
        match step:
            case "fail":
                breaker.failed(now_s)
            case "ok":
                breaker.succeeded()
            case "answer":
                breaker.answered()
            case "ask":
                breaker.may_send(now_s)
    if breaker.state == "half_open":  # its probe ends some way
        breaker.failed(now_s)
    assert breaker.may_send(now_s + 2 * PROBE_MOST_S)


# --- window, throttle ----------------------------------------------------------------------------------------------


@given(most=st.integers(1, 64), results=st.lists(st.booleans(), max_size=300))
def test_the_window_stays_between_one_and_its_bound(most: int, results: list[bool]) -> None:
    window = Window(most)
    for is_good in results:
        window.succeeded() if is_good else window.failed()
        assert 1 <= window.size <= most


def test_the_window_grows_by_one_a_round_and_halves_at_a_failure() -> None:
    window, sizes = Window(8), []
    for _ in range(6):
        sizes.append(window.size)
        for _ in range(window.size + 1):
            window.succeeded()
    assert sizes == [2, 3, 4, 5, 6, 7]
    window.failed()
    assert window.size == 4


@given(waits=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10**7)), min_size=1, max_size=9))
def test_a_throttle_lasts_as_long_as_the_longest_demand_but_a_day_at_most(waits: list[tuple[float, float]]) -> None:
    throttle = Throttle()
    for now_s, wait_s in waits:
        throttle.ask(now_s, wait_s)
    until_s = max(now_s + min(wait_s, DAY_S) for now_s, wait_s in waits)
    assert throttle.wait_s(0.0) == pytest.approx(until_s)
    assert throttle.wait_s(until_s + 1) == 0
