"""Opens the LMDB environment of a data directory: its databases, its format version, its size.

An environment is opened once per process, never before a fork, and only on a local disk (LMDB's caveats). The map size
is the disk budget: address space, not disk. `lib_version=0` keeps the 0.9 file format whatever the environment says.
"""

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import lmdb
from msgspec import Struct

from store import keys
from store.errors import FormatError, StoreBroken, StoreDamaged, StoreError
from store.whole import is_whole

if TYPE_CHECKING:
    from lmdb import _Database

FORMAT_VERSION: Final = 1
ID_KEY: Final = b"id_key"
ID_KEY_BYTES: Final = 32
GIB: Final = 1 << 30
DEFAULT_BUDGET: Final = 64 * GIB
ROOM_SHARE: Final = 0.85  # past this share of the budget or of the disk, nothing new is taken
TURNS_SHARE: Final = 0.93  # past it no turn is run: the rest is for settling deliveries and for clean-up
OWED_BYTES: Final = 512  # of the row that a queued delivery gets with its end, in pages: 446 were measured
MAX_READERS: Final = 510

# What reading meets in a damaged file only: a transaction that went bad did so at a page that is none, and a key that
# does not unpack has the length of none of ours.
DAMAGE: Final = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError, struct.error)

NAMES: Final = (
    "meta",
    "log",
    "cursor",
    "state",
    "alarm",
    "dedup",
    "event",
    "delivery",
    "outbox",
    "depth",
    "books",
    "traffic",
    "site_event",
    "visitor_event",
    "order_event",
    "dead",
    "verdict",
    "config",
    "quarantine",
    "standing",
    "replay",
    "privacy",
    "touch",
    "conversion",
    "link",
    "identifier",
)


class Usage(Struct, frozen=True, kw_only=True):
    """Bytes. `used`: live pages; `owed`: what deliveries that wait will still need, kept free for them; `capacity`: the
    budget or what the disk still allows, whichever is less."""

    used_bytes: int
    owed_bytes: int = 0
    capacity_bytes: int
    budget_bytes: int
    file_bytes: int

    @property
    def has_room(self) -> bool:
        return self.used_bytes + self.owed_bytes < ROOM_SHARE * self.capacity_bytes

    @property
    def has_room_for_turns(self) -> bool:
        return self.used_bytes + self.owed_bytes < TURNS_SHARE * self.capacity_bytes


