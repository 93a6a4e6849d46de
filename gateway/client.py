"""Who calls: the address behind proxies, whether over https, the user agent, the visitor cookie. Pure.

Forwarded headers count only from peers the operator trusts (`trusted_proxies`), and only X-Forwarded-For and
X-Forwarded-Proto: `Forwarded` and `X-Real-IP` are not read, so that a proxy which sets one of them cannot be talked
past with the other (OWASP ASVS 5.0, 4.1.3). The cookie is contracts/dedup_and_identity.md section 4.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.call import Call

VISITOR_COOKIE = "_gw_vid"
COOKIE_MAX_AGE_S = 400 * 86_400  # the longest that browsers keep (RFC 6265bis section 5.5)
USER_AGENT_CHARS = 1024
HOPS = 64  # addresses of X-Forwarded-For that are looked at
VISITOR_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([^:]+):[0-9]{1,5}")
COUNTRY = re.compile(r"[A-Z]{2}")
NO_COUNTRY = frozenset({"XX", "T1", "ZZ"})  # proxies' words for an unknown one
COOKIE_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))


def client_address(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """The last address before the trusted ones, read from the right; the peer's own if the peer is not trusted.

    What is no address ends the walk at the last good one: the text itself is never used.
    """
    known = _parse(peer)
    if known is None:
        return peer
    forwarded = headers.get("x-forwarded-for")
    if forwarded is None or not _is_trusted(known, trusted):
        return str(known)
    for hop in reversed(forwarded.split(",")[-HOPS:]):
        address = _parse(hop)
        if address is None:
            break
        known = address
        if not _is_trusted(address, trusted):
            break
    return str(known)


def address_key(address: str) -> str:
    """What an address is counted by: IPv4 as it is (a mapped one unwrapped), IPv6 by its /64."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    address = _parse(peer)
    return address is not None and _is_trusted(address, trusted)


def is_https(call: Call, trusted: Sequence[Network]) -> bool:
    """Whether the client spoke https, to us or to a trusted proxy; of several hops the one nearest to us tells."""
    if call.is_https:
        return True
    forwarded = call.headers.get("x-forwarded-proto", "")
    return (
        bool(forwarded) and is_trusted(call.peer, trusted) and forwarded.rpartition(",")[2].strip().lower() == "https"
    )


def user_agent(headers: Mapping[str, str]) -> str | None:
    """The header without control characters, cut to a bound; None if there is none."""
    text = "".join([char for char in headers.get("user-agent", "")[:USER_AGENT_CHARS] if char.isprintable()])
    return text.strip() or None


def opts_out(headers: Mapping[str, str]) -> bool:
    """Global Privacy Control: one header that is exactly `1` (contracts/consent.md, section 2.5)."""
    return "1" in [value.strip(" \t") for value in headers.get("sec-gpc", "").split(",")]


def country(call: Call, header: str, trusted: Sequence[Network]) -> str | None:
    """The country of the visitor's address, as a trusted proxy tells it in that header; ISO 3166-1 alpha-2."""
    if not header or not is_trusted(call.peer, trusted):
        return None
    told = call.headers.get(header.lower(), "").strip().upper()
    return told if COUNTRY.fullmatch(told) and told not in NO_COUNTRY else None


def visitor_id(headers: Mapping[str, str]) -> str | None:
    """The first valid value of the visitor cookie, of however many; a value of another form is as good as none."""
    cookies = headers.get("cookie")
    if cookies is None or VISITOR_COOKIE not in cookies:
        return None
    for pair in cookies.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == VISITOR_COOKIE and is_visitor_id(value):
            return value
    return None


def is_visitor_id(value: str) -> bool:
    """32 lower-case hexadecimal digits (128 random bits), or a UUID in its canonical form."""
    return VISITOR_ID.fullmatch(value) is not None


def set_cookie_header(
    visitor_id: str, is_https: bool, domain: str | None = None, http_only: bool = True
) -> tuple[str, str]:
    """The answer's header that sets or renews the visitor cookie."""
    if not is_visitor_id(visitor_id) or (domain is not None and not COOKIE_DOMAIN.fullmatch(domain)):
        raise ValueError("the visitor cookie takes a visitor id and, as its domain, a host name")
    parts = [f"{VISITOR_COOKIE}={visitor_id}", "Path=/", f"Max-Age={COOKIE_MAX_AGE_S}", "SameSite=Lax"]
    parts += [f"Domain={domain}"] if domain is not None else []
    parts += ["HttpOnly"] if http_only else []
    parts += ["Secure"] if is_https else []
    return ("set-cookie", "; ".join(parts))


def _parse(text: str) -> Address | None:
    """An address as proxies write it: bare, with a port, in brackets; without a zone."""
    text = text.strip()
    with_port = WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
