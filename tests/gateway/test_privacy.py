"""Erasures and exports on virtual time: whose rows go, what stays in their place, and through crashes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.consent_record import ConsentRecord
from actors.event import Consent, CustomData, Event, UserData
from actors.identity import email_digests, phone_digests
from actors.routes import Route, Set
from actors.runtime import KINDS
from actors.visitor import Visitor
from actors.work import Settlement, dropped, work_of
from gateway import privacy
from gateway.identifiers import Identifier, Unfit, identifier
from gateway.privacy import Ask, PrivacyJob
from store import keys, replays
from store.env import NAMES
from store.outbox import Due
from store.records import DEAD, DELIVERY, EVENT, ReplayRow
from store.writer import WriteTxn
from tests.conftest import MEMORY
from tests.support.making import event, purchase, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock


class Raising(Visitor):
    """No turn of it ends well."""

    def receive(self, message: Any, turn: Any) -> None:
        raise ValueError


class Somebody:
    """A person with identifiers of their own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.mail = f"person{number}@example.org"
        self.email = email_digests(self.mail)
        self.phone = phone_digests(f"+49151123456{number:02}", None)
        self.customer = f"customer-{number}-7001"
        self.visitor = f"{number:02}" + "ab" * 15
        self.order = f"order-{number}-6123"

    def browse(self, event_id: str, **changes: Any) -> Event:
        return event(event_id, user_data=UserData(anonymous_id=self.visitor, fbp=f"fb.1.{self.number}.9"), **changes)

    def log_in(self, event_id: str, visitor: str | None = None) -> Event:
        user = UserData(anonymous_id=visitor or self.visitor, email=self.email, external_id=self.customer)
        return event(event_id, "login", user_data=user)

    def buy(self, event_id: str) -> tuple[Event, Event]:
        """The pixel's event and the webhook's."""
        data = CustomData(order_id=self.order, currency="EUR", properties={"note": f"for {self.customer}"})
        event_id = f"{event_id}-{self.order}"
        pixel = purchase(event_id, custom_data=data, user_data=UserData(anonymous_id=self.visitor))
        hook = purchase(
            f"{event_id}-hook", "shopify_webhook", custom_data=data,
            user_data=UserData(email=self.email, phone=self.phone, external_id=self.customer),
        )  # fmt: skip
        return pixel, hook

    def traces(self) -> list[bytes]:
        """Texts and keys that no row may hold once this person is erased."""
        assert self.email is not None
        assert self.phone is not None
        forms = [*msgspec.to_builtins(self.email).values(), *msgspec.to_builtins(self.phone).values()]
        texts = [*forms, self.customer, self.visitor, self.order, self.mail]
        digests = [keys.digest16("shop", one) for one in (self.visitor, self.order)]
        return [text.encode() for text in texts] + digests + [keys.digest16(f"shop\x1f{self.visitor}")]


ANNA, BERT = Somebody(1), Somebody(2)


def who(text: str) -> Identifier:
    found = identifier(text)
    assert isinstance(found, Identifier)
    return found


def left_of(world: World, somebody: Somebody) -> list[tuple[str, bytes]]:
    """Every live row that holds a trace of the person, of whatever database."""
    return [
        (name, trace)
        for name in NAMES
        for key, raw in world.rows(name)
        for trace in somebody.traces()
        if trace in key or trace in raw
    ]


def rows_of(world: World, somebody: Somebody) -> list[tuple[str, bytes, bytes]]:
    return [
        (name, key, raw)
        for name in NAMES
        if name != "depth"
        for key, raw in world.rows(name)
        if any(trace in key or trace in raw for trace in somebody.traces())
    ]


async def ask(world: World, text: str, kind: Any = "erase") -> PrivacyJob:
    wanted = Ask(kind=kind, site="shop", given=(who(text),), asked_by="a test")
    return await privacy.start(world.store, world.writer, wanted, world.clock.now_ms())


async def erased(world: World, text: str, seconds: float = 3) -> PrivacyJob:
    job = await ask(world, text)
    assert await world.run_for(seconds)
    found = privacy.get(world.store, job.id)
    assert found is not None
    return found


