"""Sends a Request and brings back the Response, or why there is none: bounded in time and bytes whatever the peer does.

One transport per destination, with its own connections: a hung destination can take nothing from another. It stands on
httpcore, the lower half of httpx, whose client costs half as much again per request and adds what is not wanted here:
redirects, cookies, proxies from the environment, decompression, URLs in its log. Nor is there a pool: its queue is
quadratic (500 waiting requests: 0.45 s), and a request cancelled just after connecting keeps its place for ever.

The connections themselves, whose addresses are checked, are made in actors/dialing.py and fitted to httpcore in
actors/connections.py.
"""

import importlib.metadata
import logging
import re
import ssl
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import httpcore
import trio

from actors.addresses import PORTS, Refused, Rules, Target, read_url, rules
from actors.connections import HEAD_BYTES, Backend, FailedError, Stream, TooLongError
from actors.destinations.base import ANSWER_BYTES, Destination, Request, Response
from actors.dialing import Connect, Dialer, Failure, Lookup, connect, look_up

__all__ = ["Failure", "Transport", "silence_http_logs"]

CONNECTIONS = 8  # of one destination at most
ATTEMPT_S = 15.0  # one attempt, from the look-up to the last byte read
CONNECT_S = 5.0
IDLE_S = 5.0  # a connection is reused; shorter than servers wait, so that they seldom close it under a request

# Set by the transport alone: they frame the message, or would bring what cannot be read here.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
Tls = ssl.SSLContext | Callable[[], ssl.SSLContext]

