"""The door for hot paths: HTTP/1.1 right on the socket; whatever else is well-formed is handed to the other door.

A connection is served request by request. A request for a hot path is read here, given to the handler and answered in
one send; any other is handed over, and when the other door has answered it the connection comes back. So each head is
checked here, whoever serves it, and an idle connection is always this module's to close.
"""

from typing import Protocol

import trio
from msgspec import Struct

from gateway.answers import CONTINUE, DateLine, body_too_slow, encode_answer, error_answer, failed, too_large
from gateway.call import BODY_BYTES, Answer, Call, Handler
from gateway.door import DoorBounds, Share, share_nothing
from gateway.failures import FailureReport
from gateway.glimpse import glimpse
from gateway.request_head import END, Head, parse_head, refuse_start
from gateway.wire import Wire


class OtherDoor(Protocol):
    """Serves one request that was handed over; `wire.buffer` holds what was received after its head."""

    async def serve_request(self, wire: Wire, head: Head) -> bool:
        """Whether the connection can go on. It raises what a wire raises."""
        ...


class Refusal(Struct, frozen=True):
    """A head that is refused, as far as it was read."""

    answer: Answer
    raw: bytes


class FastLane(Struct, frozen=True, kw_only=True):
    handler: Handler
    other_door: OtherDoor
    bounds: DoorBounds
    report: FailureReport
    date: DateLine
    share: Share = share_nothing
    is_on: bool = True  # off: every request is handed over

    async def serve(self, wire: Wire) -> None:
        """One connection until its end. Raises what a wire raises when the peer is gone or too slow to be answered."""
        is_eager = True
        while await self._serve_request(wire, is_eager):
            is_eager = False
            wire.is_idle = not wire.buffer
            if wire.is_closing:
                break
            if wire.buffer:  # pipelined: the neighbours have their turn first
                await trio.lowlevel.checkpoint()
        if wire.has_unread:
            await wire.linger(self.bounds.linger_s, self.bounds.linger_bytes)

    async def _serve_request(self, wire: Wire, is_eager: bool) -> bool:
        head = await self._read_head(wire, is_eager)
        match head:
            case None:
                return False
            case Refusal():
                return await self._refuse(wire, head.answer, glimpse(head.raw, wire.peer))
            case _ if head.is_hot and self.is_on:
                return await self._serve_hot(wire, head)
        return await self.other_door.serve_request(wire, head)

    async def _serve_hot(self, wire: Wire, head: Head) -> bool:
        if head.content_length > BODY_BYTES[head.path]:
            return await self._refuse(wire, too_large(BODY_BYTES[head.path]), head.call(wire.peer))
        body = await self._read_body(wire, head)
        if body is None:
            return await self._refuse(wire, body_too_slow(self.bounds.body_s), head.call(wire.peer))
        # No checkpoint from the last byte to here, nor in the handler until the writer has the events: a caller who is
        # gone by now has been heard.
        answer = await self._handle(wire, head, body)
        is_last = wire.is_closing or not head.keep_alive
        await wire.send(self._encode(answer, is_last))
        self.report.observer.answered("fast", answer.status)
        return not is_last

    def _encode(self, answer: Answer, is_last: bool) -> bytes:
        try:
            return encode_answer(answer, self.date.line(), is_last=is_last)
        except ValueError as error:
            self.report.contained("fast", error)
            return encode_answer(failed(), self.date.line(), is_last=is_last)

    async def _handle(self, wire: Wire, head: Head, body: bytes) -> Answer:
        call = head.call(wire.peer, body)
        try:
            return await self.handler.handle(call)
        except Exception as error:  # noqa: BLE001 - the boundary of a connection: reported once, answered 500
            self.report.contained("fast", error)
            return self.share(call, failed())

    async def _read_head(self, wire: Wire, is_eager: bool) -> Head | Refusal | None:
        """None: the connection ended, or stayed idle, between two requests."""
        deadline = trio.current_time() + self.bounds.keep_alive_s
        data = wire.buffer.lstrip(b"\r\n")  # empty lines before a request are ignored (RFC 9112 section 2.2)
        try:
            while not data:
                more = await wire.receive(deadline, is_eager=is_eager)
                if not more:
                    return None
                data = more.lstrip(b"\r\n")
        except trio.ClosedResourceError:
            return None
        wire.is_idle = False
        end = data.find(END)
        if end < 0:
            return await self._read_long_head(wire, data)
        return self._take_head(wire, data, end)

    async def _read_long_head(self, wire: Wire, data: bytes) -> Head | Refusal:
        deadline = trio.current_time() + self.bounds.head_s
        try:
            while (end := data.find(END)) < 0:
                refusal = refuse_start(data)
                if refusal is not None:
                    return Refusal(refusal, data)
                more = await wire.receive(deadline)
                if not more:
                    raise trio.BrokenResourceError("the peer ended the stream within a head")
                data += more
        except trio.ClosedResourceError:
            answer = error_answer(408, "request_timeout", f"the head did not arrive within {self.bounds.head_s:g} s")
            return Refusal(answer, data)
        return self._take_head(wire, data, end)

    def _take_head(self, wire: Wire, data: bytes, end: int) -> Head | Refusal:
        raw, wire.buffer = data[: end + 4], data[end + 4 :]
        head = refuse_start(raw) or parse_head(raw)
        return Refusal(head, raw) if isinstance(head, Answer) else head

    async def _read_body(self, wire: Wire, head: Head) -> bytes | None:
        """The whole body, or None if it was too slow."""
        data, length = wire.buffer, head.content_length
        if len(data) >= length:
            wire.buffer = data[length:]
            return data[:length]
        body = bytearray(data)
        deadline = trio.current_time() + self.bounds.body_s
        wire.buffer = b""
        try:
            if "expect" in head.headers and not data:
                await wire.send(CONTINUE)
            while len(body) < length:
                more = await wire.receive(deadline)
                if not more:
                    raise trio.BrokenResourceError("the peer ended the stream within a body")
                body += more
        except trio.ClosedResourceError:
            return None
        wire.buffer = bytes(body[length:])
        return bytes(body[:length])

    async def _refuse(self, wire: Wire, answer: Answer, call: Call | None) -> bool:
        wire.has_unread = True
        if call is not None:
            answer = self.share(call, answer)
        await wire.send(encode_answer(answer, self.date.line(), is_last=True))
        self.report.observer.answered("fast", answer.status)
        return False
