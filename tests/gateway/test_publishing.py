"""What a worker publishes when the stored configuration or the file changes, and what it leaves in force."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.observer import Observer
from gateway.config import load_config
from gateway.publishing import Published, Publisher
from store.errors import StoreFull
from store.writer import Apply, InlineWriter, Ticket
from tests.gateway.controlling import FILE, META, Controlled


class Filling(InlineWriter):
    """A writer whose disk may be full."""

    is_full = False

    def submit(self, apply: Apply) -> Ticket:
        if self.is_full:
            raise StoreFull("the disk budget is used up")
        return super().submit(apply)


class Publishing(Controlled):
    """A worker's publisher beside a Control; `published` grows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, f'[server]\ndata_dir = "{folder / "data"}"\n{FILE}')
        self.published: list[Published] = []
        self.writer = Filling(self.store)
        self.publisher = Publisher(
            store=self.store,
            writer=self.writer,
            config=load_config(self.path, self.env),
            config_path=self.path,
            env=self.env,
            observer=Observer(),
            publish=self.published.append,
        )

    def ids(self) -> list[str]:
        """Of the destinations in force."""
        return [one.id for _, one in self.published[-1].snapshot.destinations()]

    def edit(self, old: str, new: str) -> None:
        self.path.write_text(self.path.read_text().replace(old, new))


@pytest.fixture
async def worker(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Publishing]:
    found = Publishing(tmp_path)
    found.published.append(await found.publisher.begin())
    nursery.start_soon(found.publisher.watch)
    yield found
    found.store.close()


async def test_each_stored_version_is_published_within_a_second(worker: Publishing, autojump_clock: MockClock) -> None:
    await worker.control.connect("shop", META)
    await trio.sleep(1)
    assert worker.ids() == ["ga4-file", "meta"]
    await worker.control.disconnect("shop", "meta")
    await trio.sleep(1)
    assert worker.ids() == ["ga4-file"]
    versions = [one.snapshot.version for one in worker.published]
    assert versions == [1, 2, 3]


async def test_nothing_is_published_while_nothing_changes(worker: Publishing, autojump_clock: MockClock) -> None:
    await trio.sleep(60)
    assert len(worker.published) == 1


async def test_a_new_fault_leaves_what_is_in_force_until_it_is_mended(
    worker: Publishing, autojump_clock: MockClock
) -> None:
    await worker.control.connect("outlet", META)
    await trio.sleep(1)
    worker.edit('id = "outlet"', 'id = "other"')
    await worker.publisher.reload()
    assert worker.ids() == ["ga4-file", "meta"]
    await worker.control.disconnect("outlet", "meta")
    await trio.sleep(1)
    assert (worker.ids(), sorted(worker.published[-1].snapshot.sites)) == (["ga4-file"], ["other", "shop"])


async def test_a_fault_from_before_the_start_hinders_nothing_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    before = Controlled(tmp_path)
    await before.control.connect("outlet", META)
    before.store.close()
    worker = Publishing(tmp_path)
    worker.edit('id = "outlet"', 'id = "other"')
    await worker.publisher.reload()
    assert worker.published == [], "nothing was in force yet"
    worker.published.append(await worker.publisher.begin())
    assert worker.published[-1].snapshot.held == {("outlet", "meta")}
    await worker.control.connect("shop", META)
    await worker.publisher.reload()
    assert worker.ids() == ["ga4-file", "meta"]
    worker.store.close()


async def test_a_key_that_is_lost_while_it_runs_leaves_the_secrets_in_force(
    worker: Publishing, autojump_clock: MockClock
) -> None:
    await worker.control.connect("shop", META)
    await trio.sleep(1)
    (worker.folder / "data" / "secret.key").write_text("00" * 32)
    await worker.publisher.reload()
    assert len(worker.published) == 2
    assert worker.ids() == ["ga4-file", "meta"]


async def test_a_key_that_cannot_be_read_stops_no_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    before = Controlled(tmp_path)
    await before.control.connect("shop", META)
    before.store.close()
    (tmp_path / "data" / "secret.key").write_text("no key")
    worker = Publishing(tmp_path)
    worker.published.append(await worker.publisher.begin())
    found = worker.published[-1].snapshot.destination("shop", "meta")
    assert found is not None
    assert found.paused, "what comes for it waits"
    worker.store.close()


async def test_a_version_that_could_not_be_published_is_tried_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    worker = Publishing(tmp_path)
    worker.published.append(await worker.publisher.begin())
    await worker.control.connect("shop", META)
    worker.writer.is_full = True
    with pytest.raises(StoreFull):
        await worker.publisher.watch()
    worker.writer.is_full = False
    with trio.move_on_after(1):
        await worker.publisher.watch()
    assert worker.ids() == ["ga4-file", "meta"]
    worker.store.close()


async def test_the_file_and_the_store_are_published_together_on_reload(
    worker: Publishing, autojump_clock: MockClock
) -> None:
    await worker.control.connect("shop", META)
    worker.edit("ga4-file", "ga4-renamed")
    await worker.publisher.reload()
    assert worker.ids() == ["ga4-renamed", "meta"]
