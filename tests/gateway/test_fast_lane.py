"""The fast lane: whole requests out of any pieces, bounded in time, each head checked."""

from contextlib import suppress
from itertools import pairwise

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Answer
from tests.gateway.doors import GIVE_UP_S, PATIENT, SHORT, Echo, open_doors, request, wait_until

TWO = request("POST", "/i", b'{"a":1}') + request("POST", "/v1/events", b"[]", last=True)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, len(TWO) - 1), max_size=6))
def test_requests_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    async def main() -> None:
        async with open_doors() as doors, await doors.connect() as client:
            edges = [0, *sorted(set(cuts)), len(TWO)]
            for start, end in pairwise(edges):
                await client.send(TWO[start:end])
                await trio.lowlevel.checkpoint()
            assert [(await client.reply()).status for _ in range(2)] == [200, 200]
            assert [call.body for call in doors.handler.calls] == [b'{"a":1}', b"[]"]

    trio.run(main)


async def test_a_body_of_a_mebibyte_in_small_pieces_arrives_whole() -> None:
    body = bytes(range(256)) * 4096
    async with open_doors() as doors, await doors.connect() as client:
        raw = request("POST", "/v1/events", body)
        for start in range(0, len(raw), 40_000):
            await client.send(raw[start : start + 40_000])
        assert (await client.reply()).status == 200
        assert doors.handler.calls[0].body == body


async def test_empty_lines_before_a_request_are_ignored() -> None:
    async with open_doors() as doors:
        assert (await doors.ask(b"\r\n\r\n" + request("POST", "/i", b"{}"))).status == 200


async def test_the_absolute_form_of_a_target_is_understood() -> None:
    async with open_doors() as doors:
        assert (await doors.ask(request("POST", "http://gateway.test/i?k=1", b"{}"))).status == 200
        assert (await doors.ask(request("GET", "http://gateway.test/healthz"))).status == 200
        assert (await doors.ask(request("GET", "http://other.test/healthz"))).status == 400


async def test_a_slow_head_is_408() -> None:
    async with open_doors(bounds=SHORT) as doors, await doors.connect() as client:
        await client.send(b"POST /i HTTP/1.1\r\nHost: a\r\n")
        assert (await client.reply()).status == 408
        assert await client.wait_end() == b""


async def test_a_head_that_drips_is_bounded_in_all() -> None:
    async with open_doors(bounds=SHORT) as doors, await doors.connect() as client:
        await client.send(b"POST /i HTTP/1.1\r\n")
        begun = trio.current_time()
        while doors.listener.connections() and trio.current_time() - begun < GIVE_UP_S:
            with suppress(trio.BrokenResourceError):
                await client.send(b"X-A: b\r\n")
            await trio.sleep(0.03)
        assert trio.current_time() - begun < SHORT.head_s + GIVE_UP_S / 2


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with open_doors(bounds=SHORT) as doors, await doors.connect() as client:
        assert await client.wait_end(within_s=SHORT.keep_alive_s + GIVE_UP_S) == b""


async def test_a_client_that_takes_no_answers_is_cut_off() -> None:
    handler = Echo(lambda call: Answer(status=200, body=b"a" * 900_000))
    async with open_doors(bounds=SHORT, handler=handler) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}") * 8)
        await wait_until(lambda: doors.listener.connections() == 0, SHORT.send_s * 8 + GIVE_UP_S)
        assert len(handler.calls) < 8
        assert "lost" in doors.heard.failures


async def test_a_client_that_pipelines_does_not_hold_up_its_neighbour() -> None:
    async with open_doors() as doors, await doors.connect() as greedy, await doors.connect() as neighbour:
        await greedy.send(request("POST", "/i?greedy", b"{}") * 200)
        await neighbour.send(request("POST", "/i?neighbour", b"{}"))
        assert (await neighbour.reply()).status == 200
        await wait_until(lambda: len(doors.handler.calls) == 201)
        assert [call.query for call in doors.handler.calls].index("neighbour") < 100


async def test_an_answer_under_way_at_shutdown_goes_out_and_is_the_last() -> None:
    handler = Echo()
    handler.gate = trio.Event()
    async with open_doors(bounds=PATIENT, handler=handler) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}"))
        await wait_until(lambda: len(handler.calls) == 1)
        doors.listener.close()
        await trio.sleep(0.02)
        handler.gate.set()
        reply = await client.reply()
        assert (reply.status, reply.header("connection")) == (200, "close")
        assert await client.wait_end() == b""


async def test_a_slow_handler_is_not_cut_by_the_time_bounds_of_its_connection() -> None:
    handler = Echo()
    handler.gate = trio.Event()
    async with open_doors(bounds=SHORT, handler=handler) as doors, await doors.connect() as client:
        await client.send(request("POST", "/i", b"{}"))
        await trio.sleep(SHORT.body_s * 2)
        handler.gate.set()
        assert (await client.reply()).status == 200
