"""Routes in the configuration in force: published by command, declared by the file, damaged."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.lowlevel
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway.routes_control import RoutesControl
from store import keys
from store.records import STORED_CONFIG
from store.writer import Apply, Ticket
from tests.gateway.controlling import META
from tests.gateway.test_publishing import Publishing

ALL = {"id": "all", "destination": "ga4-file"}
BIG = {"id": "big", "destination": "ga4-file", "events": ["purchase_placed"]}
DECLARED = '[[sites.routes]]\nid = "all"\ndestination = "ga4-file"\nevents = ["*"]\nenabled = true\n\n'
OUTLET = '[[sites]]\nid = "outlet"'


class Routed(Publishing):
    """A worker with the routes of its site `shop`."""

    def routes(self) -> list[str]:
        """Those in force."""
        return [route.id for route in self.published[-1].snapshot.sites["shop"].routes]

    def control_of_routes(self) -> RoutesControl:
        return RoutesControl(self.another())

    async def publish_routes(self, *routes: dict[str, Any]) -> int:
        await self.control_of_routes().save("shop", list(routes), author="ann", revision=None)
        return (await self.control_of_routes().publish("shop", author="ann")).version.version

    async def start(self) -> None:
        self.published.append(await self.publisher.begin())

    def spoil(self, number: int) -> None:
        """The routes of that version become what this release cannot read."""
        bad = b'[{"id": "x", "destination": "ga4-file", "unheard_of": 1}]'
        with self.store.env.begin(write=True) as txn:
            database, key = self.store.dbs["config"], keys.stored_config(number)
            config = STORED_CONFIG.decode(bytes(txn.get(key, db=database) or b""))
            [routes] = config.routes
            spoilt = msgspec.structs.replace(config, routes=(msgspec.structs.replace(routes, routes=bad),))
            txn.put(key, STORED_CONFIG.encode(spoilt), db=database)

    def history(self) -> list[tuple[int, str, int]]:
        return [(one.version, one.author, one.routes) for one in self.control_of_routes().history("shop")]


@pytest.fixture
async def worker(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Routed]:
    found = Routed(tmp_path)
    await found.start()
    nursery.start_soon(found.publisher.watch)
    yield found
    found.store.close()


async def test_published_routes_are_in_every_worker_within_a_second(worker: Routed, autojump_clock: MockClock) -> None:
    await worker.publish_routes(ALL, BIG)
    await trio.sleep(1)
    assert worker.routes() == ["all", "big"]
    await worker.control_of_routes().rollback("shop", await worker.publish_routes(BIG) - 1, author="bob")
    await trio.sleep(1)
    assert worker.routes() == ["all", "big"]


async def test_a_draft_changes_nothing_that_is_live(worker: Routed, autojump_clock: MockClock) -> None:
    await worker.control_of_routes().save("shop", [ALL], author="ann", revision=None)
    await trio.sleep(1)
    assert len(worker.published) == 1


async def test_what_the_file_declares_is_a_version_by_config(worker: Routed, autojump_clock: MockClock) -> None:
    worker.edit(OUTLET, DECLARED + OUTLET)
    await worker.publisher.reload()
    assert (worker.routes(), worker.history()) == (["all"], [(1, "config", 1)])
    live = worker.control_of_routes().live("shop")
    assert (live.version, live.origin, live.author) == (1, "file", "config")
    worker.edit('id = "all"', 'id = "every"')
    await worker.publisher.reload()
    await worker.publisher.reload()
    assert (worker.routes(), worker.history()) == (["every"], [(2, "config", 1), (1, "config", 1)])


async def test_two_workers_that_read_the_same_file_make_one_version(tmp_path: Path) -> None:
    one = Routed(tmp_path)
    one.edit(OUTLET, DECLARED + OUTLET)
    await one.publisher.reload()
    other = Routed.__new__(Routed)
    other.__dict__.update(one.__dict__)
    await other.start()
    assert one.history() == [(1, "config", 1)]
    one.store.close()


async def test_what_the_file_declares_no_more_is_told_too(worker: Routed, autojump_clock: MockClock) -> None:
    await worker.publish_routes(BIG)
    worker.edit(OUTLET, DECLARED + OUTLET)
    await worker.publisher.reload()
    assert worker.routes() == ["all"]
    worker.edit(DECLARED, "")
    await worker.publisher.reload()
    assert (worker.routes(), [author for _, author, _ in worker.history()]) == (["big"], ["config", "config", "ann"])
    assert worker.control_of_routes().live("shop").version == 3


async def test_a_file_that_is_refused_is_no_version(worker: Routed, autojump_clock: MockClock) -> None:
    worker.edit(OUTLET, DECLARED.replace("destination", "destinaton") + OUTLET)
    with capture_logs() as logs:
        await worker.publisher.reload()
    [refused] = [one for one in logs if one["event"] == "config_refused"]
    assert "sites[0].routes[0].destinaton: there is no such setting" in " ".join(refused["faults"])
    assert (worker.routes(), worker.history()) == ([], [])


async def test_a_route_whose_destination_was_taken_away_has_no_effect_and_is_told(
    worker: Routed, autojump_clock: MockClock
) -> None:
    await worker.control.connect("shop", META)
    await worker.publish_routes({"id": "m", "destination": "meta"})
    with capture_logs() as logs:
        await worker.control.disconnect("shop", "meta")
        await trio.sleep(1)
    notes = [one["note"] for one in logs if one["event"] == "config_note"]
    assert notes == ["route m of shop has no effect: there is no destination 'meta'"]


async def test_a_version_that_cannot_be_read_leaves_what_is_live(worker: Routed, autojump_clock: MockClock) -> None:
    await worker.publish_routes(ALL)
    await trio.sleep(1)
    worker.spoil(await worker.publish_routes(BIG))
    with capture_logs() as logs:
        await trio.sleep(1)
    assert worker.routes() == ["all"]
    assert [one["log_level"] for one in logs if one["event"] == "config_refused"] == ["error"]


async def test_a_start_without_a_readable_version_takes_the_last_good_one_loudly(tmp_path: Path) -> None:
    worker = Routed(tmp_path)
    await worker.publish_routes(ALL)
    worker.spoil(await worker.publish_routes(BIG))
    with capture_logs() as logs:
        await worker.start()
    assert worker.routes() == ["all"]
    told = [one["fault"] for one in logs if one["log_level"] == "error"]
    assert any("routes[0].unheard_of" in one and "version 1 is live in its place" in one for one in told)
    await worker.control.connect("shop", META)
    await worker.publisher.reload()
    assert worker.ids() == ["ga4-file", "meta"], "what else changes is published"
    worker.store.close()


async def test_a_start_without_any_good_version_routes_nothing(tmp_path: Path) -> None:
    worker = Routed(tmp_path)
    worker.spoil(await worker.publish_routes(ALL))
    await worker.start()
    [route] = worker.published[-1].snapshot.sites["shop"].routes
    assert (route.destination, route.enabled) == ("ga4-file", False)
    worker.store.close()


async def test_a_store_whose_document_is_lost_asks_the_history(tmp_path: Path) -> None:
    worker = Routed(tmp_path)
    number = await worker.publish_routes(ALL)
    with worker.store.env.begin(write=True) as txn:
        txn.put(keys.stored_config(number), b"damaged", db=worker.store.dbs["config"])
    with capture_logs() as logs:
        await worker.start()
    assert worker.routes() == ["all"]
    assert {"stored_config_unreadable", "stored_destination_not_in_force"} <= {one["event"] for one in logs}
    worker.store.close()


async def test_a_change_that_comes_while_the_file_is_recorded_is_not_missed(
    worker: Routed, autojump_clock: MockClock
) -> None:
    other = worker.another()
    worker.edit(OUTLET, DECLARED + OUTLET)
    await trio.lowlevel.checkpoint()
    inner = worker.writer.submit

    def submit(apply: Apply) -> Ticket:
        worker.writer.submit = inner  # type: ignore[method-assign]  # once
        trio.lowlevel.spawn_system_task(other.connect, "shop", META)
        return inner(apply)

    worker.writer.submit = submit  # type: ignore[method-assign]  # another process comes in between
    await worker.publisher.reload()
    await trio.sleep(1)
    assert worker.ids() == ["ga4-file", "meta"]
