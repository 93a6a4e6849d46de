"""No URL, name or answer leads a request inside: counted at a played network, by the sockets that would open."""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence

import pytest
import trio

from actors.addresses import rules
from actors.destinations.base import Request, Response, Retry
from actors.destinations.google_ads import GoogleAds
from actors.dialing import LOOKUPS, Failure
from actors.secret import Secret
from actors.tls import client_tls
from actors.tokens import AccessToken
from actors.transport import Transport
from store.env import Store
from store.writer import WriteTxn
from tests.actors.sending import OPEN, outcome, post
from tests.support.writing import writing
from tests.torture_parts import faults

PUBLIC, PUBLIC_6 = "8.8.8.8", "2606:4700::1111"

# Each names the inside: plainly, inside another address, in another spelling, or beside a host that looks harmless.
INNER_URLS = [
    "http://127.0.0.1/", "http://127.0.0.1:22/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/",
    "http://0.0.0.0/", "http://0/", "http://[::]/", "http://[::1]/", "http://255.255.255.255/", "http://224.0.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://192.0.0.192/opc/v2/",
    "http://168.63.129.16/", "http://[fd00:ec2::254]/", "http://[fd20:ce::254]/", "http://metadata.google.internal/",
    "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://127.1/", "http://0x7f.1/",
    "http://0177.0.0.1/", "http://127.0.0.1./", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://%31%32%37.0.0.1/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[::127.0.0.1]/", "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:4136:e378:8000:63bf:5601:5601]/", "http://[2600::5efe:a9fe:a9fe]/", "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/", "http://[ff02::1]/", "http://[fec0::1]/", "http://[v1.127]/",
    "http://user:pass@127.0.0.1/", "https://shop.example@10.0.0.1/", "https://10.0.0.1\\@shop.example/",
    "https://shop.example:6379/", "https://shop.example:22/", "http://localhost/", "http://localhost.:80/",
    "http://db.internal/", "http://printer.local/", "http://intranet/",
    "gopher://shop.example/", "file:///etc/passwd", "https://127.0.0.1%00.shop.example/", "https://shop.example#@[::1]/",
]  # fmt: skip
INNER_ADDRESSES = [
    "127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "::1",
    "fd00:ec2::254", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::127.0.0.1",
    "2001:0:4136:e378:8000:63bf:5601:5601", "2600::5efe:a9fe:a9fe", "ff02::1",
]  # fmt: skip


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return client_tls()


class Network:
    """Remembers each socket that would have been opened, and opens none."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        self.opened.append(address)
        await trio.lowlevel.checkpoint()
        raise ConnectionRefusedError(111, "Connection refused")


def resolver(*answers: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Gives its answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda host: left.pop(0) if len(left) > 1 else left[0]


def over(network: Network, tls: ssl.SSLContext, *answers: Sequence[str]) -> Transport:
    """Plain HTTP is allowed: it is the address that decides."""
    lookup = resolver(*(answers or ([PUBLIC],)))
    return Transport(tls, allowed=rules(allow_http=True), lookup=lookup, connect=network.connect)


async def sent(transport: Transport, url: str = "https://shop.example/in") -> str | int:
    async with transport:
        return outcome(await transport.send(Request(url=url, body=b"{}")))


@pytest.mark.parametrize("url", INNER_URLS)
async def test_no_spelling_of_an_inner_address_opens_a_socket(url: str, tls: ssl.SSLContext) -> None:
    network = Network()
    result = await sent(over(network, tls), url)
    if url == "https://shop.example#@[::1]/":  # a fragment is no host: the request goes to the public one
        assert network.opened == [PUBLIC]
        return
    assert result == "refused_address"
    assert network.opened == []


async def test_without_tls_no_socket_is_opened_unless_that_is_allowed(tls: ssl.SSLContext) -> None:
    network = Network()
    strict = Transport(tls, lookup=resolver([PUBLIC]), connect=network.connect)
    assert await sent(strict, "http://shop.example/in") == "refused_address"
    assert network.opened == []
    assert await sent(over(network, tls), "http://shop.example/in") == "connect"
    assert network.opened == [PUBLIC]


@pytest.mark.parametrize("inner", INNER_ADDRESSES)
async def test_one_inner_answer_of_the_resolver_refuses_all(inner: str, tls: ssl.SSLContext) -> None:
    network = Network()
    for answers in ([inner], [PUBLIC, inner], [inner, PUBLIC], [PUBLIC, PUBLIC_6, inner]):
        assert await sent(over(network, tls, answers)) == "refused_address"
    assert network.opened == []


async def test_a_name_that_is_led_inside_by_another_name_is_refused(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CNAME ends in the addresses that the system's resolver gives: these are what is checked."""
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "db.corp.internal", ("10.0.0.5", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: [entry])
    network = Network()
    assert await sent(Transport(tls, connect=network.connect)) == "refused_address"
    assert network.opened == []


