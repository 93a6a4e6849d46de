"""Tracked links: what may be stored as one, and the url that a click is sent on to. Plain functions; no I/O.

The rules are those of contracts/attribution.md, section 8. A target is stored, never taken from the query. An incoming
parameter that the target does not have is carried over as it came, byte by byte (a click id is opaque), campaign
parameters too, since services that send messages add theirs; then the link's own fill what is missing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Struct

from actors.snapshot import Site
from gateway.errors import SettingsError
from store.records import LinkRow

PREFIX: Final = "/l/"
SLUG: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
TARGET_CHARS: Final = 2_048
FIELD_CHARS: Final = 255  # section 3
URL_CHARS: Final = 8_192  # of what a click is sent to: past it parameters of the click are left out
LINK_ID, JOURNEY_ID = OURS = ("gw_lid", "gw_jid")
CAMPAIGN: Final[Mapping[str, str]] = MappingProxyType(  # field of a link -> parameter of its target
    {"source": "utm_source", "medium": "utm_medium", "campaign": "utm_campaign", "term": "utm_term",
     "content": "utm_content"}
)  # fmt: skip
CHANNELS: Final = (
    "direct", "cross_network", "paid_shopping", "paid_search", "paid_social", "paid_video", "display", "paid_other",
    "ai_assistant", "organic_shopping", "organic_social", "organic_video", "organic_search", "referral", "email",
    "affiliate", "audio", "sms", "push", "unassigned",
)  # fmt: skip

Fault = tuple[str, str]  # field, what is wrong and what would be right
_TARGET = re.compile(r"https?://[!-~]+", re.IGNORECASE)


class Wanted(Struct, frozen=True, kw_only=True):
    """A link as somebody asks for it. `is_host_confirmed`: the target may be on a host that is not the site's."""

    target: str
    slug: str
    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    channel: str = ""
    expires_at_ms: int | None = None
    is_enabled: bool = True
    is_host_confirmed: bool = False


def link_of(wanted: Wanted, site: Site, now_ms: int, before: LinkRow | None = None) -> LinkRow:
    """The row to store; `before`: the one that it takes the place of. Raises SettingsError with every fault."""
    if faults := list(faults_of(wanted, site, now_ms)):
        raise SettingsError(faults)
    kept = {name: getattr(wanted, name) for name in Wanted.__struct_fields__ if name != "is_host_confirmed"}
    return LinkRow(
        site=site.id,
        created_at_ms=before.created_at_ms if before is not None else now_ms,
        changed_at_ms=now_ms,
        version=before.version + 1 if before is not None else 1,
        **kept,
    )


def faults_of(wanted: Wanted, site: Site, now_ms: int) -> Iterator[Fault]:
    if not SLUG.fullmatch(wanted.slug):
        yield "slug", f"{wanted.slug[:80]!r} is no slug; give 1 to 64 letters, digits, _ and -"
    yield from _target_faults(wanted, site)
    for name in CAMPAIGN:
        value = getattr(wanted, name)
        if len(value) > FIELD_CHARS or not value.isprintable() or value != value.strip():
            yield name, f"give at most {FIELD_CHARS} printable characters, no space at either end"
    if wanted.channel not in ("", *CHANNELS):
        yield "channel", f"{wanted.channel!r} is no channel; give one of {', '.join(CHANNELS)}, or none"
    if wanted.expires_at_ms is not None and wanted.expires_at_ms <= now_ms:
        yield "expires_at", "is in the past; give a time to come, or none"


def hosts_of(site: Site) -> frozenset[str]:
    """The hosts of a site's pages."""
    return frozenset(host for origin in site.origins if (host := host_in(origin)) is not None)


def is_of_site(host: str, site: Site) -> bool:
    """Whether a host is one of the site's, or is below the domain of its visitor cookie."""
    domain = site.cookie_domain
    return host in hosts_of(site) or (domain is not None and (host == domain or host.endswith(f".{domain}")))


def host_in(url: str) -> str | None:
    try:
        return (urlsplit(url).hostname or "").lower() or None
    except ValueError:
        return None


def is_live(row: LinkRow, now_ms: int) -> bool:
    return row.is_enabled and (row.expires_at_ms is None or now_ms < row.expires_at_ms)


def sent_to(row: LinkRow, query: str, journey_id: str) -> str:
    """The target with its own parameters, those of the click that it does not have, the link's campaign and ids."""
    base, hash_sign, fragment = row.target.partition("#")
    path, _, own = base.partition("?")
    pairs = [pair for pair in own.split("&") if pair]
    fixed = [f"{LINK_ID}={row.slug}", f"{JOURNEY_ID}={journey_id}"]
    pairs = [pair for pair in pairs if name_of(pair) not in OURS]
    taken = set(map(name_of, pairs))
    room = URL_CHARS - len(path) - len(fragment) - sum(len(one) + 1 for one in (*pairs, *fixed)) - 6 * FIELD_CHARS
    for pair in _incoming(query, taken):
        room -= len(pair) + 1
        if room > 0:
            pairs.append(pair)
            taken.add(name_of(pair))
    filled = [
        f"{name}={quote(value, safe='')}"
        for field, name in CAMPAIGN.items()
        if name not in taken and (value := getattr(row, field))
    ]
    return f"{path}?{'&'.join([*pairs, *filled, *fixed])}{hash_sign}{fragment}"


def name_of(pair: str) -> str:
    """The name of a parameter: they are told apart without regard to case (section 3)."""
    return unquote(pair.partition("=")[0].replace("+", " ")).lower()


def _incoming(query: str, taken: Iterable[str]) -> Iterator[str]:
    """What the click brought and the target has not, as it came; what no url may hold is escaped."""
    own = {*taken, *OURS}
    for pair in query.split("&"):
        if pair and name_of(pair) not in own:
            yield quote(pair, safe="!$&'()*+,-./:;=?@[]_~%")


def _target_faults(wanted: Wanted, site: Site) -> Iterator[Fault]:
    target = wanted.target
    if len(target) > TARGET_CHARS:
        yield "target", f"has {len(target)} characters; give at most {TARGET_CHARS}"
        return
    host = host_in(target) if _TARGET.fullmatch(target) else None
    if host is None or "@" in target.partition("://")[2].partition("/")[0] or "\\" in target:
        yield "target", f"{target[:80]!r} is no url; give one as https://shop.example.com/tea, in ASCII, without a user"
        return
    if not wanted.is_host_confirmed and not is_of_site(host, site):
        hosts = ", ".join(sorted(hosts_of(site))) or "none"
        yield (
            "target",
            f"{host} is no host of site {site.id} ({hosts}); is it meant? --other-host, or `confirm_host`, says so",
        )


def with_state(row: LinkRow, *, is_enabled: bool, now_ms: int) -> LinkRow:
    return msgspec.structs.replace(row, is_enabled=is_enabled, changed_at_ms=now_ms, version=row.version + 1)
