"""Pauses, the error share, the latency goal and the throttle, all of one destination together."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import Again, Delivered, Drop, Pause, Refresh, Retry, Split, Verdict
from actors.gate import Gate, Heard
from actors.pacing import PROBE_MOST_S
from actors.rates import Quota, Rate
from tests.support.platform import Single

NOTHING_SAID = Quota()
OK, NEVER, LATER, SLOWER = Delivered(), Drop("never"), Retry("later"), Retry("slower", is_throttle=True)


def gate(**settings: Any) -> Gate:
    return Gate(Single(id="one", **settings), Random(1), lambda words: words.replace("secret", "[secret]"))


def once(
    one: Gate,
    now_s: float,
    *verdicts: Verdict,
    latency_s: float = 0.1,
    quota: Quota = NOTHING_SAID,
    has_answer: bool = True,
) -> bool:
    """One request and its answer, where one may go out."""
    if not one.may_send(now_s):
        return False
    one.begin(now_s)
    is_probe = one.breaker.is_probing
    heard = Heard(sent_s=now_s, latency_s=latency_s, has_answer=has_answer, is_probe=is_probe, quota=quota)
    one.judge(now_s, verdicts, heard)
    one.end()
    return True


def paused_for_errors(bad: Verdict = NEVER) -> tuple[Gate, float]:
    """A gate whose platform refuses every second delivery, until it is paused; and when."""
    one = gate()
    for now_s in range(1_000):
        once(one, float(now_s), OK if now_s % 2 else bad)
        if one.paused_for is not None:
            return one, float(now_s)
    raise AssertionError("it was never paused")


@pytest.mark.parametrize("bad", [NEVER, LATER])
def test_a_share_of_errors_pauses_and_says_why(bad: Verdict) -> None:
    one, now_s = paused_for_errors(bad)
    assert now_s == pytest.approx(300, abs=2)
    assert one.standing()[:2] == ("paused", "error_share")
    assert one.words.startswith("15")
    assert one.words.endswith(f"more than 25%; the last: {bad.reason}")  # type: ignore[union-attr]
    assert not one.is_shut


@pytest.mark.parametrize("innocent", [SLOWER, Split("s"), Again("a"), Refresh("r")])
def test_throttles_and_what_settles_nothing_are_no_errors(innocent: Verdict) -> None:
    one = gate()
    for now_s in range(2_000):
        once(one, float(now_s) * 10, innocent)
        once(one, float(now_s) * 10 + 5, OK)
    assert one.paused_for is None


def test_the_words_of_an_error_share_are_redacted() -> None:
    one, _ = paused_for_errors(Drop("your secret is no good"))
    assert one.words.endswith("your [secret] is no good")


def test_a_probe_comes_later_and_later_until_the_platform_takes_one() -> None:
    one, now_s = paused_for_errors()
    waits = []
    for _ in range(10):
        waits.append(one.wait_s(now_s) or 0.0)
        assert not once(one, now_s + waits[-1] - 0.1, NEVER)
        now_s += waits[-1]
        assert once(one, now_s, NEVER)
        assert one.paused_for == "error_share"
    assert 4 < waits[0] < 6
    assert waits[-1] == pytest.approx(PROBE_MOST_S, rel=0.11)
    now_s += one.wait_s(now_s) or 0.0
    assert once(one, now_s, OK)
    assert one.standing() == ("sending", "", "")


@pytest.mark.parametrize("answer", [NEVER, LATER, SLOWER, Refresh("old"), Split("one of you")])
def test_only_a_delivery_that_was_taken_is_a_good_probe(answer: Verdict) -> None:
    one, now_s = paused_for_errors()
    now_s += one.wait_s(now_s) or 0.0
    assert once(one, now_s, answer)
    assert one.paused_for == "error_share"
    assert (one.wait_s(now_s) or 0.0) > 5


def test_what_was_under_way_when_the_pause_began_does_not_end_it() -> None:
    one, now_s = paused_for_errors()
    one.begin(now_s)
    one.judge(now_s, [OK], Heard(sent_s=now_s, latency_s=1, has_answer=True, is_probe=False))
    assert one.paused_for == "error_share"


def test_failed_probes_of_an_outage_are_the_breakers_alone() -> None:
    one, now_s = gate(pause_least=1, pause_after_s=600.0), 0.0
    for _ in range(30):
        assert once(one, now_s, LATER, has_answer=False)
        now_s += one.wait_s(now_s) or 0.0
    assert now_s > 3_600
    assert one.standing() == ("probing", "breaker", "later")


def test_after_a_good_probe_it_takes_the_whole_time_again_to_pause() -> None:
    one, now_s = paused_for_errors()
    now_s += one.wait_s(now_s) or 0.0
    once(one, now_s, OK)
    for step in range(290):
        once(one, now_s + step, NEVER, OK)
    assert one.paused_for is None


def test_a_new_configuration_makes_the_next_probe_come_at_once() -> None:
    one, now_s = paused_for_errors()
    assert not one.may_send(now_s)
    one.probe_now()
    assert once(one, now_s, OK)
    assert one.paused_for is None


def test_what_was_paused_before_a_restart_begins_with_a_probe_at_once() -> None:
    one = gate()
    one.go_on_paused(0.0, "too many failed")
    assert one.standing() == ("paused", "error_share", "too many failed")
    assert one.in_flight_most == 1
    assert once(one, 0.0, NEVER)
    assert not one.may_send(1.0)
    assert once(one, 0.0 + (one.wait_s(0.0) or 0.0), OK)
    assert one.standing() == ("sending", "", "")


def test_an_operators_pause_lets_nothing_out_not_even_a_probe() -> None:
    one = gate(paused=True)
    assert one.standing() == ("paused", "operator", "paused by its operator")
    one.probe_now()
    one.go_on_paused(0.0, "too many failed")
    assert one.standing()[1] == "operator"
    assert not one.may_send(10**9)
    assert one.wait_s(0) is None


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_disabled_destination_says_so_and_lets_nothing_out(is_paused: bool) -> None:
    one = gate(enabled=False, paused=is_paused)
    assert one.standing() == ("paused", "disabled", "disabled: it gets nothing new, and what waits stays")
    one.refuse("secret refused")
    assert one.standing()[1] == "disabled"
    assert not one.may_send(10**9)


def test_refused_credentials_shut_it_and_count_for_more_than_an_error_share() -> None:
    one, now_s = paused_for_errors()
    now_s += one.wait_s(now_s) or 0.0
    once(one, now_s, Pause("secret refused"))
    assert one.standing() == ("paused", "credentials", "[secret] refused")
    assert not one.may_send(10**9)


def test_slow_answers_bring_fewer_requests_at_once_but_not_fewer_than_two() -> None:
    one, sizes = gate(latency_goal_s=1.0), []
    for step in range(60):
        once(one, step, OK)
    assert one.in_flight_most == 8
    for step in range(60, 90):
        once(one, step, OK, latency_s=3.0)
        sizes.append(one.in_flight_most)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 2
    for step in range(90, 150):
        once(one, step, OK, latency_s=0.9)
    assert one.in_flight_most == 8


def test_a_destination_of_one_request_at_once_stays_so() -> None:
    one = gate(concurrency=1)
    for step in range(20):
        once(one, step, OK, latency_s=9.0)
    assert one.in_flight_most == 1


def test_any_answer_may_ask_to_be_left_alone() -> None:
    one = gate()
    once(one, 0, LATER, quota=Quota(wait_s=120))
    assert one.wait_s(0) == 120
    assert not one.may_send(119)
    assert one.may_send(121)


def test_a_usage_that_is_nearly_used_up_halves_the_rate() -> None:
    one = gate(rate=Rate("100/s"))
    for step in range(2_000):
        once(one, step / 100, OK)
    once(one, 20.01, OK, quota=Quota(is_near=True))
    assert one.requests_per_s(20.01) == pytest.approx(50, rel=0.05)
    for step in range(100):
        once(one, 21 + step / 4, OK, quota=Quota(is_near=True))
    assert one.requests_per_s(46) > 50


verdicts = st.lists(st.sampled_from([OK, NEVER, LATER, SLOWER, Split("s"), Again("a"), Refresh("r")]), min_size=1)
quotas = st.builds(
    Quota, wait_s=st.integers(0, 100), remaining=st.none() | st.integers(0, 3), reset_s=st.integers(1, 60),
    is_near=st.booleans(),
)  # fmt: skip
requests = st.lists(st.tuples(st.floats(0, 400), verdicts, st.booleans(), quotas), max_size=60)


@given(
    requests=requests, share=st.sampled_from([0, 0.25, 1]), rate=st.sampled_from([None, Rate("50/s"), Rate("20/min")])
)
def test_whatever_a_platform_answers_it_is_asked_again_within_minutes(
    requests: Sequence[tuple[float, Sequence[Verdict], bool, Quota]], share: float, rate: Rate | None
) -> None:
    """And what waits knows for how long: nothing is stuck, nothing spins."""
    one, now_s = gate(pause_share=share, pause_least=1, pause_after_s=10.0, rate=rate), 0.0
    for passed_s, answers, has_answer, quota in requests:
        now_s += passed_s
        wait_s = one.wait_s(now_s)
        assert wait_s is not None
        assert one.may_send(now_s) == (wait_s == 0)
        if wait_s == 0:
            one.begin(now_s)
            is_probe = one.breaker.is_probing
            heard = Heard(sent_s=now_s, latency_s=1, has_answer=has_answer, is_probe=is_probe, quota=quota)
            one.judge(now_s, answers, heard)
            one.end()
    steps = 0
    while wait_s := one.wait_s(now_s) or 0.0:
        assert wait_s <= 600
        now_s, steps = now_s + wait_s, steps + 1
        assert steps <= 4
