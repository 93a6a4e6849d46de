"""A load generator on raw sockets, for loads that wrk cannot make: at a rate, in batches, or so many requests.

One thread over epoll. At a rate the requests are sent when they are due, however slow the answers are, and a latency
counts from that moment: a server that stalls is not spared the requests that wrk would hold back (coordinated
omission). epoll tells time in milliseconds, so a request may leave up to one late; `late_p99_ms` says how late.

    python -m bench.raw_load PLAN       a Plan as JSON; prints Figures as JSON
"""

import gc
import select
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from bench import traffic
from bench.load_plan import Figures, Plan

RECEIVE_BYTES: Final = 65_536
LAST_ANSWERS_S: Final = 10.0
END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


class Connection:
    """One request at a time. `due_s`: when the request under way was due."""

    __slots__ = ("due_s", "received", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due_s = 0.0
        self.received = b""

    def answer(self) -> int | None:
        """Status of the answer once it is whole; 0 where the connection ended before that."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except OSError:
            return 0
        if not data:
            return 0
        self.received += data
        end = self.received.find(END)
        if end < 0:
            return None
        head = self.received[:end].lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.received) < end + len(END) + length:
            return None
        self.received = b""
        return int(head[9:12])


class Requests:
    """The bytes of one request after the other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._number = plan.first
        self._texts = [_pattern(text) for text in traffic.templates(plan.kind)]
        self._order = traffic.order()
        fields = f"Host: bench\r\nAuthorization: Bearer {traffic.WRITE_KEY}\r\nContent-Type: application/json\r\n"
        self._start = f"POST {plan.path} HTTP/1.1\r\n{fields}".encode()

    def next(self) -> bytes:
        match self._plan.shape:
            case "get":
                return f"GET {self._plan.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
            case "chunked":
                body = self._body()
                return b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (self._start, len(body), body)
        body = self._body()
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._start, len(body), body)

    def _body(self) -> bytes:
        if self._plan.batch == 1:
            return self._event()
        return b"[" + b",".join(self._event() for _ in range(self._plan.batch)) + b"]"

    def _event(self) -> bytes:
        self._number += 1
        visitor = traffic.visitor_of(self._number, self._plan.visitors)
        values = {b"id": b"%b-%d" % (self._plan.run.encode(), self._number), b"visitor": visitor.encode()}
        return self._texts[self._order[self._number % len(self._order)]] % values


class Generator:
    """Runs one plan. Latencies are kept in seconds, as many as there are requests."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = Requests(plan)
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._latencies = array("d")
        self._late = array("d")
        self._sent = 0
        self._failed = 0
        self._most = plan.requests if plan.requests is not None else sys.maxsize
        for _ in range(plan.connections):
            self._connect()

    def run(self) -> Figures:
        started = time.perf_counter()
        ends = started + self._plan.seconds
        while (now := time.perf_counter()) < ends and self._sent < self._most:
            wait_s = self._send_due(started, now)
            self._receive(min(wait_s, ends - now))
        while len(self._free) < len(self._connections) and time.perf_counter() < ends + LAST_ANSWERS_S:
            self._receive(0.1)
        seconds = time.perf_counter() - started
        unanswered = len(self._connections) - len(self._free)
        self._close()
        return self._figures(seconds, unanswered)

    def _send_due(self, started: float, now: float) -> float:
        """Sends what is due and can be sent; how long until there is more."""
        rate = self._plan.rate
        while self._free and self._sent < self._most:
            due = now if rate is None else started + self._sent / rate
            if due > now:
                return due - now
            self._send(due)
        return 1.0

    def _send(self, due: float) -> None:
        connection = self._free.popleft()
        connection.due_s = due
        self._sent += 1
        try:
            connection.sock.sendall(self._requests.next())
        except OSError:
            self._replace(connection)
            return
        if self._plan.rate is not None:
            self._late.append(time.perf_counter() - due)

    def _receive(self, wait_s: float) -> None:
        for number, _ in self._poll.poll(max(0.0, wait_s)):
            connection = self._connections[number]
            status = connection.answer()
            if status is None:
                continue
            if status == 0:
                self._replace(connection)
                continue
            self._latencies.append(time.perf_counter() - connection.due_s)
            self._failed += not 200 <= status < 300
            self._free.append(connection)

    def _connect(self) -> None:
        connection = Connection(self._plan.port)
        self._connections[connection.sock.fileno()] = connection
        self._poll.register(connection.sock, select.EPOLLIN)
        self._free.append(connection)

    def _replace(self, connection: Connection) -> None:
        """The connection is gone, and with it a request if one was under way."""
        self._failed += connection not in self._free
        if connection in self._free:
            self._free.remove(connection)
        del self._connections[connection.sock.fileno()]
        self._poll.unregister(connection.sock)
        connection.sock.close()
        self._connect()

    def _close(self) -> None:
        self._poll.close()
        for connection in self._connections.values():
            connection.sock.close()

    def _figures(self, seconds: float, unanswered: int) -> Figures:
        ordered = sorted(self._latencies)
        return Figures(
            requests=self._sent,
            failed=self._failed + unanswered,
            seconds=seconds if self._plan.requests is not None else self._plan.seconds,
            p50_ms=share_of(ordered, 0.5) * 1e3,
            p90_ms=share_of(ordered, 0.9) * 1e3,
            p99_ms=share_of(ordered, 0.99) * 1e3,
            longest_ms=share_of(ordered, 1.0) * 1e3,
            tool="python",
            late_p99_ms=share_of(sorted(self._late), 0.99) * 1e3,
        )


def share_of(ordered: Sequence[float], share: float) -> float:
    """The value that a share of all does not exceed; 0 where there is none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _pattern(text: str) -> bytes:
    assert "%" not in text, "the events are filled in by %"
    return text.replace(traffic.EVENT_ID, "%(id)b").replace(traffic.VISITOR, "%(visitor)b").encode()


def main() -> None:
    gc.disable()  # its pauses would count as the server's
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    print(msgspec.json.encode(Generator(plan).run()).decode())


if __name__ == "__main__":
    main()
