"""What the tests of the dispatcher share: worlds of one destination on virtual time."""

from collections.abc import Callable
from typing import Any

import trio.testing

from tests.support.making import site, snapshot
from tests.support.platform import Batching, FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
HOUR_S = 3_600.0


def one(*answers: Any, play: Any = None, delay_s: float = 0.0) -> dict[str, FakeSender]:
    return {"one": FakeSender(*answers, play=play, delay_s=delay_s)}


def single(**settings: Any) -> Any:
    return snapshot(site(Single(id="one", **settings)))


def batching(**settings: Any) -> Any:
    return snapshot(site(Batching(id="one", **settings)))


def times(world: World, destination: str = "one") -> list[float]:
    return [sent.at_s for sent in world.senders[destination].sent]
