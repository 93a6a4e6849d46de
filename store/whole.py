"""Reads every row of a store's file, in a process of its own: a damaged file can end the process that reads it.

`python -m store.whole FOLDER` exits 0 where all can be read.
"""

import subprocess
import sys

import lmdb

MAX_DATABASES = 64


def is_whole(path: str) -> bool:
    """Reads all there is, however long that takes."""
    done = subprocess.run([sys.executable, "-m", __name__, path], capture_output=True, check=False)
    return done.returncode == 0


def read_all(path: str) -> None:
    """Raises lmdb.Error, or ends the process, at the first page that is damaged or not there; pages that lead back to
    where they were read already have more rows than the database says.
    """
    env = lmdb.open(path, max_dbs=MAX_DATABASES, readonly=True, create=False, readahead=False, lib_version=0)
    with env.begin() as txn:
        names = [bytes(name) for name in txn.cursor().iternext(values=False)]
    databases = [env.open_db(name, create=False) for name in names]
    with env.begin() as txn:
        for database in databases:
            most = txn.stat(database)["entries"]
            for number, _ in enumerate(txn.cursor(db=database)):
                if number >= most:
                    raise lmdb.CorruptedError("more rows than there are")


if __name__ == "__main__":
    read_all(sys.argv[1])
