"""What the demo stands on: a directory that goes away, the simulated platforms, and the gateway as its own processes.

The gateway is what `gateway run` is, started on free ports of 127.0.0.1 with a configuration of its own; the demo
speaks to it over HTTP and by signals alone.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio
from msgspec import Struct

from bench.simulator import Ga4Sim, GoogleAdsSim, MetaSim, Simulator, WebhookSim
from bench.simulator.webhook import SECRET

SITE: Final = "demo"
WRITE_KEY: Final = "wk_demo"
PUBLIC_KEY: Final = "pk_demo"
ORIGIN: Final = "https://shop.example.com"
FIRST_TOKEN: Final = "demo-meta-token-1"
SECOND_TOKEN: Final = "demo-meta-token-2"
START_S: Final = 30.0
STOP_S: Final = 20.0  # the gateway bounds its own stop at 15 s
LOG_LINES: Final = 40  # of the gateway's, kept to be told should it fail

CONFIG = """\
[server]
bind = "127.0.0.1:0"
metrics_bind = "127.0.0.1:0"
data_dir = "{directory}/data"
trusted_proxies = ["127.0.0.1/32"]   # each shopper of the demo has an address of its own
disk_budget = "4GiB"

[[sites]]
id = "{site}"
write_keys = ["{write_key}"]
public_keys = ["{public_key}"]
origins = ["{origin}"]

[[sites.destinations]]
id = "meta-main"
type = "meta"
pixel_id = "1234567890"
access_token = {{ file = "meta_token" }}
base_url = "{platforms}/meta"
allow_private = true

[[sites.destinations]]
id = "ga4-main"
type = "ga4"
measurement_id = "G-DEMO12345"
api_secret = "demo-ga4-secret"
base_url = "{platforms}/ga4"
allow_private = true

[[sites.destinations]]
id = "google-ads-main"
type = "google_ads"
customer_id = "1234567890"
conversion_actions = {{ purchase_placed = "111222333" }}
client_id = "demo.apps.googleusercontent.com"
client_secret = "demo-client-secret"
refresh_token = "demo-refresh-token"
token_url = "{platforms}/google_ads/token"
base_url = "{platforms}/google_ads"
allow_private = true

[[sites.destinations]]
id = "own-backend"
type = "webhook"
url = "{platforms}/webhook/events"
secret = "{webhook_secret}"
allow_private = true
"""


class DemoFailed(Exception):
    """The demo cannot go on; the message says why, with the gateway's last lines."""


class _Line(Struct, frozen=True):
    """What is read of a line of the gateway's log."""

    action: str = ""
    bound: str = ""


