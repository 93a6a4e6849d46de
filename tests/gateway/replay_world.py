"""A world with replay jobs, for tests: one destination, what it was told, and what became of it."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from actors.destinations.base import Response
from actors.dialing import Failure
from gateway import replays
from gateway.replays import Ask, Job
from store import versions
from tests.support.making import START_MS, event, site, snapshot
from tests.support.platform import FakeSender, Single, answer, failure
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
DAY_S = 86_400
ANSWERS: dict[str, Response | Failure] = {"unreached": failure(), "busy": answer(503, "retry")}


class Windowed(Single, frozen=True, kw_only=True, tag="test_windowed"):
    """A platform that drops second copies for two days."""

    dedup_window_s = 2 * DAY_S


class Replays:
    """A world with one destination, and jobs that replay to it."""

    def __init__(self, make_world: MakeWorld, *, kind: type[Single] = Single, **settings: Any) -> None:
        self.sender = FakeSender()
        self.world = make_world(snapshot(site(kind(id="one"))), {"one": self.sender}, has_replays=True, **settings)

    async def begin(self) -> None:
        text = msgspec.json.encode({"shop": ["one (test)"]}).decode()
        await versions.publish(self.world.store, self.world.writer, at_ms=1, fingerprint=text, summary=text)

    async def take(self, *ids: str, told: str = "ok", **changes: Any) -> None:
        """Events that arrive now, and what the platform says to them."""
        said: Response | Failure | str | list[str] = ANSWERS.get(told) or told
        self.sender.play = lambda _: said
        self.world.take(*(event(one, **changes) for one in ids))
        assert await self.world.run_for(1)
        self.sender.play = lambda _: "ok"
        self.sender.sent.clear()

    async def ask(self, *, since_ms: int = START_MS - 1_000, **asked: Any) -> Job:
        ask = Ask(**{"destination": "one", "since_ms": since_ms, **asked})
        job = await replays.start(self.world.store, self.world.writer, ask, self.world.clock.now_ms(), "a test")
        assert isinstance(job, Job), job
        return job

    async def replay(self, seconds: float = 5, **asked: Any) -> Job:
        """The job as it is some seconds later."""
        job = await self.ask(**asked)
        assert await self.world.run_for(seconds)
        return self.job(job.id)

    def job(self, number: int) -> Job:
        found = replays.get(self.world.store, number)
        assert found is not None
        return found

    def statuses(self, *ids: str) -> list[str]:
        return [self.world.delivery(one, "one").status for one in ids]

    def publish(self, *destinations: Single) -> None:
        """The gateway starts again with another configuration."""
        self.world.restart(snapshot(site(*destinations)))

    def later(self, ms: int) -> None:
        self.world.clock.jump_ms += ms


async def windowed(make_world: MakeWorld) -> Replays:
    made = Replays(make_world, kind=Windowed)
    await made.begin()
    return made
