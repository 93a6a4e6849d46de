"""What class a referrer is of, and whether the source of a campaign is a search engine, a network, a shop or a video.

Source: contracts/attribution.md, section 3.3. The lists are in referrers.json, each with where it is from and under
which licence; `python scripts/refresh_referrers.py` makes the file anew. What is added here is ours: hosts that came
up since, and web mail.

A host that Matomo lists both as a search engine and as a network (`facebook.com`, which it takes for a search where the
url has a search word) is a network here: a referrer is only an origin today, and the word is never seen.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import msgspec

Kind = Literal["ai", "mail", "shopping", "video", "search", "social", "other"]
KINDS: Final[tuple[Kind, ...]] = ("ai", "mail", "shopping", "video", "search", "social")  # in the order that counts

MEDIUM: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "ai": "ai-assistant",
        "mail": "email",
        "shopping": "organic",
        "video": "organic",
        "search": "organic",
        "social": "social",
        "other": "referral",
    }
)
MAIL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gmail": ("mail.google.com", "com.google.android.gm", "inbox.google.com"),
        "outlook": (
            "outlook.live.com", "outlook.office.com", "outlook.office365.com", "com.microsoft.office.outlook",
            "mail.live.com",
        ),
        "yahoo mail": ("mail.yahoo.com", "mail.yahoo.co.jp", "com.yahoo.mobile.client.android.mail"),
        "yandex mail": ("mail.yandex.{}", "mail.yandex.com"),
        "mail.ru": ("e.mail.ru", "touch.mail.ru"),
        "gmx": ("navigator.gmx.net", "bap.navigator.gmx.net", "deref-gmx.net", "com.gmx.mobile.android.mail"),
        "web.de mail": ("navigator.web.de", "bap.navigator.web.de", "deref-web.de", "de.web.mobile.android.mail"),
        "t-online mail": ("email.t-online.de",),
        "proton mail": ("mail.proton.me", "ch.protonmail.android"),
        "icloud mail": ("mail.icloud.com", "www.icloud.com/mail"),
        "fastmail": ("fastmail.com",),
        "seznam mail": ("email.seznam.cz",),
        "rambler mail": ("mail.rambler.ru",),
        "orange mail": ("messagerie.orange.fr", "webmail.orange.fr"),
        "free mail": ("webmail.free.fr", "zimbra.free.fr"),
        "zoho mail": ("mail.zoho.com", "mail.zoho.eu"),
    }
)  # fmt: skip
MORE: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "ai": {
            "poe": ("poe.com",),
            "phind": ("phind.com",),
            "copilot": ("copilot.cloud.microsoft",),
            "kimi": ("kimi.com", "kimi.moonshot.cn"),
            "doubao": ("doubao.com",),
            "chatgpt": ("com.openai.chatgpt",),
            "perplexity": ("ai.perplexity.app.android",),
        },
        "social": {
            "threads": ("threads.net", "threads.com"),
            "bluesky": ("bsky.app",),
            "twitter": ("x.com", "com.twitter.android"),
            "snapchat": ("snapchat.com", "com.snapchat.android"),
            "whatsapp": ("whatsapp.com", "wa.me", "com.whatsapp"),
            "discord": ("discord.com",),
            "facebook": ("com.facebook.katana", "facebook.net"),
            "instagram": ("com.instagram.android",),
            "pinterest": ("pin.it", "com.pinterest"),
            "reddit": ("com.reddit.frontpage", "redd.it"),
            "linkedin": ("com.linkedin.android",),
        },
        "search": {
            "brave": ("search.brave.com",),
            "kagi": ("kagi.com",),
            "mojeek": ("mojeek.com",),
        },
    }
)
COUNTRY_DOMAINS: Final = frozenset(
    {"com", "org", "net", "co", "it", "edu"}
)  # before a country: `co.uk` (Matomo's list)
REMEMBERED: Final = 4096


class Referrer(NamedTuple):
    kind: Kind
    source: str
    medium: str


class Lists(NamedTuple):
    """`hosts`: a host or package -> its class and name; `countries`: what stands before a country domain -> the same;
    `paths`: host -> path -> the same; `categories`: a source's name -> its class."""

    hosts: Mapping[str, tuple[Kind, str]]
    countries: Mapping[str, tuple[Kind, str]]
    paths: Mapping[str, Mapping[str, tuple[Kind, str]]]
    categories: Mapping[str, Kind]


