"""Which addresses a request may go to, so that no URL, name or answer of a resolver leads inside.

`check_url` judges a URL when it is configured, `Rules.refusal` each resolved address where the connection is made
(actors/dialing.py), `refusal` an address against the table alone. `ipaddress.is_global` is not enough: Python 3.11.7
calls NAT64 and 6to4 forms of the metadata address, `168.63.129.16` and multicast global.

Sources: contracts/webhook.md, section 9 (addresses that are refused); "IANA IPv4 / IPv6 Special-Purpose Address
Registry", iana.org; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), read 2026-11-20.
"""

import ipaddress
import re
from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from msgspec import Struct

PORTS = {"http": 80, "https": 443}
OPEN_HTTP = "http is open to everyone on the way; give https, or allow_http = true"
URL_CHARS = 8_192  # of a request's URL; what servers commonly take

_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local, holds cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved, holds cloud metadata"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
# The first that matches names the reason. The last five complete "everything but 2000::/3", which alone is handed out.
_V6: tuple[tuple[str, str], ...] = (
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001::/23", "reserved"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "SRv6"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("::/3", "not global unicast"),
    ("4000::/2", "not global unicast"),
    ("8000::/1", "not global unicast"),
)
_NAT64 = IPv6Network("64:ff9b::/96")  # the one way out of an IPv6-only network: judged by the IPv4 address inside
_V4_TABLE = tuple((IPv4Network(network), why) for network, why in _V4)
_V6_TABLE = tuple((IPv6Network(network), why) for network, why in _V6)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # upper half of the interface identifier

_INSIDE = (".localhost", ".local", ".internal", ".home.arpa", ".lan")  # names that only mean something inside
_URL_TEXT = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash that parsers disagree on
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"(\d+|0[xX][0-9a-fA-F]*)\.?")


class Target(Struct, frozen=True, kw_only=True):
    """Where a URL points. `path` with its query, as it stands in the request line."""

    scheme: str
    host: str  # lower case, an IPv6 address without brackets
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Refused(Struct, frozen=True):
    """Why a URL is not used. The reason never holds its path, query or credentials."""

    reason: str


class Rules(Struct, frozen=True, kw_only=True):
    """What an operator allowed a destination beyond public addresses and the ports 80 and 443."""

    allow_private: bool = False  # any address, any port
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # these addresses too, on any port
    allow_http: bool = False  # without TLS to public addresses too; where a wider one is open, it is allowed anyway

    @property
    def is_open(self) -> bool:
        return self.allow_private or bool(self.allow_networks)

    def refusal(self, address: str) -> str | None:
        """Why no connection to this address is made; None where one may be."""
        if self.allow_private:
            return _unreadable(address)
        why = refusal(address)
        return None if why is not None and self._lists(address) else why

    def refusal_of(self, address: str, port: int, scheme: str) -> str | None:
        """The same with the port and the scheme: what a URL may have for the sake of a network that is listed, it has
        for that network only."""
        why = self.refusal(address)
        if why is not None or self.allow_private or self._lists(address):
            return why
        if scheme == "http" and not self.allow_http:
            return OPEN_HTTP
        return _bad_port(port, tuple(PORTS.values()))

    def _lists(self, address: str) -> bool:
        if not self.allow_networks or _unreadable(address):
            return False
        ip = _unmap(ipaddress.ip_address(address))
        return any(ip in network for network in self.allow_networks)


def rules(*, allow_private: bool = False, allow_networks: Iterable[str] = (), allow_http: bool = False) -> Rules:
    """Rules from configured values; ValueError names a network that is none."""
    networks = tuple(ipaddress.ip_network(network) for network in allow_networks)
    return Rules(allow_private=allow_private, allow_networks=networks, allow_http=allow_http)


def network_fault(network: str) -> str | None:
    """What is wrong with a configured network; None for one that is right."""
    try:
        ipaddress.ip_network(network)
    except ValueError:
        return f"{network!r} is no network; give its first address and length, such as '10.0.0.0/8'"
    return None


def refusal(address: str) -> str | None:
    """Why an address is not public, by our table; None for one that is. An address inside an address counts as it."""
    if why := _unreadable(address):
        return why
    ip = _unmap(ipaddress.ip_address(address))
    if isinstance(ip, IPv4Address):
        return next((why for network, why in _V4_TABLE if ip in network), None)
    inner = _inner(ip)
    if inner is not None and (why := refusal(str(inner))):
        return f"{why} ({inner} inside)"
    if ip in _NAT64:
        return None
    return next((why for network, why in _V6_TABLE if ip in network), None)


def _unreadable(address: str) -> str | None:
    if "%" in address:
        return "has a zone id"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "no IP address"
    return None


def _unmap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The system itself connects to a mapped address as to the IPv4 address in it."""
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translator or tunnel would take out of this one."""
    bits = int(ip)
    is_compatible = 1 < bits < 1 << 32
    if ip in _NAT64 or is_compatible or (bits >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(bits & 0xFFFF_FFFF)
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if bits >> 80 == 0x0064_FF9B_0001:
        return IPv4Address(bits & 0xFFFF_FFFF)
    return None


def check_url(
    url: str, allow_private: bool = False, allow_networks: Iterable[str] = (), allow_http: bool = False
) -> str | None:
    """Why a configured URL would be refused; None where it may be used. No name is resolved here."""
    allowed = rules(allow_private=allow_private, allow_networks=allow_networks, allow_http=allow_http)
    target = read_url(url, allowed)
    return target.reason if isinstance(target, Refused) else None


def read_url(url: str, allowed: Rules) -> Target | Refused:
    """The URL's parts, read once: what is checked is what is connected to."""
    if len(url) > URL_CHARS or not _URL_TEXT.fullmatch(url):
        return Refused(f"a URL has at most {URL_CHARS} visible ASCII characters, no space and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Refused("no URL; give https://host/path")
    if parts.scheme not in PORTS:
        return Refused("the scheme is neither https nor http")
    if "@" in parts.netloc:
        return Refused("a URL holds no user name or password; give them as settings")
    host = parts.hostname or ""
    port = PORTS[parts.scheme] if port is None else port
    ports = range(1, 65_536) if allowed.is_open else tuple(PORTS.values())
    if why := _bad_host(host, allowed, in_brackets="[" in parts.netloc) or _bad_port(port, ports):
        return Refused(why)
    if parts.scheme == "http" and not (allowed.allow_http or allowed.is_open):
        return Refused(OPEN_HTTP)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port, path=path)


def _bad_port(port: int, allowed: Container[int]) -> str | None:
    if port in allowed:
        return None
    return f"port {port} is not allowed; 80 and 443 are, others with allow_private = true"


def _bad_host(host: str, allowed: Rules, *, in_brackets: bool) -> str | None:
    if in_brackets or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to a resolver: an address is written in full or not at all
        why = allowed.refusal(host)
        return f"{host}: {why}" if why else None
    if len(host) > 253 or not _HOST.fullmatch(host):
        return "no host name; give it in its ASCII form (xn--…)"
    name = "." + host.rstrip(".")
    if not allowed.is_open and (name.count(".") == 1 or name.endswith(_INSIDE)):
        return f"{host} is a name of an inner network; allow_private = true allows it"
    return None
