"""The channel of a touchpoint: GA4's default channel group with two additions (contracts/attribution.md, section 3.4).

The first rule that holds decides; a site's own rules come before. A click id that only ads have makes a medium paid.
"""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Final, NamedTuple

from actors.attribution.referrers import Kind, category, classify
from actors.attribution.settings import ChannelRule
from store.journey_records import TouchRow

CHANNELS: Final = (
    "direct", "cross_network", "paid_shopping", "paid_search", "paid_social", "paid_video", "display", "paid_other",
    "ai_assistant", "organic_shopping", "organic_social", "organic_video", "organic_search", "referral", "email",
    "affiliate", "audio", "sms", "push", "unassigned",
)  # fmt: skip
PAID_MEDIUM: Final = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$")
SHOPPING_CAMPAIGN: Final = re.compile(r"^(.*(([^a-df-z]|^)shop|shopping).*)$")
DISPLAY: Final = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})
SOCIAL: Final = frozenset({"social", "social-network", "social-media", "sm", "social network", "social media"})
REFERRAL: Final = frozenset({"referral", "app", "link"})
EMAIL: Final = re.compile(r"e[-_ ]?mail")


class Named(NamedTuple):
    """Where a touchpoint came from. `kind`: class of the referrer, where that gave the source."""

    source: str
    medium: str
    campaign: str = ""
    is_paid: bool = False
    kind: Kind | None = None


def channel_of(named: Named, rules: Sequence[ChannelRule] = ()) -> str:
    source, medium, campaign = named.source.lower(), named.medium.lower(), named.campaign.lower()
    for rule in rules:
        if _holds(rule, source, medium, campaign):
            return rule.channel
    if source == "(direct)" and medium in ("(none)", "(not set)"):
        return "direct"
    if "cross-network" in campaign:
        return "cross_network"
    kind = named.kind or category(source)
    is_shopping = kind == "shopping" or SHOPPING_CAMPAIGN.match(campaign) is not None
    if named.is_paid or PAID_MEDIUM.match(medium):
        return _paid(kind, medium, is_shopping=is_shopping)
    if medium in DISPLAY:
        return "display"
    return _organic(source, medium, kind, is_shopping=is_shopping)


def channel_again(row: TouchRow, rules: Sequence[ChannelRule]) -> str:
    """Of a touchpoint that was recorded, by other rules. What a click id named stays."""
    if row.channel == "organic_shopping" and "srsltid" in row.clicks:
        return row.channel
    referrer = classify(row.referrer) if row.referrer else None
    kind = referrer.kind if referrer is not None and referrer.source == row.source else None
    return channel_of(Named(row.source, row.medium, row.campaign, row.is_paid, kind), rules)


def _paid(kind: Kind | None, medium: str, *, is_shopping: bool) -> str:
    if is_shopping:
        return "paid_shopping"
    if kind in ("search", "social", "video"):
        return f"paid_{kind}"
    return "display" if medium in DISPLAY else "paid_other"


def _organic(source: str, medium: str, kind: Kind | None, *, is_shopping: bool) -> str:
    if medium == "ai-assistant" or kind == "ai":
        return "ai_assistant"
    if is_shopping:
        return "organic_shopping"
    if kind == "social" or medium in SOCIAL:
        return "organic_social"
    if kind == "video" or "video" in medium:
        return "organic_video"
    if kind == "search" or medium == "organic":
        return "organic_search"
    if medium in REFERRAL:
        return "referral"
    return _messaging(source, medium)


def _messaging(source: str, medium: str) -> str:
    if EMAIL.search(source) or EMAIL.search(medium):
        return "email"
    if medium in ("affiliate", "audio"):
        return medium
    if "sms" in (source, medium):
        return "sms"
    if medium.endswith("push") or "mobile" in medium or "notification" in medium or source == "firebase":
        return "push"
    return "unassigned"


def _holds(rule: ChannelRule, source: str, medium: str, campaign: str) -> bool:
    return (
        _matches(rule.source, source) and _matches(rule.medium, medium) and _matches(rule.campaign, campaign)
    )  # an empty text is not asked about


def _matches(pattern: str, text: str) -> bool:
    return not pattern or _compiled(pattern.lower()).match(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
