"""TikTok's event names: for each canonical name, and which names a custom event may have.

Source: contracts/tiktok.md, section 5; "Supported standard events", "Custom events", "Reserved events",
ads.tiktok.com/help, read 2026-11-20.
"""

import re
from collections.abc import Mapping

NAME_CHARS = 50

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "Pageview", "collection_viewed": "ViewContent", "product_viewed": "ViewContent",
    "search_performed": "Search", "product_customized": "CustomizeProduct", "promotion_clicked": "promotion_clicked",
    "wishlist_item_added": "AddToWishlist", "cart_viewed": "cart_viewed", "cart_item_added": "AddToCart",
    "cart_item_removed": "cart_item_removed",
    "checkout_started": "InitiateCheckout", "contact_info_added": "contact_info_added",
    "shipping_info_added": "shipping_info_added", "payment_info_added": "AddPaymentInfo",
    "purchase_placed": "Purchase", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "Subscribe", "subscription_renewed": "subscription_renewed",
    "subscription_cancelled": "subscription_cancelled", "trial_started": "StartTrial",
    "lead_submitted": "Lead", "contact_requested": "Contact", "registration_completed": "CompleteRegistration",
    "login_completed": "login_completed", "newsletter_subscribed": "Lead", "appointment_scheduled": "Schedule",
    "application_submitted": "SubmitApplication", "donation_made": "donation_made", "store_located": "FindLocation",
    "message_clicked": "message_clicked",
}
STANDARD_NAMES = frozenset({
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "ApplicationApproval", "CompleteRegistration", "Contact",
    "CustomizeProduct", "Download", "FindLocation", "InitiateCheckout", "Lead", "Purchase", "Schedule", "Search",
    "StartTrial", "SubmitApplication", "Subscribe", "ViewContent",
})
# TikTok turns these into other events; compared here without case, as the page does not say how TikTok compares.
RESERVED_NAMES = frozenset({
    "addbilling", "browse", "checkout", "clickform", "clickindownloadpage", "clicktodownload", "completepayment",
    "consult", "consultbyphone", "registration", "startcheckout", "viewconsultationpage", "viewdownloadpage",
    "viewform",
})
# fmt: on
NEEDS_CONTENT_TYPE = frozenset({"AddToCart", "Purchase", "ViewContent"})

_VALID = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{NAME_CHARS - 1}}}")
_SEPARATORS = re.compile(r"[\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+")  # ASCII that is not in a name


def own_name(name: str) -> str:
    """A custom event's name with each run of spaces or symbols as one `_`."""
    return _SEPARATORS.sub("_", name.strip())


def fault_in_name(name: str) -> str | None:
    """Why TikTok would not take a custom event of that name, or would count it as another. Never quotes a long one."""
    if name.lower() in RESERVED_NAMES:
        return f"event name {name!r} is reserved: TikTok counts it as another event"
    if len(name) > NAME_CHARS:
        return f"event name longer than TikTok's {NAME_CHARS} characters"
    if not _VALID.fullmatch(name):
        return "event name is not made of letters, digits, _ and - beginning with a letter, as TikTok wants it"
    return None
