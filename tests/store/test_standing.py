"""What a destination is doing is on record: written when it changes, read by anybody, gone with the destination."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from actors.dialing import Failure
from actors.standing import Record
from store import keys, standing
from store.check import check
from store.env import Store
from store.errors import StoreFull
from store.records import Standing
from store.writer import Apply, InlineWriter, Ticket
from tests.support.making import START_MS, event, site, snapshot
from tests.support.platform import FakeSender, Single, failure
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = keys.destination("shop", "one")


def found(world: World) -> Standing:
    row = standing.read(world.store, ONE)
    assert row is not None
    return row


def running(make_world: MakeWorld, told: object) -> World:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender(play=lambda _: told)})  # type: ignore[arg-type, return-value]
    world.take(*(event(f"e{number}") for number in range(20)))
    return world


async def test_a_destination_that_never_ran_has_no_standing(make_world: MakeWorld) -> None:
    assert standing.read(make_world(snapshot(site(Single(id="one")))).store, ONE) is None


async def test_a_destination_that_sends_says_so_since_its_start(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = running(make_world, "ok")
    assert await world.run_for(60)
    assert found(world) == Standing(state="sending", since_ms=START_MS)


async def test_an_open_breaker_is_probing_and_a_good_probe_ends_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = running(make_world, failure())
    async with world.running():
        await trio.sleep(120)
        assert (found(world).state, found(world).cause) == ("probing", "breaker")
        assert found(world).since_ms < START_MS + 10_000
        world.senders["one"].play = lambda _: "ok"
        await trio.sleep(600)
        assert (found(world).state, found(world).cause) == ("sending", "")
        assert found(world).since_ms > START_MS + 120_000


async def test_an_outage_that_changes_its_words_is_still_the_same_outage(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = running(make_world, failure())
    async with world.running():
        await trio.sleep(120)
        began = found(world)
        world.senders["one"].play = lambda _: Failure(kind="timeout", message="no whole answer")
        await trio.sleep(600)
        assert (found(world).words, found(world).since_ms) == ("timeout: no whole answer", began.since_ms)
        assert began.words == "connect: nobody is there"


async def test_refused_credentials_are_on_record_with_the_platforms_words(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = running(make_world, "pause")
    assert await world.run_for(60)
    assert (found(world).state, found(world).cause, found(world).words) == ("paused", "credentials", "token refused")


class FullFirst(InlineWriter):
    """Has no room for the first write."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.refused = 0

    def submit(self, apply: Apply) -> Ticket:
        if self.refused == 0:
            self.refused += 1
            raise StoreFull
        return super().submit(apply)


def test_what_found_no_room_is_written_later_with_the_time_it_began(store: Store) -> None:
    times = iter((1_000, 2_000))
    record = Record(ONE, FullFirst(store), lambda: next(times))
    record.keep("paused", "operator")
    assert standing.read(store, ONE) is None
    record.keep("paused", "operator")
    assert standing.read(store, ONE) == Standing(state="paused", cause="operator", since_ms=1_000)


@pytest.mark.parametrize(("key", "raw", "words"), [(ONE, b"\x01damaged", "unreadable"), (b"odd", b"", "its key is no")])
async def test_the_consistency_check_names_a_row_that_is_damaged_or_misplaced(
    fast_path: object, autojump_clock: Clock, key: bytes, raw: bytes, words: str
) -> None:
    world = World(fast_path, snapshot(site(Single(id="one"))))  # type: ignore[arg-type]
    InlineWriter(world.store).submit(lambda write: write.put("standing", key, raw))
    assert any(words in problem for problem in check(world.store, SHARDS).problems)
    assert standing.read(world.store, ONE) is None
    world.close()
