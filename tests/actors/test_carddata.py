"""Card data is taken out, identifiers are spared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.carddata import CARD_TEXT, CardScan, is_card_number
from actors.cleaning import Cleaning

# The networks' own published test numbers.
CARDS = {
    "visa": "4111111111111111",
    "visa, 13 digits": "4222222222222",
    "mastercard": "5555555555554444",
    "mastercard, 2-series": "2223003122003222",
    "american express": "378282246310005",
    "discover": "6011111111111117",
    "diners club": "30569309025904",
    "jcb": "3530111333300000",
    "unionpay": "6200000000000005",
    "maestro": "6759649826438453",
}


def clean(text: str) -> tuple[str, int]:
    scan = CardScan()
    return scan.text(text), scan.count


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS.keys())
def test_a_card_number_in_free_text_is_replaced(number: str) -> None:
    assert clean(f"charge {number}, please") == ("charge [card], please", 1)
    assert clean(number) == (CARD_TEXT, 1)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("4111 1111 1111 1111 12/27 123", "[card] 12/27 123"),
        ("no.4111-1111-1111-1111!", "no.[card]!"),
        ("3782 822463 10005 and 5555-5555-5555-4444", "[card] and [card]"),
        ("call 0151 4111 1111 1111 1111", "call 0151 [card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("№4111111111111111№", "№[card]№"),
    ],
)
def test_separators_and_neighbours_hide_no_card_number(text: str, cleaned: str) -> None:
    assert clean(text)[0] == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # check digit
        "1111111111111117",  # no issuer begins with 1
        "411111111111111",  # Visa has no 15 digits
        "41111111111111111111111",  # longer than any card number
        "4111  1111  1111  1111",  # two spaces: a table, not a number
        "price 0.4111111111111111",
        "fb.1.1795168512345.1098115397",
        "+49 151 12345678",
        "2026-11-20T09:55:12.345Z",
        "a short text",
    ],
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert clean(text) == (text, 0)


@pytest.mark.parametrize(
    "name", ["card_number", "CardNumber", "cc-num", "PAN", "cvc", "CVV2", "card cvc", "card_expiry"]
)
def test_a_property_named_as_card_data_is_removed(name: str) -> None:
    cleaning = Cleaning()
    assert cleaning.properties({name: "anything", "plan": "gold"}) == {"plan": "gold"}
    assert cleaning.card_data == 1


def test_card_data_is_found_at_any_depth() -> None:
    cleaning = Cleaning()
    value = {
        "payment": [{"card": {"brand": "visa", "number": "4111111111111111", "cvc": "123"}}],
        "n": 4111111111111111,
    }
    assert cleaning.properties(value) == {"payment": [{"card": {"brand": "visa", "number": CARD_TEXT}}], "n": CARD_TEXT}
    assert cleaning.card_data == 3


@pytest.mark.parametrize(
    "name", ["order_id", "productIds", "variant-id", "sku", "gclid", "ean13", "token", "utm_content"]
)
def test_an_identifier_is_spared(name: str) -> None:
    cleaning = Cleaning()
    for value in ("4111111111111111", ["4111111111111111"], 4111111111111111):
        assert cleaning.properties({name: value}) == {name: value}
    assert cleaning.card_data == 0


def test_of_a_url_parameters_named_as_card_data_are_cleaned() -> None:
    cleaning = Cleaning()
    url = "https://x.example/4111111111111111?gclid=4111111111111111&card_number=4111&CVC=123&a#b?cvc=1"
    assert (
        cleaning.url(url)
        == "https://x.example/4111111111111111?gclid=4111111111111111&card_number=[card]&CVC=[card]&a#b?cvc=[card]"
    )
    assert cleaning.card_data == 3
    assert cleaning.url("https://x.example/") == "https://x.example/"


def test_a_text_with_endless_candidates_is_cut_where_the_search_ends() -> None:
    cleaned, count = clean("4 " * 30_000)
    assert len(cleaned) < 2_000
    assert cleaned.endswith(CARD_TEXT)
    assert count == 1


@given(st.text("0123456789 -", max_size=60))
def test_a_cleaned_text_holds_no_card_number(text: str) -> None:
    cleaned, count = clean(text)
    assert clean(cleaned) == (cleaned, 0)
    assert (count == 0) == (cleaned == text)


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_a_visa_number_is_told_by_its_check_digit(middle: int) -> None:
    head = f"400000{middle:09d}"
    assert sum(is_card_number(f"{head}{digit}") for digit in range(10)) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_cleaned(value: object) -> None:
    once = Cleaning().properties({"note": value})
    assert Cleaning().properties(once) == once
