"""Load with a log of what was acknowledged: raw connections, one event a request, each repeated until it is answered.

A caller whose answer was lost sends the same event again with the same id, as the gateway tells callers to do; so a
crash also proves that a repeat counts once.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import trio
from msgspec import Struct

from tests.torture_parts.harness import WRITE_KEY

AGAIN_S = 0.02
ANSWER_S = 30.0  # what has no answer by then is sent again
MUCH_S = 120.0  # many acknowledgements, under strace, on a machine that others use
EVENT = (
    '{{"event_name":"product_viewed","event_id":"{event_id}","action_source":"website",'
    '"page":{{"url":"https://shop.example.com/products/oolong"}},"user_data":{{"email":"jane{visitor}@example.com",'
    '"anonymous_id":"visitor{visitor}","client_ip":"203.0.113.7","client_user_agent":"Mozilla/5.0"}},'
    '"custom_data":{{"value":79.9,"currency":"USD","items":[{{"id":"SKU-1","quantity":1,"price":79.9}}]{padding}}}}}'
)


class Ack(Struct, frozen=True, kw_only=True):
    """Unix time, seconds: when the request that was acknowledged left, and when its 202 was read."""

    sent_at_s: float
    acked_at_s: float


class Load:
    """`acked` by event id; `answers` counts statuses; `broken` connections that ended without an answer."""

    def __init__(self, port: int, name: str, padding_bytes: int = 0, pause_s: float = 0.0) -> None:
        self.acked: dict[str, Ack] = {}
        self.answers: Counter[int] = Counter()
        self.broken = 0
        self.refused_at_s: list[float] = []  # when a 503 was read
        self.is_ending = False
        self.talking = 0
        self._port = port
        self._name = name
        self._numbers = count()
        self._padding = "".join(f',"note{i}":"{"x" * 1_000}"' for i in range(padding_bytes // 1_000))
        self._pause_s = pause_s

    async def end(self) -> None:
        """Begins no further request, and waits for the answers of those under way: then `acked` is complete."""
        self.is_ending = True
        with trio.fail_after(ANSWER_S):
            while self.talking:  # noqa: ASYNC110 - as below
                await trio.sleep(0.01)

    async def client(self) -> None:
        """One connection after the other until the load ends."""
        self.talking += 1
        try:
            await self._connections()
        finally:
            self.talking -= 1

    async def _connections(self) -> None:
        waiting: bytes | None = None
        while not self.is_ending:
            try:
                async with await trio.open_tcp_stream("127.0.0.1", self._port) as stream:
                    waiting = await self._talk(stream, waiting)
            except (OSError, trio.BrokenResourceError, trio.TooSlowError, EOFError) as error:
                self.broken += 1
                waiting = error.args[-1] if isinstance(error, _Lost) else waiting
                await trio.sleep(AGAIN_S)

    async def _talk(self, stream: trio.SocketStream, waiting: bytes | None) -> bytes | None:
        """Requests on one connection; `waiting` is the event that has no answer yet."""
        while True:
            event = waiting or self._event()
            sent_at_s = time.time()
            try:
                with trio.fail_after(ANSWER_S):
                    await stream.send_all(request(event))
                    status, _ = await read_reply(stream)
            except (OSError, trio.BrokenResourceError, trio.TooSlowError, EOFError) as error:
                raise _Lost(event) from error
            waiting = self._note(status, event, sent_at_s)
            await trio.sleep(self._pause_s if status == 202 else AGAIN_S)
            if self.is_ending:
                return None

    def _note(self, status: int, event: bytes, sent_at_s: float) -> bytes | None:
        assert status in (202, 500, 503), f"{status} for {event!r}"
        self.answers[status] += 1
        if status == 202:
            self.acked[_id_of(event)] = Ack(sent_at_s=sent_at_s, acked_at_s=time.time())
            return None
        if status == 503:
            self.refused_at_s.append(time.time())
        return event

    def _event(self) -> bytes:
        number = next(self._numbers)
        event_id = f"{self._name}-{number}"
        return EVENT.format(event_id=event_id, visitor=number % 997, padding=self._padding).encode()

    async def wait_acks(self, number: int, within_s: float = MUCH_S) -> None:
        with trio.fail_after(within_s):
            while len(self.acked) < number:  # noqa: ASYNC110 - what is waited for comes over sockets, not by an event
                await trio.sleep(0.01)

    async def wait_refused(self, number: int, within_s: float = 60.0) -> None:
        """Until so many more requests were answered with 503."""
        number += len(self.refused_at_s)
        with trio.fail_after(within_s):
            while len(self.refused_at_s) < number:  # noqa: ASYNC110 - as below
                await trio.sleep(0.005)

    async def wait_ack(self, since_s: float, within_s: float = ANSWER_S) -> float:
        """Seconds from a moment to the first acknowledgement of a request that left after it."""
        seen = len(self.acked)
        with trio.fail_after(within_s):
            while True:
                for ack in list(self.acked.values())[seen:]:
                    if ack.sent_at_s > since_s:
                        return ack.acked_at_s - since_s
                await trio.sleep(0.005)


class _Lost(OSError):
    """The connection ended before the answer came; its last argument is the event."""


@asynccontextmanager
async def loading(
    port: int, name: str, connections: int = 8, *, padding_bytes: int = 0, pause_s: float = 0.002
) -> AsyncIterator[Load]:
    """Load beside the block; it ends with it, every event that is on its way answered or given up."""
    load = Load(port, name, padding_bytes, pause_s)
    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(load.client)
        try:
            yield load
        finally:
            load.is_ending = True
            nursery.cancel_scope.deadline = trio.current_time() + 5.0


def request(body: bytes, *headers: str, path: str = "/v1/events", is_chunked: bool = False) -> bytes:
    """A POST with the site's write key; a chunked body goes through the other door."""
    head = [f"POST {path} HTTP/1.1", "Host: gateway.test", f"Authorization: Bearer {WRITE_KEY}"]
    head += ["Content-Type: application/json", *headers]
    if not is_chunked:
        return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body
    framed = (f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b"") + b"0\r\n\r\n"
    return "\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode("latin-1") + framed


async def read_reply(stream: trio.SocketStream) -> tuple[int, bytes]:
    """Status and body of an answer with a length. Raises EOFError where the connection ends before it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await _more(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
    while len(body) < length:
        body += await _more(stream)
    return int(lines[0].split()[1]), body


async def _more(stream: trio.SocketStream) -> bytes:
    data = await stream.receive_some(65_536)
    if not data:
        raise EOFError
    return bytes(data)


def _id_of(event: bytes) -> str:
    return event.split(b'"event_id":"', 1)[1].split(b'"', 1)[0].decode()
