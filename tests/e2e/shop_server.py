"""Serves the shop's static pages on a port of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

SHOP = Path(__file__).parent / "shop"


class Shop(ThreadingHTTPServer):
    """`gateway`: the address that the pages' tag names; set before the first page is asked for. `page`: what every path
    shows instead of the shop. `policy`: the pages' content security policy."""

    daemon_threads = True
    gateway = ""
    page = ""
    policy = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Shop)
        name = self.path.partition("?")[0].strip("/") or "index.html"
        page = SHOP / name if (SHOP / name).is_file() else SHOP / "index.html"
        text = self.server.page or self._text(page)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        if self.server.policy:
            self.send_header("Content-Security-Policy", self.server.policy)
        self.end_headers()
        self.wfile.write(text.encode())

    def _text(self, page: Path) -> str:
        assert isinstance(self.server, Shop)
        head = (SHOP / "head.html").read_text("utf-8")
        head = head.replace("{{gateway}}", self.server.gateway).replace("{{title}}", page.stem)
        return head + page.read_text("utf-8")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving_shop() -> Iterator[Shop]:
    with Shop(("127.0.0.1", 0), _Pages) as shop:
        thread = Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shop
        finally:
            shop.shutdown()
            thread.join()
