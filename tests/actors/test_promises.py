"""The promises of the design that show without HTTP, each by its number."""

from collections.abc import Callable
from decimal import Decimal

import pytest
import trio

from actors.event import CustomData
from tests.support.making import event, purchase, site, snapshot
from tests.support.platform import Batching, FakeSender, Single, answer
from tests.support.world import Crash, World

MakeWorld = Callable[..., World]


@pytest.mark.parametrize("is_after_commit", [False, True])
@pytest.mark.parametrize("commits", range(8))
async def test_promise_2_processed_exactly_once(
    make_world: MakeWorld, autojump_clock: trio.testing.MockClock, commits: int, is_after_commit: bool
) -> None:
    world = make_world(snapshot(site(Single(id="one"), Batching(id="many"))))
    world.take(event("a"), event("b"), purchase("c"), purchase("d", "shopify_webhook"))
    world.writer.crash_at(commits, is_after_commit=is_after_commit)
    await world.run_for(60)
    world.restart()
    assert await world.run_for(60)
    assert {row.status for row in world.events().values()} == {"processed", "merged"}
    assert world.core.waiting() == 0
    assert set(world.senders["one"].ids()) == {"a", "b", "c"}
    assert set(world.senders["many"].ids()) == {"a", "b", "c"}
