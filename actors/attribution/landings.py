"""Whether a browser event begins a new contact: the table of contracts/attribution.md, section 2.

A landing is a page that was viewed, or the first browser event of a visit. Campaign parameters count on any browser
event whose campaign is not the visit's: that event is then the first of a new visit. A touchpoint of a referrer alone
needs a page that was viewed, since every event of a page tells that page's referrer.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from actors.attribution.clicks import WITHOUT_VALUE, clicks_of
from actors.attribution.evidence import JOURNEY_ID, LINK_ID, has_campaign, has_parameters, parameters_of
from actors.attribution.gaps import is_ad_host
from actors.attribution.referrers import Referrer, classify, lists
from actors.attribution.settings import AttributionRules
from actors.event import Consent, Event

PAGE: Final = "page_viewed"
EXCLUDED: Final = (
    "paypal.com", "klarna.com", "shop.app", "checkout.shopify.com", "checkout.stripe.com", "accounts.google.com",
    "appleid.apple.com", "pay.google.com", "payments.amazon.com", "pay.amazon.com", "hooks.stripe.com",
    "sofort.com", "mollie.com", "adyen.com", "checkout.com", "braintreegateway.com", "afterpay.com", "clearpay.co.uk",
    "affirm.com", "login.microsoftonline.com", "login.live.com", "cardinalcommerce.com", "arcot.com", "3dsecure.io",
    "securesuite.co.uk", "wlp-acs.com", "rsa3dsauth.com", "myshopify.com",
)  # fmt: skip
CHECKOUT_PATHS: Final = ("/checkout", "/checkouts/", "/thank", "/orders/")

CameBy = Literal["none", "own", "excluded", "external"]


class From(NamedTuple):
    """What a referrer's host says. `referrer`: its class, of an external one."""

    what: CameBy
    host: str = ""
    referrer: Referrer | None = None


class Landing(NamedTuple):
    """What one browser event tells of where its visitor came from."""

    parameters: dict[str, str]  # empty: none that says something
    came: From
    is_page: bool
    clicks: tuple[tuple[str, str], ...] = ()

    @property
    def has_parameters(self) -> bool:
        return bool(self.parameters)

    def silenced(self) -> "Landing":
        """As if its url had no parameters."""
        return Landing({}, self.came, self.is_page)


NO_LANDING: Final = Landing({}, From("none"), False)


class Hosts(NamedTuple):
    own: frozenset[str]
    excluded: frozenset[str]


def is_within(event: Event, rules: AttributionRules) -> bool:
    """Whether the event is of a page that was reached within the site, and names no campaign."""
    page = event.page
    url, referrer = page.url or "", page.referrer
    if (
        referrer
        and (end := referrer.find("/", referrer.find("://") + 3)) > 0
        and not url.startswith(referrer[: end + 1])
    ):
        return False
    return (not referrer or end > 0) and not has_parameters(event, rules)


def landing_of(event: Event, rules: AttributionRules, hosts: Hosts) -> Landing:
    parameters = parameters_of(event, rules)
    clicks = tuple(clicks_of(parameters)) if parameters else ()
    if parameters and not (clicks or has_campaign(parameters, rules) or JOURNEY_ID in parameters):
        parameters = {}
    referrer = event.page.referrer
    came = _came(referrer, event.page.url or "", hosts) if referrer else From("none")
    return Landing(parameters, came, event.event_name == PAGE, clicks)


def is_bookmark(landing: Landing, brought: Iterable[bool]) -> bool:
    """Whether the visitor brought each of its click ids before: then the url says nothing new, its campaign included.
    A tracked link is a click of its own each time."""
    known = list(brought)
    return bool(known) and all(known) and LINK_ID not in landing.parameters


def distinct(landing: Landing) -> list[tuple[str, str]]:
    """The click ids that tell one click from another."""
    return [(name, value) for name, value in landing.clicks if name not in WITHOUT_VALUE]


def is_contact(landing: Landing, *, is_new_visit: bool, is_new_campaign: bool, last_referrer: str) -> bool:
    """Whether the event makes a touchpoint. `last_referrer`: host by which the visit began, or began anew."""
    if landing.has_parameters and (is_new_visit or is_new_campaign):
        return True
    if landing.came.what in ("own", "excluded"):
        return False
    if is_new_visit:
        return True
    return begins_anew(landing, last_referrer)


def begins_anew(landing: Landing, last_referrer: str) -> bool:
    """An external referrer in the middle of a visit, by another host than before: a reload shows the same one."""
    return landing.came.what == "external" and landing.is_page and landing.came.host != last_referrer


def is_allowed(consent: Consent, rules: AttributionRules, otherwise: str) -> bool:
    """Whether a touchpoint may be recorded. `otherwise`: what an absent choice counts as at the site."""
    analytics = (consent.analytics or otherwise) == "granted"
    marketing = (consent.marketing or otherwise) == "granted"
    match rules.touchpoint_consent:
        case "analytics":
            return analytics
        case "marketing":
            return marketing
        case _:
            return analytics or marketing


def may_keep_clicks(consent: Consent, otherwise: str) -> bool:
    """Click ids are stored and sent under marketing consent alone."""
    return (consent.marketing or otherwise) == "granted"


def is_checkout(event: Event) -> bool:
    """Whether a visitor's first page is one of a checkout, or its end."""
    path = event.page.path or ""
    host = host_of(event.page.url or "")
    return path.startswith(CHECKOUT_PATHS) or host.startswith("checkout.") or "/checkouts/" in path


def is_lost_click(landing: Landing) -> bool:
    return not landing.has_parameters and landing.came.what == "external" and is_ad_host(landing.came.host)


@lru_cache(maxsize=1024)
def hosts_of(rules: AttributionRules, origins: frozenset[str]) -> Hosts:
    """Own hosts: of the site's origins, and those that were set."""
    own = {host_of(one) for one in origins} | {one.lower().removeprefix("www.") for one in rules.own_hosts}
    excluded = {*EXCLUDED, *(one.lower().removeprefix("www.") for one in rules.excluded_referrers)}
    return Hosts(frozenset(own - {""}), frozenset(excluded))


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """In lower case, without `www.`, user and port; of an app its package."""
    rest = url.partition("://")[2]
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return authority.rpartition("@")[2].partition(":")[0].lower().removeprefix("www.")


def _came(referrer: str, url: str, hosts: Hosts) -> From:
    head = _origin(referrer)
    if head == _origin(url):
        return From("own")
    has_paths = host_of(head) in lists().paths
    return _judged(head, referrer[len(head) :].partition("?")[0][:64] if has_paths else "", hosts)


@lru_cache(maxsize=4096)
def _judged(head: str, path: str, hosts: Hosts) -> From:
    host = host_of(head)
    if not host:
        return From("none")
    if _is_under(host, hosts.own):
        return From("own", host)
    if _is_under(host, hosts.excluded):
        return From("excluded", host)
    return From("external", host, classify(host, path))


def _origin(url: str) -> str:
    end = url.find("/", url.find("://") + 3)
    return url if end < 0 else url[:end]


def _is_under(host: str, known: frozenset[str]) -> bool:
    while host:
        if host in known:
            return True
        host = host.partition(".")[2]
    return False
