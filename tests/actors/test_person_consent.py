"""One person at several visitors: what is said about consent at one counts at the others where these are silent."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.consent import ConsentRules
from actors.event import PURPOSES, Consent, ConsentNote, Event, Source
from actors.person_consent import Word, but, together
from actors.snapshot import Snapshot
from tests.actors.people import identities, seen, take
from tests.support.making import site, snapshot
from tests.support.platform import FakeSender, Single, failure
from tests.support.world import World

MakeWorld = Callable[..., World]
Clock = trio.testing.MockClock
CUSTOMER = "c-7001"
GRANTED, DENIED = Consent(marketing="granted"), Consent(marketing="denied")


def asking(default: Any = "denied") -> Snapshot:
    return snapshot(site(Single(id="ads"), consent_default=default, consent=ConsentRules()))


def fate(world: World, event_id: str) -> str:
    row = world.events()[event_id]
    return "routed" if "ads" in row.routed else row.not_routed["ads"]


def told(event_id: str, who: int | None = None, consent: Consent = Consent(), **fields: Any) -> Event:  # noqa: B008  frozen
    source: Source = "browser" if who is not None else "server"
    return msgspec.structs.replace(seen(event_id, who, source, **fields), consent=consent)


async def as_one_person(world: World, consent: Consent = Consent()) -> None:  # noqa: B008  frozen
    """Visitors 1 and 2 log in as one customer; what is said is said at visitor 1."""
    await take(world, told("in-1", 1, consent, external_id=CUSTOMER), told("in-2", 2, external_id=CUSTOMER))


@pytest.mark.parametrize(("said", "found"), [(GRANTED, "routed"), (DENIED, "consent_denied")])
async def test_what_a_person_said_on_one_device_fills_in_on_another(
    make_world: MakeWorld, autojump_clock: Clock, said: Consent, found: str
) -> None:
    world = make_world(asking())
    await as_one_person(world, said)
    await take(world, told("a", 2))
    row = world.events()["a"]
    assert (fate(world, "a"), row.consent_from, row.consent_version) == (found, "identity", 1)
    assert world.check().problems == ()


@pytest.mark.parametrize(("said", "found"), [(GRANTED, "routed"), (DENIED, "consent_denied")])
async def test_an_event_without_a_visitor_is_decided_on_what_its_person_said(
    make_world: MakeWorld, autojump_clock: Clock, said: Consent, found: str
) -> None:
    world = make_world(asking())
    await as_one_person(world, said)
    await take(world, told("renewal", external_id=CUSTOMER))
    assert fate(world, "renewal") == found


async def test_of_two_devices_the_stricter_counts_where_a_third_is_silent(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking())
    await as_one_person(world, GRANTED)
    await take(world, told("no", 2, DENIED), told("here", 1), told("third", 3, external_id=CUSTOMER))
    assert [fate(world, one) for one in ("here", "third")] == ["routed", "consent_denied"]


@pytest.mark.parametrize(("said", "found"), [(GRANTED, "routed"), (DENIED, "consent_denied")])
async def test_what_waits_on_one_device_is_decided_by_a_choice_on_another(
    make_world: MakeWorld, autojump_clock: Clock, said: Consent, found: str
) -> None:
    world = make_world(asking())
    await as_one_person(world)
    await take(world, told("a", 2))
    assert fate(world, "a") == "held"
    await take(world, told("choice", 1, said))
    assert fate(world, "a") == found
    assert world.check().problems == ()


async def test_what_waits_is_decided_when_its_visitor_turns_out_to_be_the_person(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking())
    await take(world, told("a", 2), told("yes", 1, GRANTED, external_id=CUSTOMER))
    assert fate(world, "a") == "held"
    await take(world, told("login", 2, external_id=CUSTOMER))
    assert [fate(world, one) for one in ("a", "login")] == ["routed", "routed"]


async def test_a_grant_on_another_device_releases_nothing_that_a_third_denies(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking())
    await as_one_person(world, DENIED)
    await take(world, told("third", 3), told("in-3", 3, external_id=CUSTOMER), told("yes", 2, GRANTED))
    assert fate(world, "third") == "consent_denied"


async def test_a_withdrawal_on_another_device_drops_at_once_what_waits_for_a_retry(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking(), {"ads": FakeSender(play=lambda _: failure())})
    await as_one_person(world, GRANTED)
    await take(world, told("a", 2))
    async with world.running():
        await trio.sleep(30)
        assert world.delivery("a", "ads").status == "failed"
        world.clock.jump_ms += 1_000
        world.take(told("no", 1, DENIED, name="consent"))
        await trio.sleep(0.5)
    found = world.delivery("a", "ads").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "consent_withdrawn")


async def test_what_was_queued_by_default_is_withdrawn_when_its_visitor_turns_out_to_be_one_who_denied(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking("granted"), {"ads": FakeSender(play=lambda _: failure())})
    await take(world, told("no", 1, DENIED, external_id=CUSTOMER), told("a", 2))
    async with world.running():
        await trio.sleep(30)
        world.take(told("login", 2, external_id=CUSTOMER))
        await trio.sleep(0.5)
    found = world.delivery("a", "ads").row
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "consent_withdrawn")


async def test_who_objects_on_one_device_is_denied_on_all_until_they_take_it_back(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking())
    await as_one_person(world)
    objecting = [msgspec.structs.replace(told(f"o{number}", 1), consent_note=ConsentNote(objects=objects))
                 for number, objects in enumerate((True, False))]  # fmt: skip
    await take(world, told("yes", 2, GRANTED), objecting[0], told("a", 2))
    assert fate(world, "a") == "consent_denied"
    await take(world, objecting[1], told("b", 2))
    assert fate(world, "b") == "routed"


async def test_of_a_person_who_refuses_all_nothing_new_is_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(asking())
    refusing = Consent(marketing="denied", analytics="denied")
    await take(world, told("no", 1, refusing), told("login", 1, Consent(analytics="granted"), external_id=CUSTOMER))
    await take(world, told("no2", 1, refusing))
    await take(world, told("a", 2, external_id=CUSTOMER, first_name="ada", email="ada@shop.example"))
    [state] = identities(world).values()
    assert fate(world, "a") == "consent_denied"
    assert not {"first_name", "email"} & state.values.keys()
    assert world.events()["a"].visitor_id is None


async def test_a_person_who_changed_their_mind_releases_nothing_that_happened_before(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(asking())
    await as_one_person(world, DENIED)
    then_ms = world.clock.now_ms()
    world.clock.jump_ms += 60_000
    await take(world, told("yes", 1, GRANTED), told("now", 2))
    world.take(msgspec.structs.replace(told("late", 2), occurred_at_ms=then_ms, received_at_ms=world.clock.now_ms()))
    await world.settle()
    assert [fate(world, one) for one in ("now", "late")] == ["routed", "consent_denied"]


async def test_a_shared_visitor_hears_of_no_person(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(asking())
    await as_one_person(world, GRANTED)
    await take(world, told("other", 2, external_id="c-9"), told("a", 2))
    assert fate(world, "a") in ("held", "consent_unknown")


CONSENTS = st.builds(Consent, **{name: st.sampled_from([None, "granted", "denied"]) for name in PURPOSES})
WORDS = st.dictionaries(st.sampled_from("abcd"), CONSENTS.map(lambda one: Word(consent=one)), max_size=4)


@given(WORDS)
def test_a_person_states_the_strictest_of_its_visitors_in_any_order(words: dict[str, Word]) -> None:
    whole = together(words.values())
    assert whole == together(reversed(words.values()))
    for purpose in PURPOSES:
        said = {getattr(word.consent, purpose) for word in words.values()} - {None}
        assert getattr(whole.consent, purpose) == ("denied" if "denied" in said else "granted" if said else None)
    assert but(words, "a") == together(word for name, word in words.items() if name != "a")
