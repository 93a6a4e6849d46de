"""Opens a connection to a host: its name is looked up once, every answer checked, a checked address connected to.

What is checked is what is connected to, so that a second answer of the resolver cannot differ (DNS rebinding). One bad
answer refuses the host. A look-up that hangs holds a thread of this dialer's own limiter, never one of others.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import trio
from msgspec import Struct

from actors.addresses import Rules

LOOKUPS = 8  # threads of one dialer that look names up at once; hung ones count until the resolver gives up
ADDRESSES = 4  # of a host that are tried

FailureKind = Literal[
    "timeout",  # no connection, or no whole answer, in time
    "dns",  # the name has no address, or the resolver no answer
    "refused_address",  # we refuse: the URL, or an address that its name leads to
    "connect",  # the peer, or the way to it, refuses
    "tls",  # no handshake, or no certificate we trust
    "reset",  # closed or broken before the answer was whole
    "protocol",  # the answer is no HTTP/1.1, or the request cannot be written as it
    "too_large",  # the head of the answer has no end
]

Lookup = Callable[[str], Sequence[str]]  # a host's addresses; runs in a thread; OSError where there are none
Connect = Callable[[str, int], Awaitable[trio.abc.Stream]]  # to an address, not a name


class Failure(Struct, frozen=True, kw_only=True):
    """Why there is no answer. The message holds no path, query, header or byte of a body."""

    kind: FailureKind
    message: str


def look_up(host: str) -> Sequence[str]:
    """The system's resolver; blocks."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def connect(address: str, port: int) -> trio.abc.Stream:
    """A TCP stream to one address. Errors: OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


class Dialer:
    """Opens the connections of one destination."""

    def __init__(
        self, rules: Rules, *, connect_s: float = 5.0, lookup: Lookup = look_up, connect: Connect = connect
    ) -> None:
        self._rules = rules
        self._connect_s = connect_s
        self._lookup = lookup
        self._connect = connect
        self._limiter = trio.CapacityLimiter(LOOKUPS)

    async def dial(self, host: str, port: int, scheme: str = "https") -> trio.abc.Stream | Failure:
        """A stream to one of the host's addresses, within `connect_s` in all."""
        deadline = trio.current_time() + self._connect_s
        addresses = await self._resolve(host, deadline)
        if isinstance(addresses, Failure):
            return addresses
        for address in addresses:
            if why := self._rules.refusal_of(address, port, scheme):
                shown = "" if address == host else f" leads to {address}"
                return Failure(kind="refused_address", message=f"{host}{shown}: {why}")
        return await self._first(host, addresses[:ADDRESSES], port, deadline)

    async def _resolve(self, host: str, deadline: float) -> Sequence[str] | Failure:
        if _is_literal(host):
            return (host,)
        try:
            with trio.fail_at(deadline):
                found = await trio.to_thread.run_sync(self._lookup, host, limiter=self._limiter, abandon_on_cancel=True)
        except trio.TooSlowError:
            return Failure(kind="dns", message=f"{host}: the resolver gave no answer within {self._connect_s:g} s")
        except (OSError, UnicodeError) as error:
            return Failure(kind="dns", message=f"{host}: {_words(error)}")
        return found or Failure(kind="dns", message=f"{host}: no address")

    async def _first(
        self, host: str, addresses: Sequence[str], port: int, deadline: float
    ) -> trio.abc.Stream | Failure:
        """Tries one address after the other; each gets its share of the time left, so none uses up all of it."""
        failure = Failure(kind="connect", message=f"{host}: no address")
        for tried, address in enumerate(addresses):
            now = trio.current_time()
            share_s = (deadline - now) / (len(addresses) - tried)
            try:
                with trio.fail_at(now + max(share_s, 0.0)):
                    return await self._connect(address, port)
            except trio.TooSlowError:
                message = f"{host} port {port}: no connection within {self._connect_s:g} s"
                failure = Failure(kind="timeout", message=message)
            except OSError as error:
                failure = Failure(kind="connect", message=f"{host} port {port}: {_words(error)}")
        return failure


def _is_literal(host: str) -> bool:
    """An address, to be checked as it stands; a host with a colon is no name."""
    if ":" in host:
        return True
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True


def _words(error: OSError | UnicodeError) -> str:
    """The system's words for the error, without what a library added."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror or "the name cannot be resolved")
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return "the name cannot be resolved" if isinstance(error, UnicodeError) else type(error).__name__
