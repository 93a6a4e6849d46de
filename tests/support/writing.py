"""The writer of a running process, for as long as a test needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.observer import Observer
from store.env import Store
from store.errors import StoreError
from store.writer import ThreadWriter


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[ThreadWriter]:
    """Closed at the end with all that waits committed; what broke it is not raised again here."""
    writer = ThreadWriter(store, Observer())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, writer)
        await trio.testing.wait_all_tasks_blocked()
        yield writer
        writer.close()


async def _run(writer: ThreadWriter) -> None:
    try:
        await writer.run()
    except StoreError:
        return
