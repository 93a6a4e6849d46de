"""Orders: the copies of one become one event, with the evidence; what comes later is a duplicate."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
import trio
import trio.testing

from actors.event import Consent, CustomData, EmailDigests, Event, Source, UserData
from tests.support.making import DAY_MS, HOUR_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
ONE = snapshot(site(Single(id="one")))
EMAIL = EmailDigests(sha256="a" * 64)


def counts(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in world.events().values():
        found[row.status] = found.get(row.status, 0) + 1
    return found


async def arrive(world: World, *events: Event) -> None:
    """One after the other, each taken before the next arrives: copies of an order come through different shards."""
    for one in events:
        world.take(one)
        await world.settle()


def merged(world: World, event_id: str) -> Event:
    body = world.events()[event_id].body
    assert body is not None
    return msgspec.msgpack.decode(body, type=Event)


@pytest.mark.parametrize("is_browser_first", [True, False])
async def test_pixel_and_webhook_become_one_event_with_the_identifiers_of_both(
    make_world: MakeWorld, autojump_clock: Clock, is_browser_first: bool
) -> None:
    world = make_world(ONE)
    webhook = purchase("w", "shopify_webhook", value="12", user_data=UserData(email=EMAIL))
    copies = [purchase("p"), webhook] if is_browser_first else [webhook, purchase("p")]
    world.take(copies[0])
    async with world.running():
        await trio.sleep(2)
        world.take(copies[1])
        await trio.sleep(1)
    assert world.senders["one"].ids() == ["p"]
    one = merged(world, "p")
    assert (one.user_data.fbp, one.user_data.email) == ("fb.1.1.1", EMAIL)
    assert one.custom_data.value == Decimal(12)
    row = world.events()["p"]
    [copy] = row.copies
    assert (copy.event_id, copy.key, copy.value, copy.is_merged) == (copies[1].event_id, "order_id", "o-1", True)
    assert row.fields_from["user_data.fbp"] == "browser"
    assert row.fields_from["user_data.email"] == "shopify_webhook"
    assert row.fields_from["custom_data.value"] == "shopify_webhook"
    assert copy.conflicts == ("value",)
    assert counts(world) == {"processed": 1, "merged": 1}


async def test_a_purchase_waits_for_its_twin_and_then_goes_alone(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(purchase("p"))
    async with world.running():
        await trio.sleep(4.9)
        assert world.senders["one"].ids() == []
        assert counts(world) == {"held": 1}
        await trio.sleep(0.5)
        assert world.senders["one"].ids() == ["p"]


async def test_without_a_hold_nothing_waits(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"), purchase_hold_ms=0)))
    await arrive(world, purchase("p"), purchase("w", "server"))
    assert await world.run_for(0.5)
    assert world.senders["one"].ids() == ["p"]
    assert counts(world) == {"processed": 1, "duplicate": 1}


async def test_a_twin_that_comes_late_is_a_duplicate_with_the_evidence(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    world.take(purchase("p"))
    async with world.running():
        await trio.sleep(60)
        world.take(purchase("w", "shopify_webhook", value="11"))
        await trio.sleep(60)
    assert world.senders["one"].ids() == ["p"]
    assert counts(world) == {"processed": 1, "duplicate": 1}
    [copy] = world.events()["p"].copies
    assert (copy.event_id, copy.source, copy.key, copy.value) == ("w", "shopify_webhook", "order_id", "o-1")
    assert (copy.conflicts, copy.is_merged) == (("value",), False)
    assert world.observer.count_of("event_duplicate") == 1


async def test_three_copies_are_one_and_the_browsers_id_wins(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    copies: list[tuple[str, Source]] = [
        ("s", "server"),
        ("w", "shopify_webhook"),
        ("p", "browser"),
        ("late", "segment"),
    ]
    await arrive(world, *(purchase(event_id, source) for event_id, source in copies))
    assert await world.run_for(30)
    assert world.senders["one"].ids() == ["p"]
    assert {one: row.status for one, row in world.events().items()} == {
        "p": "processed", "s": "merged", "w": "merged", "late": "duplicate",
    }  # fmt: skip
    assert [copy.event_id for copy in world.events()["p"].copies] == ["w", "p", "late"]
    assert {row.merged_into for one, row in world.events().items() if one != "p"} == {
        key for key, row in world.rows("event") if b"\xa9processed" in row
    }


async def test_copies_with_one_event_id_meet_by_it(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await arrive(
        world, purchase("same", order_id=None), purchase("same", "server", order_id=None), purchase("same", "server")
    )
    assert await world.run_for(30)
    assert world.senders["one"].ids() == ["same"]
    row = world.events()["same"]
    assert [(copy.key, copy.is_merged) for copy in row.copies] == [("event_id", True), ("event_id", False)]


async def test_a_checkout_token_is_trusted_before_an_order_id(make_world: MakeWorld, autojump_clock: Clock) -> None:
    both = CustomData(checkout_token="t", order_id="o-1")
    world = make_world(ONE)
    await arrive(
        world, purchase("p", custom_data=CustomData(checkout_token="t")), purchase("w", "server", custom_data=both)
    )
    assert await world.run_for(30)
    [copy] = world.events()["p"].copies
    assert copy.key == "checkout_token"
    world.take(purchase("x", "server", order_id="o-1"))
    assert await world.run_for(30)
    assert world.events()["x"].status == "duplicate"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("order_fulfilled", CustomData(order_id="o-1")),
        ("order_cancelled", CustomData(order_id="o-1")),
        ("subscription_started", CustomData(subscription_id="s-1")),
        ("lead_submitted", CustomData(lead_id="l-1")),
    ],
)
async def test_names_with_a_key_of_their_own_count_once_a_day_without_waiting(
    make_world: MakeWorld, autojump_clock: Clock, name: str, data: CustomData
) -> None:
    world = make_world(ONE)
    await arrive(world, event("a", name, custom_data=data), event("b", name, custom_data=data))
    assert await world.run_for(1)
    assert world.senders["one"].ids() == ["a"]
    world.clock.jump_ms = DAY_MS
    world.take(event("c", name, custom_data=data))
    assert await world.run_for(1)
    assert world.senders["one"].ids() == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "data"),
    [("order_refunded", CustomData(order_id="o-1")), ("subscription_renewed", CustomData(subscription_id="s-1"))],
)
async def test_refunds_and_renewals_never_meet_by_their_order(
    make_world: MakeWorld, autojump_clock: Clock, name: str, data: CustomData
) -> None:
    world = make_world(ONE)
    world.take(purchase("p"), event("a", name, custom_data=data), event("b", name, custom_data=data))
    assert await world.run_for(10)
    assert sorted(world.senders["one"].ids()) == ["a", "b", "p"]


@pytest.mark.parametrize("sources", [("recharge_webhook", "shopify_webhook"), ("shopify_webhook", "recharge_webhook")])
async def test_a_renewal_told_by_recharge_and_by_the_shop_is_one(
    make_world: MakeWorld, autojump_clock: Clock, sources: tuple[Source, Source]
) -> None:
    world = make_world(ONE)
    subscribed = {"recharge_webhook": "s-1", "shopify_webhook": None}
    for one in sources:
        data = CustomData(order_id="7", subscription_id=subscribed[one])
        await arrive(world, event(one, "subscription_renewed", source=one, custom_data=data))
    assert await world.run_for(10)
    assert world.senders["one"].ids() == [sources[0]]
    assert merged(world, sources[0]).custom_data.subscription_id == "s-1"


async def test_one_id_under_two_names_is_two_events(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(event("a"), event("a", "product_viewed"), event("a"))
    assert await world.run_for(1)
    assert world.senders["one"].ids() == ["a", "a"]


async def test_an_id_that_the_gateway_made_deduplicates_nothing(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    await arrive(world, purchase("made", is_id_made=True), purchase("w", "server"))
    assert await world.run_for(30)
    assert world.senders["one"].ids() == ["w"]


async def test_an_event_id_counts_again_after_its_window(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(event("a"))
    assert await world.run_for(1)
    world.clock.jump_ms = DAY_MS - 10_000
    world.take(event("a"))
    assert await world.run_for(1)
    assert len(world.senders["one"].sent) == 1
    world.clock.jump_ms = DAY_MS
    world.take(event("a"))
    assert await world.run_for(1)
    assert len(world.senders["one"].sent) == 2
    assert len(world.rows("event")) == 2


async def test_a_second_purchase_of_one_order_counts_never_again(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(purchase("p"))
    assert await world.run_for(30)
    world.clock.jump_ms = 20 * DAY_MS
    world.take(purchase("w", "shopify_webhook"))
    assert await world.run_for(30)
    assert world.senders["one"].ids() == ["p"]


async def test_an_id_used_again_for_another_purchase_is_another_order(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    world.take(purchase("p"), purchase("w", "server"))
    assert await world.run_for(30)
    world.clock.jump_ms = 2 * DAY_MS
    world.take(purchase("p", order_id="o-2"))
    async with world.running():
        await trio.sleep(1)
        assert world.senders["one"].ids() == ["p"]
        await trio.sleep(10)
    assert world.senders["one"].ids() == ["p", "p"]


async def test_sites_know_nothing_of_each_others_orders(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one")), site(Single(id="two"), id="other")))
    world.take(purchase("p"), purchase("p", site="other"))
    assert await world.run_for(30)
    assert (world.senders["one"].ids(), world.senders["two"].ids()) == (["p"], ["p"])


# --- consent and visit ---------------------------------------------------------------------------------------------


async def test_a_denial_that_only_the_copys_visitor_stated_counts(make_world: MakeWorld, autojump_clock: Clock) -> None:
    """The webhook comes first and knows no visitor; the browser's copy says nothing, but its visitor did before."""
    world = make_world(ONE)
    visitor = UserData(anonymous_id=VISITOR)
    world.take(event("banner", user_data=visitor, consent=Consent(marketing="denied")))
    await arrive(world, purchase("w", "shopify_webhook"), purchase("p"))
    assert await world.run_for(30)
    row = world.events()["p"]
    assert (row.consent, row.not_routed) == ({"marketing": "denied"}, {"one": "consent_denied"})
    assert world.senders["one"].ids() == []


