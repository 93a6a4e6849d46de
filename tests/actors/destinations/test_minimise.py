"""What leaves of a page's address: nothing that opens a buyer's checkout or order to whoever has it."""

import pytest

from actors.destinations.minimise import page_url

CART = "https://shop.example.com/checkouts/cn/hWNexampleCartToken"
ORDER = "https://shop.example.com/62345678/orders/0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.mark.parametrize(
    ("url", "left"),
    [
        (f"{CART}/thank-you", "https://shop.example.com/checkouts/cn/thank-you"),
        (f"{CART}?key=k&token=t&fbclid=Ab", "https://shop.example.com/checkouts/cn?fbclid=Ab"),
        (f"{ORDER}/authenticate?key=k", "https://shop.example.com/62345678/orders/authenticate"),
        ("https://shop.example.com/checkouts/thank-you", "https://shop.example.com/checkouts/thank-you"),
        ("https://shop.example.com/search?key=tea", "https://shop.example.com/search?key=tea"),
    ],
)
def test_no_platform_learns_what_opens_a_checkout_or_an_order(url: str, left: str) -> None:
    assert page_url(url, "meta") == left


def test_klaviyo_keeps_the_way_back_into_a_checkout() -> None:
    assert page_url(f"{CART}?key=k", "klaviyo") == f"{CART}?key=k"
