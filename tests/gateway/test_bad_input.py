"""Bad input at both doors: an answer that fits, a closed connection, no harm to anybody else."""

import json

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.doors import Doors, open_doors, request

HOST = b"Host: a\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /i HTTP/1.1\r\n" + HOST
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"

REFUSED = {
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50)),
    "HTTP/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    "HTTP/2 upgrade to a tunnel": (400, b"CONNECT a:443 HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n"),
    "HTTP/2 or WebSocket": (400, GET + WEBSOCKET.replace(b"websocket", b"h2c, websocket") + b"\r\n"),
    "WebSocket": (400, GET + WEBSOCKET + b"\r\n"),
    "tunnel": (400, b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/3.0": (505, b"GET / HTTP/3.0\r\n" + HOST + b"\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "another protocol": (400, b"POST / RTSP/1.0\r\n" + HOST + b"\r\n"),
    "unknown method": (501, b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "lower-case method": (501, b"get / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "length and coding": (400, POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding and length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "two equal lengths": (400, POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    "a list of lengths": (400, POST + b"Content-Length: 2, 2\r\n\r\nab"),
    "signed length": (400, POST + b"Content-Length: +2\r\n\r\nab"),
    "negative length": (400, POST + b"Content-Length: -2\r\n\r\nab"),
    "hexadecimal length": (400, POST + b"Content-Length: 0x2\r\n\r\nab"),
    "empty length": (400, POST + b"Content-Length: \r\n\r\n"),
    "length past all bounds": (400, POST + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    "length past ours": (413, POST + b"Content-Length: 99999999\r\n\r\n"),
    "unknown coding": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "two codings": (400, POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": (400, b"POST /i HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a coding after a space": (400, POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "bare line feeds": (400, b"GET /healthz HTTP/1.1\nHost: a\n\n"),
    "one bare line feed": (400, GET + b"X: a\nY: b\r\n\r\n"),
    "bare carriage return": (400, GET + b"X: a\rY: b\r\n\r\n"),
    "folded line": (400, GET + b"X: a\r\n b\r\n\r\n"),
    "control byte": (400, GET + b"X: a\x00b\r\n\r\n"),
    "no colon": (400, GET + b"nocolon\r\n\r\n"),
    "no name": (400, GET + b": a\r\n\r\n"),
    "no host": (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
    "two hosts": (400, GET + HOST + b"\r\n"),
    "impossible host": (400, b"GET /healthz HTTP/1.1\r\nHost: a/b c\r\n\r\n"),
    "target without path": (400, b"GET ?a HTTP/1.1\r\n" + HOST + b"\r\n"),
    "broken absolute target": (400, b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "absolute target of another host": (400, b"GET http://b/healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "star target": (400, b"GET * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "fragment": (400, b"GET /healthz#a HTTP/1.1\r\n" + HOST + b"\r\n"),
    "non-ASCII target": (400, b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "two spaces": (400, b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a query of a mebibyte": (414, b"GET /healthz?" + b"a" * 1_048_576 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a long target": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a target without end": (414, b"GET /" + b"a" * 20_000),
    "a header without end": (431, GET + b"X: " + b"a" * 20_000),
    "headers of 17 KiB": (431, GET + b"X: " + b"a" * 17_000 + b"\r\n\r\n"),
    "2,000 headers": (431, GET + b"X:\r\n" * 2000 + b"\r\n"),
    "101 headers": (431, GET + b"X: a\r\n" * 100 + b"\r\n"),
    "a cookie of 100 KB": (431, GET + b"Cookie: " + b"a" * 100_000 + b"\r\n\r\n"),
    "cookies of 9 KB": (431, GET + b"Cookie: a=" + b"a" * 4500 + b"\r\nCookie: b=" + b"b" * 4500 + b"\r\n\r\n"),
    "unknown expectation": (417, POST + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}"),
}

ANSWERED = {
    "bad escape": (400, b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "NUL in the path": (400, b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "path that is no text": (400, b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n"),
    "dots": (404, b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bad chunk": (400, POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "bad chunk later": (400, POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n-1\r\n"),
    "16 KiB of headers in all": (200, GET + b"X: " + b"a" * 16_000 + b"\r\n\r\n"),
    "HTTP/1.0 without host": (200, b"GET /healthz HTTP/1.0\r\n\r\n"),
    "all of a server": (204, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "multipart of 10,000 parts": (200, request("POST", "/v1/events", b"--b\r\n\r\na\r\n" * 10_000)),
    "a large body where none is taken": (
        405,
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999\r\n\r\na",
    ),
}


class NeverReached:
    """The application behind the other door, which refused input must not reach."""

    calls = 0

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        self.calls += 1


@pytest.mark.parametrize(("status", "raw"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_plain_http_is_refused_closed_and_handed_to_nobody(status: int, raw: bytes) -> None:
    app = NeverReached()
    async with open_doors(app=app) as doors, await doors.connect() as client:
        await client.send(raw)
        reply = await client.reply()
        assert (reply.status, reply.header("connection"), reply.header("server")) == (status, "close", None)
        assert list(json.loads(reply.body)["error"]) == ["code", "field", "message"]
        assert await client.wait_end() == b""
        assert (app.calls, doors.handler.calls, doors.heard.lines) == (0, [], [])


@pytest.mark.parametrize(("status", "raw"), REFUSED.values(), ids=REFUSED.keys())
async def test_it_is_refused_as_well_after_a_request_of_the_other_door(status: int, raw: bytes) -> None:
    async with open_doors(is_fast_lane_on=False) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}") + raw)
        assert [(await client.reply()).status for _ in range(2)] == [200, status]
        assert await client.wait_end() == b""
        assert len(doors.handler.calls) == 1


@pytest.mark.parametrize(("status", "raw"), ANSWERED.values(), ids=ANSWERED.keys())
async def test_odd_but_readable_requests_get_their_answer(status: int, raw: bytes) -> None:
    async with open_doors() as doors:
        reply = await doors.ask(raw)
        assert (reply.status, reply.header("server"), doors.heard.lines) == (status, None, [])


async def test_a_smuggled_request_is_never_served() -> None:
    smuggled = request("POST", "/v1/events", b"smuggled")
    async with open_doors() as doors:
        for framing in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: \x0bchunked\r\n"):
            async with await doors.connect() as client:
                await client.send(POST + framing + b"\r\n0\r\n\r\n" + smuggled)
                assert (await client.reply()).status == 400
                assert await client.wait_end() == b""
        assert doors.handler.calls == []


async def test_bytes_after_a_chunked_body_are_the_next_request_only() -> None:
    async with open_doors() as doors, await doors.connect() as client:
        await client.send(
            request("POST", "/i", b"first", is_chunked=True) + request("POST", "/i", b"second", last=True)
        )
        assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        assert [call.body for call in doors.handler.calls] == [b"first", b"second"]


WORDS = st.sampled_from(
    [GET, POST, UPGRADE, WEBSOCKET, b"GET / HTTP/1.1\r\n", b"OPTIONS * HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n"]
    + [f"{field}\r\n".encode() for field in ("Content-Length: 5", "Content-Length: 0", "Connection: close", "Host: b")]
    + [
        f"{field}\r\n".encode()
        for field in ("Transfer-Encoding: chunked", "Expect: 100-continue", "5\r\nhello", "0\r\n")
    ]
    + [b"\r\n", b"\n", b"\r\n\r\n", b"\x00", b"\xff"]
)
INPUTS = st.one_of(st.binary(max_size=200), st.lists(WORDS | st.binary(max_size=8), max_size=12).map(b"".join))


@settings(max_examples=60, deadline=None)
@given(inputs=st.lists(INPUTS, min_size=1, max_size=8), is_fast=st.booleans())
def test_no_bytes_harm_the_server_or_a_neighbour(inputs: list[bytes], is_fast: bool) -> None:
    async def main() -> None:
        async with open_doors(is_fast_lane_on=is_fast) as doors, await doors.connect() as neighbour:
            async with trio.open_nursery() as nursery:
                for raw in inputs:
                    nursery.start_soon(throw, doors, raw)
            await neighbour.send(request("POST", "/i", b"{}") + request("GET", "/healthz"))
            assert [(await neighbour.reply()).status for _ in range(2)] == [200, 200]
            assert [
                (door, status) for door, status in doors.heard.answers if status >= 500 and status not in (501, 505)
            ] == []
            assert doors.heard.lines == []

    trio.run(main)


async def throw(doors: Doors, raw: bytes) -> None:
    """Sends, ends its side, and reads all that comes: never a traceback, never an HTTP error of our making."""
    client = await doors.connect()
    async with client:
        try:
            await client.send(raw)
            await client.stream.send_eof()
        except trio.BrokenResourceError:
            return
        said = await client.wait_end()
        assert b"Traceback" not in said
        assert b" 500 " not in said