_HTTP_LOGGERS = ("httpx", "httpcore", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy")))


class Transport:
    """The connections of one destination. `async with` closes them at the end."""

    def __init__(
        self,
        tls: Tls,
        *,
        allowed: Rules | None = None,
        connections: int = CONNECTIONS,
        answer_bytes: int = ANSWER_BYTES,
        attempt_s: float = ATTEMPT_S,
        connect_s: float = CONNECT_S,
        idle_s: float = IDLE_S,
        lookup: Lookup = look_up,
        connect: Connect = connect,
    ) -> None:
        """`tls`: a context from actors/tls.py, shared by all transports, since making one takes 20 ms; or what gives
        the one to connect with now."""
        self._tls = tls
        self._allowed = allowed or Rules()
        self._connections = min(connections, CONNECTIONS)
        self._answer_bytes = answer_bytes
        self._attempt_s = attempt_s
        self._idle_s = idle_s
        dialer = Dialer(self._allowed, connect_s=connect_s, lookup=lookup, connect=connect)
        self._backends = {scheme.encode(): Backend(dialer, scheme) for scheme in PORTS}
        self._idle: list[httpcore.AsyncHTTPConnection] = []  # with those in use at most `connections`, oldest first
        self._places = trio.Semaphore(self._connections)
        self._is_closed = False
        self._address: _Address | None = None  # the last URL used, read: a destination's URLs seldom change
        self._extensions: dict[str, Any] = {"timeout": {"connect": connect_s}}
        self._user_agent = user_agent().encode()

    @classmethod
    def for_destination(cls, destination: Destination, tls: Tls) -> "Transport":
        """As the destination's settings and limits say. `tls`: for its `ca_file`."""
        return cls(
            tls,
            allowed=rules(
                allow_private=destination.allow_private,
                allow_networks=destination.allow_networks,
                allow_http=destination.allow_http,
            ),
            connections=destination.concurrency,
            answer_bytes=destination.limits.answer_bytes,
        )

    @property
    def connections(self) -> int:
        """How many requests may be in flight at once."""
        return self._connections

    async def send(self, request: Request) -> Response | Failure:
        """The answer, its body cut at `answer_bytes`, or why there is none. Raises nothing but Cancelled.

        Waits for a place where `connections` requests are in flight; the time of the attempt begins after that.
        """
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            await self._places.acquire()
        try:
            with trio.fail_after(self._attempt_s):
                return await self._attempt(request)
        except trio.TooSlowError:
            return Failure(kind="timeout", message=f"no whole answer within {self._attempt_s:g} s")
        except Exception as error:  # noqa: BLE001 - a peer chooses what httpcore, h11 and ssl meet; none ends us
            return _failure(error)
        finally:
            self._places.release()

    async def close_idle(self) -> None:
        """Closes the connections that no request uses: for a destination that has nothing to send."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await _close(connection)

    async def aclose(self) -> None:
        """Closes all connections; one in use, when its request ends."""
        self._is_closed = True
        await self.close_idle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _attempt(self, request: Request) -> Response | Failure:
        address = self._address
        if address is None or address.url != request.url:
            target = read_url(request.url, self._allowed)
            if isinstance(target, Refused):
                return Failure(kind="refused_address", message=target.reason)
            address = self._address = _Address(request.url, target, self._user_agent)
        message = httpcore.Request(
            method=request.method,
            url=address.parsed,
            headers=_headers(request, address.headers),
            content=request.body,
            extensions=self._extensions,
        )
        connection = await self._take(address.parsed.origin)
        try:
            return await self._read(await connection.handle_async_request(message))
        finally:
            await self._give_back(connection)

    async def _take(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """The connection used last, as long as its peer keeps it open, or a new one."""
        if self._idle and self._idle[0].has_expired():
            await _close(self._idle.pop(0))
        while self._idle:
            connection = self._idle.pop()
            if connection.can_handle_request(origin) and not connection.has_expired():
                return connection
            await _close(connection)
        context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._tls()
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=context, keepalive_expiry=self._idle_s, network_backend=self._backends[origin.scheme]
        )

    async def _give_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        """A connection whose answer was read to its end waits for the next request; any other is closed."""
        if connection.is_available() and not self._is_closed:
            self._idle.append(connection)
        else:
            await _close(connection)

    async def _read(self, answer: httpcore.Response) -> Response | Failure:
        stream, parts = answer.extensions["network_stream"], answer.stream
        assert isinstance(stream, Stream)
        assert isinstance(parts, AsyncIterable)
        body = bytearray()
        try:
            if not stream.begin_body(self._answer_bytes):
                return Failure(kind="protocol", message="an answer came before its request")
            async for part in parts:
                body += part[: self._answer_bytes - len(body)]
                if len(body) == self._answer_bytes:
                    stream.end_body()
        except TooLongError:
            pass  # what was kept is enough to judge by; httpcore has closed the connection
        finally:
            await answer.aclose()
        return Response(status=answer.status, headers=_joined(answer.headers), body=bytes(body))


async def _close(connection: httpcore.AsyncHTTPConnection) -> None:
    with trio.CancelScope(shield=True):  # waits for nothing: neither TLS nor TCP takes leave of the peer
        await connection.aclose()


def silence_http_logs() -> None:
    """Nothing of the HTTP libraries is logged, at any level: their lines hold URLs and headers with secrets."""
    for name in _HTTP_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.addFilter(_nothing)  # a level may be set again by someone; a filter stays, and counts once


def _nothing(record: logging.LogRecord) -> bool:
    return False


def user_agent() -> str:
    try:
        return f"events-gateway/{importlib.metadata.version('events-gateway')}"
    except importlib.metadata.PackageNotFoundError:  # run from a folder, not installed
        return "events-gateway"


class _Address:
    """A URL, read, with the headers that every request to it has."""

    __slots__ = ("headers", "parsed", "url")

    def __init__(self, url: str, target: Target, agent: bytes) -> None:
        self.url = url
        self.parsed = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        self.headers = (
            (b"host", target.authority.encode()),
            (b"user-agent", agent),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"identity"),
        )


def _headers(request: Request, fixed: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    own = [(name, value) for name, value in request.headers if name.lower() not in _OURS]
    has_agent = any(name.lower() == "user-agent" for name, _ in own)  # a platform may want one of a form of its own
    headers = [pair for pair in fixed if not (has_agent and pair[0] == b"user-agent")]
    headers += [(name.encode(), value.encode()) for name, value in own]
    if request.body or request.method != "GET":
        headers.append((b"content-length", b"%d" % len(request.body)))
    return headers


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Names in lower case, repeated headers joined by a comma (RFC 9110, section 5.3)."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _failure(error: Exception) -> Failure:
    """What stopped an attempt. Texts of exceptions hold headers and bytes of the peer: only known parts are told."""
    match error:
        case FailedError():
            return error.failure
        case TooLongError():
            return Failure(kind="too_large", message=f"the head of the answer is longer than {HEAD_BYTES} bytes")
        case httpcore.RemoteProtocolError() if str(error).startswith(("Server disconnected", "peer closed")):
            return Failure(kind="reset", message="the connection was closed before the answer was whole")
        case httpcore.RemoteProtocolError():
            words = re.split(r"[:(]| b['\"]", str(error), maxsplit=1)[0]
            return Failure(kind="protocol", message=f"the answer is no HTTP/1.1: {words[:100]}")
        case httpcore.LocalProtocolError() | UnicodeError():
            return Failure(kind="protocol", message="the request cannot be written as HTTP/1.1")
        case httpcore.NetworkError():
            return Failure(kind="reset", message="the connection broke before the answer was whole")
        case _:
            return Failure(kind="protocol", message=f"the exchange failed: {type(error).__name__}")
