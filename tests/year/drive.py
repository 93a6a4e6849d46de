"""The gateway in one process, its clock set to the year: collector, core, dispatchers and a real store; all that a
year's people and servers send, hour by hour.

Requests of an hour are sent at its end, with the times at which things happened, those of one device one after the
other and those of all devices at once.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Final

import msgspec
import trio
from msgspec import Struct

from actors.destinations.base import Request as Outgoing
from actors.destinations.base import Response
from actors.observer import Observer
from actors.snapshot import Snapshot
from gateway.call import Answer, Call
from gateway.client import VISITOR_COOKIE
from gateway.collector import Collector
from gateway.core_service import CoreService, CoreSettings
from gateway.edge import Edge
from store.env import Store
from store.writer import InlineWriter
from tests.year.landings import SHOP
from tests.year.plan import Device, Plan
from tests.year.requests import BEGIN_S, Request, body, requests

HOUR_S: Final = 3_600
SHARDS: Final = 16
BUDGET: Final = 64 << 30
REST_S: Final = 6 * HOUR_S  # between looks for what nothing wakes
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PUBLIC_KEY: Final = "pk_year"
WRITE_KEY: Final = "wk_year"


class Refused(Exception):
    """The gateway did not take a request."""


class Visitor(Struct):
    """What a device keeps: the id that the gateway told it, and whether it came as a cookie."""

    id: str | None = None
    has_cookie: bool = False


class Yes:
    """A platform that takes all it gets."""

    def __init__(self) -> None:
        self.requests = 0

    async def send(self, request: Outgoing) -> Response:
        self.requests += 1
        return Response(status=200, body=b"{}")

    async def close_idle(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Driver:
    """`events`: how many were taken. `rotated`: how often a device was given another visitor id."""

    def __init__(self, store: Store, snapshot: Snapshot, observer: Observer) -> None:
        self.events = self.rotated = 0
        self.platform = Yes()
        self._visitors: dict[Device, Visitor] = defaultdict(Visitor)
        self._writer = InlineWriter(store)
        ids = Random("visitors")
        settings = CoreSettings(
            shards=SHARDS, idle_s=REST_S, rescan_s=REST_S, watch_s=REST_S, replay_poll_s=REST_S, removed_look_s=REST_S
        )
        self.service = CoreService(
            store, self._writer, snapshot, now_ms=now_ms, random=Random("turns"), observer=observer,
            make_sender=lambda _: self.platform, sealers={}, settings=settings, stopwatch=trio.current_time,
        )  # fmt: skip
        self._collector = Collector(
            Edge(
                store=store, writer=self._writer, snapshot=snapshot, observer=observer, now_ms=now_ms,
                make_id=lambda: f"{ids.getrandbits(128):032x}", id_key=store.id_key(), shards=SHARDS,
                on_append=self.service.wake,
            )
        )  # fmt: skip

    async def play(self, plan: Plan) -> None:
        for end_s, due in _hours(plan):
            await trio.sleep_until(end_s)
            lines: dict[object, list[Request]] = defaultdict(list)
            for number, request in enumerate(due):
                lines[request.device or number].append(request)
            async with trio.open_nursery() as nursery:
                for line in lines.values():
                    nursery.start_soon(self._send_all, line)

    async def _send_all(self, line: Sequence[Request]) -> None:
        for request in line:
            await self._send(request)

    async def _send(self, request: Request) -> None:
        visitor = self._visitors[request.device] if request.device is not None else Visitor()
        is_browser = request.way != "/v1/events"
        headers = {"content-type": "application/json"}
        if is_browser:
            headers |= {"origin": SHOP, "user-agent": AGENT}
            headers |= {"cookie": f"{VISITOR_COOKIE}={visitor.id}"} if visitor.has_cookie else {}
        else:
            headers["authorization"] = f"Bearer {WRITE_KEY}"
        claimed = None if is_browser and visitor.has_cookie else visitor.id
        call = Call(
            method="POST", path=request.way, query=f"k={PUBLIC_KEY}" if is_browser else "", headers=headers,
            body=body(request, claimed), peer="203.0.113.7",
        )  # fmt: skip
        answer = await self._collector.handle(call)
        if answer.status not in (200, 202) or b'"error' in answer.body:
            raise Refused(f"{request.way}: {answer.status} {answer.body.decode()}")
        self.events += len(request.events)
        if is_browser:
            self._remember(visitor, answer)

    def _remember(self, visitor: Visitor, answer: Answer) -> None:
        told = msgspec.json.decode(answer.body)["visitor_id"]
        self.rotated += visitor.id not in (None, told)
        visitor.id = told
        visitor.has_cookie = any(name == "set-cookie" for name, _ in answer.headers)


def now_ms() -> int:
    return BEGIN_S * 1000 + int(trio.current_time() * 1000)


def _hours(plan: Plan) -> Iterator[tuple[int, list[Request]]]:
    """The end of each hour in which something is sent, with what is, in order of time."""
    waiting: list[tuple[int, int, Request]] = []
    number, end_s = 0, HOUR_S
    for step in plan.steps():
        while step.at_s >= end_s:
            yield end_s, _until(end_s, waiting)
            end_s += HOUR_S
        for request in requests(plan, step):
            number += 1
            heappush(waiting, (request.at_s, number, request))
    while waiting:
        yield end_s, _until(end_s, waiting)
        end_s += HOUR_S


def _until(end_s: int, waiting: list[tuple[int, int, Request]]) -> list[Request]:
    found = []
    while waiting and waiting[0][0] < end_s:
        found.append(heappop(waiting)[2])
    return found


@asynccontextmanager
async def running(folder: Path, snapshot: Snapshot, observer: Observer) -> AsyncIterator[tuple[Store, Driver]]:
    """For as long as the block lasts; the block ends with a drained outbox or raises."""
    store = Store(folder / "store", budget_bytes=BUDGET)
    try:
        store.fix_shards(SHARDS)
        driver = Driver(store, snapshot, observer)
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.service.run)
            yield store, driver
            await driver.service.stop()
            nursery.cancel_scope.cancel()
    finally:
        store.close()
