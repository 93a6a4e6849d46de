"""Certificates nobody signed, names that are others', peers that speak no TLS."""

import ssl
from pathlib import Path

import pytest
import trio

from actors.destinations.base import Response
from actors.dialing import connect
from actors.tls import client_tls
from actors.transport import Failure, Transport
from tests.actors.sending import OPEN, here, outcome, post
from tests.support.certificates import Signed, over_tls, server_certificate
from tests.torture_parts import faults

NAME = "shop.test"


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return client_tls()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Signed:
    """A certificate for NAME that only itself vouches for."""
    return server_certificate(NAME, None)


@pytest.fixture(scope="module")
def trusting(certificate: Signed, folder: Path) -> ssl.SSLContext:
    return client_tls(str(certificate.write(folder, "trusted")))


async def https(
    tls: ssl.SSLContext, handler: faults.Handler, host: str = NAME, body: bytes = b"{}"
) -> Response | Failure:
    async with faults.serving(handler) as port, here(tls) as transport:
        return await transport.send(post(port, host=host, scheme="https", body=body))


async def test_certificate_that_nobody_signed_is_refused(
    tls: ssl.SSLContext, certificate: Signed, folder: Path
) -> None:
    result = await https(tls, over_tls(certificate, folder, faults.answers(faults.PLAIN)))

    assert result == Failure(kind="tls", message="certificate refused: self-signed certificate")


async def test_certificate_in_the_ca_file_is_trusted_for_its_name_only(
    trusting: ssl.SSLContext, certificate: Signed, folder: Path
) -> None:
    server = over_tls(certificate, folder, faults.answers(faults.PLAIN))

    assert outcome(await https(trusting, server)) == 200
    assert outcome(await https(trusting, server, host="other.test")) == "tls"
    assert outcome(await https(trusting, server, host="127.0.0.1")) == "tls"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (faults.replies(faults.PLAIN), "tls"),
        (faults.replies(faults.GARBAGE), "tls"),
        (faults.replies(b""), "tls"),
        (faults.resets, "tls"),
        (faults.never_reads, "timeout"),
    ],
)
async def test_peer_that_speaks_no_tls_ends_in_time(tls: ssl.SSLContext, handler: faults.Handler, kind: str) -> None:
    with trio.fail_after(30):
        assert outcome(await https(tls, handler)) == kind


async def test_tls_peer_that_does_not_read_ends_in_time(
    trusting: ssl.SSLContext, certificate: Signed, folder: Path
) -> None:
    async def handshake_only(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await trio.sleep_forever()

    with trio.fail_after(30):
        result = await https(trusting, over_tls(certificate, folder, handshake_only), body=bytes(20_000_000))

    assert outcome(result) == "timeout"


async def test_tls_answer_that_ends_with_the_connection_is_an_answer(
    trusting: ssl.SSLContext, certificate: Signed, folder: Path
) -> None:
    server = over_tls(certificate, folder, faults.closes_after(b"HTTP/1.1 200 OK\r\n\r\nwhole"))

    result = await https(trusting, server)

    assert isinstance(result, Response)
    assert result.body == b"whole"


async def test_attempt_that_ends_in_the_handshake_leaves_no_socket_open(tls: ssl.SSLContext) -> None:
    opened: list[trio.SocketStream] = []

    async def watched(address: str, port: int) -> trio.abc.Stream:
        stream = await connect(address, port)
        assert isinstance(stream, trio.SocketStream)
        opened.append(stream)
        return stream

    async with (
        faults.serving(faults.never_reads) as port,
        Transport(tls, allowed=OPEN, attempt_s=0.1, connect=watched) as transport,
    ):
        assert outcome(await transport.send(post(port, scheme="https"))) == "timeout"

    assert [stream.socket.fileno() for stream in opened] == [-1]
