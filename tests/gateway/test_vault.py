"""Secrets at rest: each opens at its own place, with a key of the ring, unchanged; nowhere else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.key_ring import KeyRing
from gateway.sealing import Sealer
from gateway.vault import Vault

OLD, NEW = bytes(32), bytes(range(32))
PLACE = ("shop", "meta", "access_token")
names = st.text(max_size=20)


def vault(*keys: bytes) -> Vault:
    return Vault(lambda: KeyRing(keys))


def test_a_secret_opens_where_it_was_put() -> None:
    blob = vault(NEW).seal(*PLACE, b"hush")
    assert b"hush" not in blob
    assert vault(NEW).open(*PLACE, blob) == b"hush"
    assert repr(vault(NEW)) == "Vault(***)"


@settings(deadline=None)
@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_a_secret_opens_at_no_other_place(put: tuple[str, str, str], asked: tuple[str, str, str]) -> None:
    opened = vault(NEW).open(*asked, vault(NEW).seal(*put, b"hush"))
    assert opened == (b"hush" if put == asked else None)


@settings(deadline=None)
@given(st.data())
def test_a_changed_or_cut_secret_opens_nowhere(data: st.DataObject) -> None:
    blob = vault(NEW).seal(*PLACE, b"hush")
    at = data.draw(st.integers(0, len(blob) - 1))
    changed = blob[:at] + bytes([blob[at] ^ data.draw(st.integers(1, 255))]) + blob[at + 1 :]
    assert vault(NEW, OLD).open(*PLACE, changed) is None
    assert vault(NEW, OLD).open(*PLACE, blob[:at]) is None


def test_the_newest_key_seals_and_all_of_them_open() -> None:
    before = vault(OLD).seal(*PLACE, b"hush")
    assert vault(NEW, OLD).open(*PLACE, before) == b"hush"
    assert vault(NEW).open(*PLACE, before) is None
    assert vault(NEW).open(*PLACE, vault(NEW, OLD).seal(*PLACE, b"hush")) == b"hush"


def test_the_keys_of_secrets_and_of_events_are_apart() -> None:
    """A sealed event of a site cannot be passed off as a secret: the keys are derived for one use each."""
    blob = vault(NEW).seal("shop", "", "", b"\x80")
    assert Sealer(NEW, "shop").open(b"\x02" + blob[1:], "") is None
