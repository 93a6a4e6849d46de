"""A message's `integrations` as choices of the gateway's platforms: what its sender does not want to get the event.

Segment names its destinations for people: "Facebook Pixel", "Facebook Conversions API (Actions)". A name that begins as
one of the table's is that platform's; several of one platform forbid it only where none of them allows it.
"""

import re
from typing import Any, Final

ID_PATTERN: Final = r"[a-z0-9][a-z0-9_-]{0,62}"
ALL: Final = "all"
MOST: Final = 100  # names that are looked at
BEGINNINGS: Final = (
    ("facebook", "meta"), ("meta", "meta"), ("googleanalytics", "ga4"), ("ga4", "ga4"), ("googleads", "google_ads"),
    ("adwords", "google_ads"), ("googleadwords", "google_ads"), ("tiktok", "tiktok"), ("klaviyo", "klaviyo"),
    ("pinterest", "pinterest"), ("snap", "snapchat"), ("linkedin", "linkedin"), ("reddit", "reddit"),
    ("criteo", "criteo"), ("awin", "awin"), ("taboola", "taboola"), ("webhook", "webhook"),
)  # fmt: skip


def choices_of(integrations: dict[str, Any]) -> dict[str, bool]:
    """`all`, platforms and ids of destinations -> whether they may get the event; empty where all may."""
    found: dict[str, bool] = {}
    for name, value in list(integrations.items())[:MOST]:
        for key in _keys(name):
            found[key] = value is not False or (key != ALL and found.get(key, False))
    return found if False in found.values() else {}


def _keys(name: str) -> list[str]:
    """`all`, or the platform, or the name itself where it may be a destination's id."""
    folded = "".join(char for char in name.lower() if char.isalnum())
    if folded == ALL:
        return [ALL]
    platform = next((platform for start, platform in BEGINNINGS if folded.startswith(start)), None)
    own = [name] if name != platform and re.fullmatch(ID_PATTERN, name) else []
    return own if platform is None else [platform, *own]
