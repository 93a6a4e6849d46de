"""Opening a store: its format, its size, its readers."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import lmdb
import pytest

from store import keys
from store.env import FORMAT_VERSION, MAX_READERS, NAMES, OWED_BYTES, ROOM_SHARE, Store, Usage
from store.errors import FormatError, StoreError
from store.writer import InlineWriter, WriteTxn


def set_format(path: Path, value: bytes | None) -> None:
    with lmdb.open(str(path), max_dbs=30) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True, db=meta) as txn:
            txn.put(b"format", value) if value is not None else txn.delete(b"format")


def test_a_new_store_has_the_format_of_this_version(fast_path: Path) -> None:
    Store(fast_path, budget_bytes=8 << 20).close()
    with lmdb.open(str(fast_path), max_dbs=30) as env, env.begin(db=env.open_db(b"meta")) as txn:
        assert txn.get(b"format") == str(FORMAT_VERSION).encode()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (b"2", "newer gateway"),
        (b"99", "newer gateway"),
        (b"0", "cannot migrate"),
        (b"x", "no format version"),
        (None, "no format version"),
    ],
)
@pytest.mark.parametrize("is_readonly", [False, True])
def test_another_format_is_refused(fast_path: Path, found: bytes | None, words: str, is_readonly: bool) -> None:
    Store(fast_path, budget_bytes=8 << 20).close()
    set_format(fast_path, found)
    with pytest.raises(FormatError, match=words):
        Store(fast_path, budget_bytes=8 << 20, is_readonly=is_readonly)


def test_a_refused_store_is_left_as_it_was(fast_path: Path) -> None:
    fast_path.mkdir()
    with lmdb.open(str(fast_path), max_dbs=30) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"2", db=env.open_db(b"meta", txn=txn))
    with pytest.raises(FormatError):
        Store(fast_path, budget_bytes=8 << 20)
    with lmdb.open(str(fast_path), max_dbs=30) as env, env.begin() as txn:
        assert [key for key, _ in txn.cursor()] == [b"meta"]


def test_a_store_of_somebody_else_is_refused(fast_path: Path) -> None:
    fast_path.mkdir()
    with lmdb.open(str(fast_path), max_dbs=30) as env, env.begin(write=True) as txn:
        txn.put(b"hello", b"world")
    with pytest.raises(FormatError, match="no store of this gateway"):
        Store(fast_path, budget_bytes=8 << 20)


def test_reading_only_makes_no_store(fast_path: Path) -> None:
    with pytest.raises(StoreError, match="no store is there"):
        Store(fast_path, is_readonly=True)
    assert not fast_path.exists()


def test_a_file_that_is_no_database_is_refused_with_its_path(fast_path: Path) -> None:
    fast_path.mkdir()
    (fast_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=str(fast_path)):
        Store(fast_path, budget_bytes=8 << 20)


def test_a_second_opening_in_one_process_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        Store(store.path)


def test_a_readonly_store_takes_no_write(fast_path: Path) -> None:
    Store(fast_path, budget_bytes=8 << 20).close()
    store = Store(fast_path, is_readonly=True)
    with pytest.raises(lmdb.ReadonlyError):
        store.env.begin(write=True)
    store.close()


def test_a_store_has_an_id_key_of_its_own_that_stays(fast_path: Path, store: Store) -> None:
    store.fix_shards(4)
    made = store.id_key()
    store.fix_shards(4)
    assert (store.id_key(), len(made)) == (made, 32)


def test_the_number_of_shards_is_set_once(store: Store) -> None:
    assert store.shards() is None
    store.fix_shards(4)
    store.fix_shards(4)
    with pytest.raises(FormatError, match="keep 4"):
        store.fix_shards(8)


def test_readers_are_bounded_and_the_next_is_refused(fast_path: Path) -> None:
    store = Store(fast_path, budget_bytes=8 << 20)
    readers = [store.env.begin() for _ in range(MAX_READERS)]
    with pytest.raises(lmdb.ReadersFullError), store.read():
        pass
    for reader in readers:
        reader.abort()
    readers.clear()
    del reader
    with store.read() as txn:
        assert txn.stat()["entries"] == len(NAMES)
    store.close()


def test_room_ends_at_85_per_cent_of_the_budget(fast_path: Path) -> None:
    store = Store(fast_path, budget_bytes=4 << 20)
    writer = InlineWriter(store)
    assert store.usage().has_room
    while (usage := store.usage()).has_room:
        key = str(usage.used_bytes).encode()
        writer.submit(partial(WriteTxn.put, db="config", key=key, value=bytes(60_000)))
    assert usage.used_bytes >= ROOM_SHARE * (4 << 20)
    assert usage.used_bytes < 0.95 * (4 << 20)
    store.close()


def test_the_disk_counts_where_it_is_less_than_the_budget() -> None:
    usage = Usage(used_bytes=86, capacity_bytes=100, budget_bytes=10_000, file_bytes=90)
    assert not usage.has_room


def test_room_is_kept_for_the_ends_of_deliveries_that_wait(fast_path: Path) -> None:
    store = Store(fast_path, budget_bytes=4 << 20)
    InlineWriter(store).submit(lambda write: write.change_depth(keys.destination("shop", "one"), 1_000))
    assert store.usage().owed_bytes == 1_000 * OWED_BYTES
    store.close()


def test_what_is_owed_counts_as_used() -> None:
    usage = Usage(used_bytes=80, owed_bytes=6, capacity_bytes=100, budget_bytes=100, file_bytes=90)
    assert (usage.has_room, usage.has_room_for_turns) == (False, True)


READS_FOR_EVER = """
import sys, time
from pathlib import Path
from store.env import Store
with Store(Path(sys.argv[1]), is_readonly=True).read() as txn:
    txn.stat()
    print("reads", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_reader_kept_is_free_again(store: Store) -> None:
    """While it reads, no page that was replaced since is used again; killed, it leaves its slot to whoever looks."""
    writer = InlineWriter(store)
    rewrite(writer, 50)
    with subprocess.Popen([sys.executable, "-c", READS_FOR_EVER, str(store.path)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reads\n"
        before = pages(store)
        rewrite(writer, 200)
        kept = pages(store) - before
        reader.kill()
    assert kept > 200
    assert store.env.reader_check() == 1
    rewrite(writer, 400)
    assert pages(store) - before - kept < kept / 4


def rewrite(writer: InlineWriter, times: int) -> None:
    for number in range(times):
        writer.submit(partial(WriteTxn.put, db="config", key=b"row", value=number.to_bytes(2) * 1_000))


def pages(store: Store) -> int:
    """Of the file, in use or free."""
    return int(store.env.info()["last_pgno"])


def test_no_reader_is_left_open_by_a_read_that_ended(store: Store) -> None:
    for _ in range(2 * MAX_READERS):
        with store.read():
            pass
    assert "(no active readers)" in store.env.readers() or store.env.readers().count("\n") < 10
