"""Routes in the core: what is recorded of a decision, what goes out later, and what a replay decides."""

from decimal import Decimal
from typing import Any

import msgspec
import trio.testing

from actors.event import Consent, CustomData, Page, UserData
from actors.routes import EventName, Remove, Route, Sample, Set
from actors.snapshot import Snapshot
from gateway import replays
from gateway.replays import Ask, Job
from store import versions
from store.books import hours, sampled
from tests.support.making import HOUR_MS, START_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import FakeSender, Single, answer
from tests.support.world import World

Clock = trio.testing.MockClock
RENAMED = Route(
    id="renamed", destination="one", filter="event.custom_data.value > 10",
    transform=(EventName(name="big"), Set(path="custom_data.tier", expression="'gold'")),
)  # fmt: skip


def published(*routes: Route, version: int = 7, **settings: Any) -> Snapshot:
    shop = snapshot(site(Single(id="one", **settings), routes=routes))
    return msgspec.structs.replace(shop, version=version)


def viewed(event_id: str = "a", value: int | None = 50) -> Any:
    return event(event_id, custom_data=CustomData(value=Decimal(value) if value is not None else None, currency="EUR"))


async def test_a_decision_is_recorded_with_its_version_route_and_share(make_world: Any, autojump_clock: Clock) -> None:
    world: World = make_world(published(RENAMED, Route(id="rest", destination="one", sample=Sample(rate=0.0))))
    world.take(viewed("big"), viewed("small", 5))
    await world.settle()
    big, small = world.events()["big"], world.events()["small"]
    assert (big.version, big.routed, big.decided["one"].route, big.decided["one"].has_content) == (
        7, ("one",), "renamed", True,
    )  # fmt: skip
    assert (small.not_routed, small.decided["one"].route, small.decided["one"].sample_rate) == (
        {"one": "sampled"}, "rest", 0.0,
    )  # fmt: skip
    assert (await world.run_for(5), world.delivery("big", "one").status) == (True, "delivered")


async def test_what_a_transformation_made_goes_out(make_world: Any, autojump_clock: Clock) -> None:
    sender = FakeSender()
    world: World = make_world(published(RENAMED), {"one": sender})
    world.take(viewed())
    assert await world.run_for(5)
    (sent,) = sender.sent[0].events
    assert (sent["event_name"], sent["custom_data"]["properties"]) == ("big", {"tier": "gold"})


async def test_a_delivery_that_waits_keeps_what_was_decided(make_world: Any, autojump_clock: Clock) -> None:
    sender = FakeSender(answer(503, "retry"))
    world: World = make_world(published(RENAMED), {"one": sender})
    world.take(viewed())
    assert await world.run_for(1)
    world.restart(published(Route(id="other", destination="one", filter="false")))
    assert await world.run_for(HOUR_MS / 1_000)
    assert [one.events[0]["event_name"] for one in sender.sent] == ["big", "big"]
    assert world.delivery("a", "one").status == "delivered"


async def test_a_delivery_whose_content_is_gone_is_not_sent(make_world: Any, autojump_clock: Clock) -> None:
    sender = FakeSender()
    world: World = make_world(published(RENAMED), {"one": sender})
    world.take(viewed())
    await world.settle()
    with world.store.env.begin(write=True) as txn:
        for key, _ in world.rows("delivery"):
            txn.delete(key, db=world.store.dbs["delivery"])
    assert await world.run_for(5)
    assert (sender.sent, world.delivery("a", "one").row.reason) == ([], "unreadable")  # type: ignore[union-attr]


async def test_the_books_count_every_reason(make_world: Any, autojump_clock: Clock) -> None:
    routes = (
        Route(id="error", destination="one", events=("x",), filter="event.event_name > 3"),
        Route(id="none", destination="one", events=("page_viewed",), filter="false"),
    )
    world: World = make_world(published(*routes))
    world.take(viewed("a"), viewed("b"), event("c", "x"), event("d", "y"))
    await world.settle()
    (row,) = [one for one in hours(world.store, "shop", 0, START_MS * 2) if one.destination == "one"]
    assert row.counts == {
        "processed": 4, "not_routed:filtered": 2, "not_routed:filter_error": 1, "not_routed:no_route": 1,
    }  # fmt: skip
    assert {column: sampled(world.store, places) for column, places in row.samples.items()} == {
        "not_routed:filtered": ["a", "b"], "not_routed:filter_error": ["c"], "not_routed:no_route": ["d"],
    }  # fmt: skip
    assert world.events()["c"].decided["one"].words == "failed: the values are of other types than it takes"


async def test_ten_events_are_kept_as_samples_of_a_reason(make_world: Any, autojump_clock: Clock) -> None:
    world: World = make_world(published(Route(id="none", destination="one", filter="false")))
    for number in range(12):
        world.take(viewed(f"e{number}"))
        await world.settle()
    (row,) = [one for one in hours(world.store, "shop", 0, START_MS * 2) if one.destination == "one"]
    assert sampled(world.store, row.samples["not_routed:filtered"]) == [f"e{number}" for number in range(10)]


async def test_the_visitor_is_known_to_filters(make_world: Any, autojump_clock: Clock) -> None:
    known = Route(id="known", destination="one", filter="visitor.identified && visitor.visits == 1")
    world: World = make_world(published(known))
    person = UserData(anonymous_id=VISITOR, external_id="c-1")
    world.take(event("before", user_data=UserData(anonymous_id=VISITOR)), event("now", user_data=person))
    await world.settle()
    assert world.events()["before"].not_routed == {"one": "filtered"}
    assert world.events()["now"].routed == ("one",)
    assert await world.run_for(5)


