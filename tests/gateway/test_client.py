"""Who calls: addresses behind proxies, https, the user agent, the visitor cookie."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Call
from gateway.client import (
    LOOPBACK,
    VISITOR_COOKIE,
    address_key,
    client_address,
    country,
    is_https,
    opts_out,
    set_cookie_header,
    user_agent,
    visitor_id,
)

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))
HEXADECIMAL = "0123456789abcdef0123456789abcdef"
CANONICAL = "01234567-89ab-4def-8123-456789abcdef"

ADDRESSES = {
    "no header": ("10.0.0.1", None, "10.0.0.1"),
    "an untrusted peer is not believed": ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
    "one hop": ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
    "what the client wrote itself is left of the right hop": ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
    "trusted hops are passed": ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2, 10.0.0.3", "198.51.100.7"),
    "only trusted hops": ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
    "IPv4 with a port": ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
    "IPv6 bare": ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
    "IPv6 with a port": ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
    "IPv6 in brackets": ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
    "an IPv6 proxy": ("2001:db8:ffff::9", "2001:db8::1", "2001:db8::1"),
    "a mapped peer is its IPv4 address": ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
    "garbage ends the walk at the peer": ("10.0.0.1", "198.51.100.7, garbage", "10.0.0.1"),
    "garbage ends the walk at the last good hop": ("10.0.0.1", "198.51.100.7, <script>, 10.0.0.2", "10.0.0.2"),
    "a broken bracket": ("10.0.0.1", "[2001:db8::1", "10.0.0.1"),
    "a short form is no address": ("10.0.0.1", "127.1", "10.0.0.1"),
    "empty": ("10.0.0.1", "", "10.0.0.1"),
    "a hundred hops": ("10.0.0.1", ", ".join(["1.1.1.1"] * 99 + ["198.51.100.7"]), "198.51.100.7"),
}


@pytest.mark.parametrize(("peer", "forwarded", "expected"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_the_address_is_the_last_before_the_trusted_ones(peer: str, forwarded: str | None, expected: str) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert client_address(peer, headers, PROXIES) == expected


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["x-forwarded-for", "x-real-ip", "forwarded", "client-ip"]), st.text()))
def test_an_untrusted_peer_is_itself_whatever_it_says(headers: Mapping[str, str]) -> None:
    assert client_address("192.0.2.1", headers, PROXIES) == "192.0.2.1"
    assert client_address("192.0.2.1", headers, ()) == "192.0.2.1"


@settings(deadline=None)
@given(st.text() | st.lists(st.ip_addresses().map(str)).map(",".join))
def test_the_result_is_an_address_whatever_a_proxy_passes_on(forwarded: str) -> None:
    assert ip_address(client_address("10.0.0.1", {"x-forwarded-for": forwarded}, PROXIES))


def test_other_forwarding_headers_are_not_read() -> None:
    headers = {"x-real-ip": "198.51.100.7", "forwarded": "for=198.51.100.7"}
    assert client_address("10.0.0.1", headers, PROXIES) == "10.0.0.1"


KEYS = {
    "192.0.2.1": "192.0.2.1",
    "::ffff:192.0.2.1": "192.0.2.1",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:DB8:1:2::": "2001:db8:1:2::/64",
}


@pytest.mark.parametrize(("address", "key"), KEYS.items())
def test_an_address_is_counted_by_its_key(address: str, key: str) -> None:
    assert address_key(address) == key


@settings(deadline=None)
@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_one_ipv6_network_has_one_key(address: object, host: int) -> None:
    network = int(ip_address(str(address))) >> 64 << 64
    if network:
        assert address_key(str(ip_address(network))) == address_key(str(ip_address(network | host)))


@pytest.mark.parametrize(
    ("peer", "proto", "expected"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "HTTPS", True),
        ("10.0.0.1", "http", False),
        ("10.0.0.1", "https, http", False),
        ("10.0.0.1", None, False),
        ("192.0.2.1", "https", False),
    ],
)
def test_https_is_what_a_trusted_proxy_says(peer: str, proto: str | None, expected: bool) -> None:
    headers = {} if proto is None else {"x-forwarded-proto": proto}
    call = Call(method="POST", path="/i", query="", headers=headers, body=b"", peer=peer)
    assert is_https(call, PROXIES) is expected


def test_a_call_that_came_over_https_needs_no_header() -> None:
    call = Call(method="POST", path="/i", query="", headers={}, body=b"", peer="192.0.2.1", is_https=True)
    assert is_https(call, ())


COOKIES = {
    f"{VISITOR_COOKIE}={HEXADECIMAL}": HEXADECIMAL,
    f"{VISITOR_COOKIE}={CANONICAL}": CANONICAL,
    f"a=b; {VISITOR_COOKIE}={HEXADECIMAL} ; c=d": HEXADECIMAL,
    f"{VISITOR_COOKIE}=forged; {VISITOR_COOKIE}={HEXADECIMAL}; {VISITOR_COOKIE}={CANONICAL}": HEXADECIMAL,
    f"{VISITOR_COOKIE}={HEXADECIMAL.upper()}": None,
    f"{VISITOR_COOKIE}={HEXADECIMAL}0": None,
    f"{VISITOR_COOKIE}={'a' * 8000}": None,
    f"{VISITOR_COOKIE}={HEXADECIMAL}\x00": None,
    f"x{VISITOR_COOKIE}={HEXADECIMAL}": None,
    f"{VISITOR_COOKIE}": None,
    "": None,
}


@pytest.mark.parametrize(("header", "expected"), COOKIES.items())
def test_the_first_valid_visitor_cookie_counts(header: str, expected: str | None) -> None:
    assert visitor_id({"cookie": header}) == expected
    assert visitor_id({}) is None


@settings(deadline=None)
@given(st.text())
def test_a_forged_cookie_is_no_visitor(value: str) -> None:
    found = visitor_id({"cookie": f"{VISITOR_COOKIE}={value}"})
    assert found is None or found in value


def test_the_cookie_that_is_set_is_read_back() -> None:
    _, value = set_cookie_header(HEXADECIMAL, True)
    assert visitor_id({"cookie": value.partition(";")[0]}) == HEXADECIMAL


def test_the_cookie_has_its_attributes() -> None:
    common = f"{VISITOR_COOKIE}={HEXADECIMAL}; Path=/; Max-Age=34560000; SameSite=Lax"
    assert set_cookie_header(HEXADECIMAL, True) == ("set-cookie", f"{common}; HttpOnly; Secure")
    assert set_cookie_header(HEXADECIMAL, False) == ("set-cookie", f"{common}; HttpOnly")
    shop = set_cookie_header(HEXADECIMAL, True, domain="example.com", http_only=False)
    assert shop == ("set-cookie", f"{common}; Domain=example.com; Secure")


@pytest.mark.parametrize(("value", "domain"), [("a; b", None), (HEXADECIMAL, "a; b"), (HEXADECIMAL, "a\r\nb: c")])
def test_no_cookie_is_set_with_what_could_break_the_header(value: str, domain: str | None) -> None:
    with pytest.raises(ValueError, match="visitor"):
        set_cookie_header(value, True, domain=domain)


def test_the_user_agent_is_bounded_and_clean() -> None:
    assert user_agent({"user-agent": " Mozilla/5.0\x1b[31m (X11) "}) == "Mozilla/5.0[31m (X11)"
    assert user_agent({"user-agent": "a" * 5000}) == "a" * 1024
    assert user_agent({"user-agent": "\x00"}) is None
    assert user_agent({}) is None


@pytest.mark.parametrize(
    ("value", "is_opt_out"),
    [("1", True), ("0, 1", True), ("", False), ("0", False), ("true", False), ("11", False), ("1.0", False)],
)
def test_only_an_exact_1_opts_out(value: str, is_opt_out: bool) -> None:
    assert opts_out({"sec-gpc": value}) == is_opt_out
    assert not opts_out({"dnt": value})


@pytest.mark.parametrize(
    ("peer", "told", "wanted"),
    [("127.0.0.1", "de", "DE"), ("127.0.0.1", "XX", None), ("127.0.0.1", "Germany", None), ("203.0.113.9", "DE", None)],
)
def test_a_country_counts_only_from_a_trusted_proxy_and_in_its_form(peer: str, told: str, wanted: str | None) -> None:
    call = Call(method="POST", path="/i", query="", headers={"cf-ipcountry": told}, body=b"", peer=peer)
    assert country(call, "CF-IPCountry", LOOPBACK) == wanted
    assert country(call, "", LOOPBACK) is None
