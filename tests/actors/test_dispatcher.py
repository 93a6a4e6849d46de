"""The dispatcher where the clock or the store is wrong, where it stops, and what it keeps."""

from typing import Any, ClassVar

import pytest
import trio
import trio.testing

from actors.event import CustomData
from store import keys
from store.writer import InlineWriter
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, one, single, times
from tests.support.making import DAY_MS, HOUR_MS, event, site, snapshot
from tests.support.platform import Single
from tests.support.world import World


@pytest.mark.parametrize("jump_ms", [10 * 365 * DAY_MS, -DAY_MS, HOUR_MS, -HOUR_MS])
async def test_no_setting_of_the_clock_loses_a_retry_or_ends_it_early(
    make_world: MakeWorld, autojump_clock: Clock, jump_ms: int
) -> None:
    world = make_world(single(max_s=7 * 86_400), one("retry", "retry"))
    world.take(event("a"))
    async with world.running():
        await trio.sleep(10)
        world.clock.jump_ms = jump_ms
        await trio.sleep(HOUR_S)
        world.clock.jump_ms = 0
        world.take(event("b"))
        await trio.sleep(26 * HOUR_S)
    assert world.delivery("a", "one").status == "delivered"
    assert world.delivery("b", "one").status == "delivered"
    assert len(times(world)) == 4


async def test_a_clock_set_ahead_and_back_leaves_no_delivery_years_away(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one("retry"))
    world.clock.jump_ms = 10 * 365 * DAY_MS
    world.take(event("a"), event("b"))
    assert await world.run_for(5)
    world.clock.jump_ms = 0
    assert await world.run_for(HOUR_S)
    assert {world.delivery(name, "one").status for name in "ab"} == {"delivered"}


async def test_a_delivery_whose_event_is_damaged_is_dropped_with_that_reason(
    make_world: MakeWorld, autojump_clock: Clock, fast_path: Any
) -> None:
    world = World(fast_path / "damaged", single())
    world.take(event("body"), event("row"), event("well"))
    await world.settle()
    place = world.events()["body"]
    writer = InlineWriter(world.store)
    writer.submit(lambda write: write.put("log", keys.log(place.shard, place.sequence), b"\x01damaged"))
    writer.submit(lambda write: write.put("event", keys.event("shop", "row", "page_viewed"), b"\x01damaged"))
    assert await world.run_for(5)
    found = world.delivery("body", "one").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "unreadable")
    assert world.senders["one"].ids() == ["well"]
    assert world.rows("outbox") == []
    assert world.observer.count_of("unreadable_row") == 2
    assert not [problem for problem in world.check().problems if "balance" in problem or "depth" in problem]
    world.close()


async def test_a_damaged_row_of_the_outbox_is_taken_out_and_booked(
    make_world: MakeWorld, autojump_clock: Clock, fast_path: Any
) -> None:
    world = World(fast_path / "damaged", single())
    world.take(event("a"))
    await world.settle()
    [(key, _)] = world.rows("outbox")
    InlineWriter(world.store).submit(lambda write: write.put("outbox", key, b"\x01damaged"))
    assert await world.run_for(5)
    assert world.rows("outbox") == world.rows("delivery") == []
    assert not [problem for problem in world.check().problems if "balance" in problem or "depth" in problem]
    world.close()


async def test_stopping_begins_nothing_more_and_waits_for_what_is_under_way(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(concurrency=1), one(delay_s=5))
    world.take(*(event(f"e{number}") for number in range(10)))
    async with world.running():
        await trio.sleep(7)
        dispatcher = world.dispatchers["one"]
        began_s = trio.current_time()
        await dispatcher.stop()
        assert 0 < trio.current_time() - began_s <= 5
        await trio.sleep(HOUR_S)
    assert 1 <= len(times(world)) <= 4
    delivered = [n for n in range(10) if world.delivery(f"e{n}", "one").status == "delivered"]
    assert len(delivered) == len(times(world))


async def test_connections_are_closed_when_nothing_is_sent_and_at_the_end(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(delay_s=1))
    async with world.running():
        world.take(event("a"))
        await trio.sleep(5)
        assert world.senders["one"].closings == []
        await trio.sleep(HOUR_S)
        assert world.senders["one"].closings == ["idle"]
        world.take(event("b"))
        await trio.sleep(HOUR_S)
    assert world.senders["one"].closings == ["idle", "idle", "all"]


async def test_a_request_body_is_kept_only_where_it_is_asked_for(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"), Single(id="kept", keep_payloads=True))))
    world.take(event("a"))
    assert await world.run_for(5)
    plain, kept = world.delivery("a", "one").row, world.delivery("a", "kept").row
    assert plain is not None
    assert kept is not None
    assert plain.attempts[0].request is None
    assert b'"id":"a"' in (kept.attempts[0].request or b"")


async def test_what_was_opened_from_its_seal_is_never_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Opening(id="one", keep_payloads=True))))
    world.take(event("a"))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.attempts[0].request) == ("delivered", None)


async def test_a_body_is_kept_up_to_64_kib(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(keep_payloads=True))
    world.take(event("a", custom_data=CustomData(properties={"long": "x" * 70_000})))
    assert await world.run_for(5)
    found = world.delivery("a", "one").row
    assert found is not None
    assert len(found.attempts[0].request or b"") == 65_536


class Opening(Single, frozen=True, kw_only=True, tag="test_opening"):
    needs_plaintext: ClassVar[bool] = True
