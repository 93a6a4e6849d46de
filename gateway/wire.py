"""One accepted socket: reads and writes that try first and wait only if they must, each wait with a deadline.

A wait has no cancel scope of its own: the wire notes its deadline and a sweep (`expire_if_due`) interrupts what is
overdue. An interrupted wait raises `trio.ClosedResourceError`; a lost peer raises `trio.BrokenResourceError`. An
interruption reaches only a task that waits for this socket, so it can never hit a handler at work.
"""

import socket
from math import inf

import trio

RECEIVE_BYTES = 64 * 1024


class Wire:
    __slots__ = (
        "address",
        "buffer",
        "has_unread",
        "is_closing",
        "is_idle",
        "peer",
        "peer_port",
        "read_deadline",
        "send_s",
        "sock",
        "write_deadline",
    )

    def __init__(self, sock: socket.socket, peer: str, peer_port: int, address: str, send_s: float) -> None:
        self.sock = sock
        self.peer = peer  # the address as the socket has it
        self.peer_port = peer_port
        self.address = address  # what connections are counted by
        self.send_s = send_s
        self.buffer = b""  # received, not yet used
        self.read_deadline = inf
        self.write_deadline = inf
        self.is_idle = True  # between two requests
        self.is_closing = False  # the answer under way is the last
        self.has_unread = False  # closing now would reset the connection before the peer has read the answer

    async def receive(self, deadline: float, *, is_eager: bool = True) -> bytes:
        """The next bytes; empty at the end of the stream. Not `is_eager`: nothing is expected yet, so wait at once."""
        while True:
            if is_eager:
                try:
                    return self.sock.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    pass
                except OSError as error:
                    raise trio.BrokenResourceError("the peer is gone") from error
            is_eager = True
            self.read_deadline = deadline
            await trio.lowlevel.wait_readable(self.sock)
            self.read_deadline = inf

    async def send(self, data: bytes) -> None:
        """All of `data`, within `send_s`."""
        sent = self._send_nowait(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def send_or_drop(self, data: bytes) -> None:
        """A last word to a peer that is not waited for."""
        try:
            self.sock.send(data)
        except OSError:
            self.has_unread = False

    async def linger(self, seconds: float, most_bytes: int) -> None:
        """Reads on for a while after the last answer: closing with bytes unread would lose it (RFC 9112, 9.6)."""
        deadline = trio.current_time() + seconds
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while most_bytes > 0 and trio.current_time() < deadline:
                data = await self.receive(deadline)
                if not data:
                    return
                most_bytes -= len(data)
                await trio.lowlevel.checkpoint()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            return  # gone already, or it had its time

    def expire_if_due(self, now: float) -> None:
        if self.read_deadline < now or self.write_deadline < now:
            self.interrupt()

    def interrupt(self) -> None:
        """Whoever waits for this socket stops waiting."""
        if self.sock.fileno() != -1:
            trio.lowlevel.notify_closing(self.sock)

    def begin_closing(self, send_s: float) -> None:
        """The request under way may end; an idle connection ends now; a peer that does not read gets `send_s`."""
        self.is_closing = True
        self.send_s = send_s
        if self.write_deadline != inf:
            self.write_deadline = min(self.write_deadline, trio.current_time() + send_s)
        if self.is_idle:
            self.interrupt()

    def close(self) -> None:
        if self.sock.fileno() != -1:
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()

    async def _send_rest(self, data: memoryview) -> None:
        self.write_deadline = trio.current_time() + self.send_s
        while data:
            await trio.lowlevel.wait_writable(self.sock)
            data = data[self._send_nowait(data) :]
        self.write_deadline = inf

    def _send_nowait(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError("the peer is gone") from error
