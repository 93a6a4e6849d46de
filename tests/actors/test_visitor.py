"""The visitor: visit, identifiers, touches, consent last stated, counters."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from actors.event import Consent, EmailDigests, UserData
from actors.visitor import VALUES_KEPT, Visitor, VisitorState
from store import keys
from store.records import STATE
from tests.support.making import START_MS, VISITOR, consent, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one")))


def of_visitor(event_id: str, name: str = "page_viewed", **changes: Any) -> Any:
    user = {"anonymous_id": VISITOR, **changes.pop("user", {})}
    return event(event_id, name, user_data=UserData(**user), **changes)


async def take(world: World, *events: Any) -> None:
    for one in events:
        world.take(msgspec.structs.replace(one, occurred_at_ms=world.clock.now_ms()))
        await world.settle()


def state(world: World) -> VisitorState:
    row = STATE.decode(dict(world.rows("state"))[keys.state(Visitor.number, f"shop\x1f{VISITOR}")])
    return msgspec.msgpack.decode(row.data, type=VisitorState)


async def test_events_of_a_visit_carry_its_id_and_a_new_visit_another(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, of_visitor("a"), of_visitor("b"))
    await trio.sleep(31 * 60)
    await take(world, of_visitor("c"))
    sessions = {name: row.session_id for name, row in world.events().items()}
    assert sessions["a"] == sessions["b"] != sessions["c"]
    assert None not in sessions.values()
    assert state(world).visits == 2


async def test_the_visit_is_sent_to_destinations_as_the_session(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, of_visitor("a"), of_visitor("b", user={"session_id": "their own"}))
    assert await world.run_for(1)
    sent = {
        one["event_id"]: one["user_data"]["session_id"] for sent in world.senders["one"].sent for one in sent.events
    }
    assert sent == {"a": world.events()["a"].session_id, "b": "their own"}


async def test_a_servers_event_opens_no_visit(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, of_visitor("s", source="server"))
    assert state(world).visit is None
    assert world.events()["s"].session_id is None
    await take(world, of_visitor("a"))
    await trio.sleep(29 * 60)
    await take(world, of_visitor("t", source="server"))
    await trio.sleep(10 * 60)
    await take(world, of_visitor("b"))
    events = world.events()
    assert events["t"].session_id == events["a"].session_id
    assert events["b"].session_id != events["a"].session_id


async def test_identifiers_and_click_ids_are_kept_with_their_times(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    email = EmailDigests(sha256="a" * 64)
    await take(world, of_visitor("a", user={"email": email, "gclid": "g1"}))
    await trio.sleep(10)
    await take(world, of_visitor("b", user={"email": email, "gclid": "g2"}))
    seen = state(world).seen
    [mail] = seen["email"]
    assert (mail.value, mail.first_at_ms, mail.last_at_ms) == ("a" * 64, START_MS, START_MS + 10_000)
    assert [known.value for known in seen["gclid"]] == ["g1", "g2"]


async def test_of_each_identifier_only_the_newest_few_are_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, *(of_visitor(f"{number}", user={"gclid": f"g{number}"}) for number in range(20)))
    assert [known.value for known in state(world).seen["gclid"]] == [f"g{n}" for n in range(20 - VALUES_KEPT, 20)]


@pytest.mark.parametrize(
    ("stated", "own", "wanted", "origin"),
    [
        (None, None, {}, ""),
        ("denied", None, {"marketing": "denied"}, "visitor"),
        ("granted", "denied", {"marketing": "denied"}, "event"),
        ("denied", "granted", {"marketing": "granted"}, "event"),
    ],
)
async def test_consent_is_the_events_own_else_what_the_visitor_stated_last(
    make_world: MakeWorld, autojump_clock: Clock, stated: Any, own: Any, wanted: dict[str, str], origin: str
) -> None:
    world = make_world(ONE)
    await take(world, of_visitor("banner", consent=Consent(marketing=stated)))
    await take(world, of_visitor("a", consent=Consent(marketing=own)))
    row = world.events()["a"]
    assert (row.consent, row.consent_from) == (wanted, origin)
    assert (row.not_routed == {"one": "consent_denied"}) == (wanted.get("marketing") == "denied")


async def test_an_older_choice_that_arrives_late_overrules_no_newer_one(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    for event_id, age_ms, choice in (("new", 0, consent("denied")), ("old", 60_000, consent("granted"))):
        world.take(of_visitor(event_id, occurred_at_ms=START_MS - age_ms, consent=choice))
        await world.settle()
    assert state(world).consent == Consent(marketing="denied")


async def test_events_are_counted_once_whatever_copies_arrive(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, of_visitor("a"), of_visitor("a"), purchase("p"), purchase("p"), purchase("q"))
    found = state(world)
    assert (found.events, found.purchases) == (2, 1)


async def test_a_sender_without_a_visitor_leaves_no_visitor_behind(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, event("a"), event("b", source="server"))
    assert [key for key, _ in world.rows("state") if key[0] == Visitor.number] == []
