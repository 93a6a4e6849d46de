"""The table of addresses and the reading of URLs."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.addresses import Refused, Target, check_url, read_url, refusal, rules

REFUSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::",
    "2002:808:808::1",
    "2a00::5efe:10.0.0.1",
    "2a00::200:5efe:7f00:1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%1",
    "fec0::1",
    "ff02::1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "①②⑦.⓪.⓪.①",
    "",
    "shop.example",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2606:4700::1111",
    "2a00::5efe:8.8.8.8",
]

V4 = st.ip_addresses(v=4).map(str)


@pytest.mark.parametrize("address", REFUSED)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_not_refused(address: str) -> None:
    assert refusal(address) is None


@given(V4)
def test_address_inside_an_address_is_refused_as_it_would_be_alone(inner: str) -> None:
    bits = int(ipaddress.IPv4Address(inner))
    mapped, nat64 = f"::ffff:{inner}", f"64:ff9b::{inner}"
    isatap = f"2606:4700::5efe:{inner}"
    tunnelled = [str(ipaddress.IPv6Address((0x2002 << 112) | (bits << 80))), f"::{inner}", f"64:ff9b:1::{inner}"]

    assert [refusal(a) is None for a in (mapped, nat64, isatap)] == [refusal(inner) is None] * 3
    assert all(map(refusal, tunnelled))


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_refused_too(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert ip.is_global or refusal(str(ip)) or ip in ipaddress.ip_network("64:ff9b::/96")


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_only_handed_out_ipv6_space_is_public(ip: ipaddress.IPv6Address) -> None:
    wide = ("2000::/3", "64:ff9b::/96", "::ffff:0:0/96")
    assert refusal(str(ip)) or any(ip in ipaddress.ip_network(network) for network in wide)


@given(st.text() | st.from_regex(r"[0-9a-f:.%]{0,45}"))
def test_refusal_is_said_of_any_text_without_an_error(address: str) -> None:
    assert refusal(address) is None or refusal(address)


def test_allowed_network_opens_its_addresses_and_no_others() -> None:
    allowed = rules(allow_networks=["10.0.0.0/8", "fd00::/64"])

    assert allowed.refusal("10.9.9.9") is None
    assert allowed.refusal("::ffff:10.9.9.9") is None
    assert allowed.refusal("fd00::1") is None
    assert allowed.refusal("192.168.0.1")
    assert allowed.refusal("64:ff9b::a00:1")
    assert allowed.refusal("fd00::1%lo")


def test_allow_private_opens_every_address_but_none_with_a_zone() -> None:
    allowed = rules(allow_private=True)

    assert all(allowed.refusal(address) is None for address in ("127.0.0.1", "::1", "169.254.169.254", "8.8.8.8"))
    assert allowed.refusal("fe80::1%eth0")


def test_network_that_is_none_is_a_fault() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        rules(allow_networks=["10.0.0.1/8"])


GOOD_URLS = [
    "https://graph.facebook.com/v21.0/1/events?access_token=x",
    "https://shop.example:443",
    "HTTPS://Shop.Example./x",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/x",
    "https://[2606:4700::1111]/x",
    "https://shop.example/a@b",
    "https://under_score.example/",
]
BAD_URLS = [
    "http://shop.example/hook",
    "http://8.8.8.8/",
    "ftp://shop.example/",
    "ws://shop.example/",
    "file:///etc/passwd",
    "//shop.example/",
    "shop.example",
    "",
    "https://",
    "https:///x",
    "https://user:pass@shop.example/",
    "https://user@shop.example/",
    "https://@shop.example/",
    "https://shop.example:8080/",
    "https://shop.example:0/",
    "https://shop.example:99999/",
    "https://shop.example:x/",
    "https://shop.example\\@10.0.0.1/",
    "https://shop.example/a b",
    "https://shop.example/\r\nx: y",
    " https://shop.example/",
    "https://bücher.example/",
    "https://①②⑦.⓪.⓪.①/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://8.8.8.8./",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[v1.x]/",
    "http://[::1/",
    "http://::1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost/",
    "http://localhost./",
    "http://api.localhost/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://nas.home.arpa/",
    "http://intranet/",
    "http://a..example/",
    "http://-a.example/",
    "https://shop.example/" + "x" * 9_000,
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_url_of_a_public_host_is_taken(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize("url", BAD_URLS)
def test_url_that_is_odd_or_leads_inside_is_refused(url: str) -> None:
    assert check_url(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "http://localhost:9000/x", "http://[::1]:81/", "http://nas/"]
)
def test_allow_private_takes_inner_hosts_and_other_ports(url: str) -> None:
    assert check_url(url)
    assert check_url(url, allow_private=True) is None


@pytest.mark.parametrize("url", ["http://u:p@127.0.0.1/", "ftp://127.0.0.1/", "http://127.1/", "http://[fe80::1%25a]/"])
def test_allow_private_takes_no_odd_url(url: str) -> None:
    assert check_url(url, allow_private=True)


def test_http_is_taken_where_it_is_allowed_for_public_hosts_only() -> None:
    assert check_url("http://shop.example/hook", allow_http=True) is None
    assert check_url("http://10.0.0.1/hook", allow_http=True)
    assert check_url("http://shop.example:8080/hook", allow_http=True)


def test_allowed_network_takes_its_literals_only() -> None:
    assert check_url("http://10.0.0.1:8080/", allow_networks=["10.0.0.0/8"]) is None
    assert check_url("http://192.168.0.1:8080/", allow_networks=["10.0.0.0/8"])


def test_url_is_read_into_what_the_request_line_and_host_header_need() -> None:
    assert read_url("https://Shop.Example:443/a/b?x=1&y=%20#part", rules()) == Target(
        scheme="https", host="shop.example", port=443, path="/a/b?x=1&y=%20"
    )
    target = read_url("http://[2606:4700::1111]:8080", rules(allow_private=True))
    assert isinstance(target, Target)
    assert (target.authority, target.path) == ("[2606:4700::1111]:8080", "/")


@given(st.text() | st.from_regex(r"https?://[!-~]{0,40}(:[0-9]{1,6})?(/[!-~]{0,10})?\Z"))
def test_any_text_is_read_or_refused_without_an_error(url: str) -> None:
    match read_url(url, rules()):
        case Target(scheme=scheme, port=port, host=host):
            assert scheme in ("http", "https")
            assert port in (80, 443)
            assert host == host.lower()
        case Refused(reason):
            assert reason


@given(st.sampled_from(["http://10.0.0.1", "https://u:p@shop.example", "ftp://shop.example", "http://localhost"]))
def test_reason_holds_no_path_or_query(base: str) -> None:
    reason = check_url(f"{base}/secret-path?token=secret-token")
    assert reason
    assert "secret" not in reason