class Gateway:
    """`gateway run` as processes of their own, and what their log says."""

    def __init__(self, process: trio.Process, log_path: Path, lifeline: int) -> None:
        """`lifeline`: the end of its pipe that stays open for as long as it shall run."""
        self.process = process
        self.lifeline = lifeline
        self.address = ""
        self.metrics_address = ""
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self._log_path = log_path
        self._heard: dict[str, int] = {}
        self._changed = trio.Condition()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.metrics_address}/metrics"

    async def read_log(self) -> None:
        """Keeps the pipe empty for as long as the gateway writes, and says when it is silent for good."""
        assert self.process.stderr is not None
        rest = b""
        with self._log_path.open("ab") as file:
            async for chunk in self.process.stderr:
                file.write(chunk)
                *lines, rest = (rest + bytes(chunk)).split(b"\n")
                for line in lines:
                    await self._hear(line)
        await self._hear(b'{"action": "silent"}')

    async def wait_said(self, action: str, times: int, within_s: float) -> None:
        """Until its log has told an action so often. Raises DemoFailed where it does not, or has ended."""
        with trio.move_on_after(within_s):
            async with self._changed:
                while self._heard.get(action, 0) < times and "silent" not in self._heard:
                    await self._changed.wait()
        if self._heard.get(action, 0) < times:
            raise DemoFailed(self.with_lines(f"the gateway did not get to {action!r} within {within_s:.0f} s"))

    def with_lines(self, message: str) -> str:
        return "\n  ".join([f"{message}. The gateway's last lines:", *self.lines])

    def said(self, action: str) -> int:
        return self._heard.get(action, 0)

    async def _hear(self, raw: bytes) -> None:
        self.lines.append(raw.decode("utf-8", "replace"))
        try:
            line = msgspec.json.decode(raw, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # a line of a library or an interpreter: it is in the file
        if line.action == "listening":
            self.address = line.bound
        if line.action == "metrics":
            self.metrics_address = line.bound
        async with self._changed:
            self._heard[line.action] = self._heard.get(line.action, 0) + 1
            self._changed.notify_all()


class World:
    """Everything the demo runs against. `exit_code` is the gateway's, once it has stopped."""

    def __init__(self, directory: Path, simulator: Simulator, gateway: Gateway) -> None:
        self.directory = directory
        self.simulator = simulator
        self.gateway = gateway
        self.exit_code: int | None = None

    @property
    def config_path(self) -> Path:
        return self.directory / "config.toml"

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    def revoke_meta_token(self) -> None:
        """Meta knows only the second token from now on, which the gateway does not have yet."""
        meta = self.simulator.platform("meta")
        assert isinstance(meta, MetaSim)
        meta.access_token = SECOND_TOKEN if meta.access_token == FIRST_TOKEN else FIRST_TOKEN

    async def replace_meta_token(self) -> None:
        """What an operator does: writes the new token where the configuration reads it, and sends SIGHUP."""
        meta = self.simulator.platform("meta")
        assert isinstance(meta, MetaSim)
        published = self.gateway.said("config_published")
        (self.directory / "meta_token").write_text(f"{meta.access_token}\n", "utf-8")
        self.gateway.process.send_signal(signal.SIGHUP)
        await self.gateway.wait_said("config_published", published + 1, 10)

    async def stop(self) -> None:
        """SIGTERM, as an init system sends it; what does not end within its time is killed. Once stopped, it is."""
        if self.exit_code is not None:
            return
        process = self.gateway.process
        if process.returncode is None:
            process.terminate()
        with trio.move_on_after(STOP_S):
            await process.wait()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        self.exit_code = process.returncode


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """A world that is ready for traffic, and nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as name:
        directory = Path(name)
        async with trio.open_nursery() as nursery:
            simulator = Simulator(
                [MetaSim(access_token=FIRST_TOKEN), Ga4Sim(), GoogleAdsSim(), WebhookSim()], keep=20_000
            )
            await nursery.start(simulator.serve)
            _write_config(directory, simulator)
            world = World(directory, simulator, await _start_gateway(directory))
            try:
                nursery.start_soon(world.gateway.read_log)
                await world.gateway.wait_said("ready", 1, START_S)
                yield world
            finally:
                with trio.CancelScope(shield=True):
                    await world.stop()
                os.close(world.gateway.lifeline)
                nursery.cancel_scope.cancel()


def _write_config(directory: Path, simulator: Simulator) -> None:
    (directory / "meta_token").write_text(f"{FIRST_TOKEN}\n", "utf-8")
    text = CONFIG.format(
        directory=directory,
        site=SITE,
        write_key=WRITE_KEY,
        public_key=PUBLIC_KEY,
        origin=ORIGIN,
        platforms=simulator.address,
        webhook_secret=SECRET,
    )
    (directory / "config.toml").write_text(text, "utf-8")


async def _start_gateway(directory: Path) -> Gateway:
    """In a session of its own: Ctrl-C reaches the demo, which then ends it in order.

    It holds one end of a pipe, and so ends with the demo however that ends.
    """
    theirs, ours = os.pipe()
    command = [sys.executable, "-m", "gateway", "run", "--config", str(directory / "config.toml")]
    process: trio.Process = await trio.lowlevel.open_process(
        [*command, "--lifeline", str(theirs)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=[theirs],
    )
    os.close(theirs)
    return Gateway(process, directory / "gateway.log", ours)
