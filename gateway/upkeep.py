"""What a process does beside its work: retention, the books' difference, stale readers, room on disk, the version of
its configuration."""

import hashlib
from collections.abc import Mapping

import msgspec
import trio

from actors.observer import Observer
from actors.redaction import secrets_of
from gateway.clock import wall_ms
from gateway.config import Config
from gateway.core_service import CoreService
from store import books, retention, versions
from store.env import Store
from store.writer import ThreadWriter, Writer

BOOKS_S = 30.0
READERS_S = 3_600.0
ROOM_S = 1.0


async def upkeep(store: Store, writer: Writer, core: CoreService, observer: Observer) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(retention.run, store, writer, lambda: core.core.snapshot, wall_ms)
        nursery.start_soon(_watch_books, store, observer)
        nursery.start_soon(_free_readers, store)


async def watch_room(writer: ThreadWriter, observer: Observer) -> None:
    """A disk that was full is looked at again: with nothing taken nothing is committed, and no commit would tell."""
    while True:
        if not writer.has_room:
            writer.look_for_room()
        observer.room(writer.has_room)
        await trio.sleep(ROOM_S)


async def publish_version(
    store: Store, writer: Writer, config: Config, observer: Observer, routes: Mapping[str, int]
) -> int:
    """The number of this configuration: a new one if it differs from the last. Secrets count, but are not kept.
    `routes`: by site the version of its routes."""
    digest = hashlib.sha256(repr(config.sites).encode())
    if routes:
        digest.update(msgspec.json.encode(routes, order="deterministic"))
    for secret in secrets_of(config):
        digest.update(hashlib.sha256(secret.reveal().encode()).digest())
    summary = {site.id: [f"{one.id} ({one.platform})" for one in site.destinations] for site in config.sites}
    text = msgspec.json.encode(summary).decode()
    told = await versions.publish(
        store, writer, at_ms=wall_ms(), fingerprint=digest.hexdigest(), summary=text, routes=routes
    )
    for _ in range(told.unreadable):
        observer.unreadable_row(versions.NAME)
    return told.version


async def _watch_books(store: Store, observer: Observer) -> None:
    while True:
        observer.books_difference(books.difference(store))
        await trio.sleep(BOOKS_S)


async def _free_readers(store: Store) -> None:
    """A reader that was killed keeps its slot, and every page since, until somebody looks."""
    while True:
        store.env.reader_check()
        await trio.sleep(READERS_S)
