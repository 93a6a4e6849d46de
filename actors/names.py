"""The 32 canonical event names and the names that other systems use for the same actions.

Sources, read 2026-11-20: contracts/README.md (the canonical names), section "Event names" of contracts/meta.md,
ga4.md and tiktok.md, section "Track events" of contracts/segment.md (e-commerce and B2B specification, with the older
names), section "Standard events" of contracts/shopify_pixel.md. TikTok's `CompletePayment` and `SubmitForm` are the
names `Purchase` and `Lead` had until 2025-05-01. A name that stands for no single action stays a custom event:
`PlaceAnOrder` and `ClickButton` (TikTok), `Product Clicked` (Segment), `checkout_address_info_submitted` (Shopify).
"""

from collections.abc import Mapping
from types import MappingProxyType

CANONICAL_NAMES: tuple[str, ...] = (
    # browse
    "page_viewed",
    "collection_viewed",
    "product_viewed",
    "search_performed",
    "product_customized",
    "promotion_clicked",
    # cart
    "wishlist_item_added",
    "cart_viewed",
    "cart_item_added",
    "cart_item_removed",
    # checkout
    "checkout_started",
    "contact_info_added",
    "shipping_info_added",
    "payment_info_added",
    # order
    "purchase_placed",
    "order_fulfilled",
    "order_cancelled",
    "order_refunded",
    # subscription
    "subscription_started",
    "subscription_renewed",
    "subscription_cancelled",
    "trial_started",
    # lead
    "lead_submitted",
    "contact_requested",
    "registration_completed",
    "login_completed",
    "newsletter_subscribed",
    "appointment_scheduled",
    "application_submitted",
    "donation_made",
    "store_located",
    # message
    "message_clicked",
)
_CANONICAL = frozenset(CANONICAL_NAMES)

META: Mapping[str, str] = MappingProxyType(
    {
        "AddPaymentInfo": "payment_info_added",
        "AddToCart": "cart_item_added",
        "AddToWishlist": "wishlist_item_added",
        "CompleteRegistration": "registration_completed",
        "Contact": "contact_requested",
        "CustomizeProduct": "product_customized",
        "Donate": "donation_made",
        "FindLocation": "store_located",
        "InitiateCheckout": "checkout_started",
        "Lead": "lead_submitted",
        "PageView": "page_viewed",
        "Purchase": "purchase_placed",
        "Schedule": "appointment_scheduled",
        "Search": "search_performed",
        "StartTrial": "trial_started",
        "SubmitApplication": "application_submitted",
        "Subscribe": "subscription_started",
        "ViewContent": "product_viewed",
    }
)
GA4: Mapping[str, str] = MappingProxyType(
    {
        "page_view": "page_viewed",
        "view_item_list": "collection_viewed",
        "view_item": "product_viewed",
        "search": "search_performed",
        "select_promotion": "promotion_clicked",
        "add_to_wishlist": "wishlist_item_added",
        "view_cart": "cart_viewed",
        "add_to_cart": "cart_item_added",
        "remove_from_cart": "cart_item_removed",
        "begin_checkout": "checkout_started",
        "add_shipping_info": "shipping_info_added",
        "add_payment_info": "payment_info_added",
        "purchase": "purchase_placed",
        "refund": "order_refunded",
        "generate_lead": "lead_submitted",
        "sign_up": "registration_completed",
        "login": "login_completed",
    }
)
TIKTOK: Mapping[str, str] = MappingProxyType(  # beside the names it shares with Meta
    {"Pageview": "page_viewed", "CompletePayment": "purchase_placed", "SubmitForm": "lead_submitted"}
)
SEGMENT: Mapping[str, str] = MappingProxyType(
    {
        "Products Searched": "search_performed",
        "Product List Viewed": "collection_viewed",
        "Viewed Product Category": "collection_viewed",
        "Clicked Promotion": "promotion_clicked",
        "Viewed Product": "product_viewed",
        "Product Added": "cart_item_added",
        "Added Product": "cart_item_added",
        "Product Removed": "cart_item_removed",
        "Removed Product": "cart_item_removed",
        "Payment Info Entered": "payment_info_added",
        "Order Completed": "purchase_placed",
        "Completed Order": "purchase_placed",
        "Product Added to Wishlist": "wishlist_item_added",
        "Wishlist Product Added to Cart": "cart_item_added",
        "Signed Up": "registration_completed",
        "Account Created": "registration_completed",
        "Signed In": "login_completed",
    }
)
SHOPIFY: Mapping[str, str] = MappingProxyType(  # beside the names that are canonical already
    {
        "search_submitted": "search_performed",
        "product_added_to_cart": "cart_item_added",
        "product_removed_from_cart": "cart_item_removed",
        "checkout_contact_info_submitted": "contact_info_added",
        "checkout_shipping_info_submitted": "shipping_info_added",
        "payment_info_submitted": "payment_info_added",
        "checkout_completed": "purchase_placed",
    }
)


def _fold(name: str) -> str:
    """What two spellings of one name have in common: no case, spaces, `_` or `-`."""
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


ALIASES: Mapping[str, str] = MappingProxyType(  # by their folded form
    {
        _fold(alias): canonical
        for table in (GA4, TIKTOK, SEGMENT, SHOPIFY, META, {name: name for name in CANONICAL_NAMES})
        for alias, canonical in table.items()
    }
)


def canonical_name(raw: str) -> str:
    """The canonical name that `raw` spells or is an alias of; a custom event keeps its own name, trimmed."""
    if raw in _CANONICAL:
        return raw
    name = raw.strip()
    return ALIASES.get(_fold(name), name)


def label(name: str) -> str:
    """The name as a metric's label: there are 32 of them, and `custom`."""
    return name if name in _CANONICAL else "custom"
