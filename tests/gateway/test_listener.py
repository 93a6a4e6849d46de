"""The listener: bounds on connections, descriptors, failures that stay where they arise, an end in time."""

import errno
import socket
from typing import Any

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from actors.observer import Observer
from gateway.answers import DateLine
from gateway.client import LOOPBACK, address_key
from gateway.door import DoorBounds, log_nothing
from gateway.failures import FailureReport
from gateway.fast_lane import FastLane
from gateway.listener import Listener, open_listening_socket, serve_doors
from gateway.request_head import Head
from gateway.wire import Wire
from tests.gateway.doors import GIVE_UP_S, LONG, PATIENT, SHORT, Client, Echo, Heard, open_doors, request, wait_until


class Watched(socket.socket):
    """A listening socket that keeps what it accepted, or has no descriptors for a while."""

    refusals = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "too many open files")
        taken = super().accept()
        self.last = taken[0]
        return taken


def watched() -> Watched:
    sock = Watched(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


class NoOtherDoor:
    async def serve_request(self, wire: Wire, head: Head) -> bool:
        raise AssertionError("nothing is handed over here")


async def streaming_app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """An answer of 64 MiB: more than any socket buffer takes."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
    for _ in range(64):
        await send({"type": "http.response.body", "body": bytes(1024 * 1024), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def failing_app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    raise ExceptionGroup("several", [ValueError("jane@example.com"), ExceptionGroup("in", [KeyError("k")])])


async def test_one_connection_too_many_is_told_to_come_back() -> None:
    async with open_doors(bounds=DoorBounds(connections=2)) as doors:
        async with await doors.connect(), await doors.connect(), await doors.connect() as third:
            reply = await third.reply()
            assert (reply.status, reply.header("retry-after"), doors.heard.failures) == (503, "1", ["too_many"])
        await wait_until(lambda: doors.listener.connections() == 0)
        assert (await doors.ask(request("GET", "/healthz"))).status == 200


async def from_address(address: str, port: int) -> Client:
    return Client(await trio.open_tcp_stream("127.0.0.1", port, local_address=address))


async def test_connections_are_bounded_by_address() -> None:
    report = FailureReport(observer=Observer(), log=log_nothing)
    bounds = DoorBounds(connections_per_address=2)
    lane = FastLane(handler=Echo(), other_door=NoOtherDoor(), bounds=bounds, report=report, date=DateLine())
    listener = Listener([open_listening_socket("127.0.0.1", 0)], lane, bounds, (), report)
    async with trio.open_nursery() as nursery:
        await nursery.start(listener.serve)
        port = listener.ports[0]
        async with await from_address("127.0.0.1", port), await from_address("127.0.0.1", port):
            await wait_until(lambda: listener.connections() == 2)
            async with await from_address("127.0.0.1", port) as third, await from_address("127.0.0.2", port) as other:
                assert (await third.reply()).status == 503
                await other.send(request("POST", "/i", b"{}"))
                assert (await other.reply()).status == 200
        listener.close()


async def test_loopback_is_not_bounded_by_address() -> None:
    bounds = DoorBounds(connections_per_address=1)
    async with open_doors(bounds=bounds) as doors, await doors.connect(), await doors.connect() as second:
        await second.send(request("POST", "/i", b"{}"))
        assert (await second.reply()).status == 200


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9") != address_key("2001:db8:1:3::1")


async def test_running_out_of_descriptors_is_survived_and_said_once() -> None:
    sock = watched()
    sock.refusals = 3
    async with open_doors(sock=sock) as doors:
        assert (await doors.ask(request("POST", "/i", b"{}"))).status == 200
        assert [action for action, _ in doors.heard.lines] == ["no_descriptors"]


async def test_accepted_sockets_have_the_options_that_bound_a_silent_peer() -> None:
    sock = watched()
    async with open_doors(sock=sock) as doors, await doors.connect():
        await wait_until(lambda: doors.listener.connections() == 1)
        assert sock.last.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.last.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert sock.last.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == LONG.user_timeout_ms


async def test_an_application_that_fails_harms_no_neighbour() -> None:
    async with open_doors(app=failing_app) as doors, await doors.connect() as neighbour:
        for _ in range(3):
            reply = await doors.ask(request("GET", "/anything"))
            assert (reply.status, reply.body) == (500, b"")
        await neighbour.send(request("POST", "/i", b"{}"))
        assert (await neighbour.reply()).status == 200
        assert "jane" not in str(doors.heard.lines)


class Stumbling:
    """Another door with bugs that it does not contain itself."""

    async def serve_request(self, wire: Wire, head: Head) -> bool:
        match head.path:
            case "/plain":
                raise RecursionError("jane@example.com")
            case "/several":
                raise ExceptionGroup("several", [ValueError("jane@example.com"), OSError(errno.EIO, "disk")])
            case _:
                raise trio.BrokenResourceError


async def test_whatever_a_connection_raises_ends_that_connection_alone() -> None:
    heard = Heard()
    report = FailureReport(observer=heard, log=heard.log)
    lane = FastLane(handler=Echo(), other_door=Stumbling(), bounds=LONG, report=report, date=DateLine())
    listener = Listener([open_listening_socket("127.0.0.1", 0)], lane, LONG, LOOPBACK, report)
    async with trio.open_nursery() as nursery:
        await nursery.start(listener.serve)
        async with await from_address("127.0.0.1", listener.ports[0]) as neighbour:
            for target in ("/plain", "/several", "/lost"):
                async with await from_address("127.0.0.1", listener.ports[0]) as client:
                    await client.send(request("GET", target))
                    assert await client.wait_end() == b""
            await neighbour.send(request("POST", "/i", b"{}"))
            assert (await neighbour.reply()).status == 200
        await wait_until(lambda: listener.connections() == 0)
        listener.close()
    assert heard.failures == ["contained", "contained", "lost"]
    assert [(action, fields["error"]) for action, fields in heard.lines] == [
        ("connection_failure_contained", "RecursionError"),
        ("connection_failure_contained", "ValueError"),
    ]


@pytest.mark.parametrize("clients", [1, 20])
async def test_clients_that_do_not_read_cannot_hold_up_the_end(clients: int) -> None:
    streams: list[Client] = []
    begun = 0.0
    bounds = DoorBounds(send_s=60, drain_s=0.8, drain_send_s=0.2)
    async with open_doors(app=streaming_app, bounds=bounds) as doors:
        for _ in range(clients):
            streams.append(await doors.connect())
            await streams[-1].send(request("GET", "/export"))
        await wait_until(lambda: doors.listener.connections() == clients)
        begun = trio.current_time()
    assert trio.current_time() - begun < bounds.send_s / 2
    for client in streams:
        await client.stream.aclose()


async def test_a_client_that_stops_reading_is_cut_off_in_time() -> None:
    async with open_doors(app=streaming_app, bounds=SHORT) as doors, await doors.connect() as client:
        await client.send(request("GET", "/export"))
        await wait_until(lambda: doors.listener.connections() == 1)
        await wait_until(lambda: doors.listener.connections() == 0, SHORT.send_s + GIVE_UP_S)


async def test_a_handler_that_never_ends_is_cut_at_the_end_of_the_drain() -> None:
    handler = Echo()
    handler.gate = trio.Event()
    with trio.fail_after(SHORT.drain_s + GIVE_UP_S):
        async with trio.open_nursery() as nursery:
            sock = open_listening_socket("127.0.0.1", 0)
            listener: Listener = await nursery.start(lambda task_status: serve(sock, handler, task_status))
            client = Client(await trio.open_tcp_stream("127.0.0.1", listener.ports[0]))
            await client.send(request("POST", "/i", b"{}"))
            await wait_until(lambda: len(handler.calls) == 1)
            nursery.cancel_scope.cancel()
    assert await client.wait_end() == b""
    await client.stream.aclose()


async def serve(sock: socket.socket, handler: Echo, task_status: trio.TaskStatus[Listener]) -> None:
    await serve_doors([sock], handler, lambda: streaming_app, bounds=SHORT, task_status=task_status)


async def test_idle_connections_end_at_once_at_shutdown_and_nothing_is_accepted_any_more() -> None:
    async with open_doors(bounds=PATIENT) as doors, await doors.connect() as idle:
        await idle.send(request("POST", "/i", b"{}"))
        await idle.reply()
        doors.listener.close()
        assert await idle.wait_end() == b""
        with pytest.raises(OSError, match=r"connect|refused"):
            await doors.connect()


async def test_no_connection_is_left_over() -> None:
    async with open_doors() as doors:
        for number in range(50):
            async with await doors.connect() as client:
                await client.send(request("POST", "/i", b"{}")[: 10 + number * 2])
        await wait_until(lambda: doors.listener.connections() == 0)
