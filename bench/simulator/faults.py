"""How a simulated platform misbehaves: which requests meet a fault, and what they then see on the socket."""

import gzip
import socket
import struct
from collections.abc import Callable
from random import Random
from typing import Protocol, runtime_checkable

import trio

from bench.simulator.base import Fault, Platform, SimResponse

GARBAGE = b"\x16\x03\x01\x00\x05\x00\xff\xfe this is not HTTP \x00\r\n\r\n"
ENDLESS_CHUNK = b"x" * 65_536
BOMB_MEMBER_BYTES = 1 << 20
BOMB_MEMBERS = 200  # unpacked 200 MiB, packed some 200 KiB
PRIVATE_ADDRESS = "http://169.254.169.254/latest/meta-data/"


@runtime_checkable
class TellsErrors(Protocol):
    """A platform with an error body of its own for a status."""

    def failed(self, status: int) -> SimResponse: ...


class _Told:
    """A fault that was told, and what is left of it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count
        self.until_s = None if fault.for_s is None else trio.current_time() + fault.for_s

    def is_over(self) -> bool:
        return self.left == 0 or (self.until_s is not None and trio.current_time() >= self.until_s)


class Faults:
    """What each platform was told to play; at most one fault a platform."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._told: dict[str, _Told] = {}

    def set(self, name: str, fault: Fault) -> None:
        self._told[name] = _Told(fault)

    def clear(self, name: str) -> None:
        self._told.pop(name, None)

    def draw(self, name: str) -> Fault | None:
        """The fault that the next request meets, if it meets one."""
        told = self._told.get(name)
        if told is None:
            return None
        if told.is_over():
            self.clear(name)
            return None
        if told.fault.share < 1.0 and self._random.random() >= told.fault.share:
            return None
        if told.left is not None:
            told.left -= 1
        return told.fault


async def play(fault: Fault, stream: trio.SocketStream, platform: Platform, answer: Callable[[], bytes]) -> bool:
    """Plays the fault on a request's connection; `answer` has the platform take the request after all.

    Returns whether the connection lives on.
    """
    match fault.kind:
        case "status":
            await stream.send_all(_whole(_status(fault, platform)))
        case "rate_limit":
            await stream.send_all(_whole(platform.rate_limited(fault.retry_after_s)))
        case "bad_token":
            await stream.send_all(_whole(platform.bad_token()))
        case "redirect":
            await stream.send_all(_whole(SimResponse(status=307, headers=(("location", PRIVATE_ADDRESS),))))
        case "slow":
            await trio.sleep(fault.delay_s)
            await stream.send_all(answer())
        case "hang":
            await _wait_gone(stream)
            return False
        case "reset":
            _reset(stream)
            return False
        case "garbage":
            await stream.send_all(GARBAGE)
            return False
        case "endless":
            await _endless(stream)
        case "gzip_bomb":
            await stream.send_all(_bomb())
        case "drip":
            await _drip(stream, answer(), fault.delay_s)
    return True


def _status(fault: Fault, platform: Platform) -> SimResponse:
    response = platform.failed(fault.status) if isinstance(platform, TellsErrors) else SimResponse(status=fault.status)
    if fault.retry_after_s is None:
        return response
    retry_after = ("retry-after", f"{fault.retry_after_s:.0f}")
    return SimResponse(status=response.status, headers=(*response.headers, retry_after), body=response.body)


def _whole(response: SimResponse) -> bytes:
    lines = [f"HTTP/1.1 {response.status} Fault", *(f"{name}: {value}" for name, value in response.headers)]
    if response.status != 204:
        lines.append(f"content-length: {len(response.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body


async def _wait_gone(stream: trio.SocketStream) -> None:
    while await stream.receive_some(65_536):
        pass


def _reset(stream: trio.SocketStream) -> None:
    """Closing with a linger of 0 s sends RST instead of FIN (socket(7))."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def _endless(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%b\r\n" % (len(ENDLESS_CHUNK), ENDLESS_CHUNK)
    while True:  # until the client goes away: send_all then raises
        await stream.send_all(chunk)


def _bomb() -> bytes:
    """Gzip takes several members one after the other (RFC 1952, section 2.2): one is packed, and repeated."""
    body = gzip.compress(bytes(BOMB_MEMBER_BYTES)) * BOMB_MEMBERS
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def _drip(stream: trio.SocketStream, answer: bytes, delay_s: float) -> None:
    for index in range(len(answer)):
        await stream.send_all(answer[index : index + 1])
        await trio.sleep(delay_s)
