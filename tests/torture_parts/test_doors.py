"""The short forms of the proofs about the doors."""

from tests.torture_parts import b4_sockets, f12_descriptors, f13_shutdown, f17_slow


async def test_no_bytes_on_a_socket_end_the_process_or_leave_anything_behind() -> None:
    assert (await b4_sockets.run(full=False))["missed"] == []


async def test_running_out_of_descriptors_passes() -> None:
    assert (await f12_descriptors.run(full=False))["missed"] == []


async def test_clients_that_do_not_read_do_not_hold_up_sigterm() -> None:
    assert (await f13_shutdown.run(full=False))["missed"] == []


async def test_slow_clients_are_closed_within_their_limits() -> None:
    assert (await f17_slow.run(full=False))["missed"] == []
