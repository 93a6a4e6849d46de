"""What is kept of an event whose visitor allows neither measuring nor marketing."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio.testing

from actors.consent import ConsentRules, kept_of_refused, stripped
from actors.event import Consent, ConsentNote, CustomData, Event, Page, UserData
from actors.graph import DATABASE
from actors.identities import Identity
from actors.visitor import Visitor, VisitorState
from store import keys
from store.records import LOG, STATE
from tests.support.making import VISITOR, event, purchase, site, snapshot
from tests.support.platform import Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
REFUSED = Consent(analytics="denied", marketing="denied")
PERSON = UserData(anonymous_id=VISITOR, external_id="c-1", gclid="click-1", client_ip="203.0.113.9")


def messages(world: World) -> list[Event]:
    records = [LOG.decode(raw) for _, raw in world.rows("log")]
    return [msgspec.msgpack.decode(record.body, type=Event) for record in records]


async def take(world: World, *events: Any) -> None:
    for one in events:
        world.take(one)
        await world.settle()


async def test_of_an_event_that_both_are_denied_for_nobody_is_left(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    page = Page(url="https://shop.example/?gclid=click-1")
    await take(world, event("a", user_data=PERSON, page=page, consent=REFUSED))
    [kept] = messages(world)
    assert (kept.event_id, kept.user_data, kept.page, kept.consent) == ("a", UserData(), Page(), REFUSED)
    row = world.events()["a"]
    assert (row.visitor_id, row.session_id, row.not_routed) == (None, None, {"one": "consent_denied"})
    assert world.rows("visitor_event") == []
    assert world.check().problems == ()


async def test_of_an_order_the_customers_number_and_the_amounts_are_left(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    await take(world, purchase("p", user_data=PERSON, consent=REFUSED))
    await take(world, purchase("q", "server", user_data=UserData(external_id="c-1", fbp="fb.1.1.1"), consent=REFUSED))
    assert [one.user_data for one in messages(world)] == [UserData(external_id="c-1")] * 2
    assert [one.custom_data.order_id for one in messages(world)] == ["o-1"] * 2
    body = world.events()["p"].body
    assert body is not None
    assert msgspec.msgpack.decode(body, type=Event).user_data == UserData(external_id="c-1")
    assert world.check().problems == ()


async def test_a_copy_that_leads_nowhere_is_left_without_its_person_too(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    await take(world, *[event("a", user_data=PERSON, consent=REFUSED)] * 2)
    assert [one.user_data for one in messages(world)] == [UserData()] * 2
    assert world.check().problems == ()


async def test_a_visitor_who_takes_both_back_is_forgotten_but_for_that(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    await take(world, event("a", user_data=PERSON), event("b", user_data=PERSON, consent=REFUSED))
    row = STATE.decode(dict(world.rows("state"))[keys.state(Visitor.number, f"shop\x1f{VISITOR}")])
    state = msgspec.msgpack.decode(row.data, type=VisitorState)
    assert (state.seen, state.visit, state.consent) == ({}, None, REFUSED)


async def test_what_one_destination_may_have_on_another_basis_is_kept(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    basis = ConsentRules(relies_on={"one": "contract"})
    world = make_world(snapshot(site(Single(id="one", consent=(), relies_on="contract"), consent=basis)))
    await take(world, event("a", user_data=PERSON, consent=REFUSED))
    assert messages(world)[0].user_data == PERSON
    assert (world.events()["a"].routed, world.events()["a"].relied_on) == (("one",), {"one": "contract"})


def test_a_stripped_event_names_nobody() -> None:
    page = Page(url="https://shop.example/a?email=x#y", referrer="https://other.example/?id=1", title="Hello Ann")
    data = CustomData(order_id="o-1", properties={"note": "for Ann"})
    one = event(user_data=PERSON, page=page, custom_data=data, consent_note=ConsentNote(raw="x"), ip_country="DE")
    found = stripped(one)
    assert (found.user_data, found.custom_data.properties, found.consent_note) == (UserData(), {}, None)
    assert (found.page.url, found.page.referrer) == ("https://shop.example/a", "https://other.example/")
    assert found.page.title is None
    assert found.custom_data.order_id == "o-1"


def test_what_is_kept_of_a_refused_event_is_kept_again_unchanged() -> None:
    once = kept_of_refused(purchase(user_data=PERSON, consent=REFUSED))
    assert kept_of_refused(once) == once


async def test_who_refuses_all_becomes_no_identity(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site(Single(id="one"))))
    await take(world, event("a", user_data=PERSON, consent=REFUSED), purchase("p", user_data=PERSON, consent=REFUSED))
    assert world.rows(DATABASE) == []
    assert [key for key, _ in world.rows("state") if key[0] == Identity.number] == []
