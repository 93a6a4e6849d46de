"""A store with events to ask about, and the reading commands run on it as a terminal runs them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from actors.destinations.base import Destination
from actors.event import Event
from gateway.cli import cli
from store import versions
from tests.support.making import START_MS, site, snapshot
from tests.support.platform import FakeSender, Single
from tests.support.world import SHARDS, World

ACME = Single(id="acme")
SHOP = site(ACME, purchase_hold_ms=5_000)


class Told:
    """`take` lets events arrive now, by the clock on the wall; `run` runs a command on what is on disk then."""

    def __init__(self, make_world: Callable[..., World], *destinations: Destination, **answers: FakeSender) -> None:
        self.shop = site(*(destinations or (ACME,)), purchase_hold_ms=5_000)
        self.world = make_world(snapshot(self.shop), answers)
        self.world.clock.jump_ms = time.time_ns() // 1_000_000 - START_MS
        self.world.store.fix_shards(SHARDS)

    async def begin(self, *sites: str) -> None:
        """Publishes a configuration with these sites."""
        summary = {
            name: [f"{one.id} ({one.platform})" for one in self.shop.destinations] for name in sites or ("shop",)
        }
        text = msgspec.json.encode(summary).decode()
        await versions.publish(self.world.store, self.world.writer, at_ms=1, fingerprint=text, summary=text)

    async def take(self, *events: Event, seconds: float = 1.0) -> None:
        """One after the other, a millisecond apart."""
        for one in events:
            self.world.clock.jump_ms += 1
            self.world.take(one)
            await self.world.settle()
        await self.world.run_for(seconds)

    def run(self, *arguments: str) -> Result:
        """The world is a process that has stopped; it begins again afterwards."""
        self.world.close()
        try:
            return CliRunner().invoke(cli, [*arguments, "--data-dir", str(self.world.path)])
        finally:
            self.world.restart()

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return msgspec.json.decode(result.stdout)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [msgspec.json.decode(line) for line in result.stdout.splitlines()]


def nowhere(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--data-dir", str(path)])
