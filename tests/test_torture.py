"""The short forms of the fault scripts; `make torture` runs the long ones, and docs/reliability.md has their figures.

Those about destinations and doors have their tests beside them, in torture_parts.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.torture_parts import (
    b1_json,
    b5_bombs,
    b6_headers,
    f1_kill,
    f2_commit_syscalls,
    f3_power_cut,
    f4_disk_errors,
    f5_disk_full,
    f6_map_full,
    f8_clock,
    f14_stop_cont,
    f15_damaged,
    f16_crashing_tasks,
    year,
)
from tests.torture_parts.harness import Skip

Run = Callable[[bool], Awaitable[dict[str, object]]]


async def missed(run: Run) -> object:
    """The bars that a part's short form did not reach; a skip where the machine lacks the means."""
    reason = ""
    try:
        return (await run(False))["missed"]
    except* Skip as skips:
        reason = str(skips.exceptions[0])
    pytest.skip(reason)


async def test_nothing_acknowledged_is_lost_when_worker_or_tree_are_killed() -> None:
    assert await missed(f1_kill.run) == []


async def test_a_kill_at_any_system_call_of_a_commit_loses_nothing() -> None:
    assert await missed(f2_commit_syscalls.run) == []


async def test_a_power_cut_at_any_moment_loses_nothing_and_damages_nothing() -> None:
    assert await missed(f3_power_cut.run) == []


async def test_a_worker_that_meets_a_disk_error_acknowledges_nothing_more_and_ends() -> None:
    assert await missed(f4_disk_errors.run) == []


async def test_a_full_disk_is_shed_before_it_is_full_and_recovers_alone() -> None:
    assert await missed(f5_disk_full.run) == []


async def test_deliveries_and_purge_go_on_when_the_disk_budget_is_used_up() -> None:
    assert await missed(f6_map_full.run) == []


async def test_a_jumping_clock_loses_repeats_and_purges_nothing() -> None:
    assert await missed(f8_clock.run) == []


async def test_a_frozen_process_goes_on_where_it_was() -> None:
    assert await missed(f14_stop_cont.run) == []


async def test_a_damaged_file_is_refused_or_its_rows_are_set_aside() -> None:
    assert await missed(f15_damaged.run) == []


async def test_what_crashes_is_set_aside_or_started_again_alone() -> None:
    assert await missed(f16_crashing_tasks.run) == []


async def test_bad_bodies_are_refused_or_stored_in_canonical_form() -> None:
    assert await missed(b1_json.run) == []


async def test_small_requests_that_unpack_to_large_ones_take_no_memory() -> None:
    assert await missed(b5_bombs.run) == []


async def test_no_field_forges_a_line_of_the_log_or_a_header() -> None:
    assert await missed(b6_headers.run) == []


async def test_a_generated_year_is_credited_as_it_was_worked_out_apart() -> None:
    assert await missed(year.run) == []
