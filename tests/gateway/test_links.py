"""What a click is sent on to, and what may be stored as a link (contracts/attribution.md, section 8)."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SettingsError
from gateway.links import URL_CHARS, Wanted, is_live, link_of, sent_to
from store.records import LinkRow
from tests.support.making import START_MS, site

SHOP = site(origins=frozenset({"https://shop.example.com"}), cookie_domain="example.com")
JOURNEY = "0" * 32


def a_link(target: str = "https://shop.example.com/tea", **more: Any) -> LinkRow:
    return LinkRow(site="shop", slug="tea", target=target, **more)


def where(row: LinkRow, query: str = "") -> dict[str, str]:
    return dict(parse_qsl(urlsplit(sent_to(row, query, JOURNEY)).query, keep_blank_values=True))


def test_the_link_and_a_journey_are_added_and_the_fragment_is_kept() -> None:
    url = sent_to(a_link("https://shop.example.com/tea?size=2#top"), "", JOURNEY)
    assert url == f"https://shop.example.com/tea?size=2&gw_lid=tea&gw_jid={JOURNEY}#top"


def test_the_links_campaign_fills_what_is_missing() -> None:
    row = a_link("https://shop.example.com/?utm_source=own", source="newsletter", medium="email", campaign="tea & more")
    found = where(row, "utm_medium=sms")
    assert found["utm_source"] == "own"
    assert found["utm_medium"] == "sms"
    assert found["utm_campaign"] == "tea & more"


def test_click_ids_and_unknown_parameters_are_carried_over_as_they_came() -> None:
    url = sent_to(a_link(), "gclid=Cj0%2Bx-_9&Unknown=a+b&ScCid=A%2F&x", JOURNEY)
    assert url.startswith("https://shop.example.com/tea?gclid=Cj0%2Bx-_9&Unknown=a+b&ScCid=A%2F&x&gw_lid=")


@pytest.mark.parametrize("query", ["size=9", "SIZE=9", "%73ize=9", "gw_lid=other&gw_jid=mine", "GW_LID=other"])
def test_nobody_changes_what_the_target_has_or_what_the_gateway_adds(query: str) -> None:
    found = where(a_link("https://shop.example.com/tea?size=2"), query)
    assert found == {"size": "2", "gw_lid": "tea", "gw_jid": JOURNEY}


@given(st.text(max_size=3_000))
def test_whatever_is_asked_leads_to_the_stored_target_and_has_a_bound(query: str) -> None:
    url = sent_to(a_link("https://shop.example.com/tea?size=2", campaign="autumn"), query, JOURNEY)
    assert url.startswith("https://shop.example.com/tea?size=2&")
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert len(url) <= URL_CHARS
    assert where(a_link(), query)["gw_jid"] == JOURNEY


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("javascript:alert(1)", "no url"),
        ("//evil.example/", "no url"),
        ("ftp://shop.example.com/", "no url"),
        ("https://shop.example.com@evil.example/", "no url"),
        ("https://shop.example.com\\@evil.example/", "no url"),
        ("https://shop.example.com/ a", "no url"),
        ("https://evil.example/", "no host of site"),
        ("https://shop.example.com.evil.example/", "no host of site"),
        ("https://shop.example.com/" + "a" * 3_000, "at most 2048"),
    ],
)
def test_a_target_is_a_url_on_a_host_of_the_site(target: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        link_of(Wanted(target=target, slug="tea"), SHOP, START_MS)


def test_another_host_is_taken_where_somebody_confirms_it_and_subdomains_always() -> None:
    elsewhere = Wanted(target="https://other.example.net/", slug="tea", is_host_confirmed=True)
    assert link_of(elsewhere, SHOP, START_MS).target == "https://other.example.net/"
    assert link_of(Wanted(target="https://www.example.com/", slug="tea"), SHOP, START_MS)


def test_every_fault_of_a_link_is_told_by_its_field() -> None:
    wanted = Wanted(target="x", slug="no slug", campaign="a\n", channel="none", expires_at_ms=1)
    with pytest.raises(SettingsError) as refused:
        link_of(wanted, SHOP, START_MS)
    assert [field for field, _ in refused.value.fields] == ["slug", "target", "campaign", "channel", "expires_at"]


def test_a_link_ends_when_it_is_said_to() -> None:
    row = a_link(expires_at_ms=START_MS)
    assert is_live(row, START_MS - 1)
    assert not is_live(row, START_MS)
    assert not is_live(a_link(is_enabled=False), START_MS)
