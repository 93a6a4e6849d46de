"""The processes of a bench: the gateway as operators run it, the simulated platforms, and the hello world beside them.

Each is started on the cores that are its own, on a free port of 127.0.0.1, and ended with its block.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench import destinations, traffic
from bench.errors import BenchFailed
from bench.machine import Cores, on_cores
from bench.simulator.server import Counts

START_S: Final = 30.0
STOP_S: Final = 30.0
TICKS_A_S: Final = os.sysconf("SC_CLK_TCK")

SITE: Final = "shop"
PUBLIC_KEY: Final = "pk_bench"
CONFIG: Final = """\
[server]
bind = "127.0.0.1:0"
metrics_bind = "127.0.0.1:0"
data_dir = "{data_dir}"
log_level = "info"

[[sites]]
id = "{site}"
write_keys = ["{write_key}"]
public_keys = ["{public_key}"]
origins = {origins}
purchase_hold_s = 0
keep_plaintext = "{plaintext}"
"""


class Child:
    """A process and what it uses. `pid` is the one that does the work."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu_s(self) -> float:
        """User and system time so far (proc_pid_stat(5), fields 14 and 15)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_S

    def anonymous_mib(self) -> float:
        """RssAnon: memory of its own. The store's mapped pages are the system's cache, and not in it."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return int(status.partition("RssAnon:")[2].split()[0]) / 1024


class Server(Child):
    """What loads are sent to."""

    def __init__(self, pid: int, port: int) -> None:
        super().__init__(pid)
        self.port = port


class Gateway(Server):
    def __init__(self, pid: int, port: int, data_dir: Path) -> None:
        super().__init__(pid, port)
        self.data_dir = data_dir


class Platforms(Child):
    """The simulated platforms, and their control API over plain HTTP."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(pid)
        self.url = url

    def counts(self) -> dict[str, Counts]:
        return msgspec.json.decode(self._ask("GET", "counts"), type=dict[str, Counts])

    def accepted(self, names: Sequence[str]) -> int:
        """What the platforms of these destinations took."""
        counts = self.counts()
        return sum(counts[name].accepted for name in {destinations.PLATFORMS[name] for name in names})

    def fail(self, name: str, status: int) -> None:
        self._ask("POST", f"fail/{name}", msgspec.json.encode({"kind": "status", "status": status}))

    def hang(self, name: str) -> None:
        """It takes requests and answers none."""
        self._ask("POST", f"fail/{name}", msgspec.json.encode({"kind": "hang"}))

    def heal(self, name: str) -> None:
        self._ask("POST", f"heal/{name}")

    def check(self) -> None:
        """Raises BenchFailed where a platform refused anything: the gateway's events are all well-formed."""
        for name, counts in self.counts().items():
            if counts.refused:
                raise BenchFailed(f"{name} refused {counts.refused}: {self._ask('GET', f'refused/{name}')[:500]!r}")

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request(method, f"/_control/{path}", body)
            return connection.getresponse().read()
        finally:
            connection.close()


class _Line(Struct, frozen=True):
    action: str = ""
    bound: str = ""
    pid: int = 0


@contextmanager
def running_gateway(
    directory: Path,
    cores: Cores,
    platforms: Platforms | None = None,
    names: Sequence[str] = (),
    conversions: Sequence[str] = traffic.NAMES,
    origins: Sequence[str] = (),
) -> Iterator[Gateway]:
    """`gateway run` with its data in `directory`. Raises BenchFailed where it does not start, restarts or stops ill."""
    directory.mkdir(parents=True, exist_ok=True)
    config_path = directory / "config.toml"
    config_path.write_text(config(directory / "data", platforms, names, conversions, origins), "utf-8")
    command = [sys.executable, "-m", "gateway", "run", "--config", str(config_path)]
    log_path = directory / "gateway.log"
    with log_path.open("wb") as log, on_cores(cores.server):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        lines = _wait_ready(process, log_path)
        port = int(next(line.bound for line in lines if line.action == "listening").rpartition(":")[2])
        yield Gateway(next(line.pid for line in lines if line.action == "ready"), port, directory / "data")
        _check_log(log_path)
    finally:
        _stop(process)


def config(
    data_dir: Path,
    platforms: Platforms | None,
    names: Sequence[str],
    conversions: Sequence[str] = traffic.NAMES,
    origins: Sequence[str] = (),
) -> str:
    """`names`: destinations; `conversions`: events that have a conversion action where a platform needs one;
    `origins`: of pages that post."""
    plaintext = "sealed" if destinations.NEEDS_PLAINTEXT & set(names) else "no"
    text = CONFIG.format(
        data_dir=data_dir, site=SITE, write_key=traffic.WRITE_KEY, public_key=PUBLIC_KEY, origins=list(origins),
        plaintext=plaintext,
    )  # fmt: skip
    for name in names:
        assert platforms is not None, "destinations need platforms"
        text += destinations.block(name, platforms.url, conversions)
    return text


@contextmanager
def running_platforms(cores: Cores) -> Iterator[Platforms]:
    with on_cores(cores.load):
        process = subprocess.Popen([sys.executable, "-m", "bench.simulator", "--keep", "1000"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Platforms(process.pid, process.stdout.readline().decode().strip())
    finally:
        _end(process)


@contextmanager
def running_hello(cores: Cores) -> Iterator[Server]:
    with on_cores(cores.server):
        process = subprocess.Popen([sys.executable, "-m", "bench.hello"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Server(process.pid, int(process.stdout.readline()))
    finally:
        _end(process)


def _wait_ready(process: subprocess.Popen[bytes], log_path: Path) -> list[_Line]:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        lines = _lines(log_path)
        if any(line.action == "ready" for line in lines):
            return lines
        time.sleep(0.02)
    raise BenchFailed(f"the gateway did not start: {log_path.read_text('utf-8')[-1_000:]}")


def _check_log(log_path: Path) -> None:
    found = [line.action for line in _lines(log_path) if line.action in ("worker_ended", "task_crashed")]
    if found:
        raise BenchFailed(f"the gateway said {found}: {log_path.read_text('utf-8')[-1_000:]}")


def _lines(log_path: Path) -> list[_Line]:
    raws = re.findall(rb"^\{.*\}$", log_path.read_bytes(), re.MULTILINE)
    return [msgspec.json.decode(raw, type=_Line) for raw in raws]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, as an init system sends it; what does not end within its time is killed with all it started."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=STOP_S)
