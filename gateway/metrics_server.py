"""Serves the metrics page on a bind of its own: GET /metrics, and GET /healthz for a probe.

A door like the others: what one connection does ends that connection alone. Each is given little time, few bytes and
one request; the page is rendered in a thread, one at a time, so that a scrape never holds up the event loop.
"""

import structlog
import trio
from prometheus_client import CollectorRegistry

from actors.observer import Observer
from gateway.config_values import Bind
from gateway.metrics import render

HEAD_BYTES = 8_192
REQUEST_S = 10.0
CONNECTIONS = 32  # at once; what is above is closed unanswered
PAGE = "text/plain; version=0.0.4; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger()


async def serve_metrics(
    bind: Bind,
    registry: CollectorRegistry,
    observer: Observer,
    *,
    request_s: float = REQUEST_S,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; starts with the port. An address that cannot be bound raises OSError."""
    door = _Door(registry, observer, request_s)
    listeners = await trio.open_tcp_listeners(bind.port, host=bind.host)
    port: int = listeners[0].socket.getsockname()[1]
    task_status.started(port)
    await trio.serve_listeners(door.serve, listeners)


class _Door:
    def __init__(self, registry: CollectorRegistry, observer: Observer, request_s: float) -> None:
        self._registry = registry
        self._observer = observer
        self._request_s = request_s
        self._open = 0
        self._one_render = trio.CapacityLimiter(1)

    async def serve(self, stream: trio.SocketStream) -> None:
        if self._open >= CONNECTIONS:
            self._observer.connection_failed("metrics_full")
            await trio.aclose_forcefully(stream)
            return
        self._open += 1
        try:
            with trio.move_on_after(self._request_s):
                await self._answer(stream)
        except Exception as error:  # noqa: BLE001 - the boundary: counted and logged, the door goes on
            self._failed(error)
        finally:
            self._open -= 1
            await trio.aclose_forcefully(stream)

    def _failed(self, error: Exception) -> None:
        self._observer.connection_failed("metrics")
        if not isinstance(error, trio.BrokenResourceError):
            log.error("metrics_connection_failed", error=type(error).__name__)

    async def _answer(self, stream: trio.SocketStream) -> None:
        method, path = _request_line(await _read_head(stream))
        status, body, kind = await self._page(method, path)
        self._observer.answered("metrics", int(status[:3]))
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        if status.startswith("405"):
            head += "allow: GET, HEAD\r\n"
        await stream.send_all(head.encode() + b"\r\n" + (b"" if method == "HEAD" else body))
        await stream.send_eof()

    async def _page(self, method: str, path: str) -> tuple[str, bytes, str]:
        if path not in ("/metrics", "/healthz"):
            return ("404 Not Found", b"not found\n", TEXT) if path else ("400 Bad Request", b"bad request\n", TEXT)
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", b"method not allowed\n", TEXT
        if path == "/healthz":
            return "200 OK", b"ok\n", TEXT
        body = await trio.to_thread.run_sync(render, self._registry, limiter=self._one_render)
        return "200 OK", body, PAGE


async def _read_head(stream: trio.SocketStream) -> bytes:
    """All up to the empty line; what has none within the bound is cut there."""
    head = bytearray()
    while b"\r\n\r\n" not in head and len(head) <= HEAD_BYTES:
        more = await stream.receive_some(HEAD_BYTES)
        if not more:
            return b""
        head += more
    return bytes(head)


def _request_line(head: bytes) -> tuple[str, str]:
    """Method and path without its query; empty where it is no HTTP/1 request."""
    parts = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or len(head) > HEAD_BYTES + 1:
        return "", ""
    return parts[0], parts[1].split("?", 1)[0]
