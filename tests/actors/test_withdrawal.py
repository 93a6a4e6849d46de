"""A withdrawal of consent reaches what is queued, what waits for a retry and what is in a dispatcher's hand."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.consent import stricter
from actors.event import PURPOSES, Consent, UserData
from actors.routes import Route
from store import keys
from tests.support.making import VISITOR, event, site, snapshot
from tests.support.platform import FakeSender, Single, answer, failure
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
HOUR_S = 3_600.0
CHOICES = st.builds(Consent, **{name: st.sampled_from([None, "granted", "denied"]) for name in PURPOSES})


class NoSale(Single, frozen=True, kw_only=True, tag="test_no_sale"):
    without_sale: ClassVar[bool] = False


def of_visitor(event_id: str, name: str = "page_viewed", **consent: Any) -> Any:
    return event(event_id, name, user_data=UserData(anonymous_id=VISITOR), consent=Consent(**consent))


async def denied_meanwhile(world: World, **consent: Any) -> None:
    """Takes `a`, tries it once in vain, then hears of the visitor's choice, and goes on."""
    world.take(of_visitor("a", marketing="granted"))
    assert await world.run_for(5)
    world.clock.jump_ms += 60_000
    world.take(event("b", "cart_viewed", **stated(world, **consent)))
    assert await world.run_for(HOUR_S)


def stated(world: World, **consent: Any) -> dict[str, Any]:
    user = UserData(anonymous_id=VISITOR)
    return {"user_data": user, "consent": Consent(**consent), "occurred_at_ms": world.clock.now_ms()}


@pytest.mark.parametrize(("kind", "purpose"), [(Single, "marketing"), (NoSale, "sale_of_data")])
async def test_what_waits_for_a_retry_is_dropped_when_its_visitor_withdraws(
    make_world: MakeWorld, autojump_clock: Clock, kind: type[Single], purpose: str
) -> None:
    world = make_world(snapshot(site(kind(id="one"))), {"one": FakeSender(failure())})
    await denied_meanwhile(world, **{purpose: "denied"})
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.reason, found.tries) == ("dropped", "consent_withdrawn", 1)
    assert found.words == f"the visitor has withdrawn consent ({purpose})"
    assert world.senders["one"].ids() == ["a"]


async def test_what_its_route_asks_for_can_be_withdrawn_too(make_world: MakeWorld, autojump_clock: Clock) -> None:
    route = Route(id="both", destination="one", consent=("analytics",))
    world = make_world(snapshot(site(Single(id="one"), routes=(route,))), {"one": FakeSender(failure())})
    await denied_meanwhile(world, marketing="granted", analytics="denied")
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.reason, found.words) == ("consent_withdrawn", "the visitor has withdrawn consent (analytics)")
    assert world.senders["one"].ids() == ["a"]


async def test_what_waits_for_a_paused_destination_is_dropped_at_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(
        snapshot(site(Single(id="one", paused=True), Single(id="two"))), {"two": FakeSender(play=lambda _: failure())}
    )
    world.take(of_visitor("a", marketing="granted"), event("other"))
    async with world.running():
        await trio.sleep(5)
        world.take(event("no", "cart_viewed", **stated(world, marketing="denied")))
        await trio.sleep(5)
    found = [world.delivery("a", name).row for name in ("one", "two")]
    assert [row.reason for row in found if row is not None] == ["consent_withdrawn"] * 2
    assert world.delivery("other", "one").status == "queued"
    assert world.check().problems == ()


async def test_what_a_person_denies_on_another_device_is_dropped_too(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender(failure())})
    here, there = (UserData(anonymous_id=one * 32, external_id="c-7001") for one in "ab")
    granted = Consent(marketing="granted", analytics="granted")
    world.take(event("y", user_data=there, consent=granted), event("n", user_data=UserData(anonymous_id="c" * 32)))
    world.take(event("a", user_data=here, consent=granted))
    world.senders["one"].play = lambda _: failure()
    assert await world.run_for(5)
    world.senders["one"].play = lambda _: "ok"
    world.take(event("no", user_data=there, consent=Consent(marketing="denied"), occurred_at_ms=world.clock.now_ms()))
    assert await world.run_for(HOUR_S)
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "consent_withdrawn")
    assert world.delivery("n", "one").status == "delivered"


