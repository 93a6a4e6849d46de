"""Whom connections to platforms trust: the public authorities, and for a destination with `ca_file` those in it too.

A context always verifies the chain and the host's name. Making one takes 20 ms, so all destinations share those that
`Contexts` keeps: one for each distinct `ca_file`, at most as many as there are destinations.
"""

import os
import ssl
from pathlib import Path

import httpx

CA_FILE_BYTES = 4 << 20  # all public authorities together are a quarter of a megabyte


def client_tls(ca_file: str | None = None) -> ssl.SSLContext:
    """Always verifies. Trusts the public authorities (certifi's) and those in `ca_file`. Errors: OSError, SSLError."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
        # Each certificate of the file is trusted as it stands, though it be an intermediate one without its root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def ca_file_fault(path: str) -> str | None:
    """What is wrong with a `ca_file`, and what would be right; None for one that can be used."""
    if not os.path.isabs(path):
        return f"{path!r} is no whole path; give it from / on"
    try:
        if Path(path).stat().st_size > CA_FILE_BYTES:
            return f"{path!r} has more than {CA_FILE_BYTES} bytes; give a file of PEM certificates"
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        found.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"{path!r} holds no certificate in PEM form; give one with -----BEGIN CERTIFICATE-----"
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "no path"
        return f"{path!r} cannot be read: {words}"
    if not found.cert_store_stats()["x509"]:
        return f"{path!r} holds no certificate; give a file of PEM certificates"
    return None


class Contexts:
    """The contexts in use. A file that changed is read again for the next connection."""

    def __init__(self) -> None:
        self._kept: dict[str | None, tuple[object, ssl.SSLContext]] = {}

    def of(self, ca_file: str | None) -> ssl.SSLContext:
        """For a file that went away or was spoiled since it was checked: as before, else the public authorities
        alone, by which what the file vouched for is refused."""
        stamp = _stamp(ca_file)
        known = self._kept.get(ca_file)
        if known is not None and (stamp is None or known[0] == stamp):
            return known[1]
        try:
            context = client_tls(ca_file)
        except (OSError, ValueError):  # SSLError is an OSError
            return known[1] if known is not None else self.of(None)
        self._kept[ca_file] = (stamp, context)
        return context


def _stamp(path: str | None) -> object:
    """Changes with the file; None where there is none."""
    try:
        found = os.stat(path) if path is not None else None
    except (OSError, ValueError):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found is not None else None
