"""The kinds of values a configuration holds, each read from the text an operator writes.

`read` is msgspec's hook: it turns a text or number into one of these, or raises ValueError saying what would be right.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from actors.rates import Rate, read_rate
from actors.secret import Secret
from gateway.sources.generic_rules import Rules

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB|K|M|G|T)?", re.IGNORECASE | re.ASCII)
_BINARY = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_DECIMAL_SUFFIX = re.compile(r"[KMGT]B", re.IGNORECASE)

ANY_WAY = '{ env = "NAME" }, { file = "path" } or a text'  # how a secret may be given in the file

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Bind(str):
    """Where to listen: `127.0.0.1:8080`, `[::1]:8080`, or empty for nowhere."""

    __slots__ = ()

    @property
    def host(self) -> str:
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.rpartition(":")[2])


class ByteSize(int):
    """A number of bytes: `68719476736`, `"64GiB"`, `"500MB"`."""

    __slots__ = ()


class Origin(str):
    """What a browser sends as `Origin`: scheme, host and a port that is not the scheme's own."""

    __slots__ = ()


class Cidr(str):
    """An address or a network: `10.0.0.0/8`, `::1`."""

    __slots__ = ()

    @property
    def network(self) -> Network:
        return ipaddress.ip_network(str(self), strict=False)


def read(kind: type[Any], value: object) -> Any:
    """The value as that kind."""
    return _READERS[kind](value)


def _secret(value: object) -> Secret:
    """Never says what the value was."""
    if not isinstance(value, str):
        raise ValueError(f"is no secret; give {ANY_WAY}")
    if not value.strip():
        raise ValueError(f"is empty; give {ANY_WAY}")
    value = _on_one_line(value)
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
        raise ValueError("holds a control character or a line break; give the secret alone")
    return Secret(value)


def _on_one_line(secret: str) -> str:
    """A key file in JSON without the line breaks between its fields; any other text as it is."""
    if not secret.lstrip().startswith("{"):
        return secret
    try:
        return msgspec.json.format(secret, indent=-1)
    except (msgspec.DecodeError, UnicodeError):
        return secret


def _byte_size(value: object) -> ByteSize:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return ByteSize(value)
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no size; give a number of bytes or a text such as "64GiB"')
    unit = match[2] or ""
    base = 1000 if _DECIMAL_SUFFIX.fullmatch(unit) else 1024
    size = int(float(match[1]) * base ** _BINARY[unit.upper().rstrip("B").rstrip("I")])
    if not 0 < size < 2**63:
        raise ValueError(f'{value!r} is out of range; give a size such as "64GiB"')
    return ByteSize(size)


def _bind(value: object) -> Bind:
    if value == "":
        return Bind("")
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = port.isascii() and port.isdigit() and int(port) < 65_536
    if not is_port or not _is_host(bare) or (":" in bare) != (bare != host):
        raise ValueError(
            f'{value!r} is no address to listen on; give "host:port" such as "127.0.0.1:8080" or "[::1]:8080"'
        )
    return Bind(value)


def _is_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _origin(value: object) -> Origin:
    fault = f'{value!r} is no origin; give scheme://host[:port] such as "https://shop.example.com"'
    if not isinstance(value, str):
        raise ValueError(fault)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(fault) from error
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not is_bare
        or not _is_origin_host(parts.hostname)
    ):
        raise ValueError(fault)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return Origin(f"{parts.scheme}://{host}" + ("" if is_default else f":{port}"))


def _is_origin_host(host: str) -> bool:
    """Browsers send internationalised names in their ASCII form, and no pattern is ever an origin."""
    return host.isascii() and re.fullmatch(r"[a-z0-9._:-]+", host) is not None


def _cidr(value: object) -> Cidr:
    try:
        return Cidr(ipaddress.ip_network(str(value), strict=False))
    except ValueError as error:
        raise ValueError(f'{value!r} is no address or network; give one such as "10.0.0.0/8" or "::1"') from error


_READERS: Mapping[type[Any], Callable[[object], object]] = {
    Secret: _secret,
    ByteSize: _byte_size,
    Bind: _bind,
    Origin: _origin,
    Cidr: _cidr,
    Rate: read_rate,
    Rules: Rules,
}
