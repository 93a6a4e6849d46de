"""How large is the browser SDK, and how soon does a page's first event arrive?

A page in headless Chromium, opened anew each time, its cache empty: when the SDK runs, when its first event is answered
for. The SDK itself waits 2 s, so that what happens together travels together.
"""

import gzip
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread
from typing import Any, Final

from msgspec import Struct

from bench.errors import BenchFailed
from bench.gateway_process import PUBLIC_KEY, running_gateway
from bench.report import Goal, Report, Section
from bench.setting import Setting
from gateway.sdk_server import read_bundle

MOST_BYTES: Final = 5 * 1024
PAGES: Final = 10
PAGE: Final = """<!doctype html><title>Teas</title>
<script async src="http://127.0.0.1:{port}/sdk.js" data-key="{key}" data-consent="granted"></script>"""
RUNS: Final = "() => window.gw ? performance.now() : 0"
METHOD: Final = (
    "size: the script as it is served, gzip at its best; the goal counts gzip",
    "a page: navigation start to the SDK running, and to the gateway's answer for the page view; medians",
)


class Size(Struct, frozen=True, kw_only=True):
    file: str
    bytes: int
    gzip_bytes: int


class Opened(Struct, frozen=True, kw_only=True):
    pages: int
    runs_after_ms: float
    first_event_answered_after_ms: float


def run(setting: Setting) -> Report:
    bundle = read_bundle()
    if bundle is None:
        raise BenchFailed("the SDK was not built here; pip install -e . builds it")
    size = Size(file="sdk.js", bytes=len(bundle.script), gzip_bytes=len(gzip.compress(bundle.script, 9, mtime=0)))
    sections = [Section(title="Size", rows=[size])]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or find_spec("playwright") is None:
        setting.tell("no Chromium or no Playwright here: only the size is told")
    else:
        sections.append(Section(title="First event", rows=[_opened(setting, chromium)]))
    goal = Goal(
        what="bytes gzipped", figure=float(size.gzip_bytes), goal="at most 5,120", is_met=size.gzip_bytes <= MOST_BYTES
    )
    return setting.report("sdk", METHOD, sections, [goal])


def _opened(setting: Setting, chromium: str) -> Opened:
    pages = 2 if setting.is_quick else PAGES
    with (
        _serving() as shop,
        running_gateway(setting.directory / "gateway", setting.cores, origins=[shop.origin]) as gateway,
    ):
        shop.page = PAGE.format(port=gateway.port, key=PUBLIC_KEY).encode()
        times = list(_times_ms(chromium, shop.origin, pages))
    return Opened(
        pages=pages,
        runs_after_ms=statistics.median(time[0] for time in times),
        first_event_answered_after_ms=statistics.median(time[1] for time in times),
    )


def _times_ms(chromium: str, url: str, pages: int) -> Iterator[Sequence[float]]:
    from playwright.sync_api import sync_playwright  # a tool of developers: the other benches do without

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(pages):
            context = browser.new_context()
            page: Any = context.new_page()
            with page.expect_response("**/i?*") as answered:
                page.goto(url)
                runs_ms = page.wait_for_function(RUNS).json_value()
            if not answered.value.ok:
                raise BenchFailed(f"the gateway answered {answered.value.status}")
            yield runs_ms, page.evaluate("performance.now()")
            context.close()
        browser.close()


class _Shop(ThreadingHTTPServer):
    """One page, at every path."""

    daemon_threads = True
    page = b""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Shop)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.page)))
        self.end_headers()
        self.wfile.write(self.server.page)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def _serving() -> Iterator[_Shop]:
    with _Shop(("127.0.0.1", 0), _Page) as shop:
        thread = Thread(target=shop.serve_forever)
        thread.start()
        try:
            yield shop
        finally:
            shop.shutdown()
            thread.join()
