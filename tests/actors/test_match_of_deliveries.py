"""The estimate on its way: encoded with the event, kept with the delivery, told when the platform has said yes."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.destinations import Meta, Webhook
from actors.destinations.base import Destination, Payload
from actors.event import Consent, Event, UserData
from actors.match_quality import estimate
from actors.secret import Secret
from bench.simulator.webhook import SECRET as WEBHOOK_SECRET
from store.records import DELIVERY, DeliveryRow, MatchRow
from tests.actors.destinations.cases import full_user_data
from tests.actors.destinations.test_conformance import CASES, HOSTILE, strings_set_to
from tests.support.making import event, site, snapshot
from tests.support.platform import FakeSender, answer
from tests.support.world import World

MakeWorld = Callable[..., World]
META = Meta(id="meta", pixel_id="1", access_token=Secret("token"))
FULL = full_user_data()


class Anywhere(FakeSender):
    """Answers whatever it is sent."""

    async def send(self, request: Any) -> Any:
        return self.answers.popleft() if self.answers else answer(200, {"events_received": 1})


def visitor(*fields: str) -> Event:
    user = UserData(anonymous_id=FULL.anonymous_id, **{name: getattr(FULL, name) for name in fields})
    return event("e-1", user_data=user)


def world_of(make_world: MakeWorld, destination: Destination, *answers: Any) -> World:
    return make_world(snapshot(site(destination)), {destination.id: Anywhere(*answers)})


def scores(world: World) -> list[list[Any]]:
    return [list(values.values()) for name, values in world.observer.told if name == "match_quality"]


def kept(world: World, destination: str = "meta") -> MatchRow | None:
    row = world.delivery("e-1", destination).row
    assert row is not None
    return row.match


async def test_the_estimate_is_kept_with_a_delivered_event_and_told_once(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = world_of(make_world, META)
    world.take(visitor("email", "external_id"))
    await world.run_for(10)
    match = kept(world)
    assert match is not None
    assert match.tenths == 40
    assert scores(world) == [["shop", "meta", "meta", 4.0]]


async def test_the_estimate_of_a_delivery_that_is_tried_again_is_kept_and_told_with_the_yes(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = world_of(make_world, META, answer(500, {}))
    world.take(visitor("email"))
    await world.run_for(10)
    first = kept(world)
    assert first is not None
    assert (first.tenths, scores(world)) == (30, [])
    await world.run_for(400)
    assert kept(world) == first
    assert [told[-1] for told in scores(world)] == [3.0]


async def test_a_refused_event_keeps_its_estimate_and_is_not_told(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = world_of(make_world, META, answer(400, {"error": {"code": 100, "message": "no"}}))
    world.take(visitor("email"))
    await world.run_for(10)
    assert world.delivery("e-1", "meta").status == "dropped"
    assert kept(world) is not None
    assert scores(world) == []


async def test_what_was_withdrawn_before_it_was_sent_has_no_estimate(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    world = world_of(make_world, META, answer(429, {}, retry_after="600"))
    world.take(event("other", user_data=FULL))
    async with world.running():
        await trio.sleep(60)
        world.take(visitor("email"))
        await trio.sleep(60)
        denied = msgspec.structs.replace(visitor("email"), event_id="no", consent=Consent(marketing="denied"))
        world.take(denied)
        await trio.sleep(3_600)
    row = world.delivery("e-1", "meta").row
    assert row is not None
    assert (row.reason, row.match) == ("consent_withdrawn", None)


@pytest.mark.parametrize("destination", CASES, ids=lambda one: f"{one.id}")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_no_text_of_a_sender_breaks_the_estimate(destination: Destination, text: str) -> None:
    hostile = strings_set_to(text)
    payload = destination.encode(hostile)
    match = estimate(hostile, payload.carries, destination) if isinstance(payload, Payload) else None
    assert match is None or 0 <= match.tenths <= 100


async def test_a_webhook_has_no_estimate(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    hook = Webhook(id="hook", url="https://hooks.example.com/", secret=Secret(WEBHOOK_SECRET))
    world = world_of(make_world, hook)
    world.take(visitor("email"))
    await world.run_for(10)
    assert world.delivery("e-1", "hook").status == "delivered"
    assert kept(world, "hook") is None
    assert scores(world) == []


def test_a_row_from_before_there_was_an_estimate_is_read() -> None:
    row = DeliveryRow(status="delivered", destination="meta", tries=1)
    assert msgspec.msgpack.decode(DELIVERY.encode(row)[9:]) == {
        "status": "delivered",
        "destination": "meta",
        "tries": 1,
    }
    assert DELIVERY.decode(DELIVERY.encode(row)).match is None


def test_an_estimate_takes_few_bytes_of_a_row() -> None:
    row = DeliveryRow(status="delivered", destination="meta", tries=1)
    with_match = msgspec.structs.replace(row, match=MatchRow(tenths=94, counted=0x7F, taken=0x1FF))
    assert DELIVERY.decode(DELIVERY.encode(with_match)) == with_match
    assert len(DELIVERY.encode(with_match)) - len(DELIVERY.encode(row)) <= 15
