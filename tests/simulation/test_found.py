"""What the simulation found, each as small as it can be told."""

from random import Random

from actors.pacing import PROBE_MOST_S, Breaker
from tests.simulation.world import simulate


def test_the_breaker_outlives_a_platform_that_is_gone_for_weeks() -> None:
    """Seed 49: after 1,024 failed probes the power of two in the wait was no float any more."""
    breaker, now_s = Breaker(Random(0)), 0.0
    for _ in range(3_000):
        breaker.failed(now_s)
        now_s += breaker.wait_s(now_s) or 0.0
        breaker.may_send(now_s)
    breaker.failed(now_s)
    assert 0 < (breaker.wait_s(now_s) or 0.0) <= 1.1 * PROBE_MOST_S


def test_replaced_credentials_book_no_delivery_twice() -> None:
    """Seed 2: requests were under way when the new dispatcher began at the same outbox."""
    assert not simulate(2).problems


def test_first_attempts_start_in_the_order_of_arrival() -> None:
    """Seed 0: of two requests begun in one tick the second could leave first."""
    assert not simulate(0).problems
