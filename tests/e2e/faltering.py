"""A way to the gateway that falters: the first body gets a 503, the second no answer, the rest pass."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

REFUSED = b'{"success":false,"code":"no_room","message":"the store has no room","field":""}'


class Faltering(ThreadingHTTPServer):
    """`upstream`: the gateway's address. `bodies`: how many were posted to collect events."""

    daemon_threads = True
    upstream = ""
    bodies = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Way)
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_body(self) -> int:
        with self._lock:
            self.bodies += 1
            return self.bodies


class _Way(BaseHTTPRequestHandler):
    server: Faltering

    def do_GET(self) -> None:
        self._forward(b"")

    def do_OPTIONS(self) -> None:
        self._forward(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match self.server.next_body():
            case 1:
                self._answer(503, REFUSED, {"retry-after": "1", "content-type": "application/json", **self._cors()})
            case 2:
                self._forward(body, is_lost=True)
            case _:
                self._forward(body)

    def _forward(self, body: bytes, *, is_lost: bool = False) -> None:
        upstream = urlsplit(self.server.upstream)
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=20)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if is_lost:
            self.close_connection = True
            return
        kept = {name: value for name, value in answer.getheaders() if name not in ("content-length", "date")}
        self._answer(answer.status, told, kept)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cors(self) -> dict[str, str]:
        origin = self.headers.get("Origin")
        return {"access-control-allow-origin": origin} if origin else {}

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def faltering_way(upstream: str) -> Iterator[Faltering]:
    with Faltering() as way:
        way.upstream = upstream
        thread = Thread(target=way.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield way
        finally:
            way.shutdown()
            thread.join()
