"""One request that was handed over: its bytes replayed into Hypercorn's HTTP/1.1, the rest read, the answer sent.

There is no protocol here but HTTP/1.1, and no second request: what was received after the request goes back to the
wire. The head has been checked already (request_head.py).
"""

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState
from hypercorn.utils import parse_socket_addr

from gateway.answers import error_answer
from gateway.call import Answer
from gateway.door import Share
from gateway.request_head import Head
from gateway.wire import Wire

PIECE_BYTES = 64 * 1024
AFTER_ANSWER_S = 5.0  # for what an application still does when its answer is out
AFTER_LOSS_S = 0.5  # for what an application still does when nobody listens
CLOSE = (b"connection", b"close")


class Handover:
    """One request on one wire. `run` once; then `can_go_on`, `status` and the wire's buffer say how it ended."""

    def __init__(self, wire: Wire, head: Head, read_s: float, share: Share) -> None:
        self._wire = wire
        self._head = head
        self._read_s = read_s
        self._share = share
        self._life = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._protocol: OneRequest
        self._is_lost = False
        self.status = 0
        self.can_go_on = False

    async def run(self, app: AppWrapper, config: Config, context: WorkerContext, state: LifespanState) -> None:
        """Raises what the application raises; a peer that went away is no failure."""
        peer = (self._wire.peer, self._wire.peer_port)  # the socket may not know it any more: a reset forgets it
        own = parse_socket_addr(self._wire.sock.family, self._wire.sock.getsockname())
        self._wire.has_unread = True
        with self._life:
            async with TaskGroup() as tasks:
                connection = ConnectionState(state.copy())
                protocol = OneRequest(app, config, context, tasks, connection, False, peer, own, self._on_event)
                protocol.exchange = self
                self._protocol = protocol
                with self._reading:
                    await self._read_request(protocol)

    def start_of_answer(self, answer: Response) -> Response:
        """The answer says that the connection closes if it will."""
        self.status = answer.status_code
        if self._wire.is_closing or not self._protocol.is_request_complete:
            return Response(answer.stream_id, [*answer.headers, CLOSE], answer.status_code)
        return answer

    def shared(self, answer: Answer) -> Answer:
        return self._share(self._head.call(self._wire.peer), answer)

    def end_of_answer(self) -> None:
        connection = self._protocol.connection
        self._wire.has_unread = not self._protocol.is_request_complete
        self.can_go_on = connection.our_state is h11.DONE and connection.their_state is h11.DONE
        self._wire.buffer = bytes(connection.trailing_data[0])
        self._reading.cancel()
        self._life.deadline = trio.current_time() + AFTER_ANSWER_S

    async def _read_request(self, protocol: "OneRequest") -> None:
        """Reads to the end of the request and no further: a client that then hangs up does not stop its handling."""
        received = self._head.raw + self._wire.buffer  # in one piece, so that no head is ever seen in parts
        self._wire.buffer = b""
        while received:
            await protocol.handle(RawData(received))
            if protocol.is_request_complete:
                return
            received = await self._receive()
        await self._lose()

    async def _receive(self) -> bytes:
        try:
            return await self._wire.receive(trio.current_time() + self._read_s)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _on_event(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            await self._lose()

    async def _send(self, data: bytes) -> None:
        """Shielded, since an answer is not cut by the end of its own request; bounded, since each piece has its time.

        In pieces: a long answer to a slow reader may take long, one that stalls may not.
        """
        if self._is_lost:
            await trio.lowlevel.checkpoint()  # an application that streams on regardless is cancelled here
            return
        try:
            with trio.CancelScope(shield=True):
                async with self._sending:
                    for start in range(0, len(data), PIECE_BYTES):
                        await self._wire.send(data[start : start + PIECE_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._lose()

    async def _lose(self) -> None:
        """Nobody is there to be answered: the application is told and, if it goes on regardless, cancelled."""
        self._is_lost = True
        self._life.deadline = trio.current_time() + AFTER_LOSS_S
        await self._protocol.handle(Closed())
        self._reading.cancel()


class OneRequest(H11Protocol):
    """Hypercorn's HTTP/1.1 for one request: no next cycle, no upgrade."""

    connection: h11.Connection
    exchange: Handover

    @property
    def is_request_complete(self) -> bool:
        return self.connection.their_state not in (h11.IDLE, h11.SEND_BODY, h11.ERROR)

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, Response) and event.status_code >= 200:
            event = self.exchange.start_of_answer(event)
        await super().stream_send(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stock Hypercorn changes to HTTP/2 here."""
        if any(name.lower() == b"upgrade" for name, _ in event.headers):
            raise h11.RemoteProtocolError("no upgrade is offered")

    async def _maybe_recycle(self) -> None:
        """The answer is out: noted before the application hears of it, for Quart-Trio then cancels the task this runs
        in.
        """
        self.exchange.end_of_answer()
        await self._close_stream()

    async def _send_error_response(self, status_code: int) -> None:
        """Stock Hypercorn answers without a body."""
        refusal = error_answer(status_code, "bad_request", "the request is not well-formed HTTP/1.1")
        answer = self.exchange.shared(refusal)
        fields = [(name.encode(), value.encode()) for name, value in answer.headers]
        fields += [(b"content-length", str(len(answer.body)).encode()), CLOSE, *self.config.response_headers("h11")]
        self.exchange.status = status_code
        await self._send_h11_event(h11.Response(status_code=status_code, headers=fields))
        await self._send_h11_event(h11.Data(data=answer.body))
        await self._send_h11_event(h11.EndOfMessage())
