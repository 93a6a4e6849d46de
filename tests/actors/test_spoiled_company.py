"""A platform that names one bad event a refusal, as TikTok and Snapchat do: the innocent pay nothing for company."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio.testing

from tests.support.making import event, site, snapshot
from tests.support.platform import Batching, FakeSender, Sent
from tests.support.world import World

EVENTS = 100


def names_the_first(sent: Sent) -> Any:
    bad = next((one for one in sent.ids if one.startswith("bad")), None)
    return "ok" if bad is None else ["drop" if one == bad else "again" for one in sent.ids]


@pytest.mark.parametrize("bad", [1, 5, 19, 20, 40, 90])
async def test_innocent_in_bad_company_are_delivered_in_one_attempt(
    make_world: Callable[..., World], autojump_clock: trio.testing.MockClock, bad: int
) -> None:
    sender = FakeSender(play=names_the_first)
    world = make_world(snapshot(site(Batching(id="one"))), {"one": sender})
    names = [f"bad{number}" if number < bad else f"good{number}" for number in range(EVENTS)]
    world.take(*(event(name) for name in names))
    assert await world.run_for(60)
    rows = {name: world.delivery(name, "one").row for name in names}
    ends = {name: (row.status, row.tries) for name, row in rows.items() if row is not None}
    assert ends == {name: ("dropped" if name.startswith("bad") else "delivered", 1) for name in names}
    assert len(sender.sent) <= 1 + 2 * bad * math.ceil(math.log2(EVENTS))
