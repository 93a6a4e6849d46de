"""Touchpoints and conversions as a running core records them (contracts/attribution.md, sections 2, 4, 5 and 7)."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import permutations
from typing import Any

import pytest
import trio.testing

from actors.attribution.paths import confidence, summary
from actors.attribution.settings import AttributionRules, ChannelRule
from actors.event import Consent, CustomData, EmailDigests, Event, Page, UserData
from actors.indexed import Put
from actors.journeys import Journeys
from gateway import privacy
from gateway.identifiers import Identifier, identifier
from gateway.privacy import Ask
from gateway.reattributing import Reattributing
from store import journeys, keys
from store.journey_records import MODELS, VERSIONS_KEPT, ConversionRow, TouchRow
from store.purge import apply
from store.purge_journeys import touches as touches_plan
from store.retention import steps
from store.writer import WriteTxn, commit
from tests.support.making import DAY_MS, START_MS, VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
MINUTE_MS = 60_000
OTHER = "f" * 32


def shop(**rules: Any) -> Any:
    attribution = AttributionRules(**rules)
    return snapshot(
        site(Single(id="one"), origins=frozenset({"https://shop.example"}), purchase_hold_ms=0, attribution=attribution)
    )


def page(
    minute: float,
    query: str = "",
    referrer: str = "",
    *,
    name: str = "page_viewed",
    visitor: str = VISITOR,
    **changes: Any,
) -> Event:
    at_ms = START_MS + round(minute * MINUTE_MS)
    own = {"user_data": UserData(anonymous_id=visitor), "received_at_ms": at_ms, **changes}
    return event(
        f"{name}-{minute}-{visitor[:4]}", name, occurred_at_ms=at_ms,
        page=Page(url=f"https://shop.example/{query}", referrer=referrer or None), **own,
    )  # fmt: skip


def order(minute: float, **changes: Any) -> Event:
    at_ms = START_MS + round(minute * MINUTE_MS)
    own = {"user_data": UserData(anonymous_id=VISITOR), "value": "120", **changes}
    return purchase(f"order-{minute}", occurred_at_ms=at_ms, received_at_ms=at_ms, **own)


async def take(world: World, *events: Event) -> None:
    for one in events:
        world.take(one)
        await world.settle()


def touches(world: World) -> list[TouchRow]:
    listed = journeys.touches(world.store, "shop", 0, START_MS * 2)
    return [one.row for one in listed if one.row is not None]


def conversions(world: World) -> list[ConversionRow]:
    listed = journeys.conversions(world.store, "shop", 0, START_MS * 2)
    return [one.row for one in listed if one.row is not None]


def only(world: World) -> ConversionRow:
    (row,) = conversions(world)
    return row


GOOGLE, PAYPAL, OWN = "https://www.google.com/", "https://www.paypal.com/", "https://shop.example/cart"
UTM = "?utm_source=news&utm_medium=email&utm_campaign=a"
DENIED = Consent(analytics="denied", marketing="denied")
GRANTED = Consent(analytics="granted", marketing="granted")

TABLE: dict[str, tuple[list[Event], list[str]]] = {
    "a landing with a click id": ([page(0, "?gclid=a")], ["paid_search"]),
    "the same click id days later says nothing, its campaign included": (
        [page(0, "?gclid=a&utm_source=x&utm_medium=cpc"), page(3000, "?gclid=a&utm_source=x&utm_medium=cpc")],
        ["paid_other", "direct"],
    ),
    "an external referrer": ([page(0, "", GOOGLE)], ["organic_search"]),
    "nothing at all is direct": ([page(0)], ["direct"]),
    "an external referrer in the middle of a visit": ([page(0), page(1, "", GOOGLE)], ["direct", "organic_search"]),
    "an own host is none": ([page(0, "", OWN)], []),
    "a host that is excluded is none": ([page(0), page(1, "", PAYPAL)], ["direct"]),
    "a reload is none": ([page(0, UTM, GOOGLE), page(1, UTM, GOOGLE)], ["email"]),
    "a reload of a searched page is none": ([page(0, "", GOOGLE), page(1, "", GOOGLE)], ["organic_search"]),
    "another event of the landing's page is none": (
        [page(0, "", GOOGLE), page(1, "", GOOGLE, name="product_viewed")], ["organic_search"],
    ),
    "the first event of a visit may be any": ([page(0, "", GOOGLE, name="product_viewed")], ["organic_search"]),
    "another campaign in the middle of a visit": ([page(0, "", GOOGLE), page(1, UTM)], ["organic_search", "email"]),
    "another campaign by the site's own names of parameters": (
        [page(0, "?src=a"), page(1, "?src=b"), page(2, "?src=B"), page(3, "?utm_id=7")],
        ["unassigned", "unassigned", "direct"],
    ),
    "the same campaign in a later visit": ([page(0, UTM), page(60, UTM)], ["email", "email"]),
    "a click id of the page before it, which could not tell": (
        [page(0, "tea", "https://shop.example/?gclid=a", landing_query="gclid=a")], ["paid_search"],
    ),
    "both consents denied": ([page(0, UTM, consent=DENIED)], []),
    "marketing denied alone": ([page(0, UTM, consent=Consent(marketing="denied"))], ["email"]),
    "a bot": ([page(0, UTM, bot_score=100)], []),
    "a server's event": ([page(0, UTM, source="server", name="order_fulfilled")], []),
    "a click in a message": (
        [page(0, "", name="message_clicked", source="klaviyo_webhook",
              custom_data=CustomData(properties={"channel": "sms", "campaign_name": "A"}))],
        ["sms"],
    ),
    "a robot's click in a message": (
        [page(0, "", name="message_clicked", source="klaviyo_webhook", is_internal=True,
              custom_data=CustomData(properties={"bot_click": True}))],
        [],
    ),
    "a lead that names its source": (
        [page(0, "", name="lead_submitted", source="webhook", user_data=UserData(),
              custom_data=CustomData(lead_id="l", properties={"utm_source": "fair", "utm_medium": "referral"}))],
        ["referral"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
async def test_an_event_makes_a_touchpoint_as_the_table_says(
    case: str, make_world: MakeWorld, autojump_clock: Clock
) -> None:
    events, channels = TABLE[case]
    world = make_world(shop(parameter_aliases=(("utm_source", ("src",)),)))
    await take(world, *events)
    assert [row.channel for row in touches(world)] == channels


async def test_a_purchase_is_credited_to_its_visitors_touchpoints(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), page(100, "?gclid=a"), page(200), order(210))
    row = only(world)
    assert summary(row.path) == "email > paid_search > direct"
    assert [row.path[one.winner].channel for one in row.results] == [
        "paid_search", "email", "direct", "paid_search", "paid_search", "paid_search", "paid_search", "paid_search",
    ]  # fmt: skip
    assert all(sum(one.gross) == 120_00 for one in row.results)
    assert confidence(row.path, row.results[0]) == "high"
    assert (row.version, row.cause, row.gap) == (1, "conversion", "")


async def test_click_ids_are_kept_under_marketing_consent_alone(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(shop())
    await take(world, page(0, "?gclid=SecretClick", consent=Consent(marketing="denied", analytics="granted")))
    await take(world, page(0, "?gclid=def", visitor=OTHER, consent=Consent(marketing="granted")))
    kept = [row.click_ids for row in touches(world)]
    assert sorted(kept, key=len) == [{}, {"gclid": "def"}]
    assert b"SecretClick" not in b"".join(raw for _, raw in world.rows("touch"))


async def test_a_click_in_a_message_and_its_landing_are_one_touchpoint(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    clicked = page(
        0, "", name="message_clicked", source="klaviyo_webhook", user_data=UserData(kx="abc.AbC123"),
        custom_data=CustomData(properties={"channel": "email", "campaign_name": "Autumn"}),
    )  # fmt: skip
    landed = page(
        1, "?utm_source=Klaviyo&utm_medium=email&utm_campaign=autumn&_kx=abc.AbC123",
        user_data=UserData(anonymous_id=VISITOR, kx="abc.AbC123"),
    )  # fmt: skip
    for events in ([clicked, landed], [landed, clicked]):
        world = make_world(shop())
        await take(world, *events)
        (row,) = touches(world)
        assert (row.kind, row.evidence, row.visitor_id) == ("landing", "message", VISITOR)


async def test_a_touchpoint_that_comes_late_is_put_into_the_path(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(shop())
    await take(world, page(10), order(20), page(5, "?gclid=a", received_at_ms=START_MS + 30 * MINUTE_MS))
    row = only(world)
    assert summary(row.path) == "paid_search > direct"
    assert (row.version, row.cause) == (2, "late_touchpoint")
    first, second = journeys.versions(world.store, keys.event("shop", "order-20", "purchase_placed"))
    assert (first.version, summary(first.path), second.version) == (1, "direct", 2)


async def test_a_refund_subtracts_and_the_shares_stay(make_world: MakeWorld, autojump_clock: Clock) -> None:
    refund = event(
        "r-1", "order_refunded", source="shopify_webhook",
        custom_data=CustomData(order_id="o-1", value=Decimal("20.01"), currency="EUR"),
    )  # fmt: skip
    world = make_world(shop())
    await take(world, page(0, UTM), page(100, "?gclid=a"), page(200, "", GOOGLE), order(210), refund)
    row = only(world)
    linear = row.results[MODELS.index("linear")]
    assert (row.value, row.net_value, row.cause) == (Decimal(120), Decimal("99.99"), "refund")
    assert (linear.gross, linear.net) == ((40_00, 40_00, 40_00), (33_33, 33_33, 33_33))


async def test_a_cancelled_order_is_worth_nothing_and_keeps_its_shares(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    cancelled = event("c-1", "order_cancelled", source="shopify_webhook", custom_data=CustomData(order_id="o-1"))
    world = make_world(shop())
    await take(world, page(0, UTM), order(10), cancelled)
    row = only(world)
    assert (row.value, row.net_value, row.results[0].shares) == (Decimal(120), Decimal(0), (1_000_000,))


async def test_touchpoints_of_a_mail_address_are_reached_by_it_unless_another_customer_made_them(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    mail = EmailDigests(sha256="a" * 64)
    for customer, path in (("c-1", "email"), ("c-2", "")):
        clicked = page(
            0,
            "",
            name="message_clicked",
            source="klaviyo_webhook",
            user_data=UserData(email=mail, external_id=customer),
        )
        bought = order(10, source="server", user_data=UserData(email=mail, external_id="c-1"))
        world = make_world(shop())
        await take(world, clicked, bought)
        assert summary(only(world).path) == path


async def test_a_journey_is_bound_by_its_first_landing_alone(make_world: MakeWorld, autojump_clock: Clock) -> None:
    shared = "?utm_source=pal&utm_medium=referral&gw_jid=j-1"
    bought = order(9, source="server", user_data=UserData(), custom_data=CustomData(properties={"gw_jid": "j-1"}))
    world = make_world(shop())
    await take(world, page(0, shared), page(1, shared, visitor=OTHER), bought)
    assert [(touch.at_ms, touch.label) for touch in only(world).path] == [(START_MS, "journey")]


async def test_a_conversion_without_credit_says_why(make_world: MakeWorld, autojump_clock: Clock) -> None:
    checkout = page(0, "checkouts/1", "https://shop.example/", name="checkout_started")
    cases: dict[str, list[Event]] = {
        "consent_denied": [page(0, UTM, consent=DENIED), order(1)],
        "no_identity": [order(1, source="server", user_data=UserData(email=EmailDigests(sha256="b" * 64)))],
        "new_visitor_at_checkout": [checkout, order(1)],
        "outside_window": [page(0, UTM), order(40, source="server")],
        "direct_only": [page(0), order(1)],
        "no_touchpoints": [page(0, "", PAYPAL), order(45, source="server")],
        "offline_order": [page(0), order(1, action_source="physical_store")],
    }
    for gap, events in cases.items():
        world = make_world(shop(lookback_ms=30 * MINUTE_MS))
        await take(world, *events)
        assert only(world).gap == gap


async def test_what_was_withheld_or_a_bots_before_the_window_explains_no_conversion(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    cases: list[tuple[str, list[Event]]] = [
        ("direct_only", [page(0, UTM, consent=DENIED), page(100, consent=GRANTED), order(101)]),
        ("consent_denied", [page(90, UTM, consent=DENIED), page(100, consent=GRANTED), order(101)]),
        ("no_touchpoints", [page(0, UTM, bot_score=100), page(69, "", PAYPAL), order(100, source="server")]),
        ("bot_or_test_only", [page(71, UTM, bot_score=100), page(72, "", PAYPAL), order(100, source="server")]),
    ]
    for gap, events in cases:
        world = make_world(shop(lookback_ms=30 * MINUTE_MS))
        await take(world, *events)
        assert only(world).gap == gap


async def test_no_more_touchpoints_are_kept_of_a_visitor_than_the_first_and_the_latest(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    world.take(*(page(number, f"?gclid=g{number}") for number in range(210)))
    await world.settle()
    times = [row.at_ms - START_MS for row in touches(world)]
    assert len(times) == 200
    assert (times[0], times[1]) == (0, 11 * MINUTE_MS)


async def test_a_path_holds_the_first_and_the_latest_49(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(shop())
    world.take(*(page(number, f"?gclid=g{number}") for number in range(60)), order(61))
    await world.settle()
    path = only(world).path
    assert [(touch.at_ms - START_MS) // MINUTE_MS for touch in path] == [0, *range(11, 60)]


async def test_a_renewal_inherits_the_credit_of_the_first_order_where_that_is_set(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    begun = CustomData(subscription_id="s-1", value=Decimal(30), currency="EUR")
    renewed = CustomData(subscription_id="s-1", value=Decimal(10), currency="EUR", order_id="o-9")
    first = page(1, "", "https://shop.example/", name="subscription_started", custom_data=begun)
    later = event("n-1", "subscription_renewed", source="server", custom_data=renewed, occurred_at_ms=START_MS + DAY_MS)
    world = make_world(shop(renewals="inherit"))
    await take(world, page(0, UTM), first, later)
    _, renewal = conversions(world)
    assert renewal.renewal_of
    assert (summary(renewal.path), renewal.results[0].gross) == ("email", (10_00,))


async def test_a_renewal_follows_what_becomes_of_its_first_order(make_world: MakeWorld, autojump_clock: Clock) -> None:
    begun = CustomData(subscription_id="s-1", value=Decimal(30), currency="EUR")
    renewed = CustomData(subscription_id="s-1", value=Decimal(10), currency="EUR", order_id="o-9")
    first = page(20, "", "https://shop.example/", name="subscription_started", custom_data=begun)
    later = event("n-1", "subscription_renewed", source="server", custom_data=renewed, occurred_at_ms=START_MS + DAY_MS)
    world = make_world(shop(renewals="inherit"))
    await take(world, page(0, UTM), first, later, page(10, "?gclid=late"))
    _, renewal = conversions(world)
    assert (summary(renewal.path), renewal.version, renewal.cause) == ("email > paid_search", 2, "late_touchpoint")
    assert renewal.results[0].gross == (10_00,)
    cutoff_ms = START_MS + MINUTE_MS
    await commit(world.writer, apply(touches_plan(world.store, keys.digest8("shop"), cutoff_ms, cutoff_ms, b"")))
    assert [[touch.label for touch in row.path] for row in conversions(world)] == [["erased", "visitor"]] * 2
    assert world.check().problems == ()


async def test_the_store_agrees_with_itself_after_all_of_it(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), page(100, "?gclid=a"), order(210), page(150, "?ttclid=late"))
    report = world.check()
    assert report.problems == ()
    assert report.counted["touchpoints"] == 4


async def test_settings_applied_to_the_past_compute_what_is_kept_anew_and_once(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), page(100, "?gclid=a"), order(210))
    rule = ChannelRule(channel="letters", source="news")
    for applied, version in ((shop(), 1), (shop(channel_rules=(rule,)), 1), (shop(half_life_ms=DAY_MS), 1)):
        world.core.snapshot = applied
        await Reattributing(world.core, world.store, world.writer, world.clock.now_ms).work()
        assert only(world).version == version
    for _ in range(2):
        world.core.snapshot = shop(channel_rules=(rule,), apply_to_past=True)
        await Reattributing(world.core, world.store, world.writer, world.clock.now_ms).work()
        assert summary(only(world).path).startswith("letters > paid_search")
        assert (only(world).version, only(world).cause) == (2, "settings")


async def test_retention_marks_the_touchpoints_it_takes_and_keeps_their_credit(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), page(100, "?gclid=a"), order(210))
    cutoff_ms = START_MS + 50 * MINUTE_MS
    plan = touches_plan(world.store, keys.digest8("shop"), cutoff_ms, cutoff_ms, b"")
    await commit(world.writer, apply(plan))
    row = only(world)
    assert [touch.label for touch in row.path] == ["erased", "visitor", "visitor"]
    assert (row.cause, row.version, len(touches(world))) == ("retention", 2, 2)
    assert sum(row.results[MODELS.index("linear")].gross) == 120_00


async def test_versions_are_kept_within_bounds_the_first_among_them(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, order(300))
    await take(world, *(page(number * 3, f"?gclid=g{number}") for number in range(40)))
    kept = [row.version for row in journeys.versions(world.store, keys.event("shop", "order-300", "purchase_placed"))]
    assert len(kept) == VERSIONS_KEPT
    assert (kept[0], kept[1], kept[-1]) == (1, 23, 41)


async def test_a_merge_of_identities_brings_their_visitors_touchpoints_and_a_split_takes_them_back(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM, visitor=OTHER), page(1, "?gclid=a"), order(10))
    assert summary(only(world).path) == "paid_search"
    for visitors, path in (((VISITOR, OTHER), "email > paid_search"), ((VISITOR,), "paid_search")):
        with world.store.read() as txn:
            plan = Journeys(world.store, txn, world.core.snapshot, now_ms=START_MS)
            plan.identity_changed("shop", ("i-1",), visitors)
            puts = plan.puts()
        await commit(world.writer, partial(write_all, puts))
        assert summary(only(world).path) == path
    assert (only(world).version, only(world).cause) == (3, "identity")


def write_all(puts: list[Put], write: WriteTxn) -> None:
    for database, key, raw in puts:
        if raw is None:
            write.delete(database, key)
        else:
            write.put(database, key, raw)


async def test_an_erased_conversion_keeps_its_credit_and_names_nobody(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop(), has_privacy=True)
    await take(world, page(0, UTM), page(1, "?gclid=a"), order(10))
    person = identifier(f"visitor:{VISITOR}")
    assert isinstance(person, Identifier)
    wanted = Ask(kind="erase", site="shop", given=(person,), asked_by="a test")
    await privacy.start(world.store, world.writer, wanted, world.clock.now_ms())
    assert await world.run_for(5)
    row = only(world)
    assert (row.visitor_id, row.keys, row.cause, touches(world)) == (None, (), "erasure", [])
    assert {touch.label for touch in row.path} == {"erased"}
    assert row.results[0].gross == (120_00,)


async def test_a_person_who_refuses_is_not_followed_by_a_conversion(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), order(10, consent=DENIED))
    row = only(world)
    assert (row.keys, row.visitor_id, row.path, row.gap, row.order_id) == ((), None, (), "consent_denied", "o-1")


async def test_a_refund_below_zero_is_subtracted_too(make_world: MakeWorld, autojump_clock: Clock) -> None:
    data = CustomData(order_id="o-1", value=Decimal(-20), currency="EUR")
    world = make_world(shop())
    refund = event("r-1", "order_refunded", source="server", custom_data=data)
    await take(world, page(0, UTM), order(10, order_id="o-1"), refund)
    assert only(world).net_value == Decimal(100)


async def test_a_refund_that_came_before_its_order_is_subtracted_from_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    data = CustomData(order_id="o-1", value=Decimal(20), currency="EUR")
    world = make_world(shop())
    await take(
        world, event("r-1", "order_refunded", source="shopify_webhook", custom_data=data), page(0, UTM), order(10)
    )
    assert (only(world).net_value, only(world).cause) == (Decimal(100), "refund")


async def test_the_path_is_the_same_in_whatever_order_its_events_arrive(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    events = [page(minute, f"?gclid=g{minute}") for minute in (0, 5, 50)]
    events += [page(7, "", "https://shop.example/", name="cart_item_added"), order(60, source="server")]
    paths = set()
    for arrived in permutations(events):
        world = make_world(shop())
        world.take(*arrived)
        await world.settle()
        paths.add(tuple((touch.at_ms, touch.channel) for touch in only(world).path))
    assert len(paths) == 1
    assert len(paths.pop()) == 3


async def test_an_order_of_a_person_has_the_touchpoints_of_all_their_visitors(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    mail = EmailDigests(sha256="a" * 64)
    world = make_world(shop())
    known = {"name": "login_completed", "referrer": "https://shop.example/"}
    await take(world, page(0, UTM, visitor=OTHER), page(5, "?gclid=a"))
    await take(world, page(1, visitor=OTHER, user_data=UserData(anonymous_id=OTHER, email=mail), **known))
    await take(world, page(6, user_data=UserData(anonymous_id=VISITOR, email=mail), **known))
    await take(world, order(10))
    row = only(world)
    assert summary(row.path) == "email > paid_search"
    assert ({touch.label for touch in row.path}, bool(row.identity)) == ({"identity"}, True)


async def test_a_visitor_who_tells_later_who_they_are_brings_their_touchpoints_to_an_order_of_before(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    mail = EmailDigests(sha256="a" * 64)
    bought = order(10, source="server", user_data=UserData(email=mail))
    told = page(
        11, "", "https://shop.example/", name="login_completed", user_data=UserData(anonymous_id=VISITOR, email=mail)
    )
    world = make_world(shop())
    await take(world, page(0, UTM), bought)
    assert only(world).gap in ("no_identity", "no_touchpoints")
    await take(world, told)
    assert (summary(only(world).path), only(world).cause, only(world).gap) == ("email", "identity", "")


async def test_retention_takes_touchpoints_and_conversions_of_a_site_that_has_nothing_else_left(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(shop())
    await take(world, page(0, UTM), order(10), page(5, "?gclid=a"))
    for _, delete in steps(world.store, {"shop": DAY_MS}, START_MS + 30 * DAY_MS):
        await commit(world.writer, delete)
    assert (touches(world), conversions(world)) == ([], [])
    assert world.rows("touch") == world.rows("conversion") == []
