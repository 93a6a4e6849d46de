"""The process that crash tests stop: takes jobs, one a line of JSON, and runs each in a fork of its own.

Everything is imported once; neither a loop nor an environment is open when it forks. A job's process appends what is
not yet acknowledged, runs the core until all is delivered, and writes each acknowledged id to standard output. The
parent of the forks then writes `exit` with the job's status.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from time import time_ns
from typing import Any, Final

import msgspec
import trio
from msgspec import Struct

from actors.destinations.meta import Meta
from actors.destinations.webhook import Webhook
from actors.observer import Observer
from actors.secret import Secret
from actors.snapshot import Site, Snapshot, key_digest
from actors.tls import client_tls
from actors.transport import Transport
from bench.simulator.webhook import SECRET
from gateway.call import Call
from gateway.collector import Collector
from gateway.core_service import CoreService, CoreSettings
from gateway.edge import Edge
from store.env import Store
from store.writer import ThreadWriter
from tests.crash.points import Points, PointWriter

SHARDS: Final = 4
VISITORS: Final = 4
HOLD_MS: Final = 60
BUDGET: Final = 1 << 28
ORIGIN: Final = "https://shop.example.com"
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


class Job(Struct, frozen=True, kw_only=True):
    folder: str
    simulator: str  # its address
    point: str  # where the process ends; empty: nowhere
    passage: int = 1
    acknowledged: list[str] = []  # these are not sent again


def main() -> None:
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        pid = os.fork()
        if pid == 0:
            trio.run(run, job)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        say(f"exit {os.waitstatus_to_exitcode(status)}")


def say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


async def run(job: Job) -> None:
    points = Points(job.point, job.passage)
    store = Store(Path(job.folder), budget_bytes=BUDGET)
    store.fix_shards(SHARDS)
    writer = ThreadWriter(store, Observer())
    tls = client_tls()
    snapshot = snapshot_of(job.simulator)
    service = CoreService(
        store, PointWriter(writer, points), snapshot, now_ms=wall_ms, random=Random(1), observer=Observer(),
        make_sender=lambda destination: Transport.for_destination(destination, tls), sealers={},
        settings=CoreSettings(shards=SHARDS, linger_s=0.01), at_point=points.at,
    )  # fmt: skip
    edge = Edge(
        store=store, writer=PointWriter(writer, points, "append"), snapshot=snapshot, observer=Observer(),
        now_ms=wall_ms, make_id=lambda: os.urandom(16).hex(), shards=SHARDS, on_append=service.wake,
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        async with trio.open_nursery() as parts:
            await parts.start(service.run)
            async with trio.open_nursery() as visitors:
                for number in range(VISITORS):
                    visitors.start_soon(visit, Collector(edge), number, frozenset(job.acknowledged))
            await drain(store, service)
            await service.stop()
            parts.cancel_scope.cancel()
        writer.close()
    store.close()


async def visit(collector: Collector, number: int, acknowledged: frozenset[str]) -> None:
    for event_id, call in calls_of(number):
        if event_id in acknowledged:
            continue
        answer = await collector.handle(call)
        assert answer.status in (200, 202), answer
        say(event_id)


async def drain(store: Store, service: CoreService) -> None:
    """Until nothing waits: no message, no held order, no delivery."""
    while service.core.waiting() or _rows(store, "outbox") or _rows(store, "alarm"):  # noqa: ASYNC110 - the store changes, no event tells
        await trio.sleep(0.005)


def _rows(store: Store, name: str) -> int:
    with store.read() as txn:
        return int(txn.stat(store.dbs[name])["entries"])


def calls_of(number: int) -> Iterator[tuple[str, Call]]:
    """What one visitor brings: two pages, then a purchase told by the page and by the shop's server."""
    order = {"order_id": f"o{number}", "value": 20, "currency": "EUR"}
    yield _call(number, "page_viewed", f"page-{number}", {}, is_browser=True)
    yield _call(number, "product_viewed", f"product-{number}", {}, is_browser=True)
    yield _call(number, "purchase_placed", f"pixel-{number}", order, is_browser=True)
    yield _call(number, "purchase_placed", f"server-{number}", order, is_browser=False)


def _call(number: int, name: str, event_id: str, custom: dict[str, Any], *, is_browser: bool) -> tuple[str, Call]:
    visitor = f"{number + 1:032x}"
    event = {
        "event_name": name,
        "event_id": event_id,
        "page": {"url": f"{ORIGIN}/{event_id}"},
        "user_data": {"anonymous_id": visitor, "client_user_agent": AGENT, "fbp": f"fb.1.1700000000000.{number + 1}"},
        "custom_data": custom,
    }
    headers = {"origin": ORIGIN, "cookie": f"_gw_vid={visitor}", "user-agent": AGENT}
    path, query = "/i", "k=pk"
    if not is_browser:
        headers, path, query = {"authorization": "Bearer wk"}, "/v1/events", ""
    body = msgspec.json.encode(event)
    return event_id, Call(method="POST", path=path, query=query, headers=headers, body=body, peer="203.0.113.7")


def event_ids() -> Sequence[str]:
    return [event_id for number in range(VISITORS) for event_id, _ in calls_of(number)]


def snapshot_of(simulator: str) -> Snapshot:
    destinations = (
        Meta(
            id="meta", pixel_id="1234567890", access_token=Secret("t"), base_url=f"{simulator}/meta", allow_private=True
        ),
        Webhook(id="hook", url=f"{simulator}/webhook/in", secret=Secret(SECRET), allow_private=True, concurrency=2),
    )
    site = Site(id="shop", destinations=destinations, origins=frozenset({ORIGIN}), purchase_hold_ms=HOLD_MS)
    return Snapshot(
        version=1,
        sites={"shop": site},
        write_keys={key_digest("wk"): "shop"},
        public_keys={key_digest("pk"): "shop"},
    )


def wall_ms() -> int:
    return time_ns() // 1_000_000


if __name__ == "__main__":
    main()
