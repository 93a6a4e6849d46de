"""Sealed plaintext and the gateway's secret key."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import Plaintext
from gateway.key_ring import KEY_VARIABLE, BadSecretKey, load_key_ring
from gateway.sealing import Sealer

KEY = bytes(range(32))
PLAIN = Plaintext(email="jane@example.com", phone="+4915112345678")


def test_what_was_sealed_opens_for_its_event() -> None:
    sealer = Sealer(KEY, "demo")
    blob = sealer.seal(PLAIN, "e-1")
    assert b"jane" not in blob
    assert sealer.open(blob, "e-1") == PLAIN
    assert Sealer(KEY, "demo").open(blob, "e-1") == PLAIN


def test_another_event_site_or_key_opens_nothing() -> None:
    blob = Sealer(KEY, "demo").seal(PLAIN, "e-1")
    assert Sealer(KEY, "demo").open(blob, "e-2") is None
    assert Sealer(KEY, "other").open(blob, "e-1") is None
    assert Sealer(KEY[::-1], "demo").open(blob, "e-1") is None


def test_a_merged_event_opens_with_the_id_of_the_copy_it_came_from() -> None:
    sealer = Sealer(KEY, "demo")
    assert sealer.open(sealer.seal(PLAIN, "webhook-copy"), "pixel-copy", "webhook-copy") == PLAIN


def test_the_same_values_are_sealed_differently_each_time() -> None:
    sealer = Sealer(KEY, "demo")
    assert sealer.seal(PLAIN, "e-1") != sealer.seal(PLAIN, "e-1")


@given(st.data())
def test_a_changed_or_cut_value_opens_nothing(data: st.DataObject) -> None:
    sealer = Sealer(KEY, "demo")
    blob = sealer.seal(PLAIN, "e-1")
    at = data.draw(st.integers(0, len(blob) - 1))
    changed = blob[:at] + bytes([blob[at] ^ data.draw(st.integers(1, 255))]) + blob[at + 1 :]
    assert sealer.open(changed, "e-1") is None
    assert sealer.open(blob[:at], "e-1") is None


@pytest.mark.parametrize(
    "text", [KEY.hex(), KEY.hex().upper(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode()[:-1]]
)
def test_the_key_is_taken_from_the_environment(tmp_path: Path, text: str) -> None:
    assert load_key_ring(tmp_path, {KEY_VARIABLE: f" {text}\n"}).newest == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["short", "0" * 63, "z" * 64, base64.b64encode(KEY[:31]).decode(), "ß" * 43])
def test_a_bad_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSecretKey, match="32 bytes") as caught:
        load_key_ring(tmp_path, {KEY_VARIABLE: text})
    assert text not in str(caught.value)


def test_without_one_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    first = load_key_ring(data_dir, {}).newest
    assert len(first) == 32
    assert load_key_ring(data_dir, {}).newest == first
    assert [(path.name, path.stat().st_mode & 0o777) for path in data_dir.iterdir()] == [("secret.key", 0o600)]


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_key_ring(tmp_path, {})
    os.chmod(tmp_path / "secret.key", 0o640)
    with pytest.raises(BadSecretKey, match="0600"):
        load_key_ring(tmp_path, {})


def test_a_sealer_shows_nothing_of_its_key() -> None:
    assert repr(Sealer(KEY, "demo")) == "Sealer(***)"
    with pytest.raises(BadSecretKey, match="give 32"):
        Sealer(b"short", "demo")
