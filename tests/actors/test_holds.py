"""Events that wait for their visitor's choice: released, denied, timed out, bounded; each pair ends exactly once."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.consent import ConsentRules
from actors.event import PURPOSES, Consent, Purpose, UserData
from actors.holds import HELD_MOST, LONGEST_MS, Hold, end, next_end_ms
from actors.snapshot import Snapshot
from tests.support.making import START_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
HALF_AN_HOUR_S = 1_800


class Measuring(Single, frozen=True, kw_only=True, tag="test_measuring"):
    needs: ClassVar[tuple[Purpose, ...]] = ("analytics",)


def denying(*destinations: Any, **rules: Any) -> Snapshot:
    found = destinations or (Single(id="ads"), Measuring(id="stats"))
    return snapshot(site(*found, consent_default="denied", consent=ConsentRules(**rules)))


def of_visitor(event_id: str, name: str = "page_viewed", **consent: Any) -> Any:
    return event(event_id, name, user_data=UserData(anonymous_id=VISITOR), consent=Consent(**consent))


async def take(world: World, *events: Any) -> None:
    for one in events:
        world.take(one)
        await world.settle()


def fate(world: World, event_id: str) -> dict[str, str]:
    row = world.events()[event_id]
    return {**dict.fromkeys(row.routed, "routed"), **row.not_routed}


async def test_an_event_waits_until_its_visitor_has_chosen(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(denying())
    await take(world, of_visitor("a"))
    assert fate(world, "a") == {"ads": "held", "stats": "held"}
    await take(world, of_visitor("b", analytics="granted"))
    assert fate(world, "a") == {"ads": "held", "stats": "routed"}
    await take(world, of_visitor("c", marketing="denied"))
    assert fate(world, "a") == {"ads": "consent_denied", "stats": "routed"}
    assert (world.events()["a"].consent_version, world.events()["a"].released) == (0, {"stats": 1, "ads": 2})
    assert world.check().problems == ()


async def test_what_was_released_goes_out_with_the_consent_of_now_and_its_own_time(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(denying())
    await take(world, of_visitor("a"))
    await trio.sleep(600)
    await take(world, of_visitor("b", analytics="granted", marketing="granted"))
    assert await world.run_for(5)
    [sent] = [one for request in world.senders["ads"].sent for one in request.events if one["event_id"] == "a"]
    assert sent["consent"] == {"analytics": "granted", "marketing": "granted"}
    assert sent["occurred_at_ms"] == START_MS


async def test_what_nobody_answers_ends_when_its_time_is_over(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(denying())
    await take(world, of_visitor("a"))
    assert await world.run_for(HALF_AN_HOUR_S - 10)
    assert fate(world, "a") == {"ads": "held", "stats": "held"}
    world.restart()
    assert await world.run_for(20)
    assert fate(world, "a") == {"ads": "consent_unknown", "stats": "consent_unknown"}
    await take(world, of_visitor("b", analytics="granted", marketing="granted"))
    assert fate(world, "a") == {"ads": "consent_unknown", "stats": "consent_unknown"}
    assert world.check().problems == ()


async def test_a_later_grant_does_not_revive_what_was_denied(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(denying(Single(id="ads")))
    await take(world, of_visitor("a"), of_visitor("b", marketing="denied"), of_visitor("c", marketing="granted"))
    assert [fate(world, one)["ads"] for one in "abc"] == ["consent_denied", "consent_denied", "routed"]


async def test_of_too_many_that_wait_the_oldest_ends(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(denying(Single(id="ads")))
    await take(world, *(of_visitor(f"e{number}") for number in range(HELD_MOST + 2)))
    fates = [fate(world, f"e{number}")["ads"] for number in range(HELD_MOST + 2)]
    assert fates == ["consent_unknown"] * 2 + ["held"] * HELD_MOST


async def test_a_purchase_whose_visitor_chose_while_it_waited_for_its_twin_goes_out(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(denying(Single(id="ads")))
    world.take(purchase("p"))
    assert await world.run_for(1)
    await take(world, of_visitor("b", marketing="granted"))
    assert await world.run_for(10)
    assert world.delivery("p", "ads", "purchase_placed").status == "delivered"
    assert world.check().problems == ()


@pytest.mark.parametrize(("rules", "user"), [({"hold_ms": 0}, {"anonymous_id": VISITOR}), ({}, {})])
async def test_what_may_not_wait_or_has_no_visitor_is_unknown_at_once(
    make_world: MakeWorld, autojump_clock: Clock, rules: dict[str, Any], user: dict[str, Any]
) -> None:
    world = make_world(denying(Single(id="ads"), **rules))
    await take(world, event("a", user_data=UserData(**user)))
    assert fate(world, "a") == {"ads": "consent_unknown"}


async def test_what_was_held_is_decided_by_the_configuration_of_then(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(denying())
    await take(world, of_visitor("a"))
    world.restart(denying(Single(id="ads")))
    await take(world, of_visitor("b", analytics="granted", marketing="granted"))
    assert fate(world, "a") == {"ads": "routed", "stats": "no_route"}


CONSENTS = st.builds(Consent, **{name: st.sampled_from([None, "granted", "denied"]) for name in PURPOSES})
PURPOSE_SETS = st.lists(st.sampled_from(PURPOSES), min_size=1, max_size=4, unique=True).map(tuple)


@given(wanted=st.lists(st.tuples(PURPOSE_SETS, st.integers(0, 20)), max_size=8), said=st.lists(CONSENTS, max_size=6))
def test_each_hold_ends_exactly_once(wanted: list[tuple[tuple[Purpose, ...], int]], said: list[Consent]) -> None:
    held = [
        Hold(event_key=bytes((number,)), until_ms=until_ms, waits_for=purposes)
        for number, (purposes, until_ms) in enumerate(wanted)
    ]
    last: list[bytes] = []
    for now_ms, consent in enumerate([*said, Consent()], start=1):
        held, ended = end(held, consent, now_ms if now_ms <= len(said) else 1_000)
        last += [one.hold.event_key for one in ended if one.is_last]
    assert held == []
    assert sorted(last) == [bytes((number,)) for number in range(len(wanted))]


def test_an_end_that_was_set_while_the_clock_was_ahead_is_brought_near() -> None:
    far = Hold(event_key=b"a", until_ms=START_MS + 10 * 365 * LONGEST_MS, waits_for=("marketing",))
    waiting, ended = end([far], Consent(), START_MS)
    assert (next_end_ms(waiting), ended) == (START_MS + LONGEST_MS, [])
