"""Looking up, checking and connecting, over a resolver and a network that are played."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from actors.addresses import rules
from actors.dialing import ADDRESSES, LOOKUPS, Connect, Dialer, Failure, Lookup, look_up

PUBLIC, OTHER, INNER = "8.8.8.8", "2606:4700::1111", "169.254.169.254"


class Network:
    """Remembers each socket that would have been opened."""

    def __init__(self, dead: Sequence[str] = (), silent: Sequence[str] = ()) -> None:
        self.opened: list[str] = []
        self._dead, self._silent = dead, silent

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        self.opened.append(address)
        await trio.lowlevel.checkpoint()
        if address in self._silent:
            await trio.sleep_forever()
        if address in self._dead:
            raise ConnectionRefusedError(111, "Connection refused")
        return trio.testing.memory_stream_pair()[0]


class Resolver:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.asked = 0
        self._answers = answers

    def __call__(self, host: str) -> Sequence[str]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def hung_resolver() -> Iterator[Lookup]:
    released = threading.Event()

    def look(host: str) -> Sequence[str]:
        released.wait(30)
        return [PUBLIC]

    try:
        yield look
    finally:
        released.set()


def dialer(lookup: Lookup, connect: Connect, connect_s: float = 5.0) -> Dialer:
    return Dialer(rules(), connect_s=connect_s, lookup=lookup, connect=connect)


def kind(result: object) -> str:
    return result.kind if isinstance(result, Failure) else "connected"


async def test_checked_address_is_what_is_connected_to() -> None:
    network, resolver = Network(), Resolver([PUBLIC])

    assert kind(await dialer(resolver, network.connect).dial("shop.example", 443)) == "connected"
    assert (network.opened, resolver.asked) == ([PUBLIC], 1)


@pytest.mark.parametrize("answers", [[INNER], [PUBLIC, INNER], [INNER, PUBLIC], ["fe80::1%eth0"], [OTHER, "::1"]])
async def test_one_refused_answer_refuses_the_host_without_a_socket(answers: list[str]) -> None:
    network = Network()

    result = await dialer(Resolver(answers), network.connect).dial("shop.example", 443)

    assert kind(result) == "refused_address"
    assert network.opened == []


async def test_answer_that_changes_to_an_inner_address_opens_no_socket_to_it() -> None:
    network, resolver = Network(), Resolver([PUBLIC], [INNER])
    rebound = dialer(resolver, network.connect)

    assert kind(await rebound.dial("shop.example", 443)) == "connected"
    assert kind(await rebound.dial("shop.example", 443)) == "refused_address"
    assert network.opened == [PUBLIC]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "::1", "fe80::1%1", "localhost"]
)
async def test_spelling_of_loopback_is_refused_whatever_the_system_makes_of_it(host: str) -> None:
    network = Network()

    assert kind(await dialer(look_up, network.connect).dial(host, 80)) in ("refused_address", "dns")
    assert network.opened == []


@pytest.mark.parametrize(
    "answer",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        UnicodeError("label too long"),
        [],
    ],
)
async def test_name_without_an_address_is_a_dns_failure(answer: Sequence[str] | Exception) -> None:
    network = Network()

    result = await dialer(Resolver(answer), network.connect).dial("shop.example", 443)

    assert kind(result) == "dns"
    assert network.opened == []


async def test_hung_resolver_ends_in_time_and_takes_no_thread_from_others() -> None:
    network = Network()
    with hung_resolver() as look:
        hung = dialer(look, network.connect, connect_s=0.05)
        results: list[str] = []

        async def dial() -> None:
            results.append(kind(await hung.dial("shop.example", 443)))

        async with trio.open_nursery() as nursery:
            for _ in range(LOOKUPS + 4):
                nursery.start_soon(dial)

        assert results == ["dns"] * (LOOKUPS + 4)
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        assert kind(await dialer(Resolver([PUBLIC]), network.connect).dial("other.example", 443)) == "connected"


async def test_next_address_is_tried_when_one_refuses() -> None:
    network = Network(dead=[OTHER])

    assert kind(await dialer(Resolver([OTHER, PUBLIC]), network.connect).dial("shop.example", 443)) == "connected"
    assert network.opened == [OTHER, PUBLIC]


async def test_silent_address_leaves_time_for_the_next() -> None:
    network = Network(silent=[OTHER])

    result = await dialer(Resolver([OTHER, PUBLIC]), network.connect, connect_s=0.4).dial("shop.example", 443)

    assert kind(result) == "connected"
    assert network.opened == [OTHER, PUBLIC]


async def test_silent_host_ends_after_the_time_for_connecting(autojump_clock: trio.testing.MockClock) -> None:
    network = Network(silent=[PUBLIC])
    began = trio.current_time()

    assert kind(await dialer(Resolver(), network.connect).dial(PUBLIC, 443)) == "timeout"
    assert trio.current_time() - began == pytest.approx(5.0)


async def test_only_a_few_of_many_addresses_are_tried() -> None:
    addresses = [f"8.8.8.{n}" for n in range(100)]
    network = Network(dead=addresses)

    assert kind(await dialer(Resolver(addresses), network.connect).dial("shop.example", 443)) == "connect"
    assert len(network.opened) == ADDRESSES
