"""A new secret key: everything opens at each point of the way, also after the older key has gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.destinations.meta import Meta
from actors.event import Plaintext
from gateway.key_mark import ring_beside, tell_key
from gateway.key_ring import BadSecretKey, FileKey, KeyRing, load_key_ring, read_key_file
from gateway.rotation import DAY_MS, KEPT_MS, new_key, still_needed
from gateway.sealing import Sealer
from store import stored_config
from store.writer import InlineWriter
from tests.gateway.controlling import META, TOKEN, Controlled

NOW_MS = 1_795_166_400_000
OLD, NEW = bytes(32), bytes(range(32))
PLAIN = Plaintext(email="jane@example.com")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    found = Controlled(tmp_path)
    yield found
    found.store.close()


def token(world: Controlled) -> str:
    found = next(one for one in world.composed().config.sites[0].destinations if one.id == "meta")
    assert isinstance(found, Meta)
    return found.access_token.reveal()


def key_file(world: Controlled) -> Path:
    return world.folder / "data" / "secret.key"


async def test_after_each_step_of_a_rotation_every_secret_opens(world: Controlled) -> None:
    await world.control.connect("shop", META)
    assert new_key(world.folder / "data", world.env, NOW_MS) == 2
    assert token(world) == TOKEN, "a crash here leaves the new key unused"
    await world.another().reseal()
    assert token(world) == TOKEN
    newest = read_key_file(key_file(world))[0].key
    key_file(world).write_text(newest.hex())
    assert token(world) == TOKEN, "the older key is not needed any more"


async def test_earlier_versions_are_sealed_anew_too(world: Controlled) -> None:
    await world.control.connect("shop", META)
    await world.control.pause("shop", "meta")
    new_key(world.folder / "data", world.env, NOW_MS)
    await world.another().reseal()
    newest = KeyRing([read_key_file(key_file(world))[0].key]).newest_id
    blobs = [blob for version in stored_config.history(world.store) for one in version.destinations
             for blob in one.sealed.values()]  # fmt: skip
    assert len(blobs) == 3
    assert all(newest in blob for blob in blobs)


def test_a_key_is_kept_until_nothing_can_be_sealed_with_it(world: Controlled) -> None:
    data_dir = world.folder / "data"
    for at_ms, kept in ((NOW_MS, 2), (NOW_MS + DAY_MS, 3), (NOW_MS + KEPT_MS + 1, 3), (NOW_MS + 3 * KEPT_MS, 2)):
        assert new_key(data_dir, {}, at_ms) == kept
    assert key_file(world).stat().st_mode & 0o777 == 0o600


def test_the_newest_key_and_the_one_before_it_are_always_needed() -> None:
    keys = [FileKey(NEW, NOW_MS), FileKey(OLD, 0), FileKey(OLD, 5)]
    assert still_needed(keys, NOW_MS) == keys


async def test_with_the_key_in_the_environment_the_new_one_is_the_operator_s(world: Controlled) -> None:
    data_dir = world.folder / "data"
    world.env["GATEWAY_SECRET_KEY"] = OLD.hex()
    await world.control.connect("shop", META)
    with pytest.raises(BadSecretKey, match="GATEWAY_SECRET_KEY_PREVIOUS"):
        new_key(data_dir, world.env, NOW_MS)
    world.env.update(GATEWAY_SECRET_KEY=NEW.hex(), GATEWAY_SECRET_KEY_PREVIOUS=OLD.hex())
    assert new_key(data_dir, world.env, NOW_MS) == 2
    await world.another().reseal()
    del world.env["GATEWAY_SECRET_KEY_PREVIOUS"]
    assert (token(world), key_file(world).exists()) == (TOKEN, False)


def test_what_an_older_key_sealed_opens_and_what_is_sealed_names_its_key() -> None:
    before = Sealer(OLD, "shop").seal(PLAIN, "e-1")
    both = Sealer(KeyRing([NEW, OLD]), "shop")
    assert both.open(before, "e-1") == PLAIN
    assert Sealer(NEW, "shop").open(both.seal(PLAIN, "e-1"), "e-1") == PLAIN
    assert Sealer(OLD, "shop").open(both.seal(PLAIN, "e-1"), "e-1") is None


def test_a_value_from_before_keys_had_ids_opens_with_any_key() -> None:
    sealed = Sealer(OLD, "shop").seal(PLAIN, "e-1")
    without_id = b"\x01" + sealed[9:]
    assert Sealer(KeyRing([NEW, OLD]), "shop").open(without_id, "e-1") == PLAIN
    assert Sealer(NEW, "shop").open(without_id, "e-1") is None


def test_a_process_that_has_not_heard_of_a_new_key_finds_it_in_the_file(tmp_path: Path) -> None:
    running = Sealer(load_key_ring(tmp_path, {}), "shop")
    new_key(tmp_path, {}, NOW_MS)
    sealed = Sealer(load_key_ring(tmp_path, {}), "shop").seal(PLAIN, "e-1")
    assert running.open(sealed, "e-1") == PLAIN


def test_an_empty_key_file_is_told(tmp_path: Path) -> None:
    load_key_ring(tmp_path, {})
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(BadSecretKey, match="holds no key"):
        load_key_ring(tmp_path, {})


async def test_a_command_without_the_gateway_s_key_seals_nothing(world: Controlled) -> None:
    data_dir = world.folder / "data"
    await tell_key(world.store, InlineWriter(world.store), data_dir, {"GATEWAY_SECRET_KEY": NEW.hex()})
    for env in ({}, {"GATEWAY_SECRET_KEY": OLD.hex()}):
        with pytest.raises(BadSecretKey, match="seals with another secret key"):
            ring_beside(world.store, data_dir, env)
    both = {"GATEWAY_SECRET_KEY": OLD.hex(), "GATEWAY_SECRET_KEY_PREVIOUS": f"{NEW.hex()}, {NEW.hex()}"}
    assert ring_beside(world.store, data_dir, both).newest == OLD
    assert not key_file(world).exists()
