"""Canonical names and their aliases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.names import CANONICAL_NAMES, GA4, META, SEGMENT, SHOPIFY, TIKTOK, canonical_name, label

ALIASES = [(alias, name) for table in (META, GA4, TIKTOK, SEGMENT, SHOPIFY) for alias, name in table.items()]
CUSTOM = (
    "PlaceAnOrder",
    "ClickButton",
    "Product Clicked",
    "Product List Filtered",
    "Promotion Viewed",
    "Checkout Step Viewed",
    "Order Updated",
    "Product Removed from Wishlist",
    "checkout_address_info_submitted",
    "ApplicationApproval",
    "view_search_results",
    "checkout",
)


def test_there_are_32_canonical_names_each_its_own() -> None:
    assert len(CANONICAL_NAMES) == len(set(CANONICAL_NAMES)) == 32
    assert [canonical_name(name) for name in CANONICAL_NAMES] == list(CANONICAL_NAMES)


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_an_alias_stands_for_its_canonical_name(alias: str, name: str) -> None:
    assert name in CANONICAL_NAMES
    assert canonical_name(alias) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Order Refunded", "order_refunded"),
        ("Trial Started", "trial_started"),
        ("CHECKOUT-STARTED", "checkout_started"),
        (" add to cart ", "cart_item_added"),
        ("addtocart", "cart_item_added"),
        ("order-completed", "purchase_placed"),
        ("PURCHASE_PLACED", "purchase_placed"),
    ],
)
def test_case_spaces_and_dashes_make_no_difference(spelling: str, name: str) -> None:
    assert canonical_name(spelling) == name


@pytest.mark.parametrize("name", CUSTOM)
def test_a_name_without_one_meaning_stays_a_custom_event(name: str) -> None:
    assert canonical_name(name) == name


def test_a_custom_event_keeps_its_own_name_trimmed() -> None:
    assert canonical_name("  Quiz Finished! ") == "Quiz Finished!"
    assert canonical_name("_ - _") == "_ - _"


@given(st.text())
def test_a_canonical_name_is_found_once_and_for_all(raw: str) -> None:
    assert canonical_name(canonical_name(raw)) == canonical_name(raw)


@given(st.text())
def test_labels_are_the_32_names_and_custom(raw: str) -> None:
    assert label(canonical_name(raw)) in {*CANONICAL_NAMES, "custom"}
    assert label("purchase_placed") == "purchase_placed"