class Store:
    """The open environment. `dbs[name]` is a database handle; `read()` a short read transaction."""

    def __init__(self, path: Path, *, budget_bytes: int = DEFAULT_BUDGET, is_readonly: bool = False) -> None:
        """Raises StoreError where the directory cannot be used, FormatError where its format is not ours."""
        self.path = path
        self.budget_bytes = budget_bytes
        self._is_readonly = is_readonly
        if is_readonly and not (path / "data.mdb").exists():
            raise StoreError(f"opening {path}: no store is there")
        try:
            if not is_readonly:
                path.mkdir(parents=True, exist_ok=True)
            self.env = lmdb.open(
                str(path),
                map_size=budget_bytes,
                max_dbs=len(NAMES) + 4,
                max_readers=MAX_READERS,
                readonly=is_readonly,
                create=not is_readonly,
                readahead=False,
                lib_version=0,
            )
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"opening {path}: {error}") from error
        try:
            self.env.reader_check()
            if not is_readonly:
                self._complete()
            self.dbs = self._open_readonly() if is_readonly else self._open_databases()
        except lmdb.Error as error:
            self.close()
            raise StoreError(f"opening {path}: {error}") from error
        except StoreError:
            self.close()
            raise

    def _complete(self) -> None:
        """Refuses a file that was cut short: the first page that is not there would end the process (SIGBUS).

        A sound file too may be shorter than its meta page says, by pages that were never written. So zeros take the
        place of what is not there, and all is read once to see whether something is missing.
        """
        file = self.path / "data.mdb"
        size = os.stat(file).st_size
        whole = (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]
        if size >= whole:
            return
        os.truncate(file, whole)
        if not is_whole(str(self.path)):
            os.truncate(file, size)
            raise StoreError(f"{file} was cut short: {size} of {whole} bytes are there; restore a backup")

    def _open_readonly(self) -> dict[str, "_Database"]:
        meta = self.env.open_db(b"meta", create=False)
        with self.env.begin() as txn:
            _check_format(self.path, fetch(txn, meta, b"format"))
        try:
            return {name: self.env.open_db(name.encode(), create=False) for name in NAMES}
        except lmdb.NotFoundError as error:  # databases are added when the gateway opens the store to write
            raise StoreError(f"{self.path} is of an older gateway; start this one on it once") from error

    def _open_databases(self) -> dict[str, "_Database"]:
        """Changes nothing in a store whose format is not ours."""
        with self.env.begin(write=True) as txn:
            is_new = txn.stat()["entries"] == 0
            meta = self.env.open_db(b"meta", txn=txn)
            if is_new:
                txn.put(b"format", str(FORMAT_VERSION).encode(), db=meta)
            _check_format(self.path, fetch(txn, meta, b"format"))
            return {name: self.env.open_db(name.encode(), txn=txn) for name in NAMES}

    def fix_shards(self, shards: int) -> None:
        """The number of shards is set once: another one would send a visitor's events to another shard."""
        found = self.shards()
        if found is None:
            with _broken_by("setting up", self.path), self.env.begin(write=True) as txn:
                txn.put(b"shards", str(shards).encode(), db=self.dbs["meta"])
                txn.put(ID_KEY, os.urandom(ID_KEY_BYTES), db=self.dbs["meta"], overwrite=False)
        elif not self.id_key():  # a store from before there was one
            with _broken_by("setting up", self.path), self.env.begin(write=True) as txn:
                txn.put(ID_KEY, os.urandom(ID_KEY_BYTES), db=self.dbs["meta"], overwrite=False)
        if found is not None and found != shards:
            told = f"the configuration says {shards}; keep {found}"
            raise FormatError(f"{self.path} has {found} shards, {told}")

    def id_key(self) -> bytes:
        """What ids that outsiders see are keyed with: random, of this store, as old as its first start."""
        with self.read() as txn:
            return fetch(txn, self.dbs["meta"], ID_KEY) or b""

    def shards(self) -> int | None:
        """The number of shards that was set; None before the first start. Raises StoreDamaged."""
        with self.read() as txn:
            found = fetch(txn, self.dbs["meta"], b"shards")
        if found is not None and not found.isdigit():
            raise StoreDamaged(f"{self.path} has {found!r} for its number of shards; restore a backup")
        return int(found) if found is not None else None

    @contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """A read transaction. Never keep it open across an `await`: it would keep every page written since.

        Raises StoreDamaged or StoreBroken where the file cannot be read on: nothing that was built on it is sure.
        """
        with _broken_by("reading", self.path), self.env.begin() as txn:
            yield txn

    def usage(self) -> Usage:
        with self.read() as txn:
            stats = [txn.stat(db) for db in self.dbs.values()]
            with txn.cursor(db=self.dbs["depth"]) as cursor:
                queued = sum(keys.number_or(bytes(depth), 0) for depth in cursor.iternext(keys=False, values=True))
        pages = sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in stats)
        file_bytes = os.stat(self.path / "data.mdb").st_blocks * 512
        capacity = min(self.budget_bytes, file_bytes + shutil.disk_usage(self.path).free)
        return Usage(
            used_bytes=pages * stats[0]["psize"],
            owed_bytes=queued * OWED_BYTES,
            capacity_bytes=capacity,
            budget_bytes=self.budget_bytes,
            file_bytes=file_bytes,
        )

    def close(self) -> None:
        self.env.close()


@contextmanager
def _broken_by(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except lmdb.ReadersFullError:
        raise  # says nothing about the file
    except DAMAGE as error:
        raise StoreDamaged(f"{what} {path}: {error}; the file is damaged, restore a backup") from error
    except lmdb.Error as error:
        raise StoreBroken(f"{what} {path}: {error}") from error


def fetch(txn: lmdb.Transaction, db: "_Database", key: bytes) -> bytes | None:
    """The value as bytes of its own: environments here are never read through buffers."""
    return cast("bytes | None", txn.get(key, db=db))


def _check_format(path: Path, found: bytes | None) -> None:
    version = int(found) if found is not None and found.isdigit() else None
    if version != FORMAT_VERSION:
        raise FormatError(_format_message(path, version))


def _format_message(path: Path, version: int | None) -> str:
    if version is None:
        return f"{path} is no store of this gateway: it has no format version"
    if version > FORMAT_VERSION:
        return (
            f"{path} has store format {version}, written by a newer gateway; this one reads format {FORMAT_VERSION}. "
            "Run the newer version, or restore a backup made with this one"
        )
    return f"{path} has store format {version}, which this gateway cannot migrate; it reads format {FORMAT_VERSION}"
