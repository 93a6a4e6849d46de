"""Why nothing, or only a direct visit, could be credited: the first reason that holds (contracts/attribution.md, 7).

What to do about each is told in docs/attribution.md.
"""

from collections.abc import Sequence
from typing import Final

from store.journey_records import Gap, GapFacts, PathTouch

NEW_VISITOR_MS: Final = 30 * 60_000
OFFLINE: Final = frozenset({"physical_store", "system_generated"})
# Hosts by which ads lead to a shop. A landing from one of them without parameters lost what the ad gave it.
AD_HOSTS: Final = (
    "l.facebook.com", "lm.facebook.com", "l.instagram.com", "googleads.g.doubleclick.net", "doubleclick.net",
    "googlesyndication.com", "googleadservices.com", "ads.google.com",
    "bat.bing.com", "ads.tiktok.com", "ads.linkedin.com", "ads.pinterest.com", "trc.taboola.com", "paid.outbrain.com",
    "tr.snapchat.com", "alb.reddit.com",
)  # fmt: skip


def gap_of(path: Sequence[PathTouch], facts: GapFacts, *, since_ms: int, has_older: bool, has_keys: bool) -> Gap:
    """`since_ms`: when the conversion's window begins; what was withheld or lost before it explains nothing.
    `has_older`: there are touchpoints from before it."""
    if any(not touch.is_direct for touch in path):
        return ""
    if facts.is_offline:
        return "offline_order"
    if facts.withheld_at_ms > since_ms:
        return "consent_denied"
    if not has_keys or not (facts.is_known or path or has_older):
        return "no_identity"
    if facts.is_new_at_checkout:
        return "new_visitor_at_checkout"
    if facts.click_lost_at_ms > since_ms:
        return "click_id_lost"
    if has_older and not path:
        return "outside_window"
    if facts.excluded_at_ms > since_ms and not path:
        return "bot_or_test_only"
    return "direct_only" if path else "no_touchpoints"


def joined(one: GapFacts | None, other: GapFacts | None) -> GapFacts | None:
    """What the visitors of two copies of an event knew together."""
    if one is None or other is None:
        return one or other
    return GapFacts(**{name: max(getattr(one, name), getattr(other, name)) for name in GapFacts.__struct_fields__})


def is_ad_host(host: str) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in AD_HOSTS)
