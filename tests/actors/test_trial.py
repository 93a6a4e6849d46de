"""A dry run of an event tells what then happens to it, and leaves no trace."""

from collections.abc import Callable

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.event import EmailDigests, Event, UserData
from actors.routes import DropIf, Remove, Route, Sample
from actors.trial import Failed, Tried, try_again, try_event
from store import ledger
from store.env import NAMES
from store.records import EventRow
from tests.support.making import VISITOR, consent, event, purchase, site, snapshot
from tests.support.platform import Batching, Single
from tests.support.world import World

MakeWorld = Callable[..., World]
BOTH = snapshot(site(Single(id="one"), Batching(id="many", consent=("marketing",)), consent_default="denied"))
KNOWN = UserData(anonymous_id=VISITOR)
# What of a row depends on where the log put the event and when it was looked at, and on nothing that decides.
APART = {"shard": 0, "sequence": 0, "session_id": None, "identity": ""}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(BOTH)


def tried(world: World, one: Event) -> EventRow:
    found = try_event(world.store, world.snapshot, one, world.clock.now_ms())
    assert isinstance(found, Tried)
    assert found.row is not None
    return msgspec.structs.replace(found.row, **APART)


async def lived(world: World, one: Event) -> EventRow:
    """What happens to it, its hold over."""
    world.submit(one)
    await world.settle()
    await trio.sleep(60)
    await world.settle()
    return msgspec.structs.replace(world.events()[one.event_id], **APART)


async def test_an_event_goes_where_its_dry_run_said(world: World, autojump_clock: trio.testing.MockClock) -> None:
    one = event("a", consent=consent("granted"))
    told = tried(world, one)
    assert told.routed == ("one", "many")
    assert await lived(world, one) == told


async def test_what_the_visitor_stated_before_counts(world: World, autojump_clock: trio.testing.MockClock) -> None:
    one = event("b", user_data=KNOWN)
    assert tried(world, one).not_routed == {"one": "held", "many": "held"}
    await lived(world, event("a", user_data=KNOWN, consent=consent("granted")))
    told = tried(world, one)
    assert (told.routed, told.consent_from) == (("one", "many"), "visitor")
    assert await lived(world, one) == told


async def test_a_purchase_is_told_as_if_no_twin_came(world: World, autojump_clock: trio.testing.MockClock) -> None:
    one = purchase("p", consent=consent("granted"))
    told = tried(world, one)
    assert (told.status, told.routed) == ("processed", ("one", "many"))
    assert await lived(world, one) == told


async def test_a_copy_is_told_as_one(world: World, autojump_clock: trio.testing.MockClock) -> None:
    first = event("a")
    await lived(world, first)
    found = try_event(world.store, world.snapshot, first, world.clock.now_ms())
    assert isinstance(found, Tried)
    assert found.processing is None
    assert found.row is not None
    assert len(found.row.copies) == 1


async def test_an_event_of_the_ledger_is_routed_again(world: World, autojump_clock: trio.testing.MockClock) -> None:
    row = await lived(world, event("a", consent=consent("granted")))
    [found] = ledger.find_events(world.store, "shop", "a")
    assert found.body is not None
    less = snapshot(site(Single(id="one", events=("purchase_placed",)), Batching(id="many")))
    for given_snapshot, routed in ((BOTH, row.routed), (less, ("many",))):
        again = try_again(world.store, given_snapshot, found.row, found.body, world.clock.now_ms())
        assert isinstance(again, Tried)
        assert again.row is not None
        assert again.row.routed == routed


async def test_a_body_that_cannot_be_read_is_an_answer(world: World, autojump_clock: trio.testing.MockClock) -> None:
    row = await lived(world, event("a"))
    assert try_again(world.store, BOTH, row, b"\xc1", 0) == Failed("DecodeError")


async def test_a_dry_run_leaves_no_trace(world: World, autojump_clock: trio.testing.MockClock) -> None:
    await lived(world, event("a", user_data=KNOWN))
    before = {name: world.rows(name) for name in NAMES}
    told = list(world.observer.told)
    tried(world, event("b", user_data=KNOWN, consent=consent("denied")))
    tried(world, purchase("p"))
    assert {name: world.rows(name) for name in NAMES} == before
    assert world.observer.told == told


EMAILS = {"customer-1": EmailDigests(sha256="ab" * 32)}
FILTERS = ("", "event.custom_data.value > 5.0", "visitor.visits > 0", "event.nothing == 'x' || visitor.identified")
ROUTES = st.builds(
    lambda number, destination, text, rate, changes, names, enabled: Route(
        id=f"r-{number}",
        destination=destination,
        filter=text,
        order=number % 3,
        sample=Sample(rate=rate),
        transform=changes,
        events=names,
        enabled=enabled,
    ),
    st.integers(0, 99),
    st.sampled_from(["one", "many"]),
    st.sampled_from(FILTERS),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([(), (Remove(path="page"),), (DropIf(expression="event.event_name == 'page_viewed'"),)]),
    st.sampled_from([None, ("*",), ("page_viewed",)]),
    st.booleans(),
)
EVENTS = st.builds(
    lambda name, who, person, choice, source, number: event(
        f"e-{number}",
        name,
        source=source,
        consent=consent(choice),
        user_data=UserData(anonymous_id=who, external_id=person, email=EMAILS.get(person or "")),
    ),
    st.sampled_from(["page_viewed", "product_added_to_cart", "own_event", "identify"]),
    st.sampled_from([None, VISITOR, "f" * 32]),
    st.sampled_from([None, "customer-1", "customer-2"]),
    st.sampled_from([None, "granted", "denied"]),
    st.sampled_from(["browser", "server", "test"]),
    st.integers(0, 5),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=st.lists(EVENTS, min_size=1, max_size=6),
    routes=st.lists(ROUTES, max_size=4, unique_by=lambda one: one.id),
)
def test_a_dry_run_equals_what_then_happens(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], routes: list[Route]
) -> None:
    async def run() -> None:
        routed = msgspec.structs.replace(BOTH.sites["shop"], routes=tuple(routes))
        world = World(tmp_path_factory.mktemp("trial"), snapshot(routed))
        for one in events:
            told = tried(world, one)
            world.submit(one)
            await world.settle()
            found = ledger.find_events(world.store, "shop", one.event_id)
            _again(world, found[-1])
            rows = [msgspec.structs.replace(row.row, **APART) for row in found]
            assert [_decided(row) for row in rows if row.event_name == told.event_name][-1] == _decided(told)
        world.close()

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


def _again(world: World, found: ledger.Found) -> None:
    """What was processed is decided alike when it is routed again from the ledger."""
    if found.row.status == "processed" and found.body is not None:
        again = try_again(world.store, world.snapshot, found.row, found.body, 0)
        assert isinstance(again, Tried)
        assert again.row is not None
        assert again.row.decided == found.row.decided
        assert (again.row.routed, again.row.not_routed) == (found.row.routed, found.row.not_routed)


def _decided(row: EventRow) -> EventRow:
    """Copies name their place in the log."""
    return msgspec.structs.replace(row, copies=())
