"""Where a visitor came from: source, medium and campaign by the evidence of a landing, a message or a lead
(contracts/attribution.md, sections 3.1 and 3.2). The first evidence gives what it can, the next fills what is empty.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from actors.attribution.channels import Named, channel_of
from actors.attribution.clicks import CAMPAIGN_OF, CLICKS, clicks_of, leading
from actors.attribution.referrers import Kind, Referrer
from actors.attribution.settings import PARAMETERS, AttributionRules
from actors.event import Event
from store.journey_records import Evidence

VALUE_CHARS: Final = 255
LINK_ID, JOURNEY_ID = "gw_lid", "gw_jid"  # what a tracked link adds to its target (section 8)
DIRECT, NONE = "(direct)", "(none)"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Click ids in the canonical fields, for landings that only these tell of.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gclid": "gclid",
        "wbraid": "wbraid",
        "gbraid": "gbraid",
        "msclkid": "msclkid",
        "ttclid": "ttclid",
        "li_fat_id": "li_fat_id",
        "epik": "epik",
        "sccid": "sc_click_id",
        "rdt_cid": "rdt_cid",
        "tblci": "tblci",
        "_kx": "kx",
        "awc": "awc",
    }
)
_TOLD: Final = frozenset((*PARAMETERS, *CLICKS))
SIGNALS: Final = ("lead_source", "source_name", "hs_analytics_source")  # how lead forms and CRMs call it


class Link(NamedTuple):
    """A tracked link, as far as attribution asks."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    channel: str = ""


class Origin(NamedTuple):
    source: str
    medium: str
    channel: str
    evidence: Evidence
    campaign: str = ""
    term: str = ""
    content: str = ""
    clicks: tuple[tuple[str, str], ...] = ()
    is_paid: bool = False
    referrer: str = ""


class Names(NamedTuple):
    """Compiled from a site's aliases. `of`: utm name -> the parameters that may hold it, the first one present counts;
    `any`: finds out whether a url has one at all."""

    of: Mapping[str, tuple[str, ...]]
    any: re.Pattern[str]


@lru_cache(maxsize=1024)
def names_of(rules: AttributionRules) -> Names:
    aliases = dict(rules.parameter_aliases)
    of = {name: (*(one.lower() for one in aliases.get(name, ())), name) for name in PARAMETERS}
    every = {one for some in of.values() for one in some} | set(CLICKS) | {LINK_ID, JOURNEY_ID}
    listed = "|".join(sorted(map(re.escape, every), key=len, reverse=True))
    return Names(MappingProxyType(of), re.compile(rf"[?&;](?:{listed})=", re.IGNORECASE))


def parameters_of(event: Event, rules: AttributionRules) -> dict[str, str]:
    """The landing's parameters, names in lower case, decoded once: of the page's url; where that has none, of the page
    that the visitor came in by (a landing that could not be told when it happened), or those that a sender names."""
    url, names = event.page.url or "", names_of(rules)
    for landed in (url, f"?{event.landing_query}"):
        if names.any.search(landed):
            return _query(landed)
    told = event.custom_data.properties
    if not told or _TOLD.isdisjoint(told):
        return {}
    found = {name: value for name in (*PARAMETERS, *CLICKS) if isinstance(value := told.get(name), str) and value}
    if found:
        clicked = ((name, getattr(event.user_data, field)) for name, field in FIELDS.items())
        found |= {name: value for name, value in clicked if value is not None and name not in found}
    return found


def has_parameters(event: Event, rules: AttributionRules) -> bool:
    """Whether the event may have some: a quick look."""
    url = event.page.url
    if url is not None and "?" in url and names_of(rules).any.search(url):
        return True
    if event.landing_query and names_of(rules).any.search(f"?{event.landing_query}"):
        return True
    told = event.custom_data.properties
    return bool(told) and not _TOLD.isdisjoint(told)


def has_campaign(parameters: Mapping[str, str], rules: AttributionRules) -> bool:
    names = names_of(rules)
    return any(parameters.get(one) for some in names.of.values() for one in some) or LINK_ID in parameters


def campaign_of(parameters: Mapping[str, str], rules: AttributionRules) -> dict[str, str]:
    """By the names of `utm_*`, whatever the site calls them; an empty text where there is none."""
    return {name: _campaign_value(parameters, some) for name, some in names_of(rules).of.items()}


