"""Click ids of a landing url and what each says about where the visitor came from (contracts/attribution.md, 3.2)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

VALUE_CHARS: Final = 1024  # longer ones are no click id (contracts/click_ids.md, section 1)


class Click(NamedTuple):
    """`is_ads_only`: the network adds it to links of ads alone. `channel`: overrides the rules, empty: they decide."""

    source: str
    medium: str
    is_ads_only: bool
    channel: str = ""


# In the order in which the first one gives source and medium, names in lower case.
CLICKS: Final[Mapping[str, Click]] = MappingProxyType(
    {
        "gclid": Click("google", "cpc", True),
        "wbraid": Click("google", "cpc", True),
        "gbraid": Click("google", "cpc", True),
        "gad_source": Click("google", "cpc", True),
        "dclid": Click("google", "cpm", True),
        "fbclid": Click("facebook", "social", False),
        "igshid": Click("instagram", "social", False),
        "msclkid": Click("bing", "cpc", True),
        "ttclid": Click("tiktok", "cpc", True),
        "twclid": Click("twitter", "cpc", True),
        "li_fat_id": Click("linkedin", "cpc", True),
        "epik": Click("pinterest", "social", False),
        "sccid": Click("snapchat", "cpc", True),
        "rdt_cid": Click("reddit", "cpc", True),
        "qclid": Click("quora", "cpc", True),
        "yclid": Click("yandex", "cpc", True),
        "ymclid": Click("yandex", "cpc", True),
        "tblci": Click("taboola", "cpc", True),
        "dicbo": Click("outbrain", "cpc", True),
        "obclid": Click("outbrain", "cpc", True),
        "_kx": Click("klaviyo", "email", False),
        "mc_cid": Click("mailchimp", "email", False),
        "mc_eid": Click("mailchimp", "email", False),
        "_hsenc": Click("hubspot", "email", False),
        "_hsmi": Click("hubspot", "email", False),
        "mkt_tok": Click("marketo", "email", False),
        "awc": Click("awin", "affiliate", False),
        "irclickid": Click("impact", "affiliate", False),
        "cjevent": Click("cj", "affiliate", False),
        "srsltid": Click("google", "organic", False, "organic_shopping"),
    }
)
RANKS: Final[Mapping[str, int]] = MappingProxyType({name: rank for rank, name in enumerate(CLICKS)})
CAMPAIGN_OF: Final[Mapping[str, str]] = MappingProxyType({"google": "gad_campaignid"})
# `gad_source` names no single click: the same value comes with every ad, so it tells of none that is new.
WITHOUT_VALUE: Final = frozenset({"gad_source"})


def clicks_of(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Those of a url, (name, value), in the table's order. `gad_source` counts where no id of Google's is there."""
    found = [
        (name, value)
        for name in sorted(parameters.keys() & RANKS.keys(), key=RANKS.__getitem__)
        if (value := parameters[name]) and len(value) <= VALUE_CHARS and not value.isspace()
    ]
    if any(name in ("gclid", "wbraid", "gbraid") for name, _ in found):
        return [(name, value) for name, value in found if name != "gad_source"]
    return found


def leading(clicks: list[tuple[str, str]], utm_source: str) -> str | None:
    """The click id that gives source and medium: the first, unless `utm_source` names another of them."""
    for name, _ in clicks:
        if utm_source and CLICKS[name].source == utm_source.lower():
            return name
    return clicks[0][0] if clicks else None
