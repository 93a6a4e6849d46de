"""A process whose event loop stands still ends by itself."""

import signal
import subprocess
import sys

import trio
import trio.testing

from gateway.stall import STALL_S, STALLED, keep_armed

SPINS = "from gateway.stall import arm; arm(0.05); sum(iter(int, 1))"  # in C, without end


def test_a_process_that_goes_in_circles_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", SPINS], timeout=60, check=False)
    assert ended.returncode == STALLED


async def test_a_loop_that_comes_round_is_left_alone_and_the_bound_ends_with_it() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_armed)
        await trio.testing.wait_all_tasks_blocked()
        assert 0 < signal.getitimer(signal.ITIMER_PROF)[0] <= STALL_S + 1  # the kernel rounds up
        nursery.cancel_scope.cancel()
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
