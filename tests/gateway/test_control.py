"""The stored configuration: connecting, changing, pausing, and what is in force of it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.destinations.base import Destination
from actors.destinations.meta import Meta
from gateway.errors import AlreadyThere, DeclaredInFile, NotFound, SettingsError, VersionConflict
from store import keys, stored_config
from tests.gateway.controlling import ENV, FILE, META, TOKEN, Controlled


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    found = Controlled(tmp_path)
    yield found
    found.store.close()


def in_force(world: Controlled) -> dict[tuple[str, str], Any]:
    return {(site.id, one.id): one for site in world.composed().config.sites for one in site.destinations}


async def test_what_is_connected_is_in_force_beside_the_file_s(world: Controlled) -> None:
    view = await world.control.connect("shop", META)
    found = in_force(world)
    assert list(found) == [("shop", "ga4-file"), ("shop", "meta")]
    assert isinstance(found["shop", "meta"], Meta)
    assert found["shop", "meta"].access_token.reveal() == TOKEN
    assert (view.origin, view.version, world.control.version()) == ("store", 1, 1)


async def test_a_secret_is_shown_nowhere_and_lies_nowhere_in_plain(world: Controlled) -> None:
    await world.control.connect("shop", META)
    await world.control.connect("outlet", {
        "type": "webhook", "url": "https://hooks.example.com/x", "secret": "whsec_" + "A" * 44,
        "headers": {"Authorization": "Bearer hush-hush-hush"},
    })  # fmt: skip
    shown = repr(world.control.destinations()) + repr(stored_config.history(world.store))
    for secret in (TOKEN, "A" * 44, "hush-hush-hush", "abcdefgh"):
        assert secret not in shown
        assert secret.encode() not in world.on_disk()
    headers = next(one.settings["headers"] for one in world.control.destinations() if one.type == "webhook")
    assert headers == {"Authorization": "***"}


async def test_each_fault_names_its_setting_and_nothing_is_stored(world: Controlled) -> None:
    with pytest.raises(SettingsError) as caught:
        await world.control.connect("shop", {**META, "pixel_id": "12x", "pixel": "1", "access_token": 7})
    assert [field for field, _ in caught.value.fields] == ["pixel", "access_token"]
    with pytest.raises(SettingsError) as caught:
        await world.control.connect("shop", {**META, "pixel_id": "12x", "concurrency": 99})
    assert [field for field, _ in caught.value.fields] == ["concurrency", "pixel_id"]
    assert world.control.version() == 0


@pytest.mark.parametrize("where", [{"env": "HOME"}, {"file": "/etc/passwd"}])
async def test_what_is_stored_names_no_variable_and_no_file(world: Controlled, where: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="give the value itself"):
        await world.control.connect("shop", {**META, "access_token": where})


async def test_a_fault_of_a_secret_asks_for_its_text(world: Controlled) -> None:
    for value, told in ((7, "is no secret; give its text"), ("", "is empty; give its text")):
        with pytest.raises(SettingsError) as caught:
            await world.control.connect("shop", {**META, "access_token": value})
        assert caught.value.fields == (("access_token", told),)
    with pytest.raises(SettingsError, match="access_token: is missing; give its text"):
        await world.control.connect("shop", {"type": "meta", "pixel_id": "1"})


async def test_a_key_file_is_made_with_the_first_secret_and_not_before(world: Controlled) -> None:
    key_file = world.folder / "data" / "secret.key"
    await world.control.connect(
        "shop", {"type": "taboola", "account_id": "12345", "conversions": {"purchase_placed": "p"}}
    )
    assert not key_file.exists()
    await world.control.connect("shop", META)
    assert key_file.stat().st_mode & 0o777 == 0o600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
settings_given = st.dictionaries(
    st.sampled_from(["type", "id", "pixel_id", "access_token", "events", "headers", "url", "secret", "rate", "paused"]),
    json_values | st.sampled_from(["meta", "webhook", "klaviyo", {"env": "HOME"}]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(settings_given, st.sampled_from(["meta", "webhook", "google_ads"]))
def test_whatever_is_given_is_a_destination_or_refused(world: Controlled, table: dict[str, Any], platform: str) -> None:
    with suppress(SettingsError):
        assert isinstance(world.control.read("shop", {"type": platform, **table}), Destination)


async def test_what_is_nested_too_deeply_or_too_large_is_refused(world: Controlled) -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    for value, told in ((deep, "nested deeper"), ("x" * 70_000, "more than 65536 bytes"), ("\udcff", "no UTF-8")):
        with pytest.raises(SettingsError, match=told):
            await world.control.connect("shop", {**META, "events": value})
    with pytest.raises(SettingsError, match="id: is no text"):
        await world.control.connect("shop", {**META, "id": 5})


async def test_ids_count_up_where_none_is_given(world: Controlled) -> None:
    table = {name: value for name, value in META.items() if name != "id"}
    assert [(await world.control.connect("shop", table)).id for _ in range(3)] == ["meta", "meta-2", "meta-3"]
    assert world.control.history()[0].change == "connect shop/meta-3"


async def test_a_second_of_one_id_is_refused_and_replaced_only_on_demand(world: Controlled) -> None:
    await world.control.connect("shop", META)
    with pytest.raises(AlreadyThere):
        await world.control.connect("shop", META)
    view = await world.control.connect("shop", {**META, "pixel_id": "99"}, replace=True)
    assert view.settings["pixel_id"] == "99"


async def test_the_file_s_are_read_only_here(world: Controlled) -> None:
    for change in (
        world.control.change("shop", "ga4-file", {"measurement_id": "G-X"}),
        world.control.disconnect("shop", "ga4-file"),
        world.control.set_secret("shop", "ga4-file", "api_secret", "x"),
        world.control.connect("shop", {**META, "id": "ga4-file"}, replace=True),
    ):
        with pytest.raises(DeclaredInFile, match=r"config\.toml; change it there"):
            await change


async def test_no_such_site_or_destination_is_told(world: Controlled) -> None:
    with pytest.raises(NotFound, match="there are: shop, outlet"):
        await world.control.connect("shpo", META)
    with pytest.raises(NotFound):
        await world.control.change("shop", "nothing", {})


async def test_a_change_keeps_what_it_does_not_name_and_none_is_the_default(world: Controlled) -> None:
    await world.control.connect("shop", {**META, "test_event_code": "TEST1"})
    await world.control.change("shop", "meta", {"pixel_id": "55", "test_event_code": None})
    found = in_force(world)["shop", "meta"]
    assert (found.pixel_id, found.test_event_code, found.access_token.reveal()) == ("55", None, TOKEN)
    with pytest.raises(SettingsError, match="cannot be changed"):
        await world.control.change("shop", "meta", {"type": "ga4"})


async def test_a_change_from_an_older_version_is_refused(world: Controlled) -> None:
    first = await world.control.connect("shop", META)
    second = await world.control.change("shop", "meta", {"pixel_id": "55"}, expected_version=first.version)
    with pytest.raises(VersionConflict, match=f"has version {second.version}"):
        await world.control.change("shop", "meta", {"pixel_id": "66"}, expected_version=first.version)
    await world.control.connect("outlet", META)
    await world.control.change("shop", "meta", {"pixel_id": "77"}, expected_version=second.version)
    await world.control.disconnect("shop", "meta", expected_version=world.control.version())


async def test_changes_of_two_processes_come_one_after_the_other(world: Controlled) -> None:
    other = world.another()
    await world.control.connect("shop", META)
    await other.connect("outlet", META)
    assert [(one.site, one.id) for one in world.control.destinations()] == [
        ("shop", "ga4-file"), ("shop", "meta"), ("outlet", "meta"),
    ]  # fmt: skip


async def test_the_file_s_and_the_store_s_are_paused_and_resumed(world: Controlled) -> None:
    await world.control.connect("shop", META)
    for id in ("meta", "ga4-file"):
        assert (await world.control.pause("shop", id)).is_paused
        assert in_force(world)["shop", id].paused
        assert not (await world.control.resume("shop", id)).is_paused
        assert not in_force(world)["shop", id].paused


async def test_a_new_secret_takes_the_place_of_the_old_one(world: Controlled) -> None:
    await world.control.connect("shop", META)
    await world.control.set_secret("shop", "meta", "access_token", "EAAnew0123456789")
    assert in_force(world)["shop", "meta"].access_token.reveal() == "EAAnew0123456789"
    with pytest.raises(SettingsError, match="is no secret of meta; give one of access_token"):
        await world.control.set_secret("shop", "meta", "pixel_id", "5")


async def test_one_header_is_changed_by_its_name(world: Controlled) -> None:
    await world.control.connect("shop", {
        "type": "webhook", "url": "https://hooks.example.com/x", "secret": "whsec_" + "A" * 44,
        "headers": {"Authorization": "Bearer a", "X-Other": "b"},
    })  # fmt: skip
    await world.control.set_secret("shop", "webhook", "headers.Authorization", "Bearer c")
    headers = in_force(world)["shop", "webhook"].headers
    assert {name: one.reveal() for name, one in headers.items()} == {"Authorization": "Bearer c", "X-Other": "b"}


async def test_the_file_wins_where_both_have_an_id_and_that_is_told(world: Controlled) -> None:
    await world.control.connect("outlet", META)
    block = '\n[[sites.destinations]]\nid = "meta"\ntype = "meta"\npixel_id = "42"\naccess_token = "file-token"\n'
    world.path.write_text(FILE + block)
    composed = world.composed()
    assert in_force(world)["outlet", "meta"].pixel_id == "42"
    assert (len(composed.notes), composed.faults, composed.config.held) == (1, (), ())
    await world.control.disconnect("outlet", "meta")
    assert world.composed().notes == ()


async def test_a_destination_without_its_site_is_left_out_and_held(world: Controlled) -> None:
    await world.control.connect("outlet", META)
    world.path.write_text(FILE.replace('id = "outlet"', 'id = "other"'))
    composed = world.composed()
    assert composed.faults == ("outlet/meta: there is no site 'outlet'; declare it, or gateway disconnect outlet/meta",)
    assert composed.config.held == (("outlet", "meta"),)
    await world.control.disconnect("outlet", "meta")
    assert world.composed().faults == ()


async def test_a_secret_that_no_key_opens_pauses_its_destination_alone(world: Controlled) -> None:
    await world.control.connect("shop", META)
    (world.folder / "data" / "secret.key").unlink()
    composed = world.composed()
    assert composed.faults[0].startswith("shop/meta.access_token: no key opens it")
    assert in_force(world)["shop", "meta"].paused
    other = world.another()
    await other.set_secret("shop", "meta", "access_token", TOKEN)
    assert world.composed().faults == ()


async def test_a_terminal_without_the_file_s_secrets_can_look_and_connect(world: Controlled) -> None:
    world.env.clear()
    await world.control.connect("shop", META)
    file, stored = world.control.destinations()[:2]
    assert (file.settings["api_secret"], file.settings["measurement_id"]) == ({"env": "FILE_SECRET"}, "G-FILE")
    assert stored.settings["access_token"] == "***"


async def test_the_last_hundred_versions_are_kept(world: Controlled) -> None:
    await world.control.connect("shop", META)
    for _ in range(stored_config.KEPT + 5):
        await world.control.pause("shop", "meta")
    versions = [one.version for one in stored_config.history(world.store)]
    assert versions == list(range(stored_config.KEPT + 6, 6, -1))


async def test_a_version_that_cannot_be_read_is_passed_over_and_set_aside_by_the_next(world: Controlled) -> None:
    await world.control.connect("shop", META)
    await world.control.pause("shop", "meta")
    with world.store.env.begin(write=True) as txn:
        txn.put(keys.stored_config(2), b"damaged", db=world.store.dbs["config"])
    assert (stored_config.latest(world.store).unreadable, world.control.version()) == (1, 2)
    assert (await world.control.pause("shop", "meta")).version == 3
    assert stored_config.latest(world.store).unreadable == 0
    with world.store.read() as txn:
        assert txn.stat(world.store.dbs["quarantine"])["entries"] == 1


def test_the_fixture_s_file_is_right(world: Controlled) -> None:
    assert world.composed().faults == ()
    assert world.env == ENV
