"""A shop with a configuration file, events in its ledger, and the routes of its site; asked by command and by API."""

import json
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from actors.destinations.base import Request, Response
from actors.event import Event
from gateway.cli import cli
from gateway.config import load_config, snapshot_of
from gateway.control import Control
from gateway.key_ring import load_key_ring
from gateway.routes_control import RoutesControl
from gateway.vault import Vault
from store.env import Store
from store.writer import InlineWriter
from tests.support.making import START_MS
from tests.support.platform import FakeSender
from tests.support.world import World

TOKEN = "EAAsecretsecret0123456789"
TEXT = """
[[sites]]
id = "shop"
write_keys = ["wk_test"]
consent_default = "denied"

[[sites.destinations]]
id = "hook"
type = "webhook"
url = "https://hook.example.com/"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

[[sites.destinations]]
id = "meta"
type = "meta"
pixel_id = "1234567890"
access_token = { env = "META_TOKEN" }
rate = "10/s"
"""


class Yes(FakeSender):
    """A platform that takes all there is."""

    async def send(self, request: Request) -> Response:
        return Response(status=200, body=b'{"events_received": 1}')


class Shop:
    """`world` runs the core on the file's configuration; `run` asks by command on what is on disk then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.toml"
        self.path.write_text(TEXT)
        self.snapshot = snapshot_of(load_config(self.path, {"META_TOKEN": TOKEN}))
        self.world = World(folder / "data", self.snapshot, {"hook": Yes(), "meta": Yes()})
        self.world.clock.jump_ms = time.time_ns() // 1_000_000 - START_MS - 60_000

    async def take(self, *events: Event) -> None:
        self.world.take(*events)
        await self.world.settle()

    def control(self, store: Store | None = None) -> Control:
        store = store or self.world.store
        vault = Vault(lambda: load_key_ring(self.folder / "data", {}))
        return Control(
            store=store, writer=InlineWriter(store), vault=vault, config_path=self.path,
            env={"META_TOKEN": TOKEN}, now_ms=self.world.clock.now_ms,
        )  # fmt: skip

    async def draft(self, *routes: dict[str, Any]) -> None:
        await RoutesControl(self.control()).save("shop", list(routes), author="ann", revision=None)

    async def publish(self, *routes: dict[str, Any]) -> int:
        await self.draft(*routes)
        return (await RoutesControl(self.control()).publish("shop", author="ann")).version.version

    def run(self, *arguments: str, stdin: str = "") -> Result:
        self.world.close()
        place = ["--config", str(self.path), "--data-dir", str(self.folder / "data")]
        try:
            return CliRunner().invoke(cli, ["dry-run", *arguments, *place], input=stdin, env={"META_TOKEN": None})
        finally:
            self.world.restart()

    def json(self, *arguments: str, stdin: str = "") -> Any:
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def rows(self) -> dict[str, list[tuple[bytes, bytes]]]:
        return {name: self.world.rows(name) for name in self.world.store.dbs}


def at(side: dict[str, Any], destination: str) -> dict[str, Any]:
    """What is told of one destination."""
    found: dict[str, Any] = next(one for one in side["destinations"] if one["destination"] == destination)
    return found
