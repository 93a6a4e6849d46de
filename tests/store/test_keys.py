"""Keys sort as they must, come back as they were, and fit into LMDB; records notice every flipped bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import keys
from store.errors import Unreadable
from store.records import OUTBOX, STATE, OutboxRow, StateRow

u16, u48 = st.integers(0, 2**16 - 1), st.integers(0, 2**48)
text = st.text(max_size=200)
EVENT_KEY = bytes(range(29))


@given(one=st.tuples(u16, u48), other=st.tuples(u16, u48))
def test_messages_sort_by_shard_then_sequence(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (keys.log(*one) < keys.log(*other)) == (one < other)
    assert keys.read_log(keys.log(*one)) == one


@given(one=st.tuples(st.integers(0, 1), u48, u16, u48), other=st.tuples(st.integers(0, 1), u48, u16, u48))
def test_an_outbox_sorts_by_lane_due_time_and_arrival(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    destination = keys.destination("shop", "meta")
    assert (keys.outbox(destination, *one) < keys.outbox(destination, *other)) == (one < other)
    assert keys.read_outbox(keys.outbox(destination, *one)) == (destination, *one)
    assert keys.outbox(destination, *one).startswith(keys.outbox_lane(destination, one[0]))


@given(one=st.tuples(u48, text), other=st.tuples(u48, text))
def test_alarms_sort_by_due_time(one: tuple[int, str], other: tuple[int, str]) -> None:
    first, second = (keys.alarm(due_ms, keys.state(3, actor)) for due_ms, actor in (one, other))
    assert keys.read_alarm(first) == (one[0], keys.state(3, one[1]))
    if one[0] != other[0]:
        assert (first < second) == (one[0] < other[0])


@given(site=text, other=text, at_ms=u48, later_ms=st.integers(1, 2**40))
def test_a_sites_messages_sort_by_time_and_apart_from_other_sites(
    site: str, other: str, at_ms: int, later_ms: int
) -> None:
    key = keys.site_event(site, at_ms, 7, 9)
    assert keys.read_site_event(key) == (at_ms, 7, 9)
    assert keys.site_events_from(site, at_ms) <= key < keys.site_events_from(site, at_ms + later_ms)
    assert key.startswith(keys.digest8(other)) == (site == other)


@given(parts=st.lists(text, min_size=2, max_size=3), others=st.lists(text, min_size=2, max_size=3))
def test_parts_of_a_name_cannot_run_into_each_other(parts: list[str], others: list[str]) -> None:
    if "\x1f" not in "".join((*parts, *others)):
        assert (keys.digest16(*parts) == keys.digest16(*others)) == (parts == others)


@given(site=text, event_id=st.text(max_size=2_000), name=text)
def test_every_key_fits_however_long_the_names_are(site: str, event_id: str, name: str) -> None:
    event_key = keys.event(site, event_id, name)
    assert len(event_key) == keys.EVENT_KEY_BYTES
    assert event_key.startswith(keys.event_prefix(site, event_id))
    made = (
        keys.visitor_event(site, event_id, 1, event_key),
        keys.order_event(site, event_id, 1, event_key),
        keys.delivery(event_key, keys.destination(site, name)),
        keys.dedup(site, name, "order_id", event_id),
        keys.state(1, event_id),
        keys.verdict(site, event_id),
    )
    assert all(0 < len(key) <= 64 for key in made)


@given(site=st.sampled_from(["a", "b"]), at_ms=u48)
def test_the_books_are_keyed_by_site_hour_and_destination(site: str, at_ms: int) -> None:
    key = keys.books(site, at_ms, keys.destination(site, "x"))
    assert keys.read_books(key) == (keys.digest8(site), at_ms // keys.HOUR_MS, keys.destination(site, "x"))
    assert keys.books(site, at_ms) < key


@given(actor=text, shards=st.integers(1, 64))
def test_an_actor_belongs_to_one_shard(actor: str, shards: int) -> None:
    assert keys.shard_of(actor, shards) == keys.shard_of(actor, shards) < shards


@given(bit=st.integers(0), actor=text)
def test_a_flipped_bit_makes_a_record_unreadable(bit: int, actor: str) -> None:
    raw = bytearray(STATE.encode(StateRow(actor_key=actor, version=1, data=b"data", touched_at_ms=5)))
    bit %= len(raw) * 8
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unreadable):
        STATE.decode(bytes(raw))


@given(raw=st.binary(max_size=60))
def test_no_bytes_make_a_record_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        OUTBOX.decode(raw)


def test_a_record_of_another_version_is_named() -> None:
    raw = OUTBOX.encode(OutboxRow(EVENT_KEY))
    assert OUTBOX.decode(raw).event_key == EVENT_KEY
    with pytest.raises(Unreadable, match="version 2; this gateway reads 1"):
        OUTBOX.decode(b"\x02" + raw[1:])
