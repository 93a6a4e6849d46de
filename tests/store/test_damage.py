"""A damaged row costs what it said, not the process: it is set aside, counted anew, or refused in words."""

from collections.abc import Callable

import lmdb
import pytest
import trio.testing

from store import keys, retention, versions
from store.check import check
from store.env import Store, fetch
from store.errors import StoreDamaged, StoreError
from store.mailbox import read_cursors
from store.records import SET_ASIDE
from store.writer import InlineWriter
from tests.support.making import START_MS, event, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import World

ONE = keys.destination("shop", "one")
NOW_MS = 1_795_168_512_999


async def publish(store: Store, fingerprint: str) -> versions.Published:
    writer = InlineWriter(store)
    return await versions.publish(store, writer, at_ms=NOW_MS, fingerprint=fingerprint, summary="{}")


def put(store: Store, database: str, key: bytes, value: bytes) -> None:
    InlineWriter(store).submit(lambda write: write.put(database, key, value))


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x84not msgpack", b"\x01" + bytes(20)])
@pytest.mark.parametrize("number", [1, 2])
async def test_a_damaged_version_is_set_aside_and_the_next_one_has_its_own_number(
    store: Store, number: int, raw: bytes
) -> None:
    for fingerprint in "ab":
        await publish(store, fingerprint)
    key = versions.PREFIX + keys.u64(number)
    put(store, "config", key, raw)
    assert [one.version for one in versions.history(store)] == [3 - number]
    assert "unreadable" in check(store, 1).problems[0]
    told = await publish(store, "b")
    assert told == versions.Published(version=2 if number == 1 else 3, unreadable=1)
    with store.read() as txn:
        aside = SET_ASIDE.decode(fetch(txn, store.dbs["quarantine"], keys.quarantine("config", key)) or b"")
    assert (aside.raw, aside.at_ms) == (raw, NOW_MS)
    assert await publish(store, "b") == versions.Published(version=told.version)
    assert check(store, 1).problems == ()


def test_a_damaged_cursor_is_refused_in_words(store: Store) -> None:
    put(store, "cursor", keys.shard(0), b"\x00\x01")
    with pytest.raises(StoreError, match=r"cursor of shard 0.*2 bytes.*restore a backup"):
        read_cursors(store, 1)
    assert "cursor of shard 0" in check(store, 1).problems[0]
    put(store, "cursor", keys.shard(0), keys.u64(0))


async def test_a_damaged_depth_is_counted_anew(
    make_world: Callable[..., World], autojump_clock: trio.testing.MockClock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender("pause")})
    world.take(event("a"), event("b"))
    await world.settle()
    put(world.store, "depth", ONE, b"\x01")
    assert any("depth" in problem for problem in world.check().problems)
    world.restart()
    world.take(event("c"))
    await world.settle()
    assert dict(world.rows("depth")) == {ONE: keys.u64(3)}
    assert world.check().problems == ()


def test_damaged_numbers_of_retention_stop_nothing(store: Store) -> None:
    put(store, "meta", retention.CLOCK_KEY, b"1")
    put(store, "meta", retention.WATERMARK + keys.digest8("shop"), b"")
    put(store, "verdict", keys.verdict("shop", "ip:1"), b"12345")
    assert retention.read_clock(store) is None
    for _, apply in retention.steps(store, {}, START_MS):
        InlineWriter(store).submit(apply)
    with store.read() as txn:
        assert txn.stat(store.dbs["verdict"])["entries"] == 0


@pytest.mark.parametrize("error", [lmdb.CorruptedError, lmdb.PageNotFoundError])
def test_a_commit_that_meets_a_damaged_page_says_that_no_start_mends_it(store: Store, error: type[lmdb.Error]) -> None:
    def meet(_: object) -> None:
        raise error("mdb_put", 0)

    with pytest.raises(StoreDamaged, match="restore a backup"):
        InlineWriter(store).submit(meet)


def test_a_number_of_shards_that_cannot_be_read_is_refused_in_words(store: Store) -> None:
    put(store, "meta", b"shards", b"!6")
    with pytest.raises(StoreDamaged, match="number of shards"):
        store.fix_shards(16)
