"""Traffic counters: in the same commit as their events, exact by day, in step with the books."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.event import Consent, CustomData, EmailDigests, Event, Source, UserData
from actors.traffic import consent_state
from store import books, traffic
from store.check import check
from tests.support.making import DAY_MS, HOUR_MS, START_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
ONE = snapshot(site(Single(id="one")))
EMAIL = EmailDigests(sha256="a" * 64)


def counts(world: World, since_ms: int = 0, until_ms: int = 1 << 60) -> dict[str, int]:
    found: dict[str, int] = {}
    for hour in traffic.hours(world.store, "shop", since_ms, until_ms):
        for column, count in hour.counts.items():
            found[column] = found.get(column, 0) + count
    return found


def at(ms: int, event_id: str, visitor: str = VISITOR, **user: object) -> Event:
    data = UserData(anonymous_id=visitor, **user)  # type: ignore[arg-type]  # the test's own fields
    return event(event_id, occurred_at_ms=START_MS + ms, received_at_ms=START_MS + ms, user_data=data)


async def test_events_are_counted_by_name_source_and_consent(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    world = make_world(ONE)
    granted = Consent(analytics="granted", marketing="granted")
    world.submit(event("a"), event("b", consent=granted), event("c", "my_own_name", source="server"))
    await world.settle()
    found = counts(world)
    assert found["events:page_viewed:browser:unknown"] == 1
    assert found["events:page_viewed:browser:granted"] == 1
    assert found["events:custom:server:unknown"] == 1
    assert (found["accepted:browser"], found["accepted:server"]) == (2, 1)


async def test_copies_are_counted_by_the_key_they_met_by_and_conflicts_apart(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = make_world(ONE)
    world.submit(purchase("px"), purchase("w", "server", value="12"), event("a"), event("a"))
    await world.settle()
    world.submit(purchase("late", "server", value="11"))
    await world.settle()
    found = counts(world)
    assert found["merged:order_id:purchase_placed"] == 1
    assert found["duplicates:event_id:page_viewed"] == 1
    assert found["duplicates:order_id:purchase_placed"] == 1
    assert found["conflicts:order_id:purchase_placed"] == 2
    assert "conflicts:event_id:page_viewed" not in found


async def test_a_visitor_tells_its_site_once_a_day_that_it_was_there(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = make_world(ONE)
    for number, ms in enumerate((0, 1_000, 2 * HOUR_MS, DAY_MS, DAY_MS + 1, 2 * DAY_MS)):
        world.submit(at(ms, f"e-{number}"))
        await world.settle()
    found = counts(world)
    assert (found["visitors"], found["new_visitors"], found["visits"]) == (3, 1, 4)
    assert "identified_visitors" not in found


async def test_a_visitor_is_identified_once_a_day_from_the_day_on_which_it_is_known(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = make_world(ONE)
    world.submit(at(0, "e-1"), at(5, "e-2", email=EMAIL), at(6, "e-3"), at(DAY_MS, "e-4"), at(9, "f", "b" * 32))
    await world.settle()
    found = counts(world)
    assert (found["visitors"], found["new_visitors"], found["identified_visitors"]) == (3, 2, 2)


async def test_a_server_may_tell_who_was_there_that_day(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    world = make_world(ONE)
    known = UserData(anonymous_id=VISITOR, email=EMAIL)
    world.submit(event("w-0", source="server", user_data=known))
    await world.settle()
    assert "identified_visitors" not in counts(world)
    world.submit(at(0, "e-1", "b" * 32), event("w-1", source="server", user_data=UserData(anonymous_id="b" * 32)))
    world.submit(event("w-2", source="server", user_data=UserData(anonymous_id="b" * 32, external_id="c-1")))
    await world.settle()
    assert (counts(world)["visitors"], counts(world)["identified_visitors"]) == (1, 1)


async def test_bots_tests_and_servers_make_no_visitor(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    world = make_world(ONE)
    data = UserData(anonymous_id=VISITOR)
    world.submit(
        event("bot", bot_score=100, bot_reasons=("known_bot",), user_data=data),
        event("test", source="test", user_data=data),
        event("server", source="server", user_data=data),
        event("nobody"),
    )
    await world.settle()
    found = counts(world)
    assert found["bots:known_bot"] == 1
    assert (found["accepted:browser"], traffic.total(found, "accepted")) == (2, 3)
    assert not {"visitors", "new_visitors", "visits"} & found.keys()


async def test_a_clock_that_went_back_counts_no_day_twice(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    world = make_world(ONE)
    for number, ms in enumerate((DAY_MS, 0, DAY_MS)):
        world.submit(at(ms, f"e-{number}"))
        await world.settle()
    assert counts(world)["visitors"] == 1


MOMENTS = st.sampled_from([0, 10 * 60_000, HOUR_MS, 5 * HOUR_MS, DAY_MS, DAY_MS + HOUR_MS])
ARRIVALS = st.lists(
    st.tuples(MOMENTS, st.integers(0, 6), st.sampled_from(["browser", "server"]), st.booleans(), st.integers(0, 2)),
    min_size=1,
    max_size=14,
)


@given(arrivals=ARRIVALS)
@settings(max_examples=25)
def test_sums_are_the_books_and_days_are_exact_for_whatever_arrives(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[int, int, str, bool, int]]
) -> None:
    world = World(tmp_path_factory.mktemp("traffic"), ONE)
    arrivals = sorted(arrivals, key=lambda one: one[0])
    events = [_arrival(*one) for one in arrivals]

    async def run() -> None:
        for one in events:
            world.submit(one)
            await world.settle()
        world.clock.jump_ms = 3 * DAY_MS
        await world.settle()

    try:
        trio.run(run, clock=MockClock(autojump_threshold=0))
        found = counts(world)
        booked: dict[str, int] = {}
        for hour in books.hours(world.store, "shop", 0, 1 << 60):
            for column, count in hour.counts.items() if not hour.destination else ():
                booked[column] = booked.get(column, 0) + count
        assert traffic.total(found, "accepted") == booked["accepted"] == len(events)
        assert traffic.total(found, "events") == booked["processed"]
        copies = traffic.total(found, "duplicates") + traffic.total(found, "merged")
        assert booked["accepted"] == booked["processed"] + copies
        seen = {(one.user_data.anonymous_id, one.received_at_ms // DAY_MS) for one in events if one.source == "browser"}
        assert found.get("visitors", 0) == len(seen)
        assert found.get("new_visitors", 0) <= len({visitor for visitor, _ in seen})
        assert check(world.store, SHARDS).problems == ()
    finally:
        world.close()


def _arrival(ms: int, number: int, source: str, is_purchase: bool, visitor: int) -> Event:
    """An id is one visitor's, on one day: a copy says nothing of who was there."""
    times: dict[str, Any] = {"received_at_ms": START_MS + ms, "occurred_at_ms": START_MS + ms}
    data, event_id = UserData(anonymous_id=f"{visitor}" * 32), f"e-{number}-{visitor}-{ms // DAY_MS}"
    if is_purchase:
        made = purchase(event_id, cast("Source", source), f"o-{number % 3}", **{**times, "user_data": data})
        return made
    return event(event_id, source=source, user_data=data, **times)


@pytest.mark.parametrize(
    ("consent", "state"),
    [
        (Consent(), "unknown"),
        (Consent(analytics="granted", marketing="granted"), "granted"),
        (Consent(analytics="denied", marketing="denied", preferences="granted"), "denied"),
        (Consent(analytics="granted", marketing="denied"), "partial"),
        (Consent(marketing="granted"), "partial"),
    ],
)
def test_the_state_of_consent_is_that_of_analytics_and_marketing(consent: Consent, state: str) -> None:
    assert consent_state(consent) == state


async def test_conversions_add_up_by_type_and_currency(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    world = make_world(ONE)
    for number, (value, currency) in enumerate(((Decimal("10.10"), "EUR"), (Decimal("0.20"), "EUR"), (None, None))):
        data = CustomData(value=value, currency=currency, lead_id=f"l-{number}")
        world.submit(event(f"e-{number}", "lead_submitted", custom_data=data))
    await world.settle()
    [hour] = traffic.hours(world.store, "shop", 0, 1 << 60)
    assert hour.amounts == {"conversions:lead_submitted:EUR": Decimal("10.30")}
    assert hour.counts["conversions:lead_submitted:EUR"] == 2
    assert hour.counts["conversions:lead_submitted:none"] == 1
