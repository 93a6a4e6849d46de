"""Both doors give the same answers, whichever serves a request."""

import gzip
from collections.abc import Awaitable, Callable

import pytest
import trio

from gateway.call import BODY_BYTES, Answer, Call
from gateway.door import Ready
from tests.gateway.doors import GIVE_UP_S, LONG, PATIENT, SHORT, Client, Echo, open_doors, request, wait_until

DOORS = pytest.mark.parametrize("is_fast", [True, False], ids=["fast_lane", "other_door"])
COMPRESSED = gzip.compress(b"{}")

SAME = {
    "an event": request("POST", "/v1/events", b'{"event_name":"x"}', "Authorization: Bearer wk_demo"),
    "a browser's event": request("POST", "/i?k=pk_demo&a=%20b", b"{}", "Content-Type: text/plain"),
    "identify": request("POST", "/i/identify", b"{}"),
    "the compatible endpoint": request("POST", "/", b"{}"),
    "no body": request("POST", "/i"),
    "a compressed body": request("POST", "/v1/events", COMPRESSED, "Content-Encoding: gzip"),
    "a preflight": request("OPTIONS", "/i", None, "Origin: https://shop.example.com"),
    "a method of no use here": request("PUT", "/i", b"{}"),
    "a get of a hot path": request("GET", "/i"),
    "a method of an extension": request("PROPFIND", "/i"),
    "an empty list of headers": request("POST", "/i", b"{}", "X-Empty:"),
    "a body that is too large": request("POST", "/i", b"a" * (BODY_BYTES["/i"] + 1)),
    "an unknown path": request("POST", "/i/unknown", b"{}"),
    "an escaped path": request("POST", "/%69", b"{}"),
    "a doubled slash": request("POST", "//i", b"{}"),
    "health": request("GET", "/healthz"),
    "readiness": request("GET", "/readyz"),
    "a wrong method for health": request("POST", "/healthz", b"{}"),
    "garbage": b"\x16\x03\x01\r\n\r\n",
    "two hosts": request("POST", "/i", b"{}", "Host: other.test"),
}


@pytest.mark.parametrize("raw", SAME.values(), ids=SAME.keys())
async def test_both_doors_give_the_same_answer(raw: bytes) -> None:
    async with open_doors() as fast, open_doors(is_fast_lane_on=False) as slow:
        assert (await fast.ask(raw)).comparable == (await slow.ask(raw)).comparable


