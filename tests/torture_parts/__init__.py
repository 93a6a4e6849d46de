"""The long proofs, one file each: `async def run(full: bool)` gives figures; the short form runs with the tests."""
