"""Drafts, publishing, history, comparing and rolling back a site's routes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DeclaredInFile, NotFound, NothingChanged, SettingsError, VersionConflict
from gateway.routes_control import RoutesControl
from store import keys, stored_routes
from store.check import check
from store.routes_records import RoutesVersion
from store.writer import WriteTxn
from tests.gateway.controlling import FILE, META, Controlled

ALL = {"id": "all", "destination": "ga4-file"}
BIG = {"id": "big", "destination": "ga4-file", "filter": "event.custom_data.value > 100.0", "order": -1}
OUTLET = '[[sites]]\nid = "outlet"'
ROUTE = '[[sites.routes]]\nid = "all"\ndestination = "ga4-file"\n\n'
DECLARED = FILE.replace(OUTLET, ROUTE + OUTLET)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    found = Controlled(tmp_path)
    yield found
    assert check(found.store, 16).problems == ()
    found.store.close()


def routes_of(world: Controlled) -> RoutesControl:
    return RoutesControl(world.another())


async def published(world: Controlled, *routes: dict[str, Any], note: str = "") -> int:
    """Saves them and publishes; the version's number."""
    control = routes_of(world)
    await control.save("shop", list(routes), author="ann", revision=None)
    return (await control.publish("shop", author="ann", note=note)).version.version


async def test_a_site_begins_with_the_defaults_and_a_draft_that_is_as_them(world: Controlled) -> None:
    control = routes_of(world)
    live, draft = control.live("shop"), control.draft("shop")
    assert (live.version, live.origin, live.routes) == (0, "defaults", ())
    assert (draft.revision, draft.is_open, draft.changes) == (0, False, ())


async def test_a_draft_is_not_in_force_until_it_is_published(world: Controlled) -> None:
    control = routes_of(world)
    draft = await control.save("shop", [ALL, BIG], author="ann", revision=0)
    assert (draft.revision, draft.is_open, [one.route for one in draft.changes]) == (1, True, ["all", "big"])
    assert control.live("shop").routes == ()
    saved = await control.publish("shop", author="bob", note="big orders", revision=1)
    live = control.live("shop")
    assert (live.version, live.author, live.note, live.origin) == (saved.version.version, "bob", "big orders", "store")
    assert live.routes == (ALL, BIG)
    assert control.draft("shop").is_open is False


async def test_routes_and_connected_destinations_share_one_number(world: Controlled) -> None:
    await world.control.connect("shop", META)
    assert await published(world, ALL) == 2
    await world.control.pause("shop", "meta")
    assert await published(world, ALL, BIG) == 4
    assert [one.version for one in routes_of(world).history("shop")] == [4, 2]
    assert world.control.version() == 4


async def test_the_later_of_two_editors_is_refused_with_what_changed(world: Controlled) -> None:
    control = routes_of(world)
    await control.save("shop", [ALL], author="ann", revision=0)
    with pytest.raises(VersionConflict, match=r"by ann; it has revision 1(.|\n)*\+ route all"):
        await control.save("shop", [BIG], author="bob", revision=0)
    assert control.draft("shop").routes == (ALL,)
    await control.save("shop", [ALL, BIG], author="bob", revision=1)
    assert control.draft("shop").author == "bob"


async def test_a_publisher_who_saw_another_draft_is_refused(world: Controlled) -> None:
    control = routes_of(world)
    await control.save("shop", [ALL], author="ann", revision=0)
    await control.save("shop", [BIG], author="bob", revision=1)
    with pytest.raises(VersionConflict, match="- route all"):
        await control.publish("shop", author="ann", revision=1)
    assert control.live("shop").version == 0


async def test_a_draft_from_before_a_rollback_does_not_undo_it(world: Controlled) -> None:
    control = routes_of(world)
    first = await published(world, ALL)
    await published(world, BIG)
    await control.save("shop", [ALL, BIG], author="ann", revision=None)
    await control.rollback("shop", first, author="bob", note="orders were lost")
    with pytest.raises(VersionConflict, match="save the draft again"):
        await control.publish("shop", author="ann")
    await control.save("shop", [ALL, BIG], author="ann", revision=None)
    assert (await control.publish("shop", author="ann")).version.version == 4


async def test_a_rollback_is_a_new_version_with_the_old_content(world: Controlled) -> None:
    first = await published(world, ALL, note="one")
    await published(world, BIG, note="two")
    done = await routes_of(world).rollback("shop", first, author="bob", note="back")
    assert (done.version.version, done.version.of) == (3, first)
    told = [(one.version, one.note, one.is_live) for one in routes_of(world).history("shop")]
    assert told == [(3, "back", True), (2, "two", False), (1, "one", False)]
    assert routes_of(world).live("shop").routes == (ALL,)


