"""What is added to an event before it is delivered, and what never is."""

from collections.abc import Callable
from typing import Any

import trio
import trio.testing

from actors.event import Event
from actors.identifying import IdentityRules
from tests.actors.people import digest, seen, take
from tests.support.making import DAY_MS, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one"), purchase_hold_ms=0))
JANE = "jane@example.com"


async def sent(world: World, *events: Event) -> dict[str, dict[str, Any]]:
    """The identifiers of each event as its destination got it."""
    await take(world, *events)
    assert await world.run_for(1)
    return {one["event_id"]: one["user_data"] for request in world.senders["one"].sent for one in request.events}


async def test_later_events_carry_the_click_that_their_visitor_came_by(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    got = await sent(world, seen("a", 1, gclid="click-1", fbp="fb.1.1.1"), seen("b", 1), seen("c", 2))
    assert (got["b"]["gclid"], got["b"]["fbp"]) == ("click-1", "fb.1.1.1")
    assert "gclid" not in got["c"]
    learnt = world.events()["b"].added_from["gclid"]
    assert (learnt.via, learnt.source) == ("visitor", "browser")
    assert learnt.at_ms == world.events()["a"].received_at_ms


async def test_only_the_last_click_of_a_network_is_added(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, gclid="old"), seen("b", 1, gclid="new"))
    await trio.sleep(1)
    got = await sent(world, seen("c", 1, gbraid="braid"), seen("d", 1))
    assert "gclid" not in got["c"]
    assert (got["d"]["gbraid"], got["d"].get("gclid")) == ("braid", None)


async def test_a_click_older_than_its_cookie_is_not_added(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"), retention_ms=365 * DAY_MS)))
    await take(world, seen("a", 1, li_fat_id="linkedin", fbp="fb.1.1.1", ga_session_id="1"))
    await trio.sleep(31 * 86_400)
    got = await sent(world, seen("b", 1))
    assert ("li_fat_id" in got["b"], "ga_session_id" in got["b"], got["b"]["fbp"]) == (False, False, "fb.1.1.1")


async def test_an_event_gets_the_digests_that_its_person_gave(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    told = seen("a", 1, email=JANE, external_id="c-1", first_name="jane", city="Berlin", country="DE")
    got = await sent(world, told, seen("b", 1))
    assert got["b"]["email"]["sha256"] == digest(JANE)
    assert (got["b"]["external_id"], got["b"]["city"]) == ("c-1", "Berlin")
    row = world.events()["b"]
    assert row.body is None
    assert row.added_from["email"].via == "identity"


async def test_an_address_is_never_made_of_two(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email=JANE, city="Berlin", postal_code="10115", country="DE"))
    await trio.sleep(1)
    got = await sent(
        world, seen("b", 1, email=JANE, city="Wien", country="AT"), seen("c", 1), seen("d", 1, city="Graz")
    )
    assert (got["c"]["city"], got["c"].get("postal_code")) == ("Wien", None)
    assert (got["d"]["city"], got["d"].get("country")) == ("Graz", None)


async def test_a_renewal_gets_the_browser_ids_of_its_persons_last_visitor(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    renewal = seen("r", None, "recharge_webhook", name="subscription_renewed", email=JANE)
    got = await sent(world, seen("a", 1, email=JANE, fbp="fb.1.1.1"), renewal)
    assert got["r"]["fbp"] == "fb.1.1.1"


async def test_nothing_older_than_the_site_allows_is_added(make_world: MakeWorld, autojump_clock: Clock) -> None:
    rules = IdentityRules(max_age_ms=DAY_MS)
    world = make_world(snapshot(site(Single(id="one"), identity=rules)))
    await take(world, seen("a", 1, email=JANE, external_id="c-1", fbp="fb.1.1.1"))
    await trio.sleep(2 * 86_400)
    got = await sent(world, seen("b", 1), seen("c", 1, external_id="c-1"))
    assert "email" not in got["c"]
    assert not {"email", "fbp"} & got["b"].keys()


async def test_a_shared_visitors_events_get_nothing(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, external_id="c-1", email=JANE, gclid="click-1"))
    got = await sent(world, seen("b", 1, external_id="c-2"), seen("c", 1))
    assert not {"email", "gclid"} & (got["b"].keys() | got["c"].keys())


async def test_what_was_added_is_sent_again_by_an_attempt_later(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email=JANE), seen("b", 1))
    world.restart()
    assert await world.run_for(1)
    got = {one["event_id"]: one["user_data"] for request in world.senders["one"].sent for one in request.events}
    assert got["b"]["email"]["sha256"] == digest(JANE)