@lru_cache(maxsize=REMEMBERED)
def classify(host: str, path: str = "") -> Referrer:
    """The class of a referrer by its host, or by the package of an `android-app://` one; both in lower case. Matched by
    suffix at a dot, the longest entry first; of the entries of one length the class that comes first."""
    found = _find(host.removeprefix("www."), path, lists())
    kind, name = found if found is not None else ("other", host.removeprefix("www."))
    return Referrer(kind, name, MEDIUM[kind])


@lru_cache(maxsize=REMEMBERED)
def category(source: str) -> Kind | None:
    """Whether a source, as a campaign names it, is one of the lists': `facebook`, `fb`, `bing`, `m.youtube.com`."""
    name = source.lower()
    found = lists().categories.get(name.removesuffix(".com"))
    if found is not None or "." not in name:
        return found
    kind = classify(name).kind
    return kind if kind != "other" else None


@lru_cache(maxsize=1)
def lists() -> Lists:
    """The lists, read from the package once: constants in a file of their own."""
    raw: dict[str, Any] = msgspec.json.decode(files("actors.attribution").joinpath("referrers.json").read_bytes())
    tables: dict[Kind, Mapping[str, Any]] = {
        "ai": raw["matomo"]["ai"],
        "mail": MAIL,
        "shopping": {name: (name,) for name in raw["ga4"]["shopping"]},
        "video": {name: (name,) for name in raw["ga4"]["video"]},
        "search": raw["matomo"]["search"],
        "social": raw["matomo"]["social"],
    }
    return _compiled(tables, raw["ga4"])


def _compiled(tables: Mapping[Kind, Mapping[str, Any]], ga4: Mapping[str, Any]) -> Lists:
    hosts: dict[str, tuple[Kind, str]] = {}
    countries: dict[str, tuple[Kind, str]] = {}
    paths: dict[str, dict[str, tuple[Kind, str]]] = {}
    categories: dict[str, Kind] = {}
    for kind, name, entry in _entries(tables):
        head, slash, path = entry.partition("/")
        if slash:
            paths.setdefault(head, {}).setdefault(path, (kind, name))
        elif head.endswith(".{}"):
            countries.setdefault(head[:-3], (kind, name))
        elif "." in head:
            hosts.setdefault(head, (kind, name))
        else:  # a bare name of GA4's list stands for its .com, too
            hosts.setdefault(f"{head}.com", (kind, name))
        categories.setdefault(name, kind)
    listed: tuple[Kind, ...] = ("shopping", "video", "search", "social")
    for kind in listed:
        for name in ga4[kind]:
            categories.setdefault(name, kind)
    return Lists(hosts, countries, paths, categories)


def _entries(tables: Mapping[Kind, Mapping[str, Any]]) -> Iterator[tuple[Kind, str, str]]:
    for kind in KINDS:
        for table in (MORE.get(kind, {}), tables[kind]):
            for name, entries in table.items():
                yield from ((kind, name, entry) for entry in entries)


def _find(host: str, path: str, known: Lists) -> tuple[Kind, str] | None:
    labels = host.split(".")
    for start in range(len(labels)):
        suffix = ".".join(labels[start:])
        for begin, found in known.paths.get(suffix, {}).items():
            if path.lstrip("/").startswith(begin):
                return found
        if suffix in known.hosts:
            return known.hosts[suffix]
        rest = _before_country(labels[start:])
        if rest is not None and rest in known.countries:
            return known.countries[rest]
    return None


def _before_country(labels: list[str]) -> str | None:
    """`mail.yandex` of `mail.yandex.com.tr`; None where the last label is no country's."""
    if len(labels) < 2 or len(labels[-1]) != 2:
        return None
    count = 2 if len(labels) > 2 and labels[-2] in COUNTRY_DOMAINS else 1
    return ".".join(labels[:-count])
