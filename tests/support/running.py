"""The real process tree and the platform simulator, each a process of its own, for tests that talk HTTP to them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

READY_S = 60.0  # what is sure to come is waited for so long, on a machine however slow
REQUEST_S = 30.0
STOP_S = 60.0
WRITE_KEY = "wk_test"
PUBLIC_KEY = "pk_test"
ORIGIN = "https://shop.example.com"
META_TOKEN = "EAAtesttoken0123456789"

SITE = f"""
[[sites]]
id = "shop"
write_keys = ["{WRITE_KEY}"]
public_keys = ["{PUBLIC_KEY}"]
origins = ["{{origin}}"]
{{site}}
"""
META = """
[[sites.destinations]]
id = "meta-main"
type = "meta"
pixel_id = "1234567890"
access_token = {{ env = "META_ACCESS_TOKEN" }}
base_url = "{url}/meta"
allow_private = true
"""


class Running:
    """A gateway of its own, listening on a free port."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, simulator: str | None) -> None:
        self.process = process
        self.directory = directory
        self.simulator = simulator
        self.url = ""
        self.metrics_url = ""

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes | str) else None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(trust_env=False) as client:
            if content is not None:
                return client.post(self.url + path, content=content, headers=named, timeout=REQUEST_S)
            return client.post(self.url + path, json=body, headers=named, timeout=REQUEST_S)

    def send(self, *events: Mapping[str, Any]) -> httpx.Response:
        body = {"events": list(events)} if len(events) > 1 else dict(events[0])
        return self.post("/v1/events", body, authorization=f"Bearer {WRITE_KEY}")

    def get(self, url: str) -> httpx.Response:
        return httpx.get(url, trust_env=False, timeout=REQUEST_S)

    def accepted(self, platform: str) -> list[Any]:
        """What the simulated platform took, oldest first."""
        assert self.simulator is not None
        found: list[Any] = self.get(f"{self.simulator}/_control/accepted/{platform}").json()["accepted"]
        return found

    def fail(self, platform: str, **fault: Any) -> None:
        httpx.post(f"{self.simulator}/_control/fail/{platform}", json=fault, trust_env=False).raise_for_status()

    def heal(self, platform: str) -> None:
        httpx.post(f"{self.simulator}/_control/heal/{platform}", trust_env=False).raise_for_status()

    def log(self) -> str:
        return (self.directory / "gateway.log").read_text()

    def workers(self) -> list[int]:
        """Process ids of the workers, by what the log says they are."""
        return [int(pid) for pid in re.findall(r'"action": "ready".*?"pid": (\d+)', self.log())]

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Another `gateway` command on the same configuration."""
        call = [sys.executable, "-m", "gateway", *arguments, "--config", str(self.directory / "config.toml")]
        return subprocess.run(
            call, capture_output=True, text=True, env=environment(), timeout=120, check=False, input=stdin
        )

    def kill(self) -> None:
        """Ends the whole tree as a power cut would end it: no handler runs."""
        for pid in (self.process.pid, *self.workers()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=STOP_S)


def wait_until(holds: Any, within_s: float = READY_S, what: str = "") -> Any:
    """Asks again and again until the answer is true; the answer."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        with suppress(httpx.HTTPError, OSError):
            if answer := holds():
                return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s} s: {what or holds}")


@contextmanager
def standing_still(running: Running, worker: int) -> Iterator[None]:
    """A worker is stopped, outside a commit: one that is stopped within it holds the store's lock, which no process
    that runs can take from it."""
    for _ in range(20):
        os.kill(worker, signal.SIGSTOP)
        if _is_lock_free(running.directory / "data"):
            break
        os.kill(worker, signal.SIGCONT)
    else:
        raise AssertionError("the worker was in a commit whenever it was stopped")
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def _is_lock_free(store: Path) -> bool:
    """Whether another process can begin a write transaction, as opening does."""
    opening = "import sys; from pathlib import Path; from store.env import Store; Store(Path(sys.argv[1])).close()"
    try:
        subprocess.run([sys.executable, "-c", opening, str(store)], timeout=5, check=True)
    except subprocess.TimeoutExpired:
        return False
    return True


def environment() -> dict[str, str]:
    return {**os.environ, "META_ACCESS_TOKEN": META_TOKEN, "PYTHONUNBUFFERED": "1"}


@contextmanager
def running_simulator(directory: Path) -> Iterator[str]:
    """The address of a simulator that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.simulator", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def running_gateway(
    directory: Path,
    *,
    destinations: str = "",
    site: str = "",
    origin: str = ORIGIN,
    server: str = "",
    simulator: str | None = None,
    metrics_port: int = 0,
) -> Iterator[Running]:
    """`gateway run` on a configuration of its own; `destinations` may name the simulator's address as `{url}`."""
    text = f'[server]\nbind = "127.0.0.1:0"\nmetrics_bind = "127.0.0.1:{metrics_port}"\n'
    text += f'data_dir = "{directory / "data"}"\n{server}\n' + SITE.format(site=site, origin=origin)
    text += destinations.format(url=simulator) if destinations else ""
    (directory / "config.toml").write_text(text)
    running = start_gateway(directory, simulator)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(timeout=STOP_S)
        running.process.kill()
        running.process.wait()


def start_gateway(directory: Path, simulator: str | None = None) -> Running:
    """Starts it on the configuration that is there and waits until it is ready."""
    with (directory / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", "--config", str(directory / "config.toml")],
            stdout=log, stderr=subprocess.STDOUT, env=environment(),
        )  # fmt: skip
    running = Running(process, directory, simulator)
    try:
        wait_until(lambda: '"action": "ready"' in running.log(), what=f"ready: {running.log()}")
    except AssertionError as error:
        process.kill()
        process.wait()
        raise AssertionError(running.log()) from error
    bound = re.findall(r'"action": "(\w+)".*?"bound": "([\d.:]+)"', running.log())
    running.url = next(f"http://{place}" for action, place in bound if action == "listening")
    running.metrics_url = next((f"http://{place}/metrics" for action, place in bound if action == "metrics"), "")
    return running
