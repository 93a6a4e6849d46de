"""Certificates nobody signed, names that are others', peers that speak no TLS."""

import datetime
import ssl
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.destinations.base import Response
from actors.dialing import connect
from actors.tls import client_tls
from actors.transport import Failure, Transport
from tests.actors.sending import OPEN, here, outcome, post
from tests.torture_parts import faults

NAME = "shop.test"


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return client_tls()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for NAME that only itself vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def over_tls(certificate: tuple[Path, Path], handler: faults.Handler) -> faults.Handler:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def wrapped(stream: trio.SocketStream) -> None:
        await handler(trio.SSLStream(stream, context, server_side=True, https_compatible=True))  # type: ignore[arg-type]  # reads and writes the same

    return wrapped


async def https(
    tls: ssl.SSLContext, handler: faults.Handler, host: str = NAME, body: bytes = b"{}"
) -> Response | Failure:
    async with faults.serving(handler) as port, here(tls) as transport:
        return await transport.send(post(port, host=host, scheme="https", body=body))


async def test_certificate_that_nobody_signed_is_refused(tls: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    result = await https(tls, over_tls(certificate, faults.answers(faults.PLAIN)))

    assert result == Failure(kind="tls", message="certificate refused: self-signed certificate")


async def test_certificate_in_the_ca_file_is_trusted_for_its_name_only(certificate: tuple[Path, Path]) -> None:
    trusting = client_tls(str(certificate[0]))
    server = over_tls(certificate, faults.answers(faults.PLAIN))

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
    with trio.fail_after(2):
        assert outcome(await https(tls, handler)) == kind


async def test_tls_peer_that_does_not_read_ends_in_time(certificate: tuple[Path, Path]) -> None:
    async def handshake_only(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await trio.sleep_forever()

    with trio.fail_after(2):
        result = await https(
            client_tls(str(certificate[0])), over_tls(certificate, handshake_only), body=bytes(20_000_000)
        )

    assert outcome(result) == "timeout"


async def test_tls_answer_that_ends_with_the_connection_is_an_answer(certificate: tuple[Path, Path]) -> None:
    server = over_tls(certificate, faults.closes_after(b"HTTP/1.1 200 OK\r\n\r\nwhole"))

    result = await https(client_tls(str(certificate[0])), server)

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
