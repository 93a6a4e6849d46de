"""The gateway as operators run it: its real process tree beside simulated platforms, watched through its log.

A part starts it (`running`), loads it (load.py), harms it, and compares what was acknowledged with what the platforms
got and what the store holds. Everything is on loopback, on free ports, in a folder of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from bench.simulator import MetaSim, Simulator, WebhookSim
from bench.simulator.webhook import SECRET

ROOT = Path(__file__).parent.parent.parent
WRITE_KEY = "wk_torture"
META_PIXEL = "1234567890"
START_S = 60.0  # a start that takes longer is a fault; the slowest seen, under strace on a busy machine, took 6 s
SHORT_FORM = 10  # times a bar on time; short forms run on any machine, beside anything, and must still end
LINE_POLL_S = 0.01


class Skip(Exception):
    """This machine lacks what the part needs; the text says what."""


class Platforms:
    """A webhook's receiver and Meta, and how often each event came to them."""

    def __init__(self) -> None:
        self.simulator = Simulator([MetaSim(), WebhookSim()])
        self._webhook: Counter[str] = Counter()
        self._meta: Counter[str] = Counter()

    def webhook(self) -> Counter[str]:
        """By event id. What was counted is forgotten by the simulator, which would keep every body."""
        taken = self.simulator.platform("webhook").accepted
        self._webhook.update(one.event["data"]["event_id"] for one in taken)
        taken.clear()
        return self._webhook

    def meta(self) -> Counter[str]:
        taken = self.simulator.platform("meta").accepted
        self._meta.update(one.event["event_id"] for one in taken)
        taken.clear()
        return self._meta

    def refused(self) -> list[str]:
        """Why requests were refused: the gateway sends none that a platform should refuse."""
        return [*self.simulator.refused("webhook"), *self.simulator.refused("meta")]


@asynccontextmanager
async def platforms() -> AsyncIterator[Platforms]:
    held = Platforms()
    async with held.simulator.running():
        yield held


