"""Requests over real sockets to servers that behave and servers that misbehave."""

import ssl
import tracemalloc

import pytest
import trio
import trio.testing

from actors.addresses import Rules
from actors.destinations.base import Request, Response
from actors.dialing import connect
from actors.tls import client_tls
from actors.transport import Failure, Transport
from tests.actors.sending import CANARY, OPEN, here, once, outcome, post
from tests.torture_parts import faults


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return client_tls()


async def test_answer_comes_back_whole(tls: ssl.SSLContext) -> None:
    head = b"HTTP/1.1 202 Yes\r\nX-One: a\r\nRetry-After: 7\r\nx-one: b\r\ncontent-length: 5\r\n\r\n"

    response = await once(tls, faults.answers(head, b"hello"))

    assert response == Response(
        status=202, headers={"x-one": "a, b", "retry-after": "7", "content-length": "5"}, body=b"hello"
    )


async def test_request_arrives_as_written_with_our_own_framing(tls: ssl.SSLContext) -> None:
    seen: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        seen.append(await faults.read_request(stream))
        await stream.send_all(faults.PLAIN)

    async with faults.serving(handler) as port, here(tls) as transport:
        await transport.send(
            Request(
                url=f"http://127.0.0.1:{port}/a?b=c",
                headers=(("X-Key", "v"), ("Accept-Encoding", "gzip"), ("Host", "evil"), ("Content-Length", "9")),
                body=b"body",
            )
        )

    head, _, body = seen[0].partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    sent = dict(line.split(": ", 1) for line in lines)
    assert (start, body) == ("POST /a?b=c HTTP/1.1", b"body")
    assert sent.pop("user-agent").startswith("events-gateway/")
    assert sent == {
        "host": f"127.0.0.1:{port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "X-Key": "v",
        "content-length": "4",
    }


async def test_a_user_agent_of_the_platforms_own_form_takes_the_place_of_ours(tls: ssl.SSLContext) -> None:
    seen: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        seen.append(await faults.read_request(stream))
        await stream.send_all(faults.PLAIN)

    async with faults.serving(handler) as port, here(tls) as transport:
        await transport.send(Request(url=f"http://127.0.0.1:{port}/", headers=(("User-Agent", "server:x:1"),)))

    agents = [line for line in seen[0].lower().split(b"\r\n") if line.startswith(b"user-agent:")]
    assert agents == [b"user-agent: server:x:1"]


@pytest.mark.parametrize("name", faults.FAULTS)
async def test_fault_of_the_peer_ends_in_time_and_leaks_nothing(tls: ssl.SSLContext, name: str) -> None:
    handler, expected = faults.FAULTS[name]
    bound_s = 0.3 if expected == "timeout" else 5.0  # only what ends by the bound is given a short one

    with trio.fail_after(bound_s + 30):
        result = await once(tls, handler, bound_s)

    assert outcome(result) == expected
    if isinstance(result, Failure):
        assert CANARY not in result.message


@pytest.mark.parametrize(
    "name", ["endless body", "endless small chunks", "gzip bomb", "endless headers", "10 MB header"]
)
async def test_long_answer_costs_little_memory(tls: ssl.SSLContext, name: str) -> None:
    handler, _ = faults.FAULTS[name]
    async with faults.serving(handler) as port, here(tls, attempt_s=5) as transport:
        tracemalloc.start()
        try:
            result = await transport.send(post(port))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert isinstance(result, Failure) or 20_000 < len(result.body) <= 65_536
    assert peak < 1 << 20


async def test_rest_of_a_long_answer_is_not_waited_for(tls: ssl.SSLContext) -> None:
    response = await once(tls, faults.hangs_after(faults.HEAD + b"x" * 65_536))

    assert isinstance(response, Response)
    assert response.body == b"x" * 65_536


