"""What the simulation found, each as small as it can be told."""

from random import Random

import pytest

from actors.destinations.base import Payload, Retry
from actors.pacing import OUTAGE_MOST_MS, PROBE_MOST_S, Breaker
from actors.work import Work, settle
from store.outbox import Due
from store.records import AttemptRow, EventRow
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


@pytest.mark.parametrize(("age_ms", "status"), [(OUTAGE_MOST_MS, "queued"), (OUTAGE_MOST_MS + 1, "dropped")])
def test_a_probe_is_not_repeated_for_ever(age_ms: int, status: str) -> None:
    """Seed 39: what a receiver never takes was all that its destination had to probe with."""
    event = EventRow(
        site="shop", event_id="e", event_name="page_viewed", source="browser", received_at_ms=1, shard=0, sequence=1,
        status="processed",
    )  # fmt: skip
    due = Due(
        outbox_key=bytes(27), lane=0, due_ms=1, event_key=bytes(29), event=event, body=b"", delivery=None,
        received_at_ms=1,
    )  # fmt: skip
    work = Work(due, event, Payload(b""))
    work.attempts.append(AttemptRow(at_ms=1 + age_ms, outcome="retry", counts=False))
    settled = settle(work, Retry("answer 503"), "hook", 1 + age_ms, "none", Random(0))
    assert settled.row.status == status
    assert settled.is_over is (status == "dropped")


def test_replaced_credentials_book_no_delivery_twice() -> None:
    """Seed 33 of today's worlds: requests were under way when the new dispatcher began at the same outbox."""
    assert not simulate(33).problems


def test_first_attempts_start_in_the_order_of_arrival() -> None:
    """Seed 2 of today's worlds: of two requests begun in one tick the second could leave first."""
    assert not simulate(2).problems