@contextmanager
def folder(under: Path | None = None) -> Iterator[Path]:
    """A folder on the machine's own disk, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gateway-torture-", dir=under) as path:
        yield Path(path)


def in_memory() -> Path | None:
    """Where files that need no disk may lie: those that are read once and thrown away."""
    path = Path("/dev/shm")
    return path if path.is_dir() else None


class Setup(Struct, frozen=True, kw_only=True):
    """What a gateway is started with. `server` holds further lines of that table in config.toml."""

    directory: Path
    platforms: Platforms
    server: tuple[str, ...] = ()
    port: int = 0  # 0: a free one
    metrics_port: int = 0
    has_meta: bool = True
    more_destinations: tuple[str, ...] = ()  # further tables of config.toml
    data_dir: Path | None = None  # default: in `directory`
    prefix: tuple[str, ...] = ()  # a command that the process tree is started under

    @property
    def store(self) -> Path:
        return self.data_dir or self.directory / "data"

    def write_config(self) -> Path:
        path = self.directory / "config.toml"
        path.write_text(self._config())
        return path

    def _config(self) -> str:
        simulator = self.platforms.simulator
        meta = (
            "[[sites.destinations]]",
            'id = "meta"',
            'type = "meta"',
            f'pixel_id = "{META_PIXEL}"',
            'access_token = "a-token"',
            f'base_url = "{simulator.url("meta")}"',
            "allow_private = true",
        )
        lines = (
            "[server]",
            f'bind = "127.0.0.1:{self.port}"',
            f'metrics_bind = "127.0.0.1:{self.metrics_port}"',
            f'data_dir = "{self.store}"',
            *self.server,
            "[[sites]]",
            'id = "shop"',
            f'write_keys = ["{WRITE_KEY}"]',
            'public_keys = ["pk_torture"]',
            'origins = ["https://shop.example.com"]',
            "ip_rate = 0",
            "events_api = true",
            "[[sites.destinations]]",
            'id = "hook"',
            'type = "webhook"',
            f'url = "{simulator.url("webhook")}/events"',
            f'secret = "{SECRET}"',
            "allow_private = true",
            *(meta if self.has_meta else ()),
            *self.more_destinations,
        )
        return "\n".join(lines) + "\n"


class Gateway:
    """One started process tree. Ports and pids are those its log tells, so they follow a restarted worker."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._log_path = setup.directory / "gateway.log"
        self._offset = self._log_path.stat().st_size if self._log_path.exists() else 0
        self._process: trio.Process | None = None
        self.lines: list[dict[str, Any]] = []
        self.noise: list[str] = []  # lines that are no JSON: a traceback is a defect
        self._rest = b""

    async def start(self) -> None:
        command = [*self.setup.prefix, sys.executable, "-m", "gateway", "run"]
        with self._log_path.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [*command, "--config", str(self.setup.write_config())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    async def wait_ready(self, times: int = 1, within_s: float = START_S) -> None:
        """Until the worker has said that it serves, for the `times`th time since the start."""
        await self.wait(lambda: len(self.said("ready")) >= times, "ready", within_s)

    async def wait(self, condition: Callable[[], bool], what: str, within_s: float = START_S) -> None:
        with trio.move_on_after(within_s):
            while True:
                self.read_log()
                if condition():
                    return
                await trio.sleep(LINE_POLL_S)
        raise AssertionError(f"{what}: not within {within_s:g} s; the log ends with {self._tail()}")

    def read_log(self) -> None:
        with self._log_path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            try:
                self.lines.append(msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.noise.append(line.decode("utf-8", "replace"))

    def said(self, action: str) -> list[dict[str, Any]]:
        self.read_log()
        return [line for line in self.lines if line.get("action") == action]

    @property
    def port(self) -> int:
        return int(self.said("listening")[-1]["bound"].rpartition(":")[2])

    @property
    def worker_pid(self) -> int:
        return int(self.said("ready")[-1]["pid"])

    @property
    def supervisor_pid(self) -> int:
        return parent_of(self.worker_pid)

    def codes(self) -> list[int]:
        """How workers ended, in order."""
        return [int(line["code"]) for line in self.said("worker_ended")]

    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    async def metrics(self) -> Mapping[str, float]:
        """The page's samples by name, summed over their labels."""
        port = int(self.said("metrics")[-1]["bound"].rpartition(":")[2])
        page = await fetch(port, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(page.partition(b"\r\n\r\n")[2].decode()):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    async def kill_tree(self) -> None:
        """SIGKILL to all of it at once, as when the machine's operator or its memory killer does it."""
        assert self._process is not None
        with trio.CancelScope(shield=True):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            for line in self.said("ready"):
                await _wait_gone(int(line["pid"]))

    async def stop(self, within_s: float = START_S) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        target = self._process.pid if not self.setup.prefix else self.supervisor_pid
        if self._process.poll() is None:
            os.kill(target, signal.SIGTERM)
        return await self.wait_end(within_s)

    async def wait_end(self, within_s: float = START_S) -> int:
        assert self._process is not None
        with trio.fail_after(within_s):
            code: int = await self._process.wait()
        self.read_log()
        return code

    def _tail(self) -> str:
        return " | ".join([str(line) for line in self.lines[-3:]] + self.noise[-5:])


@asynccontextmanager
async def running(setup: Setup, *, is_ready: bool = True) -> AsyncIterator[Gateway]:
    """A gateway that serves; ended in any case."""
    gateway = Gateway(setup)
    await gateway.start()
    try:
        if is_ready:
            await gateway.wait_ready()
        yield gateway
    finally:
        await gateway.kill_tree()


def bar_s(seconds: float, full: bool) -> float:
    """What a part is held to: the bar itself where it is measured, in full; else only that it ends at all."""
    return seconds if full else seconds * SHORT_FORM


def free_port() -> int:
    """One that nobody has now: for a gateway that is started again and again under one address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def fetch(port: int, raw: bytes, within_s: float = 30.0) -> bytes:
    """Everything that comes back on a connection of its own."""
    with trio.fail_after(within_s):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(raw.replace(b"Host:", b"Connection: close\r\nHost:", 1))
            return b"".join([part async for part in stream])


async def run_child(command: Sequence[str], within_s: float = 120.0) -> tuple[int, str]:
    """Exit code and standard output of a helper process; a signal's number comes back negative."""
    with trio.fail_after(within_s):
        done = await trio.run_process(
            list(command), capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT, stdin=b""
        )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


async def _wait_gone(pid: int) -> None:
    """A killed worker whose supervisor was killed too is reaped by whoever inherits it; until then it is a zombie."""
    for _ in range(500):
        if not _is_alive(pid):
            return
        await trio.sleep(LINE_POLL_S)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0