async def test_what_is_live_already_is_no_new_version(world: Controlled) -> None:
    number = await published(world, ALL)
    with pytest.raises(NothingChanged):
        await routes_of(world).publish("shop", author="ann")
    with pytest.raises(NothingChanged):
        await routes_of(world).rollback("shop", number, author="ann")
    assert world.control.version() == number


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ({"id": "x", "destination": "nowhere"}, r"routes\[1\]\.destination: there is no destination 'nowhere'"),
        ({"id": "all", "destination": "ga4-file"}, r"routes\[1\]\.id: 'all' is the id of routes\[0\]"),
        ({"id": "x"}, r"routes\[1\]\.destination: is missing"),
        ({"id": "x", "destination": "ga4-file", "fliter": "true"}, r"routes\[1\]\.fliter: there is no such setting"),
        ({"id": "x", "destination": "ga4-file", "sample": {"rate": 2}}, r"routes\[1\]\.sample"),
        ({"id": "x", "destination": "ga4-file", "filter": {"env": "HOME"}}, r"routes\[1\]\.filter: names a variable"),
        (None, r"routes\[1\]: is no table"),
    ],
    ids=["destination", "id", "missing", "unknown", "range", "variable", "no table"],
)
async def test_a_fault_is_named_with_its_path_and_leaves_the_draft_as_it_was(
    world: Controlled, route: object, path: str
) -> None:
    control = routes_of(world)
    await control.save("shop", [BIG], author="ann", revision=0)
    with pytest.raises(SettingsError, match=path):
        await control.save("shop", [ALL, route], author="ann", revision=1)
    assert (control.draft("shop").revision, control.draft("shop").routes) == (1, (BIG,))


async def test_a_route_that_no_event_reaches_is_a_warning(world: Controlled) -> None:
    control = routes_of(world)
    draft = await control.save("shop", [ALL, {**BIG, "order": 5}], author="ann", revision=0)
    assert draft.warnings == (
        "routes[1]: route 'big' has no effect: 'all' comes before it and takes all that it would",
    )
    assert (await control.publish("shop", author="ann")).warnings == draft.warnings
    assert (await control.save("shop", [ALL, BIG], author="ann", revision=None)).warnings == ()


async def test_a_destination_that_is_gone_keeps_an_old_version_from_coming_back(world: Controlled) -> None:
    await world.control.connect("shop", META)
    number = await published(world, {"id": "m", "destination": "meta"})
    await published(world, ALL)
    await world.control.disconnect("shop", "meta")
    with pytest.raises(SettingsError, match="there is no destination 'meta'"):
        await routes_of(world).rollback("shop", number, author="ann")
    assert routes_of(world).live("shop").routes == (ALL,)


async def test_what_the_file_declares_is_changed_there_only(tmp_path: Path) -> None:
    world = Controlled(tmp_path, DECLARED)
    control = routes_of(world)
    assert (control.live("shop").origin, control.live("shop").routes) == ("file", (ALL,))
    for work in (
        control.save("shop", [BIG], author="ann", revision=0),
        control.publish("shop", author="ann"),
        control.rollback("shop", 1, author="ann"),
        control.discard("shop", author="ann", revision=0),
    ):
        with pytest.raises(DeclaredInFile, match=r"are declared by .*config\.toml; change them there"):
            await work
    assert control.live("outlet").origin == "defaults"
    world.store.close()


async def test_a_draft_can_be_thrown_away(world: Controlled) -> None:
    control = routes_of(world)
    await control.save("shop", [ALL], author="ann", revision=0)
    draft = await control.discard("shop", author="ann", revision=1)
    assert (draft.is_open, draft.revision, draft.routes) == (False, 2, ())


async def test_versions_are_compared_setting_by_setting(world: Controlled) -> None:
    await published(world, ALL)
    await published(world, {**ALL, "sample": {"rate": 0.5}})
    [change] = routes_of(world).compare("shop", "1", "live").changes
    assert (change.route, change.what) == ("all", "changed")
    assert [(one.path, one.before, one.after) for one in change.settings] == [("sample.rate", None, 0.5)]
    with pytest.raises(NotFound, match="no version 9 of its routes; there are: 2, 1"):
        routes_of(world).compare("shop", "9", "draft")


async def test_a_damaged_version_is_passed_over_and_set_aside(world: Controlled) -> None:
    await published(world, ALL)
    await published(world, BIG)
    with world.store.env.begin(write=True) as txn:
        txn.put(keys.routes_version("shop", 1), b"damaged", db=world.store.dbs["config"])
    assert [one.version for one in routes_of(world).history("shop")] == [2]
    await published(world, ALL, BIG)
    assert [one.number for one in stored_routes.history(world.store, "shop")] == [3, 2]


async def test_the_oldest_versions_go(world: Controlled) -> None:
    for number in range(1, stored_routes.KEPT + 4):
        row = RoutesVersion(site="shop", number=number, at_ms=0, author="ann", routes=b"[]")
        with world.store.env.begin(write=True) as txn:
            stored_routes.put_version(WriteTxn(world.store, txn), row)
    assert len(stored_routes.history(world.store, "shop")) == stored_routes.KEPT
    assert routes_of(world).history("shop")[0].version == stored_routes.KEPT + 3