def make(make_world: MakeWorld, **senders: FakeSender) -> World:
    names = senders or {"one": FakeSender()}
    shop = site(*(Single(id=name) for name in names), purchase_hold_ms=100)
    return make_world(snapshot(shop), dict(names), has_privacy=True)


async def lived(world: World) -> None:
    """Both have browsed, logged in and bought."""
    for one in (ANNA, BERT):
        number = one.number
        world.take(one.browse(f"b{number}"), one.log_in(f"l{number}"), *one.buy(f"p{number}"))
        assert await world.run_for(1)


GIVEN = [f"email:{ANNA.mail}", ANNA.customer and f"external_id:{ANNA.customer}", f"visitor:{ANNA.visitor}",
         f"order:{ANNA.order}", "phone:+4915112345601"]  # fmt: skip


@pytest.mark.parametrize("text", GIVEN)
async def test_by_any_identifier_nothing_of_the_person_is_left_in_any_row(
    make_world: MakeWorld, autojump_clock: Clock, text: str
) -> None:
    world = make(make_world)
    await lived(world)
    before = rows_of(world, BERT)
    job = await erased(world, text)
    assert (job.state, left_of(world, ANNA)) == ("done", [])
    assert rows_of(world, BERT) == before
    assert world.check().problems == ()


async def test_what_a_route_made_of_the_persons_events_goes_with_them(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    copied = Set(
        path="custom_data.who", expression="has(event.user_data.external_id) ? event.user_data.external_id : ''"
    )
    sender = FakeSender(play=lambda _: "pause")
    routes = tuple(Route(id=f"to-{one}", destination=one, transform=(copied,)) for one in ("one", "two"))
    shop = site(Single(id="one"), Single(id="two"), purchase_hold_ms=100, routes=routes)
    world = make_world(snapshot(shop), {"one": sender, "two": FakeSender()}, has_privacy=True)
    await lived(world)
    assert any(name == "delivery" for name, _ in left_of(world, ANNA))
    before = rows_of(world, BERT)
    job = await erased(world, f"email:{ANNA.mail}")
    assert (job.state, left_of(world, ANNA), rows_of(world, BERT)) == ("done", [], before)


async def test_a_queued_and_a_failed_delivery_are_cancelled_and_never_sent(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    sender, dead = FakeSender(play=lambda _: "pause"), FakeSender(play=lambda _: "retry")
    world = make(make_world, one=sender, two=dead)
    await lived(world)
    job = await erased(world, f"email:{ANNA.mail}")
    sender.play = dead.play = lambda _: "ok"
    sender.sent.clear()
    dead.sent.clear()
    world.restart()
    assert await world.run_for(1_000)
    assert job.counts["cancelled"] == 6
    assert {one for sent in (*sender.sent, *dead.sent) for one in sent.ids} == {"b2", "l2", f"p2-{BERT.order}"}
    rows = [DELIVERY.decode(raw) for _, raw in world.rows("delivery")]
    assert [row.reason for row in rows if row.status == "dropped"] == ["erased"] * 6
    assert world.check().problems == ()


async def test_what_the_dispatcher_has_in_hand_is_recalled(make_world: MakeWorld, autojump_clock: Clock) -> None:
    sender = FakeSender(delay_s=5)
    world = make(make_world, one=sender)
    async with world.running():
        world.take(*(ANNA.browse(f"b{number}") for number in range(40)))
        await trio.sleep(1)
        await ask(world, f"visitor:{ANNA.visitor}")
        await trio.sleep(400)
    statuses = [DELIVERY.decode(raw) for _, raw in world.rows("delivery")]
    assert len(sender.ids()) == sum(row.status == "delivered" for row in statuses) < 40
    assert {row.reason for row in statuses if row.status == "dropped"} == {"erased"}
    assert (left_of(world, ANNA), world.check().problems) == ([], ())


def test_an_attempt_that_ends_after_the_erasure_writes_nothing(make_world: MakeWorld) -> None:
    world = make(make_world)
    due = Due(
        outbox_key=keys.outbox(keys.destination("shop", "one"), 0, 1, 0, 1), lane=0, due_ms=1, event_key=bytes(29),
        event=None, body=None, delivery=None, received_at_ms=1,
    )  # fmt: skip
    gone = dropped(work_of(due, "shop"), "one", "platform_refused", "no", 1)
    write = Settlement("shop")
    world.writer.submit(write.of([gone]))
    assert (write.gone, world.rows("delivery"), world.rows("books"), world.rows("depth")) == ([gone], [], [], [])


async def test_a_warm_actor_does_not_write_the_person_back(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    async with world.running():
        world.take(ANNA.browse("b1"), ANNA.log_in("l1"))
        await trio.sleep(1)
        await ask(world, f"email:{ANNA.mail}")
        await trio.sleep(3)
        world.take(ANNA.browse("b2"))
        await trio.sleep(1)
    [state] = [raw for key, raw in world.rows("state") if key[0] == 1]
    assert ANNA.email is not None
    assert ANNA.email.sha256.encode() not in state
    assert ANNA.customer.encode() not in state


async def test_a_late_copy_of_an_erased_purchase_is_still_a_copy(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    await lived(world)
    await erased(world, f"order:{ANNA.order}")
    world.senders["one"].sent.clear()
    world.take(ANNA.buy("late")[1])
    assert await world.run_for(2)
    assert (world.senders["one"].ids(), world.check().problems) == ([], ())


async def test_a_shared_device_keeps_the_other_person(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    world.take(ANNA.log_in("l1"), BERT.log_in("l2", visitor=ANNA.visitor), BERT.browse("b2"))
    assert await world.run_for(1)
    await erased(world, f"email:{ANNA.mail}")
    kept = {row.event_id for row in world.events().values()}
    assert kept == {"", "l2", "b2"}
    [state] = [raw for key, raw in world.rows("state") if key == keys.state(1, f"shop\x1f{ANNA.visitor}")]
    assert (ANNA.customer.encode() in state, BERT.customer.encode() in state) == (False, True)


async def test_the_books_keep_what_was_erased_as_a_number(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    await lived(world)
    before = [raw for _, raw in world.rows("books")]
    await erased(world, f"email:{ANNA.mail}")
    assert [raw for _, raw in world.rows("books")] == before
    blank = [EVENT.decode(raw) for _, raw in world.rows("event")]
    assert sum(row.erased_at_ms > 0 for row in blank) == 4


async def test_a_purchase_that_waits_for_its_twin_is_erased_after_it(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    shop = site(Single(id="one"), purchase_hold_ms=5_000)
    world = make_world(snapshot(shop), {"one": FakeSender()}, has_privacy=True)
    world.take(ANNA.buy("p1")[0])
    assert await world.run_for(1)
    job = await erased(world, f"visitor:{ANNA.visitor}", seconds=20)
    assert (job.state, left_of(world, ANNA), world.check().problems) == ("done", [], ())


STEPS = st.lists(
    st.tuples(st.sampled_from((ANNA, BERT)), st.sampled_from(("browse", "log_in", "buy", "again"))), max_size=8
)


@given(steps=STEPS, text=st.sampled_from(GIVEN), told=st.sampled_from(("ok", "retry", "pause", "drop")),
       crash=st.none() | st.integers(0, 8), is_after=st.booleans())  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_whatever_was_mixed_one_person_goes_and_the_other_stays(
    steps: list[tuple[Somebody, str]], text: str, told: str, crash: int | None, is_after: bool
) -> None:
    async def run(folder: str) -> None:
        def make_world(*arguments: Any, **settings: Any) -> World:
            return World(Path(folder) / "store", *arguments, **settings)

        world = make(make_world, one=FakeSender(play=lambda _: told))
        world.take(ANNA.log_in("first"), *ANNA.buy("bought"))
        for number, (one, what) in enumerate(steps):
            made = one.buy(f"p{one.number}") if what == "again" else getattr(one, what)(f"e{number}")
            world.take(*(made if isinstance(made, tuple) else (made,)))
        assert await world.run_for(1)
        before = rows_of(world, BERT)
        job = await ask(world, text)
        if crash is not None:
            world.writer.crash_at(crash, is_after_commit=is_after)
            await world.run_for(2, "nobody")
            world.restart()
        assert await world.run_for(3, "nobody")
        found = privacy.get(world.store, job.id)
        assert found is not None
        assert (found.state, left_of(world, ANNA), world.check().problems) == ("done", [], ())
        assert rows_of(world, BERT) == before
        world.close()

    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        trio.run(run, folder, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_an_example_that_a_replay_job_kept_is_forgotten(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    await lived(world)
    row = ReplayRow(
        number=0, site="shop", destination="one", since_ms=0, until_ms=1, statuses=("dropped",),
        examples={"too_old": "l1", "past_window": "l2"},
    )  # fmt: skip
    await world.writer.submit(replays.Start(row)).wait()
    await erased(world, f"email:{ANNA.mail}")
    kept = replays.get(world.store, 1)
    assert kept is not None
    assert kept.examples == {"past_window": "l2"}


async def test_a_receipt_that_was_changed_shows_and_so_does_one_that_was_removed(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make(make_world)
    await lived(world)
    await erased(world, f"email:{ANNA.mail}")
    await erased(world, f"email:{BERT.mail}")
    assert [one is not None and one.is_true for one in privacy.receipts_of(world.store)] == [True, True]
    [one] = privacy.receipts_of(world.store, who(f"email:{BERT.mail}"))
    assert one is not None
    assert one.number == 2
    first = dict(world.rows("privacy"))[keys.receipt(1)]

    def remove(write: WriteTxn) -> None:
        write.delete("privacy", keys.receipt(1))

    await world.writer.submit(remove).wait()
    assert [one is not None and one.is_true for one in privacy.receipts_of(world.store)] == [False]
    assert world.check().problems == ("receipt 2: it is not as it was written",)
    await world.writer.submit(lambda write: write.put("privacy", keys.receipt(1), first)).wait()


async def test_a_dead_letter_keeps_nothing_of_the_person(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(snapshot(site()), kinds={**KINDS, "visitor": Raising}, has_privacy=True)
    world.take(ANNA.log_in("l1"), BERT.log_in("l2"))
    assert await world.run_for(1)
    await erased(world, f"email:{ANNA.mail}")
    letters = [DEAD.decode(raw) for _, raw in world.rows("dead")]
    assert sorted(bool(letter.body) for letter in letters) == [False, True]
    assert (left_of(world, ANNA), world.check().problems) == ([], ())


async def test_a_row_set_aside_that_holds_the_person_is_deleted(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    await world.writer.submit(
        lambda write: write.set_aside("state", b"\x01" + bytes(16), ANNA.customer.encode(), 1)
    ).wait()
    await erased(world, f"external_id:{ANNA.customer}")
    assert world.rows("quarantine") == []


async def test_what_arrives_after_the_asking_is_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make(make_world)
    await lived(world)
    await erased(world, f"email:{ANNA.mail}")
    world.take(ANNA.log_in("later"))
    assert await world.run_for(1)
    assert "later" in {row.event_id for row in world.events().values()}


@pytest.mark.parametrize(
    ("text", "words"),
    [("jane", "says not what it is"), ("email:jane", "no email"), ("phone:0151", "with its country"),
     ("digest:12", "64 hexadecimal"), ("order:", "no value"), ("visitor:null", "nobody's")],
)  # fmt: skip
def test_what_is_no_identifier_is_told_without_being_repeated(text: str, words: str) -> None:
    found = identifier(text)
    assert isinstance(found, Unfit)
    assert words in found.message
    assert "jane" not in found.message


async def test_what_waits_for_a_choice_ends_with_its_person_and_what_came_later_waits_on(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(snapshot(site(Single(id="one"), consent_default="denied")), has_privacy=True)
    world.take(ANNA.browse("a"), ANNA.log_in("b"), ANNA.browse("c", consent=Consent(analytics="granted")))
    await world.settle()
    await ask(world, ANNA.mail)
    await trio.sleep(1)
    world.take(ANNA.browse("later"))
    await world.settle()
    assert await world.run_for(5)
    with world.store.read() as txn, txn.cursor(db=world.store.dbs["event"]) as cursor:
        rows = [EVENT.decode(bytes(raw)) for _, raw in cursor]
    held = [reason for row in rows if row.event_id != "later" for reason in row.not_routed.values()]
    assert held == ["erased"] * 3
    assert world.events()["later"].not_routed == {"one": "held"}
    assert await world.run_for(3_600)
    assert world.events()["later"].not_routed == {"one": "consent_unknown"}
    assert [key for key, _ in world.rows("state") if key[0] == ConsentRecord.number] == []
    assert world.check().problems == ()