@DOORS
async def test_the_handler_is_given_the_whole_request(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors:
        await doors.ask(request("POST", "/i?k=1", b"body", "X-A: 1", "x-a: 2", "Cookie: a=1", "Cookie: b=2"))
        call = doors.handler.calls[0]
        assert (call.method, call.path, call.query, call.body, call.peer) == ("POST", "/i", "k=1", b"body", "127.0.0.1")
        assert (call.headers["x-a"], call.headers["cookie"]) == ("1, 2", "a=1; b=2")
        await wait_until(lambda: doors.heard.answers == [("fast" if is_fast else "app", 200)])


async def test_a_chunked_body_is_taken_by_the_other_door() -> None:
    async with open_doors() as doors:
        plain = await doors.ask(request("POST", "/i", b"abc"))
        chunked = await doors.ask(request("POST", "/i", b"abc", is_chunked=True))
        assert plain.comparable == chunked.comparable
        await wait_until(lambda: doors.heard.answers == [("fast", 200), ("app", 200)])


@DOORS
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("path", BODY_BYTES)
async def test_a_body_at_the_bound_is_taken_and_one_byte_more_is_413(
    path: str, is_chunked: bool, is_fast: bool
) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors:
        most = b"a" * BODY_BYTES[path]
        assert (await doors.ask(request("POST", path, most, is_chunked=is_chunked))).status == 200
        refused = await doors.ask(request("POST", path, most + b"a", is_chunked=is_chunked))
        assert (refused.status, b'"too_large"' in refused.body) == (413, True)
        assert [len(call.body) for call in doors.handler.calls] == [BODY_BYTES[path]]


async def test_a_connection_goes_to_the_other_door_for_one_request_and_comes_back() -> None:
    async with open_doors() as doors, await doors.connect() as client:
        for raw in (request("POST", "/i", b"1"), request("GET", "/healthz"), request("POST", "/i", b"2")):
            await client.send(raw)
            assert (await client.reply()).status == 200
        assert [door for door, _ in doors.heard.answers] == ["fast", "app", "fast"]


@DOORS
async def test_pipelined_requests_are_answered_in_their_order(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors, await doors.connect() as client:
        bodies = [b"1", b"22", b"333", b"4444"]
        await client.send(b"".join(request("POST", "/i", body, is_chunked=len(body) % 2 == 0) for body in bodies))
        assert [b'"body":"' + body + b'"' in (await client.reply()).body for body in bodies] == [True] * 4
        assert [call.body for call in doors.handler.calls] == bodies


@DOORS
async def test_an_expecting_client_is_told_to_go_on(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 2"))
        assert (await client.reply()).status == 100
        await client.send(b"{}")
        assert (await client.reply()).status == 200


@DOORS
@pytest.mark.parametrize(
    "leave", [Client.reset, lambda client: client.stream.aclose(), lambda client: client.stream.send_eof()]
)
async def test_an_event_is_kept_when_its_client_hangs_up_after_the_body(
    leave: Callable[[Client], Awaitable[None]], is_fast: bool
) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors:
        for number in range(5):
            client = await doors.connect()
            await client.send(request("POST", "/i", f"{number}".encode()))
            await leave(client)
            await client.stream.aclose()
        await wait_until(lambda: len(doors.handler.calls) == 5)
        await wait_until(lambda: doors.listener.connections() == 0)
        assert (await doors.ask(request("GET", "/healthz"))).status == 200


@DOORS
async def test_handling_is_not_stopped_by_a_client_that_left(is_fast: bool) -> None:
    finished: list[bytes] = []

    def finish(call: Call) -> Answer:
        finished.append(call.body)
        return Answer(status=200)

    handler = Echo(finish)
    handler.gate = trio.Event()
    async with open_doors(is_fast_lane_on=is_fast, handler=handler) as doors:
        client = await doors.connect()
        await client.send(request("POST", "/i", b"{}"))
        await wait_until(lambda: len(handler.calls) == 1)
        await client.reset()
        await trio.sleep(0.02)
        handler.gate.set()
        await wait_until(lambda: finished == [b"{}"])


@DOORS
async def test_a_client_that_ends_its_side_still_gets_its_answer(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}"))
        await client.stream.send_eof()
        assert (await client.reply()).status == 200
        assert await client.wait_end() == b""


@DOORS
async def test_an_idle_connection_is_closed_after_its_time(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast, bounds=SHORT) as doors, await doors.connect() as client:
        begun = trio.current_time()
        await client.send(request("POST", "/i", b"{}"))
        await client.reply()
        assert await client.wait_end() == b""
        assert SHORT.keep_alive_s <= trio.current_time() - begun < SHORT.keep_alive_s + GIVE_UP_S


@DOORS
@pytest.mark.parametrize("target", ["/i", "/healthz", "/nothing"])
async def test_connection_close_is_honoured_at_once(target: str, is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast, bounds=PATIENT) as doors, await doors.connect() as client:
        await client.send(request("POST", target, b"{}", last=True))
        assert (await client.reply()).header("connection") == "close"
        assert await client.wait_end() == b""


@DOORS
async def test_a_failure_inside_is_a_500_that_tells_nothing(is_fast: bool) -> None:
    def fail(call: Call) -> Answer:
        raise RuntimeError("secret " + call.body.decode())

    async with open_doors(is_fast_lane_on=is_fast, handler=Echo(fail)) as doors:
        reply = await doors.ask(request("POST", "/i", b"jane@example.com"))
        assert (reply.status, b'"internal_error"' in reply.body, reply.header("server")) == (500, True, None)
        assert "RuntimeError" in str(doors.heard.lines)
        assert not any(word in str(doors.heard.lines) + str(reply) for word in ("secret", "jane", "Traceback"))


@DOORS
async def test_a_line_break_in_an_answers_header_never_leaves(is_fast: bool) -> None:
    handler = Echo(lambda call: Answer(status=200, headers=(("x-a", "1\r\nset-cookie: evil=1"),)))
    async with open_doors(is_fast_lane_on=is_fast, handler=handler) as doors:
        reply = await doors.ask(request("POST", "/i", b"{}"))
        assert (reply.status, reply.header("set-cookie")) == (500, None)


async def test_readiness_says_why_not() -> None:
    states: list[Ready | str] = ["the store is full", Ready()]
    async with open_doors(ready=lambda: states.pop(0)) as doors:
        first = await doors.ask(request("GET", "/readyz"))
        assert (first.status, b"the store is full" in first.body, first.header("retry-after")) == (503, True, "1")
        assert (await doors.ask(request("GET", "/readyz"))).status == 200


async def test_head_is_answered_like_get_without_a_body() -> None:
    async with open_doors() as doors, await doors.connect() as client:
        await client.send(request("HEAD", "/healthz", last=True))
        assert (await client.reply(has_body=False)).status == 200
        assert await client.wait_end() == b""


async def test_errors_are_json_and_name_what_is_allowed() -> None:
    async with open_doors() as doors:
        missing = await doors.ask(request("GET", "/../../etc/passwd"))
        wrong = await doors.ask(request("DELETE", "/healthz"))
        assert (missing.status, b'"not_found"' in missing.body) == (404, True)
        assert (wrong.status, wrong.header("allow")) == (405, "GET, HEAD, OPTIONS")
        assert missing.header("content-type") == wrong.header("content-type") == "application/json"


@DOORS
async def test_a_slow_body_is_408_and_never_handled(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast, bounds=SHORT) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}")[:-1])
        assert (await client.reply()).status == 408
        assert await client.wait_end() == b""
        assert doors.handler.calls == []


@DOORS
async def test_a_body_that_drips_is_bounded_in_all(is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast, bounds=SHORT) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"a" * 100)[:-100])
        begun = trio.current_time()
        with trio.fail_after(GIVE_UP_S):
            try:
                while True:
                    await client.send(b"a")
                    await trio.sleep(0.05)
            except trio.BrokenResourceError:
                pass
        assert trio.current_time() - begun < SHORT.body_s + GIVE_UP_S
        assert doors.handler.calls == []


def test_the_bounds_in_use_are_those_of_the_design() -> None:
    assert (LONG.connections, LONG.connections_per_address, LONG.reserve_descriptors) == (4096, 64, 64)
    assert (LONG.head_s, LONG.body_s, LONG.keep_alive_s, LONG.user_timeout_ms) == (5, 10, 5, 8000)
    assert LONG.drain_s + LONG.drain_send_s <= 10
