"""What was taken from the outbox in time and then waits for a platform that is down: it may grow too old in hand."""

from collections.abc import Callable
from typing import Any

import trio.testing

from tests.support.making import event, site, snapshot
from tests.support.platform import FakeSender, Sent, Single, failure
from tests.support.world import World

HOUR_S = 3_600.0


async def test_deliveries_that_grow_too_old_while_the_platform_is_down_are_not_sent(
    make_world: Callable[..., World], autojump_clock: trio.testing.MockClock
) -> None:
    def play(sent: Sent) -> Any:
        return failure() if sent.at_s < 2 * HOUR_S else "ok"

    sender = FakeSender(play=play)
    world = make_world(snapshot(site(Single(id="one", max_s=3_600))), {"one": sender})
    names = [f"e{number}" for number in range(40)]
    world.take(*(event(name) for name in names))
    assert await world.run_for(30 * HOUR_S)
    rows = [world.delivery(name, "one").row for name in names]
    assert {(row.status, row.reason) for row in rows if row is not None} == {("dropped", "too_old")}
    assert max(sent.at_s for sent in sender.sent) <= HOUR_S + 600
