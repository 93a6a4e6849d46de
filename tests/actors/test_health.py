"""When a destination is to be paused for its errors: a share of its deliveries over a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health import BAD_ANSWERS, BUCKETS, ErrorShare

AFTER_S = 300.0


def detector(share: float = 0.25, after_s: float = AFTER_S, least: int = 20) -> ErrorShare:
    return ErrorShare(share, after_s, least)


def over_at(errors: ErrorShare, *, every_s: float, bad_in: int, of: int, for_s: float, start_s: float = 0) -> float:
    """When it is over for the first time, with that many bad of each few deliveries; infinite where never."""
    for step in range(int(for_s / every_s)):
        now_s = start_s + step * every_s
        errors.saw(now_s, 1, int(step % of < bad_in))
        if errors.is_over(now_s):
            return now_s - start_s
    return float("inf")


@pytest.mark.parametrize(("bad_in", "of"), [(1, 1), (1, 2), (1, 3), (3, 10)])
def test_more_than_a_quarter_of_errors_is_over_after_five_minutes(bad_in: int, of: int) -> None:
    assert over_at(detector(), every_s=1, bad_in=bad_in, of=of, for_s=3_600) == pytest.approx(AFTER_S, abs=10)


@pytest.mark.parametrize(("bad_in", "of"), [(0, 1), (2, 9), (1, 5), (1, 100)])
def test_less_than_a_quarter_is_never_over(bad_in: int, of: int) -> None:
    assert over_at(detector(), every_s=1, bad_in=bad_in, of=of, for_s=3_600) == float("inf")


def test_fewer_than_twenty_deliveries_in_the_time_are_never_over() -> None:
    assert over_at(detector(), every_s=20, bad_in=1, of=1, for_s=7_200) == float("inf")
    assert over_at(detector(), every_s=14, bad_in=1, of=1, for_s=7_200) < 400


def test_a_burst_of_errors_after_silence_is_not_over_until_the_time_has_passed() -> None:
    errors = detector()
    errors.saw(0, 1, 0)
    for step in range(100):
        errors.saw(10_000 + step, 10, 10)
        assert not errors.is_over(10_000 + step)


def test_one_failed_request_of_many_events_is_not_over() -> None:
    errors = detector()
    for now_s, failed in ((0, 0), (100, 0), (200, 1_000), (299, 0), (301, 0)):
        errors.saw(now_s, 1_000, failed)
        errors.saw(now_s, 500, failed // 2)
        assert not errors.is_over(now_s)


def test_errors_that_came_and_went_are_forgotten_after_the_time() -> None:
    errors = detector()
    errors.saw(0, 100, 0)
    for _ in range(3):
        errors.saw(200, 300, 200)
    assert errors.is_over(300)
    assert not errors.is_over(520)


def test_after_it_was_cleared_the_time_counts_anew() -> None:
    errors = detector()
    over_at(errors, every_s=1, bad_in=1, of=1, for_s=400)
    errors.clear()
    assert over_at(errors, every_s=1, bad_in=1, of=1, for_s=3_600, start_s=400) == pytest.approx(AFTER_S, abs=10)


def test_a_share_of_nought_turns_it_off() -> None:
    assert over_at(detector(share=0), every_s=1, bad_in=1, of=1, for_s=3_600) == float("inf")


steps = st.lists(st.tuples(st.floats(0, 60), st.integers(0, 50), st.floats(0, 1)), max_size=200)


@given(steps=steps, share=st.floats(0.01, 1), least=st.integers(1, 50))
def test_it_is_over_only_where_the_rule_holds(steps: list[tuple[float, int, float]], share: float, least: int) -> None:
    errors, now_s, seen = detector(share, least=least), 0.0, list[tuple[float, int, int]]()
    for passed_s, count, bad in steps:
        now_s += passed_s
        errors.saw(now_s, count, int(count * bad))
        seen.append((now_s, count, int(count * bad)))
        if errors.is_over(now_s):
            slack_s = AFTER_S / BUCKETS
            recent = [one for one in seen if one[0] >= now_s - AFTER_S - slack_s]
            assert now_s - next(time_s for time_s, some, _ in seen if some) >= AFTER_S
            assert sum(some for _, some, _ in recent) >= least
            assert sum(failed > 0 for _, _, failed in recent) >= BAD_ANSWERS


@given(steps=steps)
def test_its_memory_is_bounded_whatever_comes(steps: list[tuple[float, int, float]]) -> None:
    errors, now_s = detector(), 0.0
    for passed_s, count, bad in steps:
        now_s += passed_s / 30
        errors.saw(now_s, count, int(count * bad))
        assert len(errors._parts) <= BUCKETS + 1
