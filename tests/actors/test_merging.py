"""One event from two copies, row by row of contracts/dedup_and_identity.md, section 1.3."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.event import Consent, CustomData, EmailDigests, Event, Item, Page, UserData
from actors.merging import conflicts, merge, strictest
from tests.support.making import START_MS, event, purchase

MINUTE_MS = 60_000
BROWSER = purchase("b")
SERVER = purchase("s", "shopify_webhook")


def both_ways(browser: Event, server: Event) -> list[Event]:
    """The merged event, whichever copy came first."""
    return [merge(browser, server).event, merge(server, browser).event]


def with_data(copy: Event, **data: Any) -> Event:
    return structs.replace(copy, custom_data=structs.replace(copy.custom_data, **data))


def with_user(copy: Event, **user: Any) -> Event:
    return structs.replace(copy, user_data=structs.replace(copy.user_data, **user))


def email(letter: str) -> EmailDigests:
    return EmailDigests(sha256=letter * 64)


USER_FIELDS: dict[str, tuple[Any, Any, str]] = {  # browser's value, server's value, who wins
    "email": (email("a"), email("b"), "server"),
    "external_id": ("x", "y", "server"),
    "city": ("Paris", "Lyon", "server"),
    "country": ("FR", "BE", "server"),
    "fbp": ("fb.1.1.1", "fb.1.2.2", "browser"),
    "fbc": ("fb.1.1.a", "fb.1.1.b", "browser"),
    "gclid": ("g1", "g2", "browser"),
    "ga_client_id": ("1.1", "2.2", "browser"),
    "ga_session_id": ("1", "2", "browser"),
    "ttp": ("t1", "t2", "browser"),
    "sc_cookie1": ("s1", "s2", "browser"),
    "kx": ("k1", "k2", "browser"),
    "anonymous_id": ("v1", "v2", "browser"),
    "session_id": ("s1", "s2", "browser"),
    "client_ip": ("192.0.2.1", "192.0.2.2", "browser"),
    "client_user_agent": ("Mozilla", "Ruby", "browser"),
}


@pytest.mark.parametrize("field", USER_FIELDS)
def test_an_identifier_comes_from_the_copy_that_knows_it_best(field: str) -> None:
    browser, server, winner = USER_FIELDS[field]
    copies = with_user(BROWSER, **{field: browser}), with_user(SERVER, **{field: server})
    wanted = browser if winner == "browser" else server
    for first, second in (copies, copies[::-1]):
        merged = merge(first, second)
        assert getattr(merged.event.user_data, field) == wanted
        assert merged.fields_from[f"user_data.{field}"] == ("browser" if winner == "browser" else "shopify_webhook")


@pytest.mark.parametrize("field", USER_FIELDS)
def test_a_missing_identifier_is_filled_from_the_other_copy(field: str) -> None:
    browser, server, _ = USER_FIELDS[field]
    for copy in both_ways(with_user(BROWSER, **{field: browser}), with_user(SERVER, **{field: None})):
        assert getattr(copy.user_data, field) == browser
    for copy in both_ways(with_user(BROWSER, **{field: None}), with_user(SERVER, **{field: server})):
        assert getattr(copy.user_data, field) == server


def test_value_and_what_belongs_to_it_come_from_the_server_as_one_block() -> None:
    browser = with_data(BROWSER, value=Decimal(9), currency="USD", items=(Item(id="b"),), coupon="B", tax=Decimal(1))
    server = with_data(SERVER, value=Decimal(10), currency=None, items=(Item(id="s"),), coupon=None, tax=None)
    for copy in both_ways(browser, server):
        data = copy.custom_data
        assert (data.value, data.currency) == (Decimal(10), None)
        assert data.items == (Item(id="s"),)
        assert (data.coupon, data.tax) == ("B", Decimal(1))


def test_without_a_value_from_the_server_the_browsers_block_is_taken() -> None:
    browser = with_data(BROWSER, value=Decimal(9), currency="USD", items=(Item(id="b"),))
    server = with_data(SERVER, value=None, currency="EUR", items=(Item(id="s"),))
    for copy in both_ways(browser, server):
        assert (copy.custom_data.value, copy.custom_data.currency) == (Decimal(9), "USD")
        assert copy.custom_data.items == (Item(id="b"),)


def test_other_properties_are_joined_the_server_first_and_an_empty_one_overwrites_nothing() -> None:
    browser = with_data(BROWSER, customer_type="new", properties={"a": 1, "b": 2, "c": "kept"})
    server = with_data(SERVER, customer_type="returning", properties={"b": 3, "c": "", "d": None})
    for copy in both_ways(browser, server):
        assert copy.custom_data.customer_type == "returning"
        assert copy.custom_data.properties == {"a": 1, "b": 3, "c": "kept", "d": None}


def test_the_browsers_event_id_is_kept_since_the_platforms_own_pixel_sends_it_too() -> None:
    assert {copy.event_id for copy in both_ways(BROWSER, SERVER)} == {"b"}


def test_an_id_that_the_gateway_made_gives_way_to_one_that_was_sent() -> None:
    made = structs.replace(BROWSER, event_id="made", is_id_made=True)
    assert {(copy.event_id, copy.is_id_made) for copy in both_ways(made, SERVER)} == {("s", False)}


def test_of_two_copies_from_one_side_the_first_is_kept() -> None:
    first, second = with_data(SERVER, value=Decimal(1)), with_data(purchase("t", "server"), value=Decimal(2))
    merged = merge(with_user(first, fbp="1"), with_user(second, fbp="2", external_id="x")).event
    assert (merged.event_id, merged.custom_data.value, merged.user_data.fbp) == ("s", Decimal(1), "1")
    assert merged.user_data.external_id == "x"


@pytest.mark.parametrize(("apart_min", "wanted_min"), [(0, 0), (-9, -9), (9, 9), (-60, -60), (60, 0)])
def test_the_servers_time_is_taken_if_near_else_the_earlier(apart_min: int, wanted_min: int) -> None:
    server = structs.replace(SERVER, occurred_at_ms=START_MS + apart_min * MINUTE_MS)
    assert {copy.occurred_at_ms for copy in both_ways(BROWSER, server)} == {START_MS + wanted_min * MINUTE_MS}


def test_the_page_is_the_browsers_and_the_action_source_website() -> None:
    page = Page(url="https://shop.example/thanks")
    browser = structs.replace(BROWSER, page=page, action_source="app")
    server = structs.replace(SERVER, page=Page(url="https://admin.example"), action_source="physical_store")
    assert [(copy.page, copy.action_source) for copy in both_ways(browser, server)] == [(page, "website")] * 2
    assert merge(server, purchase("t", "server")).event.action_source == "physical_store"


STATES = st.sampled_from([None, "granted", "denied"])
CONSENTS = st.builds(Consent, analytics=STATES, marketing=STATES, preferences=STATES, sale_of_data=STATES)


@given(browser=CONSENTS, server=CONSENTS)
def test_consent_is_the_browsers_but_any_denial_wins(browser: Consent, server: Consent) -> None:
    copies = structs.replace(BROWSER, consent=browser), structs.replace(SERVER, consent=server)
    for copy in both_ways(*copies):
        assert copy.consent == strictest(browser, server)
        for purpose in Consent.__struct_fields__:
            states = getattr(browser, purpose), getattr(server, purpose)
            wanted = "denied" if "denied" in states else states[0] or states[1]
            assert getattr(copy.consent, purpose) == wanted


def test_a_third_copy_keeps_the_record_of_where_fields_came_from() -> None:
    first = with_user(purchase("1", "server"), city="Paris")
    second = with_user(purchase("2", "shopify_webhook"), country="FR")
    merged = merge(first, second)
    third = merge(merged.event, with_user(BROWSER, city="Lyon", country="BE"), merged.fields_from)
    assert third.event.event_id == "b"
    assert third.fields_from["user_data.city"] == "server"
    assert third.fields_from["user_data.country"] == "shopify_webhook"
    assert third.fields_from["user_data.fbp"] == "browser"


def test_what_copies_disagree_on_is_named() -> None:
    assert conflicts(SERVER, with_data(SERVER, value=Decimal(11), currency=None)) == ("value",)
    assert conflicts(SERVER, with_data(SERVER, value=Decimal("10.00"), order_id="o-2")) == ("order_id",)


@given(data=st.data())
def test_merging_loses_no_field_that_a_copy_has(data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(USER_FIELDS))))
    browser = event("b", user_data=UserData(**{name: USER_FIELDS[name][0] for name in names}))
    others = data.draw(st.sets(st.sampled_from(sorted(USER_FIELDS))))
    server = event("s", source="server", user_data=UserData(**{name: USER_FIELDS[name][1] for name in others}))
    for copy in both_ways(browser, server):
        given_fields = {name for name in USER_FIELDS if getattr(copy.user_data, name) is not None}
        assert given_fields == names | others


def test_merging_an_event_with_itself_changes_nothing() -> None:
    full = with_data(BROWSER, properties={"a": 1}, items=(Item(id="x"),), customer_type="new")
    assert merge(full, full).event == full
    assert merge(full, full).fields_from == {"event_id": "browser"}
    assert CustomData() == merge(event("a"), event("a")).event.custom_data


def test_a_copy_that_is_not_wanted_somewhere_keeps_the_other_from_there() -> None:
    first, second = event(), structs.replace(event(), integrations={"all": False, "meta": True})
    merged = [merge(first, second).event, merge(second, first).event]
    assert [one.integrations for one in merged] == [{"all": False, "meta": True}] * 2


def test_a_browser_s_client_of_a_source_that_servers_use_is_the_browser_s_copy() -> None:
    server = structs.replace(purchase("s"), source="segment", event_id="server")
    browser = structs.replace(purchase("b"), source="segment", event_id="browser", is_from_browser=True)
    assert merge(server, browser).event.event_id == "browser"