def origin_of(
    parameters: Mapping[str, str],
    referrer: Referrer | None,
    host: str,
    rules: AttributionRules,
    link: Link | None = None,
) -> Origin:
    """`referrer`: of an external one that counts, with its host; None: there is none. `link`: the one that the landing
    names."""
    if not parameters and link is None:
        return _bare(referrer, host, rules)
    utm = campaign_of(parameters, rules)
    clicks = clicks_of(parameters)
    led_by = leading(clicks, utm["utm_source"])
    click = CLICKS[led_by] if led_by is not None else None
    by_link = link or Link()
    of_click = _source_of_click(led_by, referrer) if led_by is not None else ""
    source = by_link.source or utm["utm_source"] or of_click or (referrer.source if referrer else "") or DIRECT
    is_own = click is None or not utm["utm_source"] or utm["utm_source"].lower() in (click.source, of_click)
    of_medium = click.medium if click is not None and is_own else ""
    medium = by_link.medium or utm["utm_medium"] or of_medium or (referrer.medium if referrer else "") or NONE
    campaign = by_link.campaign or utm["utm_campaign"] or utm["utm_id"]
    if not campaign and click is not None:
        campaign = parameters.get(CAMPAIGN_OF.get(click.source, ""), "")[:VALUE_CHARS]
    is_paid = any(CLICKS[name].is_ads_only for name, _ in clicks)
    kind: Kind | None = referrer.kind if referrer is not None and source == referrer.source else None
    named = Named(source, medium, campaign, is_paid, kind)
    override = click.channel if click is not None and not (utm["utm_source"] or utm["utm_medium"]) else ""
    channel = by_link.channel or override or channel_of(named, rules.channel_rules)
    return Origin(
        source=source,
        medium=medium,
        channel=channel,
        evidence=_evidence(utm, clicks, referrer, is_paid=is_paid, has_link=link is not None),
        campaign=campaign,
        term=by_link.term or utm["utm_term"],
        content=by_link.content or utm["utm_content"],
        clicks=tuple(clicks),
        is_paid=is_paid,
        referrer=host,
    )


@lru_cache(maxsize=4096)
def _bare(referrer: Referrer | None, host: str, rules: AttributionRules) -> Origin:
    """Of a landing without parameters: by its referrer, or direct."""
    if referrer is None:
        channel = channel_of(Named(DIRECT, NONE), rules.channel_rules)
        return Origin(DIRECT, NONE, channel, "direct", referrer=host)
    named = Named(referrer.source, referrer.medium, kind=referrer.kind)
    channel = channel_of(named, rules.channel_rules)
    return Origin(referrer.source, referrer.medium, channel, "referrer", referrer=host)


def message_origin(event: Event, parameters: Mapping[str, str], rules: AttributionRules) -> Origin:
    """Of a click in a message: the sender, how it was sent, its campaign or flow; what is missing from its link."""
    told = event.custom_data.properties
    link = origin_of(parameters, None, "", rules)
    source = _text(told, "sender", "platform") or ("klaviyo" if event.source == "klaviyo_webhook" else "")
    source = source or (link.source if link.source != DIRECT else "klaviyo")
    medium = _text(told, "channel") or "email"
    campaign = _text(told, "campaign_name", "flow_name", "flow_id") or link.campaign
    channel = channel_of(Named(source, medium, campaign), rules.channel_rules)
    return Origin(
        source, medium, channel, "message", campaign, link.term, link.content, clicks=link.clicks, is_paid=link.is_paid
    )


def signal_origin(event: Event, rules: AttributionRules) -> Origin | None:
    """Of a lead or an order that names its source and has no visitor; None where it names none."""
    parameters = {**_query(event.page.url or ""), **parameters_of(event, rules)}
    told = _text(event.custom_data.properties, *SIGNALS)
    if told and "utm_source" not in parameters:
        parameters["utm_source"] = told
    if not has_campaign(parameters, rules) and not clicks_of(parameters):
        return None
    return origin_of(parameters, None, "", rules)._replace(evidence="signal")


def _query(url: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in url.partition("?")[2].partition("#")[0].split("&"):
        name, _, value = pair.partition("=")
        if value and name.lower() not in found:
            found[unquote_plus(name).lower()] = _CONTROL.sub("", unquote_plus(value)).strip()
    return found


def _campaign_value(parameters: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value[:VALUE_CHARS] for name in names if (value := parameters.get(name, "").strip())), "")


def _source_of_click(name: str, referrer: Referrer | None) -> str:
    if name == "fbclid" and referrer is not None and referrer.source == "instagram":
        return "instagram"
    return CLICKS[name].source


def _evidence(
    utm: Mapping[str, str], clicks: list[tuple[str, str]], referrer: Referrer | None, *, is_paid: bool, has_link: bool
) -> Evidence:
    if has_link:
        return "link"
    if is_paid:
        return "ads_click"
    if utm["utm_source"] and utm["utm_medium"] and (utm["utm_campaign"] or utm["utm_id"]):
        return "campaign"
    if any(utm.values()):
        return "parameters"
    if clicks:
        return "click"
    return "referrer" if referrer is not None else "direct"


def _text(told: Mapping[str, object], *names: str) -> str:
    for name in names:
        value = told.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:VALUE_CHARS]
    return ""