async def test_what_may_go_out_without_the_sale_goes_out_as_denied(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender(failure())})
    await denied_meanwhile(world, sale_of_data="denied")
    assert [sent.events[0]["consent"] for sent in world.senders["one"].sent] == [
        {"marketing": "granted"},
        {"marketing": "granted", "sale_of_data": "denied"},
    ]


async def test_another_purpose_or_another_visitor_withdraws_nothing(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))), {"one": FakeSender(failure())})
    world.take(event("c", user_data=UserData(anonymous_id="f" * 32)), event("d"))
    await denied_meanwhile(world, analytics="denied")
    assert [world.delivery(name, "one").status for name in "acd"] == ["delivered"] * 3


async def test_what_is_in_hand_while_the_platform_asked_for_a_pause_is_looked_at_again(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one", concurrency=1))), {"one": FakeSender(play=lambda _: answer(429))})
    world.take(of_visitor("a"), of_visitor("b"), event("other"))
    world.senders["one"].answers.append(answer(429, retry_after="600"))
    async with world.running():
        await trio.sleep(60)
        world.take(event("no", "cart_viewed", **stated(world, marketing="denied")))
        world.senders["one"].play = lambda _: "ok"
        await trio.sleep(HOUR_S)
    assert {name: world.delivery(name, "one").status for name in ("a", "b", "other")} == {
        "a": "dropped", "b": "dropped", "other": "delivered",
    }  # fmt: skip
    assert len(world.senders["one"].ids()) == 2


async def test_what_a_choice_leaves_allowed_keeps_its_place(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(
        snapshot(site(Single(id="one", concurrency=1))), {"one": FakeSender(answer(429, retry_after="600"))}
    )
    world.take(of_visitor("a"), of_visitor("b"), of_visitor("c"))
    async with world.running():
        await trio.sleep(60)
        world.take(event("after", "page_viewed", **stated(world, preferences="denied")))
        await trio.sleep(HOUR_S)
    assert list(dict.fromkeys(world.senders["one"].ids())) == ["a", "b", "c", "after"]


async def test_a_purpose_that_its_route_asks_for_is_withdrawn_too(make_world: MakeWorld, autojump_clock: Clock) -> None:
    asking = Route(id="asking", destination="one", events=("page_viewed",), consent=("preferences",))
    world = make_world(snapshot(site(Single(id="one"), routes=(asking,))), {"one": FakeSender(failure())})
    await denied_meanwhile(world, preferences="denied")
    found = world.delivery("a", "one").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "consent_withdrawn")
    assert world.senders["one"].ids() == ["a"]


async def test_a_probe_that_was_withdrawn_leaves_the_breaker_to_the_next(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one", concurrency=1))), {"one": FakeSender(play=lambda _: failure())})
    world.take(*(of_visitor(f"a{number}") for number in range(12)))
    async with world.running():
        await trio.sleep(20)
        world.take(event("no", "cart_viewed", **stated(world, marketing="denied")), event("other"))
        world.senders["one"].play = lambda _: "ok"
        await trio.sleep(HOUR_S)
    rows = [world.delivery(f"a{number}", "one").row for number in range(12)]
    assert {row.reason if row is not None else "" for row in rows} == {"consent_withdrawn"}
    assert world.delivery("other", "one").status == "delivered"


async def test_a_denial_in_a_copy_of_an_event_is_not_forgotten(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    world.take(of_visitor("a", marketing="granted"))
    await world.settle()
    world.take(of_visitor("a", marketing="denied"), of_visitor("b"))
    await world.settle()
    assert world.events()["b"].not_routed == {"one": "consent_denied"}


async def test_a_state_that_cannot_be_read_stops_no_delivery(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    world.take(of_visitor("a"))
    await world.settle()
    with world.store.env.begin(write=True) as txn:
        txn.put(keys.state(1, f"shop\x1f{VISITOR}"), b"\x01broken", db=world.store.dbs["state"])
    world.restart()
    assert await world.run_for(5)
    assert world.delivery("a", "one").status == "delivered"
    with world.store.env.begin(write=True) as txn:  # so that the store's check finds nothing else
        txn.delete(keys.state(1, f"shop\x1f{VISITOR}"), db=world.store.dbs["state"])


@given(CHOICES, CHOICES)
def test_the_stricter_consent_denies_what_either_denies_and_grants_nothing(own: Consent, now: Consent) -> None:
    found = stricter(own, now)
    for purpose in PURPOSES:
        is_denied = "denied" in (getattr(own, purpose), getattr(now, purpose))
        assert getattr(found, purpose) == ("denied" if is_denied else getattr(own, purpose))
