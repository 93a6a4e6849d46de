"""What a gap of attribution means, and what to do about it (contracts/attribution.md, section 7)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from store.journey_records import Gap

WORDS: Final[Mapping[Gap, tuple[str, str]]] = MappingProxyType(
    {
        "": ("", ""),
        "offline_order": (
            "made at a point of sale, as a draft or by a renewal",
            "nothing: no contact on the site is missing",
        ),
        "consent_denied": (
            "its contacts were not recorded, since consent was denied",
            "nothing: it was the visitor's choice",
        ),
        "no_identity": (
            "no key leads from it to a visitor",
            "carry the visitor's id to the order: Shopify's cart attributes, or anonymous_id of a server's event",
        ),
        "new_visitor_at_checkout": (
            "its visitor was first seen at the checkout",
            "look at the cookie and the domains: the visitor's id is lost between shop and checkout",
        ),
        "click_id_lost": (
            "an ad led to it, and the landing had no parameters left",
            "look for a redirect on the way that strips the query",
        ),
        "outside_window": ("all its contacts were before the window", "set a longer lookback_days for this conversion"),
        "bot_or_test_only": ("all its contacts were bots' or tests", "nothing"),
        "direct_only": ("only direct visits were there to credit", "tag the links of campaigns and messages"),
        "no_touchpoints": (
            "its visitor is known, and no contact was recorded",
            "look whether page views of the site reach the gateway",
        ),
    }
)  # fmt: skip


def meaning(gap: Gap) -> str:
    return WORDS[gap][0]


def what_to_do(gap: Gap) -> str:
    return WORDS[gap][1]
