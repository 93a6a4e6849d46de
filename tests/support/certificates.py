"""Certificates for tests: an authority of our own, what it signs, and a TLS server that shows it."""

import datetime
import ssl
from pathlib import Path

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from tests.torture_parts import faults

DAY = datetime.timedelta(days=1)


class Signed(Struct, frozen=True, kw_only=True):
    """A certificate, its key, and the certificates that a server shows with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    def write(self, folder: Path, name: str) -> Path:
        """The certificate alone, as PEM."""
        path = folder / f"{name}.pem"
        path.write_bytes(pem(self.certificate))
        return path


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def authority(name: str, by: Signed | None = None) -> Signed:
    """One that signs itself, or an intermediate one."""
    return _signed(name, by, is_authority=True, until=DAY)


def server_certificate(host: str, by: Signed | None, until: datetime.timedelta = DAY) -> Signed:
    """For one host name; `until`: from now on, negative where it has ended."""
    return _signed(host, by, is_authority=False, until=until)


def _signed(name: str, by: Signed | None, *, is_authority: bool, until: datetime.timedelta) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    signing = by.key if by else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .add_extension(_usage(is_authority), critical=True)
        .sign(signing, hashes.SHA256())
    )
    return Signed(certificate=certificate, key=key, chain=(by.certificate, *by.chain) if by else ())


def _usage(is_authority: bool) -> x509.KeyUsage:
    """What RFC 5280 wants said; newer Pythons refuse a chain without it."""
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def over_tls(shown: Signed, folder: Path, handler: faults.Handler) -> faults.Handler:
    """The handler behind TLS, with that certificate and its chain."""
    path = folder / f"{shown.certificate.serial_number}.pem"
    key = shown.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(b"".join([pem(shown.certificate), *map(pem, shown.chain), key]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)

    async def wrapped(stream: trio.SocketStream) -> None:
        await handler(trio.SSLStream(stream, context, server_side=True, https_compatible=True))  # type: ignore[arg-type]  # reads and writes the same

    return wrapped
