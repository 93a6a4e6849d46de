"""Whose an event is: joins, merges, conflicts, limits, shared devices (contracts/dedup_and_identity.md, section 2)."""

from collections.abc import Callable

import msgspec
import pytest
import trio
import trio.testing

from actors.identifying import IdentityRules
from actors.identities import Identity
from actors.order import Order
from actors.runtime import KINDS
from tests.actors.people import digest, graph, identities, of, seen, take, visitor
from tests.support.making import DAY_MS, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one"), purchase_hold_ms=0))
JANE = "jane@example.com"


def merges(world: World) -> list[tuple[str, str]]:
    return [(one.key, one.event_id) for state in identities(world).values() for one in state.merges]


async def test_an_anonymous_visitor_has_no_identity_of_its_own(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1), seen("b", 1, fbp="fb.1.1.1"), seen("c", 2, order_id="o-1"))
    assert identities(world) == {}
    assert world.events()["a"].identity == ""


async def test_a_visitor_that_gives_an_email_is_that_person(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1), seen("b", 1, email=JANE))
    assert graph(world) == {of(1, JANE)}
    [identity] = identities(world)
    assert world.events()["b"].identity == identity


async def test_a_second_device_with_the_same_email_joins_and_the_older_identity_survives(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1))
    await trio.sleep(60)
    await take(world, seen("b", 2, email=JANE))
    await trio.sleep(60)
    await take(world, seen("c", 1, email=JANE))
    assert graph(world) == {of(1, 2, JANE)}
    assert merges(world) == [("email", "c")]
    [(identity, state)] = identities(world).items()
    assert identity == world.events()["c"].identity
    assert state.merges[0].merged == world.events()["b"].identity
    assert state.first_at_ms == world.events()["a"].received_at_ms


async def test_an_anonymous_event_of_a_known_visitor_is_the_persons(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, external_id="c-1"), seen("b", 2, external_id="c-1"), seen("c", 2))
    assert world.events()["c"].identity == world.events()["b"].identity != ""


async def test_a_webhook_without_a_visitor_is_the_persons_whose_email_it_has(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email=JANE), seen("b", None, "server", email=JANE, external_id="c-1"))
    assert world.events()["b"].identity == world.events()["a"].identity
    assert graph(world) == {of(1, JANE, "c-1")}


async def test_a_webhook_with_nothing_but_an_order_is_the_persons_who_bought(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email=JANE, order_id="o-1"))
    await take(world, seen("b", None, "server", name="order_refunded", order_id="o-1"))
    assert world.events()["b"].identity == world.events()["a"].identity != ""


async def test_an_order_of_an_anonymous_visitor_leads_its_webhooks_email_there(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, name="checkout_started", order_id="o-1"))
    await take(world, seen("b", None, "server", name="order_updated", order_id="o-1", email=JANE), seen("c", 1))
    assert graph(world) == {of(1, JANE)}
    assert world.events()["c"].identity == world.events()["b"].identity != ""


async def test_a_purchases_pixel_and_webhook_join_visitor_and_person(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"), purchase_hold_ms=5_000)))
    webhook = purchase("w", "shopify_webhook", user_data=seen("w", email=JANE, external_id="c-1").user_data)
    pixel = purchase("p", user_data=seen("p", 1).user_data)
    await take(world, webhook, pixel)
    assert graph(world) == {of(1, JANE, "c-1")}
    assert world.events()["p"].identity in identities(world)


async def test_two_customer_ids_never_come_together(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, external_id="c-1", email=JANE), seen("b", 2, external_id="c-2"))
    await take(world, seen("c", None, "server", external_id="c-2", email=JANE))
    assert graph(world) == {of(1, "c-1", JANE), of(2, "c-2")}
    assert world.events()["c"].identity == world.events()["b"].identity
    assert not world.events()["c"].added


async def test_a_visitor_with_another_persons_customer_id_is_shared(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, external_id="c-1"), seen("b", 1, external_id="c-2"))
    await take(world, seen("c", 1), seen("d", 1), seen("e", 1, external_id="c-1"))
    rows = world.events()
    assert graph(world) == {of(1, "c-1"), of("c-2")}
    assert rows["c"].identity == rows["d"].identity not in ("", rows["a"].identity, rows["b"].identity)
    assert rows["e"].identity == rows["a"].identity
    assert world.observer.count_of("visitor_shared") == 1
    assert not any(row.added for row in rows.values())


async def test_a_gifts_email_of_a_customer_does_not_merge_the_giver_into_them(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email="giver@example.com"), seen("b", 2, email=JANE, external_id="c-1"))
    await take(world, seen("c", 1, email=JANE))
    assert graph(world) == {of(1, "giver@example.com"), of(2, JANE, "c-1")}


