"""The short form of f9_destinations."""

from tests.torture_parts import f9_destinations


async def test_attempts_end_in_time_and_memory_whatever_the_destination_does() -> None:
    figures = await f9_destinations.run(full=False)

    assert figures["missed"] == []