async def test_the_attribution_of_a_conversion_is_known_to_filters(make_world: Any, autojump_clock: Clock) -> None:
    paid = Route(id="paid", destination="one", events=("*",), filter="attribution.winner == 'paid_search'")
    world: World = make_world(published(paid))
    visitor = UserData(anonymous_id=VISITOR)
    clicked = UserData(anonymous_id=VISITOR, gclid="g-1")
    page = Page(url="https://shop.example/?gclid=g-1&utm_source=google&utm_medium=cpc")
    world.take(event("landed", user_data=clicked, page=page), event("lead", "lead_submitted", user_data=visitor))
    await world.settle()
    found = world.events()
    assert (found["landed"].not_routed, found["lead"].routed) == ({"one": "filtered"}, ("one",))
    assert found["lead"].facts["attribution"]["winner"] == "paid_search"
    assert await world.run_for(5)


async def test_a_merged_purchase_is_decided_by_all_its_fields(make_world: Any, autojump_clock: Clock) -> None:
    world: World = make_world(published(Route(id="r", destination="one", filter="event.custom_data.value > 10")))
    world.take(purchase("w", "browser", value="5"), purchase("s", "server", value="50"))
    await world.settle()
    (row,) = [one for one in world.events().values() if one.status == "processed"]
    assert row.routed == ("one",)
    assert await world.run_for(5)


async def test_a_disabled_destination_keeps_its_queue(make_world: Any, autojump_clock: Clock) -> None:
    sender = FakeSender()
    world: World = make_world(published(), {"one": sender})
    world.take(viewed("a"))
    await world.settle()
    world.restart(published(enabled=False))
    world.take(viewed("b"))
    assert await world.run_for(60)
    assert (sender.sent, world.events()["b"].not_routed) == ([], {"one": "destination_disabled"})
    world.restart(published())
    assert await world.run_for(60)
    assert sender.ids() == ["a"]


# --- replays -------------------------------------------------------------------------------------------------------


async def dropped(make_world: Any, *routes: Route, then: Route = RENAMED) -> tuple[World, FakeSender]:
    """A world in which the platform refused one event that the route of then had sent."""
    sender = FakeSender("drop")
    world: World = make_world(published(then), {"one": sender}, has_replays=True)
    text = msgspec.json.encode({"shop": ["one (test)"]}).decode()
    await versions.publish(world.store, world.writer, at_ms=1, fingerprint=text, summary=text)
    world.take(msgspec.structs.replace(viewed(), user_data=UserData(anonymous_id=VISITOR)))
    assert await world.run_for(5)
    world.restart(published(*routes, version=8))
    sender.sent.clear()
    return world, sender


async def replay(world: World, **asked: Any) -> Job:
    ask = Ask(destination="one", since_ms=START_MS - 1_000, **asked)
    job = await replays.start(world.store, world.writer, ask, world.clock.now_ms(), "a test")
    assert isinstance(job, Job), job
    assert await world.run_for(5)
    found = replays.get(world.store, job.id)
    assert found is not None
    return found


async def test_a_replay_goes_by_the_routes_in_force(make_world: Any, autojump_clock: Clock) -> None:
    plain = Route(id="plain", destination="one", transform=(Remove(path="page.url"),))
    world, sender = await dropped(make_world, plain)
    assert (await replay(world)).counts == {"queued": 1}
    assert sender.sent[0].events[0]["event_name"] == "page_viewed"
    row = world.delivery("a", "one").row
    assert row is not None
    assert row.decided is not None
    assert row.decided.route == "plain"


async def test_a_replay_is_left_out_where_no_route_takes_it_any_more(make_world: Any, autojump_clock: Clock) -> None:
    world, sender = await dropped(make_world, Route(id="none", destination="one", filter="false"))
    assert ((await replay(world)).counts, sender.sent) == ({"filtered": 1}, [])


async def test_a_replay_as_decided_goes_in_the_form_of_then(make_world: Any, autojump_clock: Clock) -> None:
    world, sender = await dropped(make_world, Route(id="none", destination="one", filter="false"))
    assert (await replay(world, is_as_decided=True)).counts == {"queued": 1}
    assert sender.sent[0].events[0]["event_name"] == "big"


async def test_a_replay_as_decided_asks_what_the_route_of_then_asked(make_world: Any, autojump_clock: Clock) -> None:
    asking = Route(id="asks", destination="one", consent=("analytics",))
    world, _ = await dropped(make_world, Route(id="other", destination="one"), then=asking)
    denied = Consent(analytics="denied")
    user, now_ms = UserData(anonymous_id=VISITOR), world.clock.now_ms() + 1_000
    world.take(event("b", "search_performed", user_data=user, consent=denied, occurred_at_ms=now_ms))
    await world.settle()
    assert (await replay(world, is_as_decided=True)).counts == {"consent_denied": 1}


async def test_a_replay_as_decided_asks_for_consent_all_the_same(make_world: Any, autojump_clock: Clock) -> None:
    world, _ = await dropped(make_world)
    needing = snapshot(site(Single(id="one"), consent_default="denied"))
    world.restart(needing)
    assert (await replay(world, is_as_decided=True)).counts == {"consent_unknown": 1}