async def test_a_name_that_changes_its_mind_between_attempts_is_checked_each_time(tls: ssl.SSLContext) -> None:
    network = Network()
    async with over(network, tls, [PUBLIC], ["169.254.169.254"], ["127.0.0.1"]) as transport:
        results = [outcome(await transport.send(post(443, host="shop.example", scheme="https"))) for _ in range(3)]
    assert results == ["connect", "refused_address", "refused_address"]
    assert network.opened == [PUBLIC]  # what was checked, and no second look-up in between


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_inside_opens_no_further_socket(status: int, tls: ssl.SSLContext) -> None:
    opened: list[str] = []

    async def connect(address: str, port: int) -> trio.abc.Stream:
        opened.append(address)
        return await trio.open_tcp_stream(address, port)

    head = f"HTTP/1.1 {status} Moved\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    async with (
        faults.serving(faults.answers(head.encode())) as port,
        Transport(tls, allowed=OPEN, connect=connect) as transport,
    ):
        assert outcome(await transport.send(post(port))) == status
    assert opened == ["127.0.0.1"]


async def test_a_token_endpoint_inside_is_as_far_away_as_any(tls: ssl.SSLContext) -> None:
    network = Network()
    destination = GoogleAds(
        id="ads",
        customer_id="1",
        conversion_actions={"x": "1"},
        client_id="c",
        client_secret=Secret("s"),
        refresh_token=Secret("r"),
        token_url="http://169.254.169.254/token",
    )
    async with over(network, tls) as transport:
        assert isinstance(await AccessToken(destination, transport, lambda: 0).get(), Retry)
    assert network.opened == []


async def test_what_is_allowed_is_opened_and_what_lies_beside_it_not(tls: ssl.SSLContext) -> None:
    network = Network()
    allowed = rules(allow_networks=["10.1.0.0/16"])
    for address in ("10.1.2.3", "10.2.2.3", "169.254.169.254"):
        lookup = resolver([address])
        await sent(Transport(tls, allowed=allowed, lookup=lookup, connect=network.connect), "http://hooks.corp:9000/")
    assert network.opened == ["10.1.2.3"]


@pytest.mark.parametrize(
    ("url", "address", "is_opened"),
    [
        ("http://hooks.corp:9000/", "10.1.2.3", True),
        ("https://shop.example/", PUBLIC, True),
        ("http://shop.example/", PUBLIC, False),
        ("https://shop.example:9000/", PUBLIC, False),
        ("http://[::ffff:10.1.2.3]:9000/", "", True),
    ],
)
async def test_a_listed_network_opens_nothing_for_public_hosts(
    url: str, address: str, is_opened: bool, tls: ssl.SSLContext
) -> None:
    network, allowed = Network(), rules(allow_networks=["10.1.0.0/16"])
    result = await sent(Transport(tls, allowed=allowed, lookup=resolver([address]), connect=network.connect), url)
    assert (result, len(network.opened)) == (("connect", 1) if is_opened else ("refused_address", 0))


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
async def test_a_name_that_cannot_be_resolved_is_a_failure_of_dns(code: int, tls: ssl.SSLContext) -> None:
    def fail(host: str) -> Sequence[str]:
        raise socket.gaierror(code, "in the resolver's words")

    network = Network()
    assert await sent(Transport(tls, lookup=fail, connect=network.connect)) == "dns"
    assert network.opened == []


async def test_a_hundred_names_that_hang_hold_up_neither_commits_nor_other_destinations(
    store: Store, tls: ssl.SSLContext
) -> None:
    released, committed = threading.Event(), 0
    results: list[Response | Failure] = []

    def hang(host: str) -> Sequence[str]:
        released.wait(30)
        return [PUBLIC]

    async def attempt(transport: Transport) -> None:
        results.append(await transport.send(Request(url="https://hung.example/", body=b"{}")))

    hung = [Transport(tls, lookup=hang, connect_s=0.5) for _ in range(-(-100 // LOOKUPS))]
    async with writing(store) as writer, faults.serving(faults.answers(faults.PLAIN)) as port:
        async with Transport(tls, allowed=OPEN) as healthy, trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(attempt, hung[number // LOOKUPS])
            await trio.testing.wait_all_tasks_blocked()
            for number in range(50):
                await writer.submit(_put(number)).wait()
                committed += 1
                assert outcome(await healthy.send(post(port))) == 200
        released.set()
    assert committed == 50
    assert [outcome(result) for result in results] == ["dns"] * 100


def _put(number: int) -> Callable[[WriteTxn], None]:
    return lambda write: write.put("config", b"%d" % number, b"1")
