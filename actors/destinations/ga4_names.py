"""Names as GA4 takes them: the events' own, and which custom and parameter names it refuses.

Source: "Event naming rules", support.google.com/analytics/answer/13316687, and the Measurement Protocol reference, read
2026-11-20; contracts/ga4.md, section 5. GA4 drops a bad name in silence, so it is put right or refused here.
"""

import re
from collections.abc import Mapping

NAME_CHARS = 40

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "page_view", "collection_viewed": "view_item_list", "product_viewed": "view_item",
    "search_performed": "search", "product_customized": "product_customized", "promotion_clicked": "select_promotion",
    "wishlist_item_added": "add_to_wishlist", "cart_viewed": "view_cart", "cart_item_added": "add_to_cart",
    "cart_item_removed": "remove_from_cart",
    "checkout_started": "begin_checkout", "contact_info_added": "contact_info_added",
    "shipping_info_added": "add_shipping_info", "payment_info_added": "add_payment_info",
    "purchase_placed": "purchase", "order_fulfilled": "order_fulfilled", "order_cancelled": "order_cancelled",
    "order_refunded": "refund",
    "subscription_started": "subscription_started", "subscription_renewed": "subscription_renewed",
    "subscription_cancelled": "subscription_cancelled", "trial_started": "trial_started",
    "lead_submitted": "generate_lead", "contact_requested": "contact_requested", "registration_completed": "sign_up",
    "login_completed": "login", "newsletter_subscribed": "newsletter_subscribed",
    "appointment_scheduled": "appointment_scheduled", "application_submitted": "application_submitted",
    "donation_made": "donation_made", "store_located": "store_located", "message_clicked": "message_clicked",
}

# Both lists of section 5: Google's for web, and the protocol's as RudderStack has it. `page_view` is accepted.
RESERVED_EVENTS = frozenset({
    "ad_impression", "app_remove", "app_store_refund", "app_store_subscription_cancel",
    "app_store_subscription_convert", "app_store_subscription_renew", "click", "error", "file_download", "first_open",
    "first_visit", "form_start", "form_submit", "in_app_purchase", "scroll", "session_start", "user_engagement",
    "video_progress", "video_start", "view_complete", "view_search_results",
    "ad_activeview", "ad_click", "ad_exposure", "ad_query", "adunit_exposure", "app_clear_data", "app_install",
    "app_update", "notification_dismiss", "notification_foreground", "notification_open", "notification_receive",
    "os_update", "screen_view",
})
# fmt: on
RESERVED_EVENT_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.", "query_id")
RESERVED_PARAMS = frozenset({"firebase_conversion"})
RESERVED_PARAM_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")

_VALID = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{NAME_CHARS - 1}}}")
SEPARATORS = re.compile(r"[\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+")  # ASCII that is no letter, digit or `_`


def own_name(name: str) -> str:
    """A custom event's name with each run of spaces or symbols as one `_`: two senders' spellings of it stay one."""
    return SEPARATORS.sub("_", name.strip())


def fault_in_name(name: str) -> str | None:
    """Why GA4 would not take a custom event of that name. Never quotes a long name."""
    if name in RESERVED_EVENTS or name.startswith(RESERVED_EVENT_PREFIXES):
        return f"event name {name[:NAME_CHARS]!r} is reserved by GA4"
    if len(name) > NAME_CHARS:
        return f"event name longer than GA4's {NAME_CHARS} characters"
    if not _VALID.fullmatch(name):
        return "event name is not made of letters, digits and _ beginning with a letter, as GA4 wants it"
    return None


def param_name(name: str) -> str | None:
    """A custom property's name as a parameter's, or None where GA4 takes none like it."""
    name = own_name(name)
    if name in RESERVED_PARAMS or name.startswith(RESERVED_PARAM_PREFIXES):
        return None
    return name if _VALID.fullmatch(name) else None
