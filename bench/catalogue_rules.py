"""What has to become of each event of the full catalogue at each destination, from the contract pages' rules alone.

This is a second reading of contracts/*.md, apart from the adapters: `right(one, destination)` gives the ends that are
right, of which an event must come to one. An event with several faults may be stopped by any of them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from actors.destinations.base import DAY_S
from actors.names import CANONICAL_NAMES
from bench.catalogue_events import CONVERSIONS, LONG_45, LONG_58, LONG_70, Given, Person

DELIVERED: Final = "delivered"
NO_ROUTE: Final = "not_routed:no_route"
CONSENT: Final = "not_routed:consent_denied"
SALE: Final = "not_routed:sale_denied"
UNFIT: Final = "dropped:not_encodable"
TOO_OLD: Final = "dropped:too_old"

_BACK: Final = frozenset({"order_fulfilled", "order_cancelled", "order_refunded"})
_CLICK: Final[frozenset[Person]] = frozenset({"full", "clicks"})
_EMAIL: Final[frozenset[Person]] = frozenset({"full", "email", "hashed_email"})
_ALL: Final[frozenset[Person]] = _EMAIL | {"phone", "browser", "clicks", "customer", "visitor", "nobody"}


class Rules(Struct, frozen=True, kw_only=True):
    """One page. `sent`: the canonical names that it sends. `bad_names`: custom names that it cannot take."""

    people: frozenset[Person]  # who can be matched
    sent: frozenset[str] = frozenset(CANONICAL_NAMES)
    customs: bool = True
    only: frozenset[str] | None = None  # where a rule or an action stands for each name
    bad_names: frozenset[str] = frozenset()
    needs: str = "marketing"
    limits_sale: bool = True  # may get events with the sale of data denied
    needs_price: frozenset[str] = frozenset()  # names that need value and currency
    age_s: int | None = None


def _but(*names: str) -> frozenset[str]:
    return frozenset(CANONICAL_NAMES) - _BACK - frozenset(names)


_LINKEDIN_UNSENT: Final = _BACK | {
    "product_customized", "cart_viewed", "cart_item_removed", "contact_info_added", "shipping_info_added",
    "subscription_renewed", "subscription_cancelled", "store_located",
}  # fmt: skip
_PURCHASE: Final = frozenset({"purchase_placed"})

RULES: Final[Mapping[str, Rules]] = {
    "meta": Rules(
        people=_ALL - {"nobody"}, sent=_but(), bad_names=frozenset({LONG_58, LONG_70}), needs_price=_PURCHASE,
        age_s=7 * DAY_S,
    ),
    "ga4": Rules(
        people=frozenset({"full", "email", "clicks", "visitor"}), needs="analytics", age_s=3 * DAY_S,
        bad_names=frozenset({"session_start", LONG_45, LONG_58, LONG_70}),
    ),
    "google_ads": Rules(people=_EMAIL | {"phone", "clicks"}, only=frozenset(CONVERSIONS), age_s=90 * DAY_S),
    "google_ads_api": Rules(people=_EMAIL | {"phone", "clicks"}, only=frozenset(CONVERSIONS), age_s=90 * DAY_S),
    "webhook": Rules(people=_ALL, needs="analytics"),
    "linkedin": Rules(
        people=_EMAIL | {"browser", "clicks", "customer"}, only=frozenset(CONVERSIONS) - _LINKEDIN_UNSENT,
        limits_sale=False, age_s=90 * DAY_S,
    ),
    "reddit": Rules(
        people=_EMAIL | {"phone", "clicks", "customer"}, sent=_but(), bad_names=frozenset({LONG_70}), age_s=7 * DAY_S
    ),
    "criteo": Rules(
        people=_EMAIL | {"clicks"}, customs=False, limits_sale=False,
        sent=frozenset({
            "page_viewed", "collection_viewed", "product_viewed", "search_performed", "cart_viewed", "cart_item_added",
            "checkout_started", "payment_info_added", "purchase_placed", "login_completed",
        }),
    ),
    "tiktok": Rules(
        people=_ALL - {"browser", "nobody"}, sent=_but(), bad_names=frozenset({"ClickForm", LONG_58, LONG_70}),
        needs_price=_PURCHASE, age_s=28 * DAY_S,
    ),
    "pinterest": Rules(
        people=_EMAIL | {"browser"},
        sent=_but(
            "promotion_clicked", "cart_viewed", "cart_item_removed", "contact_info_added", "shipping_info_added",
            "subscription_renewed", "subscription_cancelled", "login_completed", "donation_made", "message_clicked",
        ),
    ),
    "snapchat": Rules(
        people=_EMAIL | {"phone", "browser"}, customs=False, limits_sale=False, needs_price=_PURCHASE, age_s=7 * DAY_S,
        sent=frozenset({
            "page_viewed", "collection_viewed", "product_viewed", "search_performed", "wishlist_item_added",
            "cart_item_added", "checkout_started", "payment_info_added", "purchase_placed", "subscription_started",
            "trial_started", "registration_completed", "login_completed", "newsletter_subscribed",
            "appointment_scheduled",
        }),
    ),
    "klaviyo": Rules(
        people=frozenset({"full", "email", "phone", "clicks", "customer"}),
        sent=frozenset(CANONICAL_NAMES) - {"message_clicked"},
    ),
    "awin": Rules(people=_CLICK, only=frozenset({"purchase_placed", "lead_submitted"})),
    "taboola": Rules(
        people=_CLICK, customs=False, limits_sale=False,
        sent=frozenset({
            "page_viewed", "collection_viewed", "product_viewed", "search_performed", "wishlist_item_added",
            "cart_item_added", "checkout_started", "payment_info_added", "purchase_placed", "lead_submitted",
            "registration_completed",
        }),
    ),
}  # fmt: skip


def right(one: Given, destination: str) -> frozenset[str]:
    """The ends that are right for the event there."""
    rules = RULES[destination]
    if not _is_sent(one.name, rules):
        return frozenset({NO_ROUTE})
    if one.choice == "nothing" or one.choice == f"no_{rules.needs}":
        return frozenset({CONSENT})
    if one.choice == "no_sale" and not rules.limits_sale:
        return frozenset({SALE})
    return frozenset(_faults(one, destination, rules)) or frozenset({DELIVERED})


def _is_sent(name: str, rules: Rules) -> bool:
    if rules.only is not None:
        return name in rules.only
    return name in rules.sent if name in CANONICAL_NAMES else rules.customs


def _faults(one: Given, destination: str, rules: Rules) -> Iterator[str]:
    if one.age_s > _most_age_s(one, destination, rules):
        yield TOO_OLD
    if one.name in rules.bad_names or (one.name in rules.needs_price and one.money != "whole"):
        yield UNFIT
    if one.person not in rules.people and not (destination == "awin" and one.has_coupon):
        yield UNFIT
    if _own_fault(one, destination):
        yield UNFIT


def _most_age_s(one: Given, destination: str, rules: Rules) -> float:
    if destination == "meta" and one.where == "physical_store":
        return 62 * DAY_S
    return float("inf") if rules.age_s is None else rules.age_s


def _own_fault(one: Given, destination: str) -> bool:
    """What only one page asks."""
    match destination:
        case "ga4":  # `transaction_id` is required; a purchase's id may stand in, a refund needs the purchase's own
            return one.name == "order_refunded" and not one.has_order_id
        case "awin":
            return one.name == "purchase_placed" and one.money == "none"
        case "tiktok":  # no app id is set; offline events have no limited mode
            return one.where == "app" or (one.where == "physical_store" and one.choice == "no_sale")
        case "snapchat":  # no app id is set
            return one.where == "app"
        case "pinterest":  # the app's system is not told; LDP needs state and country
            return one.where == "app" or (one.choice == "no_sale" and one.person != "full")
    return False