async def test_gzip_is_kept_as_it_came(tls: ssl.SSLContext) -> None:
    response = await once(tls, faults.FAULTS["gzip bomb"][0])

    assert isinstance(response, Response)
    assert response.body == faults.BOMB[:65_536]


async def test_redirect_is_an_answer_and_not_followed(tls: ssl.SSLContext) -> None:
    opened: list[str] = []

    async def watched(address: str, port: int) -> trio.abc.Stream:
        opened.append(address)
        return await connect(address, port)

    async with (
        faults.serving(faults.answers(faults.REDIRECT)) as port,
        Transport(tls, allowed=OPEN, connect=watched) as transport,
    ):
        response = await transport.send(post(port))

    assert outcome(response) == 307
    assert opened == ["127.0.0.1"]


async def test_cookie_is_not_sent_back(tls: ssl.SSLContext) -> None:
    seen: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        while request := await faults.read_request(stream):
            seen.append(request)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 0\r\n\r\n")

    async with faults.serving(handler) as port, here(tls) as transport:
        await transport.send(post(port))
        await transport.send(post(port))

    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


async def test_proxy_of_the_environment_is_not_used(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert outcome(await once(tls, faults.answers(faults.PLAIN))) == 200


URLS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1%25lo]/",
    "http://user@shop.example/",
    "http://shop.example:6379/",
    "http://shop.example/",
    "gopher://shop.example/",
    "ws://shop.example/",
]


@pytest.mark.parametrize("url", URLS)
async def test_url_that_leads_inside_opens_no_socket(tls: ssl.SSLContext, url: str) -> None:
    opened: list[str] = []

    async def network(address: str, port: int) -> trio.abc.Stream:
        opened.append(address)
        raise OSError(111, "Connection refused")

    async with Transport(
        tls, allowed=Rules(), lookup=lambda host: ["8.8.8.8", "10.0.0.1"], connect=network
    ) as transport:
        result = await transport.send(Request(url=f"{url}?token={CANARY}"))

    assert outcome(result) == "refused_address"
    assert opened == []
    assert CANARY not in str(result)


async def test_full_backlog_ends_as_a_timeout_of_connecting(tls: ssl.SSLContext) -> None:
    with faults.black_hole() as port:
        async with here(tls) as transport:
            result = await transport.send(post(port))

    assert isinstance(result, Failure)
    assert result.kind == "timeout"
    assert "no connection" in result.message


async def test_closed_port_is_a_failure_to_connect(tls: ssl.SSLContext) -> None:
    async with faults.serving(faults.never_reads) as port:
        pass
    async with here(tls) as transport:
        assert outcome(await transport.send(post(port))) == "connect"


async def test_header_with_a_line_break_is_not_sent_and_not_told(tls: ssl.SSLContext) -> None:
    async with faults.serving(faults.answers(faults.PLAIN)) as port, here(tls) as transport:
        for value in (f"{CANARY}\r\nx: y", f"{CANARY}é\n"):
            result = await transport.send(Request(url=f"http://127.0.0.1:{port}/", headers=(("x-key", value),)))
            assert outcome(result) == "protocol"
            assert CANARY not in str(result)
        assert outcome(await transport.send(post(port))) == 200


