"""Visits by contracts/dedup_and_identity.md, section 3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contacts import Contact, meet
from actors.event import Event, Page
from actors.visits import IDLE_MS, LONGEST_MS, Touch, Visit, covers, time_of
from tests.support.making import HOUR_MS, START_MS, event, purchase

MINUTE_MS = 60_000


def visits(*seen: tuple[float, str | None]) -> list[str]:
    """The visit that each event at (minute, url) belongs to, named by the minute it began with."""
    visit: Visit | None = None
    named = []
    for minute, url in seen:
        at_ms = START_MS + int(minute * MINUTE_MS)
        one = event(occurred_at_ms=at_ms, received_at_ms=at_ms, page=Page(url=url))
        visit = met(one, visit, f"v{minute:g}").visit
        named.append(visit.id)
    return named


def met(one: Event, visit: Visit | None = None, new_id: str = "v") -> Contact:
    return meet(one, visit, None, lambda _: False, lambda: new_id)


def touch_of(one: Event) -> Touch | None:
    return met(one).campaign


GOOGLE = "https://shop.example/?utm_source=google&utm_medium=cpc&utm_campaign=spring"
NEWSLETTER = "https://shop.example/?utm_source=newsletter"
CLICK = "https://shop.example/?gclid=abc"
PLAIN = "https://shop.example/cart?page=2"

TABLE: dict[str, tuple[list[tuple[float, str | None]], list[str]]] = {
    "30 minutes of inactivity are still one": ([(0, None), (30, None), (60, None)], ["v0", "v0", "v0"]),
    "more than 30 minutes begin a new one": ([(0, None), (30.1, None)], ["v0", "v30.1"]),
    "a campaign begins a new one": ([(0, None), (1, GOOGLE)], ["v0", "v1"]),
    "the same campaign again does not": ([(0, GOOGLE), (1, PLAIN), (2, GOOGLE)], ["v0", "v0", "v0"]),
    "another campaign does": ([(0, GOOGLE), (1, NEWSLETTER)], ["v0", "v1"]),
    "a click id of its own does": ([(0, GOOGLE), (1, CLICK)], ["v0", "v1"]),
    "a url without a campaign does not": ([(0, GOOGLE), (1, PLAIN)], ["v0", "v0"]),
    "midnight does not": ([(14 * 60 + 20, None), (14 * 60 + 45, None)], ["v860", "v860"]),
    "24 hours end it": ([(25 * step, None) for step in range(60)], ["v0"] * 58 + ["v1450"] * 2),
    "an event of an earlier time opens none": ([(60, None), (10, None), (61, None)], ["v60", "v60", "v60"]),
}


@pytest.mark.parametrize("case", TABLE)
def test_visits_begin_and_last_as_the_contract_says(case: str) -> None:
    seen, wanted = TABLE[case]
    assert visits(*seen) == wanted


@given(occurred=st.integers(0, 2**45), received=st.integers(0, 2**45))
def test_the_time_of_an_event_is_within_a_day_of_its_arrival(occurred: int, received: int) -> None:
    at_ms = time_of(event(occurred_at_ms=occurred, received_at_ms=received))
    assert abs(at_ms - received) <= LONGEST_MS
    if abs(occurred - received) <= LONGEST_MS:
        assert at_ms == occurred


def test_a_touch_is_read_from_the_url_in_any_case_and_bounded() -> None:
    touch = touch_of(
        event(page=Page(url="https://x.example/?UTM_Source=A&utm_medium=b&fbclid=c&gclid=d#utm_campaign=e"))
    )
    assert touch is not None
    assert (touch.source, touch.medium, touch.campaign, touch.click_id) == ("a", "b", "", "gclid=d")
    assert touch_of(event(page=Page(url=PLAIN))) is None
    assert touch_of(event()) is None
    assert len((touch_of(event(page=Page(url="https://x/?gclid=" + "g" * 9_999))) or touch).click_id) < 1_100


def test_a_servers_event_joins_the_visit_of_its_time_only() -> None:
    visit = Visit(id="v", started_at_ms=START_MS, last_at_ms=START_MS + MINUTE_MS)

    def joins(after_ms: int, name: str = "subscription_renewed") -> bool:
        at_ms = START_MS + after_ms
        return covers(visit, event(name=name, occurred_at_ms=at_ms, received_at_ms=at_ms, source="server"))

    assert joins(IDLE_MS)
    assert not joins(IDLE_MS + 2 * MINUTE_MS)
    assert not joins(-1)
    assert joins(20 * HOUR_MS, "purchase_placed")
    assert not joins(30 * HOUR_MS, "purchase_placed")
    assert covers(visit, purchase(source="server"))