async def test_the_visit_of_the_browsers_copy_is_kept_whichever_came_first(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    landing = event("landing", user_data=UserData(anonymous_id=VISITOR))
    await arrive(world, landing, purchase("w", "shopify_webhook"), purchase("p"))
    assert await world.run_for(30)
    events = world.events()
    assert events["p"].session_id == events["landing"].session_id is not None


async def test_a_purchase_that_waits_survives_a_restart(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(ONE)
    world.take(purchase("p"))
    await world.settle()
    world.restart()
    await trio.sleep(1)
    world.take(purchase("w", "shopify_webhook"))
    await world.settle()
    world.restart()
    assert await world.run_for(30)
    assert world.senders["one"].ids() == ["p"]
    assert counts(world) == {"processed": 1, "merged": 1}


async def test_an_alarm_that_is_overdue_after_a_long_stop_goes_off_at_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    world.take(purchase("p"))
    await world.settle()
    world.restart()
    await trio.sleep(3 * HOUR_MS / 1000)
    assert await world.run_for(1)
    assert world.senders["one"].ids() == ["p"]


async def test_a_clock_set_ahead_and_back_leaves_no_order_waiting_for_years(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(ONE)
    world.clock.jump_ms = 3_650 * DAY_MS
    world.take(purchase("p"))
    await world.settle()
    world.clock.jump_ms = 0
    assert await world.run_for(60)
    assert world.senders["one"].ids() == ["p"]
