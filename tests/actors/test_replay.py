"""The fence and the rules of a replay: what may be queued again, and what could count twice."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.destinations.pinterest import Pinterest
from actors.event import Consent
from actors.replay import Candidate, decide, is_fenced, may_have_counted
from actors.secret import Secret
from actors.work import ATTEMPTS_KEPT
from gateway.config_reader import members
from store.records import AttemptRow, DeliveryRow, ReplayMark
from tests.support.making import DAY_MS, HOUR_MS, START_MS, event, site
from tests.support.platform import Single

WINDOWS = {"meta": 48, "tiktok": 48, "pinterest": 48, "snapchat": 48, "reddit": 48}  # hours, by the contract pages
ONE = Single(id="one")


class Windowed(Single, frozen=True, kw_only=True, tag="test_fenced"):
    dedup_window_s = 48 * 3_600


def attempt(outcome: str = "retry", status: int | None = None, words: str = "") -> AttemptRow:
    return AttemptRow(at_ms=START_MS, outcome=outcome, status=status, words=words)


def dropped(*attempts: AttemptRow, **changes: Any) -> DeliveryRow:
    return DeliveryRow(status="dropped", destination="one", attempts=attempts, **changes)


def outcome(row: DeliveryRow, age_ms: int = 0, destination: Destination = ONE, **asked: Any) -> str:
    candidate = Candidate(event=event(), received_at_ms=START_MS, row=row, stated=asked.pop("stated", None))
    is_past_window = asked.pop("is_past_window", False)
    rules = site(destination, **asked)
    return decide(candidate, rules, destination, START_MS + age_ms, is_past_window=is_past_window).outcome


@pytest.mark.parametrize("kind", members(AnyDestination), ids=lambda kind: str(kind.platform))
def test_each_platform_has_the_window_of_its_page(kind: type[Destination]) -> None:
    hours = WINDOWS.get(str(kind.platform))
    assert kind.dedup_window_s == (hours * 3_600 if hours is not None else None)


def test_pinterest_deduplicates_no_offline_events() -> None:
    pinterest = Pinterest(id="p", ad_account_id="1", access_token=Secret("t"))
    assert pinterest.deduplicates_for_s(event(action_source="website")) == 48 * 3_600
    assert pinterest.deduplicates_for_s(event(action_source="physical_store")) is None


@pytest.mark.parametrize(
    ("one", "is_sure"),
    [
        (attempt("drop", 400), True),
        (attempt("pause", 401), True),
        (attempt("refresh", 401), True),
        (attempt("split", 400), True),
        (attempt("again", 400), True),
        (attempt("retry", 429), True),
        (attempt("retry", 503), True),
        (attempt("retry", None, "no token in an answer 500"), True),
        (attempt("failure", None, "connect: nobody is there"), True),
        (attempt("failure", None, "dns: no address"), True),
        (attempt("failure", None, "timeout: no whole answer within 15 s"), False),
        (attempt("failure", None, "reset: the connection broke before the answer was whole"), False),
        (attempt("failure", None, "protocol: the answer is no HTTP/1.1"), False),
        (attempt("retry", 500), False),
        (attempt("retry", 502), False),
        (attempt("retry", 504), False),
        (attempt("retry", 408), False),
        (attempt("retry", 200), False),
        (attempt("delivered", 200), False),
    ],
)
def test_only_the_platforms_own_word_says_that_it_counted_nothing(one: AttemptRow, is_sure: bool) -> None:
    assert may_have_counted(dropped(attempt("drop", 400), one)) is not is_sure


def test_what_was_delivered_once_may_have_counted_whatever_came_after() -> None:
    mark = ReplayMark(job=1, at_ms=START_MS, status="delivered")
    assert may_have_counted(dropped(replays=(mark,)))
    assert may_have_counted(DeliveryRow(status="delivered", destination="one"))


def test_attempts_that_are_kept_no_more_may_have_counted() -> None:
    assert may_have_counted(dropped(*[attempt("drop", 400)] * ATTEMPTS_KEPT))
    assert not may_have_counted(dropped(*[attempt("drop", 400)] * (ATTEMPTS_KEPT - 1)))


@given(window_s=st.integers(0, 10**6), old_s=st.integers(0, 10**6), has=st.booleans())
def test_with_a_window_its_end_alone_decides(window_s: int, old_s: int, has: bool) -> None:
    assert is_fenced(window_s, old_s, has) is (old_s > window_s)


@given(old_s=st.integers(0, 10**9), has=st.booleans())
def test_without_a_window_only_what_never_counted_passes(old_s: int, has: bool) -> None:
    assert is_fenced(None, old_s, has) is has


@given(one=st.integers(0, 30 * DAY_MS), other=st.integers(0, 30 * DAY_MS), words=st.sampled_from(["drop", "failure"]))
def test_what_is_left_out_for_its_age_is_left_out_for_good(one: int, other: int, words: str) -> None:
    assume(one <= other)
    row = dropped(attempt(words))
    if outcome(row, one, Windowed(id="one")) == "past_window":
        assert outcome(row, other, Windowed(id="one")) == "past_window"


def test_the_last_second_of_the_window_is_within_it() -> None:
    assert outcome(dropped(), 48 * HOUR_MS, Windowed(id="one")) == "queued"
    assert outcome(dropped(), 48 * HOUR_MS + 1_000, Windowed(id="one")) == "past_window"


@given(age_ms=st.integers(0, 80 * DAY_MS), status=st.sampled_from(["delivered", "dropped", "failed"]))
def test_insisting_opens_the_fence_and_nothing_else(age_ms: int, status: Any) -> None:
    row = DeliveryRow(status=status, destination="one", attempts=(attempt("retry", 500),))
    one = Windowed(id="one", max_s=40 * 86_400)
    wanted = "too_old" if age_ms // 1_000 > 40 * 86_400 else "queued"
    assert outcome(row, age_ms, one, is_past_window=True) == wanted
    denied = Consent(marketing="denied")
    assert outcome(row, age_ms, one, is_past_window=True, stated=denied) == "consent_denied"


def test_consent_nobody_stated_counts_by_the_sites_default_of_now() -> None:
    assert outcome(dropped(), consent_default="denied") == "consent_unknown"
    assert outcome(dropped(), consent_default="granted") == "queued"
