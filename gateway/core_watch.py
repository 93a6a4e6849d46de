"""What an edge process knows of the core beside it: whether it runs, and how far behind it is.

The core touches a file once a second while its turns run; that costs no commit. The backlog is read from the store.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from gateway.core_service import MAILBOX_MOST
from store.env import Store
from store.mailbox import depth, read_cursors

ALIVE_FILE: Final = "core.alive"
TELL_S: Final = 1.0
SILENT_S: Final = 5.0
FULL: Final = "the mailbox is full; what it holds is processed when the core runs"


async def tell_alive(data_dir: Path, is_alive: Callable[[], bool]) -> None:
    """The core's part."""
    path = data_dir / ALIVE_FILE
    path.touch()
    while True:
        if is_alive():
            os.utime(path)
        await trio.sleep(TELL_S)


def is_core_alive(data_dir: Path) -> bool:
    """Whether a core has touched its file lately."""
    try:
        return abs(time.time() - (data_dir / ALIVE_FILE).stat().st_mtime) < SILENT_S
    except FileNotFoundError:
        return False


class CoreWatch:
    """The edge's part: looked at once a second."""

    def __init__(self, store: Store, data_dir: Path, shards: int, mailbox_most: int = MAILBOX_MOST) -> None:
        self.is_core_alive = False
        self._store = store
        self._data_dir = data_dir
        self._shards = shards
        self._mailbox_most = mailbox_most
        self._waiting = 0

    def refuses(self) -> str | None:
        return FULL if self._waiting >= self._mailbox_most else None

    async def run(self) -> None:
        while True:
            self.look()
            await trio.sleep(TELL_S)

    def look(self) -> None:
        self.is_core_alive = is_core_alive(self._data_dir)
        self._waiting = depth(self._store, read_cursors(self._store, self._shards))
