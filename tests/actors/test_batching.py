"""How deliveries are grouped into requests, and how a refused group is taken apart."""

from collections.abc import Sequence
from math import ceil, log2

from hypothesis import given
from hypothesis import strategies as st

from actors.batching import LATE_S, OVERHEAD_BYTES, REPLAY_EVERY, Lots
from actors.destinations.base import Limits, Payload
from actors.work import Work
from store.outbox import Due
from store.records import EventRow

ROW = EventRow(
    site="shop", event_id="e", event_name="n", source="server", received_at_ms=1, shard=0, sequence=1,
    status="processed",
)  # fmt: skip


def work(number: int, envelope: bytes = b"", body: bytes = b"{}", lane: int = 0) -> Work:
    due = Due(
        outbox_key=number.to_bytes(8, "big"), lane=lane, due_ms=0, event_key=b"k", event=ROW, body=b"", delivery=None,
        received_at_ms=1,
    )  # fmt: skip
    return Work(due, ROW, Payload(body, envelope))


def number_of(one: Work) -> int:
    return int.from_bytes(one.due.outbox_key, "big")


def numbers(lot: Sequence[Work] | None) -> list[int]:
    return [number_of(one) for one in lot or []]


def lots(*works: Work, events: int = 10, body_bytes: int = 1_000_000, linger_s: float = 1.0) -> Lots:
    made = Lots(Limits(events=events, body_bytes=body_bytes), linger_s)
    for one in works:
        made.add(one, 0.0)
    return made


def test_a_group_that_is_not_full_waits_a_little_for_more() -> None:
    made = lots(work(1), work(2))
    assert not made.is_ready(0.5)
    assert made.linger_s(0.25) == 0.75
    assert made.take(0.5, 10) is None
    assert numbers(made.take(1.0, 10)) == [1, 2]
    assert made.is_empty
    assert made.linger_s(1.0) is None


def test_a_full_group_waits_for_nothing() -> None:
    made = lots(*(work(number) for number in range(25)))
    assert numbers(made.take(0.0, 10)) == list(range(10))
    assert numbers(made.take(0.0, 10)) == list(range(10, 20))
    assert made.take(0.0, 10) is None
    assert numbers(made.take(1.0, 10)) == list(range(20, 25))


@given(
    given=st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 400)), max_size=60),
    events=st.integers(1, 12),
    most=st.integers(1, 12),
)
def test_every_delivery_goes_once_within_all_bounds(given: list[tuple[bytes, int]], events: int, most: int) -> None:
    works = [work(number, envelope, bytes(size)) for number, (envelope, size) in enumerate(given)]
    made = lots(*works, events=events, body_bytes=OVERHEAD_BYTES + 1 + 800)
    taken: list[Work] = []
    while (lot := made.take(10.0, most)) is not None:
        assert len(lot) <= min(events, most)
        assert len({one.payload.envelope for one in lot}) == 1
        size = sum(len(one.payload.body) for one in lot) + len(lot) - 1
        assert size <= 800
        taken += lot
    assert made.is_empty
    assert made.linger_s(10.0) is None
    assert sorted(numbers(taken)) == list(range(len(given)))
    for envelope in (b"a", b"b", b"c"):
        own = [number_of(one) for one in taken if one.payload.envelope == envelope]
        assert own == sorted(own)


def test_a_delivery_larger_than_a_request_still_goes_alone() -> None:
    made = lots(work(1, body=bytes(5_000)), work(2), body_bytes=2_000)
    assert numbers(made.take(1.0, 10)) == [1]
    assert numbers(made.take(1.0, 10)) == [2]


def test_an_envelope_that_never_runs_dry_keeps_no_other_waiting() -> None:
    made = lots(work(0, b"rare"))
    now_s = 0.0
    sent: list[list[int]] = []
    while not any(one == 0 for lot in sent for one in lot):
        for number in range(1, 31):
            made.add(work(number, b"busy"), now_s)
        sent.append(numbers(made.take(now_s, 10)))
        now_s += 0.1
        assert now_s < 2 * LATE_S


