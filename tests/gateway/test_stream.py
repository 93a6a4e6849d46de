"""`gateway stream` and `gateway deliveries`: lists of what is in the store, and what follows."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import click
import msgspec
import pytest
from trio.testing import MockClock

from actors.event import Consent
from gateway import exit_codes
from gateway.commands.facts import Place, newest_messages
from gateway.commands.reading import Moment
from gateway.commands.stream_lines import Line, Tail, line_of, text_of
from store import keys
from tests.gateway.told_store import Told
from tests.support.making import START_MS, event, purchase
from tests.support.platform import FakeSender
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]


def read(follower: Tail, told: Told) -> list[Line]:
    found = [line_of(told.world.store, place, key, event) for place, key, event in follower.read()]
    return [line for line in found if line is not None]


async def test_each_message_is_a_line_that_says_what_it_was(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(purchase("px-1"), purchase("order-1", "server"), event("e-1"))
    await told.take(purchase("px-2"))
    lines = told.lines("stream")
    assert [(line["event_id"], line["dedup"]) for line in lines] == [
        ("px-1", "new"),
        ("order-1", "merged"),
        ("e-1", "new"),
        ("px-2", "duplicate"),
    ]
    assert lines[0]["destinations"] == {"acme": "delivered"}
    assert lines[0]["ids"] == ["fbp"]
    assert lines[3]["stands_for_it"] == "px-1"


async def test_the_server_copy_that_came_first_is_new_and_names_what_it_is_sent_as(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(purchase("order-1", "server"), purchase("px-1"))
    first, second = told.lines("stream")
    assert (first["dedup"], first["stands_for_it"]) == ("new", "px-1")
    assert second["dedup"] == "merged"


async def test_a_name_is_found_by_its_alias_and_the_limit_takes_the_newest(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    for number in range(4):
        await told.take(event(f"p-{number}"), event(f"v-{number}", "product_viewed"))
    ids = [line["event_id"] for line in told.lines("stream", "--event", "ViewContent", "--limit", "2")]
    assert ids == ["v-2", "v-3"]


async def test_the_tail_shows_each_message_once_and_only_what_is_new(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(event("before"))
    follower = Tail(told.world.store, SHARDS)
    assert read(follower, told) == []
    await told.take(event("e-1"), event("e-2"), purchase("px-1"))
    assert {line.event_id for line in read(follower, told)} == {"e-1", "e-2", "px-1"}
    assert read(follower, told) == []


async def test_a_held_purchase_is_a_line_at_once_and_settled_later(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    follower = Tail(told.world.store, SHARDS)
    told.world.take(purchase("px-1"))
    await told.world.settle()
    [(place, key, arrived)] = follower.read()
    held = line_of(told.world.store, place, key, arrived)
    await told.world.run_for(6)
    later = line_of(told.world.store, place, key)
    assert held is not None
    assert later is not None
    assert (held.dedup, held.is_settled) == ("held", False)
    assert (later.dedup, later.is_settled) == ("new", True)
    assert "settled" in text_of(msgspec.structs.replace(later, is_update=True))


async def test_a_message_whose_turn_failed_is_shown_as_dead(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    line = line_of(told.world.store, Place(START_MS, 0, 1), None, event("e-1"))
    assert line is not None
    assert line.dedup == "dead"


async def test_the_newest_messages_come_first_and_none_is_left_out(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    now_ms = told.world.clock.now_ms()
    ages_ms = (0, 1, 900, 1_100, 60_000, 61_000, 3_600_000, 86_400_000)
    for age_ms in ages_ms:
        told.world.submit(event(f"e-{age_ms}", received_at_ms=now_ms - age_ms))
    await told.world.settle()
    found = list(newest_messages(told.world.store, ["shop"], 0, now_ms))
    assert [now_ms - place.received_at_ms for place, _ in found] == list(ages_ms)
    since = list(newest_messages(told.world.store, ["shop"], now_ms - 60_000, now_ms))
    assert len(since) == 5
    assert all(one > two for (one, _), (two, _) in pairwise(found))


async def test_deliveries_are_listed_by_status_destination_and_time(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world, acme=FakeSender("ok", "drop"))
    await told.begin()
    await told.take(event("e-1"))
    await told.take(event("e-2"), event("e-3", consent=Consent(marketing="denied")))
    assert [(one["event_id"], one["status"]) for one in told.lines("deliveries")] == [
        ("e-2", "dropped"),
        ("e-1", "delivered"),
    ]
    assert [one["event_id"] for one in told.lines("deliveries", "--status", "dropped")] == ["e-2"]
    assert [one["reason"] for one in told.lines("deliveries", "--status", "not_routed")] == ["consent_denied"]
    assert told.lines("deliveries", "--destination", "other") == []
    assert len(told.lines("deliveries", "--limit", "1")) == 1
    assert told.lines("deliveries", "--since", "2100-01-01T00:00:00Z") == []


async def test_a_failed_delivery_tells_when_it_is_tried_next(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world, acme=FakeSender("retry"))
    await told.begin()
    await told.take(event("e-1"))
    [line] = told.lines("deliveries", "--status", "failed")
    assert (line["attempts"], line["words"]) == (1, "later")
    assert f"next at {line['next_attempt_at'][5:19].replace('T', ' ')}: later" in told.run("deliveries").stdout


async def test_a_copy_adds_no_delivery_to_the_list(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(purchase("px-1"), purchase("order-1", "server"))
    await told.take(purchase("px-1"))
    assert [one["event_id"] for one in told.lines("deliveries")] == ["px-1"]


async def test_a_damaged_event_is_told_and_the_list_goes_on(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(event("e-1"), event("e-2"))
    key = keys.event("shop", "e-2", "page_viewed")
    whole = replace(told.world, key, None)
    listed, streamed = told.run("deliveries", "--json"), told.lines("stream")
    replace(told.world, key, whole)
    assert '"e-1"' in listed.stdout
    assert "cannot be read" in listed.stderr
    assert [line["dedup"] for line in streamed] == ["new", "unreadable"]


def replace(world: World, key: bytes, value: bytes | None) -> bytes:
    """Puts another event row; None damages it. Returns what was there."""
    with world.store.env.begin(write=True) as txn:
        before = txn.get(key, db=world.store.dbs["event"]) or b""
        txn.put(key, value or before[:-1] + b"\x00", db=world.store.dbs["event"])
    return before


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", -90_000),
        ("30m", -1_800_000),
        ("24h", -86_400_000),
        ("7d", -604_800_000),
        ("2026-11-20T14:00:00Z", int(datetime(2026, 11, 20, 14, tzinfo=UTC).timestamp() * 1000)),
        ("2026-11-20T14:00:00+02:00", int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)),
    ],
)
def test_a_time_is_a_span_or_a_moment(text: str, value: int) -> None:
    assert Moment().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["", "yesterday", "24", "-3h", "3w", "2026-13-01"])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="give 30m, 24h"):
        Moment().convert(text, None, None)


async def test_an_empty_store_is_an_answer(make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    assert told.run("stream").exit_code == exit_codes.OK
    assert "no such deliveries" in told.run("deliveries").stdout
