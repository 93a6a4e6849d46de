"""What names a person is taken out wherever it stands; ids and click ids stay, byte for byte."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.cleaning import Cleaning

AT = "https://shop.example/a"


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        (f"{AT}?email=jane@shop.example&a=1", f"{AT}?email=[personal]&a=1"),
        (f"{AT}?customer%5Bfirst_name%5D=Jane", f"{AT}?customer%5Bfirst_name%5D=[personal]"),
        (f"{AT}?phone=%2B4915112345678;dob=1990", f"{AT}?phone=[personal];dob=[personal]"),
        (f"{AT}?u=jane%40shop.example", f"{AT}?u=[email]"),
        (f"{AT}?u=jane%2540shop.example", f"{AT}?u=[email]"),
        (f"{AT}?utm_content=jane+x@shop.example", f"{AT}?utm_content=[email]"),
        (f"{AT}?q=4111+1111+1111+1111", f"{AT}?q=[card]"),
        (f"{AT}?to=https%3A%2F%2Fx.example%3Fphone%3D123456", f"{AT}?to=[personal]"),
        (f"{AT}#/reset?email=jane%40shop.example", f"{AT}#/reset?email=[personal]"),
        (f"{AT}/jane@shop.example/orders", f"{AT}/[email]/orders"),
        ("https://jane:pass@shop.example/", "https://[personal]@shop.example/"),
        ("/a?tel=123456", "/a?tel=[personal]"),
    ],
)
def test_a_url_loses_what_names_a_person(url: str, cleaned: str) -> None:
    cleaning = Cleaning()
    assert cleaning.url(url) == cleaned
    assert cleaning.marks()


@pytest.mark.parametrize(
    "url",
    [
        f"{AT}?gclid=4111111111111111&fbclid=Iw%40shop.example&wbraid=a%2Bb",
        f"{AT}?variant=4111111111111111&order_id=4111111111111111&utm_id=4111111111111111",
        f"{AT}/4111111111111111/logo@2x.png?v=1#top",
        f"{AT}?page=2&sort=price%3Dasc&to=%2Fcart%3Fa%3D1&x",
        "https://social.example/@shop/lib@1.2.3.min.js",
        "",
    ],
)
def test_a_url_that_names_nobody_stays_byte_for_byte(url: str) -> None:
    cleaning = Cleaning()
    assert cleaning.url(url) == url
    assert cleaning.marks() == []


@pytest.mark.parametrize(
    "name",
    ["email", "E-Mail", "customerEmail", "billing_phone", "first_name", "lastName", "full_name", "street", "address1",
     "shipping_address_line_2", "date_of_birth", "birthday", "gender", "customer_name", "display_name"],
)  # fmt: skip
def test_a_property_named_as_a_persons_is_removed(name: str) -> None:
    cleaning = Cleaning()
    assert cleaning.properties({name: "anything", "plan": "gold"}) == {"plan": "gold"}
    assert cleaning.marks() == ["personal_removed"]


@pytest.mark.parametrize(
    "properties",
    [
        {"name": "Tea", "order_name": "#1001", "product_name": "Tea", "collection_name": "Autumn", "ip_address": "x"},
        {"email_opt_in": "yes", "email": True, "phone": None, "city": "Bonn", "address": {"city": "Bonn"}},
        {"mailing_list": "weekly", "streetwear": 1, "sextet": 2, "mobile_app": "2.1", "email_sha256": "ab"},
    ],
)
def test_a_property_that_names_nobody_stays(properties: dict[str, Any]) -> None:
    cleaning = Cleaning()
    assert cleaning.properties(properties) == properties
    assert cleaning.marks() == []


def test_a_persons_data_is_found_at_any_depth() -> None:
    value = {
        "customer": {"name": "Jane", "id": 7, "phones": ["1"], "addresses": [{"address1": "x", "zip": "1"}]},
        "notes": ["for jane@shop.example", {"jane@shop.example": 1}],
        "user_id": "jane@shop.example",
    }
    assert Cleaning().properties(value) == {
        "customer": {"id": 7, "addresses": [{"zip": "1"}]},
        "notes": ["for [email]", {"[email]": 1}],
        "user_id": "[email]",
    }


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Order of Jane <jane.o'neil+tea@mail.shop.example>.", "Order of Jane <[email]>."),
        ("mailto:a@b.example,c@d.example", "mailto:[email],[email]"),
        ("jané@büro.example!", "[email]!"),
        ("now @shop, 2 @ 3.50, a@b, x@y.1", "now @shop, 2 @ 3.50, a@b, x@y.1"),
        ("jane@shop.example paid with 4111 1111 1111 1111", "[email] paid with [card]"),
    ],
)
def test_an_address_in_free_text_is_replaced(text: str, cleaned: str) -> None:
    assert Cleaning().text(text) == cleaned


def test_a_text_of_nothing_but_candidates_is_read_once() -> None:
    for text in ("a" * 60_000 + "@", "a@" * 30_000, "a@" + "b." * 30_000, "@" * 60_000):
        assert Cleaning().text(text) == text


@given(
    st.from_regex(r"[a-z0-9._+-]{1,20}@([a-z0-9]{1,9}\.){1,3}[a-z]{4,9}", fullmatch=True),
    st.text("ab &?=#/%+", max_size=9),
)
def test_no_plain_address_stays_in_a_query(email: str, more: str) -> None:
    assert email not in (Cleaning().url(f"{AT}?{more}&x={email}&y={email}") or "")


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_url_is_cleaned_once(path: str, query: str) -> None:
    once = Cleaning().url(f"{AT}/{path}?{query}")
    assert Cleaning().url(once) == once


@pytest.mark.parametrize("name", ["address", "addresses", "default_address", "customers", "recipients"])
def test_a_plain_name_in_what_is_about_persons_is_removed_from_lists_too(name: str) -> None:
    cleaning = Cleaning()
    kept = cleaning.properties({name: [{"name": "Jane Doe", "company": "Acme"}]})
    assert kept == {name: [{"company": "Acme"}]}
    assert cleaning.marks() == ["personal_removed"]