async def test_a_phone_alone_finds_its_identity_and_joins_nobody(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, seen("a", 1, email=JANE, phone="+491"), seen("b", 2, email="joe@example.com", phone="+491"))
    await take(world, seen("c", None, "server", phone="+491"))
    assert graph(world) == {of(1, JANE), of(2, "joe@example.com")}
    assert world.events()["c"].identity == world.events()["a"].identity
    assert not world.events()["c"].added


async def test_the_sixth_visitor_of_a_week_is_left_aside(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await take(world, *(seen(f"e{number}", number, email=JANE) for number in range(1, 7)))
    assert graph(world) == {of(1, 2, 3, 4, 5, JANE)}
    assert world.events()["e6"].identity == world.events()["e5"].identity
    await trio.sleep(8 * 86_400)
    await take(world, seen("e7", 7, email=JANE))
    assert of(1, 2, 3, 4, 5, 7, JANE) in graph(world)


async def test_the_sixth_email_of_a_year_is_another_person(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    emails = [f"jane{number}@example.com" for number in range(6)]
    await take(world, *(seen(f"e{number}", 1, email=email) for number, email in enumerate(emails)))
    assert graph(world) == {of(1, *emails[:5]), of(emails[5])}


async def test_a_value_seen_with_too_many_visitors_is_set_aside_and_told(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    rules = IdentityRules(visitors_a_day=3)
    world = make_world(snapshot(site(Single(id="one"), identity=rules)))
    await take(world, *(seen(f"e{number}", number, email=JANE) for number in range(1, 6)))
    assert world.observer.count_of("identifier_set_aside") == 1
    await take(world, seen("x", 9, email=JANE))
    assert world.events()["x"].identity not in {world.events()["e1"].identity}
    assert digest(JANE) not in str(identities(world))


@pytest.mark.parametrize("value", ["0000", "null", "ab", "staff"])
async def test_a_blocked_value_is_nobodys(make_world: MakeWorld, autojump_clock: Clock, value: str) -> None:
    rules = IdentityRules(blocked=frozenset({"staff"}))
    world = make_world(snapshot(site(Single(id="one"), identity=rules)))
    await take(world, seen("a", 1, external_id=value), seen("b", 2, external_id=value))
    assert identities(world) == {}


async def test_an_address_of_several_persons_joins_nobody(make_world: MakeWorld, autojump_clock: Clock) -> None:
    rules = IdentityRules(links_only=frozenset({digest("info@example.com")}))
    world = make_world(snapshot(site(Single(id="one"), identity=rules)))
    await take(world, seen("a", 1, email="info@example.com"), seen("b", 2, email="info@example.com"))
    assert len(identities(world)) == 2


async def test_an_identity_goes_with_all_its_rows_when_its_time_is_over(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    rules = site(Single(id="one"), retention_ms=30 * DAY_MS)
    world = make_world(snapshot(rules))
    await take(world, seen("a", 1, email=JANE, order_id="o-1"), seen("b", 2, email=JANE))
    await trio.sleep(31 * 86_400)
    await take(world, seen("c", 3, email=JANE))
    assert graph(world) == {of(3, JANE)}
    assert world.check().problems == ()


class Broken(Identity):
    def _join(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError


async def test_an_event_whose_identity_fails_is_delivered_as_nobodys(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"), purchase_hold_ms=5_000)), kinds={**KINDS, "identity": Broken})
    await take(world, seen("a", 1, email=JANE), purchase("p", user_data=seen("p", 1, email=JANE).user_data))
    assert await world.run_for(10)
    assert world.delivery("a", "one").status == world.delivery("p", "one", "purchase_placed").status == "delivered"
    assert len(world.rows("dead")) == 2
    assert KINDS["order"] is Order


async def test_a_visitor_known_from_before_identities_is_known_by_what_it_gave(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    from store import keys
    from store.records import STATE, StateRow
    from store.writer import InlineWriter

    world = make_world(ONE)
    old = {
        "first_seen_at_ms": 1, "last_seen_at_ms": 1, "events": 3,
        "seen": {"email": [{"value": digest(JANE), "first_at_ms": 1, "last_at_ms": 1}]},
    }  # fmt: skip
    name = f"shop\x1f{visitor(1)}"
    row = StateRow(actor_key=name, version=1, data=msgspec.msgpack.encode(old), touched_at_ms=1)
    InlineWriter(world.store).submit(lambda write: write.put("state", keys.state(1, name), STATE.encode(row)))
    await take(world, seen("a", 1), seen("b", None, "server", email=JANE))
    assert graph(world) == {of(1, JANE)}
    assert world.events()["a"].identity == world.events()["b"].identity