async def count_connections(tls: ssl.SSLContext, handler: faults.Handler, requests: int, idle_s: float = 5.0) -> int:
    """How many connections so many requests took, one after the other; each has to succeed."""
    connections = 0

    async def counted(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await handler(stream)

    async with faults.serving(counted) as port, here(tls, idle_s=idle_s) as transport:
        for _ in range(requests):
            assert outcome(await transport.send(post(port))) == 200
            await trio.testing.wait_all_tasks_blocked(0.005)
    return connections


async def test_connection_is_used_again(tls: ssl.SSLContext) -> None:
    assert await count_connections(tls, faults.answers(faults.PLAIN), 5) == 1


async def test_connection_that_the_peer_closed_is_not_used_again(tls: ssl.SSLContext) -> None:
    assert await count_connections(tls, faults.closes_after(faults.PLAIN), 3) == 3


async def test_connection_idle_for_too_long_is_not_used_again(tls: ssl.SSLContext) -> None:
    assert await count_connections(tls, faults.answers(faults.PLAIN), 3, idle_s=0.001) == 3


async def test_peer_that_stopped_is_left_for_a_new_connection(tls: ssl.SSLContext) -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await faults.read_request(stream)
        await stream.send_all(faults.PLAIN)
        await trio.sleep_forever()

    async with faults.serving(handler) as port, here(tls, attempt_s=0.1) as transport:
        kinds = [outcome(await transport.send(post(port))) for _ in range(3)]

    assert kinds == [200, "timeout", 200]


async def test_answer_left_over_from_the_last_request_answers_nothing(tls: ssl.SSLContext) -> None:
    async with faults.serving(faults.answers(faults.PLAIN * 2)) as port, here(tls) as transport:
        kinds = [outcome(await transport.send(post(port))) for _ in range(3)]

    assert kinds == [200, "protocol", 200]


async def test_no_more_requests_are_under_way_than_connections(tls: ssl.SSLContext) -> None:
    open_now = most = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            await faults.answers(faults.PLAIN)(stream)
        finally:
            open_now -= 1

    async with (
        faults.serving(handler) as port,
        here(tls, connections=3, attempt_s=5) as transport,
        trio.open_nursery() as nursery,
    ):
        for _ in range(50):
            nursery.start_soon(transport.send, post(port))

    assert most == 3


async def test_request_cancelled_just_after_connecting_gives_its_place_back(tls: ssl.SSLContext) -> None:
    scope = trio.CancelScope()

    async def network(address: str, port: int) -> trio.abc.Stream:
        stream = await connect(address, port)
        scope.cancel()
        return stream

    async with (
        faults.serving(faults.answers(faults.PLAIN)) as port,
        Transport(tls, allowed=OPEN, connections=1, connect=network) as transport,
    ):
        with scope:
            await transport.send(post(port))
        assert scope.cancelled_caught
        assert outcome(await transport.send(post(port))) == 200


async def test_answer_of_a_peer_that_refuses_the_body_and_closes_is_an_answer(tls: ssl.SSLContext) -> None:
    async def network(address: str, port: int) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(b"HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n")
        await theirs.aclose()
        return ours

    async with Transport(tls, allowed=OPEN, connect=network) as transport:
        assert outcome(await transport.send(post(80))) == 413


async def test_all_idle_connections_that_the_peer_closed_are_left(tls: ssl.SSLContext) -> None:
    both = trio.Event()
    waiting: list[int] = []

    async def handler(stream: trio.SocketStream) -> None:
        await faults.read_request(stream)
        waiting.append(1)
        if len(waiting) == 2:
            both.set()
        await both.wait()
        await stream.send_all(faults.PLAIN)

    async with faults.serving(handler) as port, here(tls) as transport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.send, post(port))
            nursery.start_soon(transport.send, post(port))
        await trio.testing.wait_all_tasks_blocked(0.005)
        assert [outcome(await transport.send(post(port))) for _ in range(2)] == [200, 200]


async def test_message_quotes_nothing_that_the_peer_sent(tls: ssl.SSLContext) -> None:
    for line in (CANARY, f"HTTP/9 200 {CANARY}", f"HTTP/1.1 200 OK\r\n{CANARY}"):
        result = await once(tls, faults.closes_after(f"{line}\r\n\r\n".encode()))
        assert isinstance(result, Failure)
        assert result.kind == "protocol"
        assert CANARY not in result.message


async def test_idle_connections_are_closed_on_request(tls: ssl.SSLContext) -> None:
    closed = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        await faults.answers(faults.PLAIN)(stream)
        closed.set()

    async with faults.serving(handler) as port, here(tls) as transport:
        await transport.send(post(port))
        await transport.close_idle()
        with trio.fail_after(30):
            await closed.wait()