def test_new_and_retried_deliveries_go_by_turns() -> None:
    made = lots(*(work(number, lane=1) for number in range(6)), *(work(number) for number in range(10, 13)))
    assert numbers(made.take(1.0, 4)) == [10, 0, 11, 1]
    assert numbers(made.take(1.0, 10)) == [12, 2, 3, 4, 5]


# --- replays -------------------------------------------------------------------------------------------------------


def test_what_is_replayed_has_requests_of_its_own_and_goes_behind_live_traffic() -> None:
    made = lots(*(work(number, lane=2) for number in range(3)), work(10), work(11, lane=1))
    first, second = made.take(1.0, 10), made.take(1.0, 10)
    assert (sorted(numbers(first)), numbers(second)) == ([10, 11], [0, 1, 2])


def test_constant_live_traffic_leaves_one_request_in_sixteen_to_replays() -> None:
    made = lots(*(work(1_000 + number, lane=2) for number in range(30)), events=10)
    kinds = []
    for number in range(3 * REPLAY_EVERY):
        for index in range(10):
            made.add(work(number * 10 + index), 1.0)
        lot = made.take(1.0, 10) or []
        made.ended(lot)
        kinds.append(number_of(lot[0]) >= 1_000)
    assert [index for index, is_replay in enumerate(kinds) if is_replay] == [15, 31, 47]


def test_replays_take_only_as_many_requests_at_once_as_they_may() -> None:
    made = Lots(Limits(events=1), 0.0, lambda: 2)
    for number in range(4):
        made.add(work(number, lane=2), 0.0)
    under_way = [made.take(0.0, 1), made.take(0.0, 1)]
    assert made.take(0.0, 1) is None
    assert made.linger_s(0.0) is None
    made.ended(under_way[0] or [])
    assert numbers(made.take(0.0, 1)) == [2]


def test_parts_of_a_refused_replay_stay_behind_live_traffic() -> None:
    made = lots(*(work(number, lane=2) for number in range(4)), events=4)
    refused = made.take(0.0, 4) or []
    made.split(refused)
    made.ended(refused)
    made.add(work(9), 0.0)
    assert [numbers(made.take(5.0, 4)), numbers(made.take(5.0, 4))] == [[9], [0, 1]]


# --- splitting -----------------------------------------------------------------------------------------------------


def requests_for(bad: set[int], size: int) -> list[list[int]]:
    """The requests that a platform gets which refuses each group with a bad event in it."""
    made = lots(*(work(number) for number in range(size)), events=size)
    requests = []
    while (lot := made.take(1.0, size)) is not None:
        requests.append(numbers(lot))
        if len(lot) > 1 and bad & set(numbers(lot)):
            made.split(lot)
    return requests


@given(size=st.integers(1, 128), data=st.data())
def test_bad_events_stand_alone_after_few_requests_and_all_others_went(size: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, size - 1), max_size=6))
    requests = requests_for(bad, size)
    assert len(requests) <= 1 + 2 * len(bad) * ceil(log2(size))
    accepted = [one for request in requests if not bad & set(request) for one in request]
    assert sorted(accepted) == sorted(set(range(size)) - bad)
    assert sorted(one for request in requests if len(request) == 1 for one in request if one in bad) == sorted(bad)


def test_parts_of_a_refused_group_go_before_all_others() -> None:
    made = lots(*(work(number) for number in range(4)), events=4)
    refused = made.take(0.0, 4)
    assert refused is not None
    made.add(work(9), 0.0)
    made.split(refused)
    assert [numbers(made.take(5.0, 4)) for _ in range(3)] == [[0, 1], [2, 3], [9]]


def test_the_innocent_go_again_together_and_a_probe_takes_one_of_them() -> None:
    made = lots(work(5))
    made.add_first([work(1), work(2), work(3)])
    assert numbers(made.take(0.0, 1)) == [1]
    assert numbers(made.take(0.0, 10)) == [2, 3]
    made.add_first([])
    made.split([])
    assert made.take(0.0, 10) is None
