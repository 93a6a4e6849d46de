"""The two shops of the simulated world and their destinations, as a published snapshot."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import structs

from actors.consent import ConsentRules
from actors.destinations import (
    Awin,
    Criteo,
    Ga4,
    GoogleAds,
    Klaviyo,
    LinkedIn,
    Meta,
    Pinterest,
    Reddit,
    Snapchat,
    Taboola,
    TikTok,
    Webhook,
)
from actors.destinations.base import Destination
from actors.secret import Secret
from actors.snapshot import Site, Snapshot, key_digest
from bench.simulator.webhook import SECRET
from tests.simulation.rules import SiteRules

Place = tuple[str, str]  # a site and one of its destinations, named by its platform

SITES: Final = ("shop", "mart")
ORIGIN: Final = "https://{site}.example.com"
RETENTION_MS: Final = 90 * 86_400_000
PLATFORMS: Final = (
    "meta", "ga4", "google_ads", "google_ads_api", "webhook", "linkedin", "reddit", "criteo", "tiktok", "pinterest",
    "snapchat", "klaviyo", "awin", "taboola",
)  # fmt: skip
ACTIONS: Final = {"purchase_placed": "111", "lead_submitted": "222", "product_viewed": "333", "page_viewed": "444"}


def snapshot(
    version: int, hold_ms: int, places: Sequence[Place], tokens: Mapping[Place, int], rules: Mapping[str, SiteRules]
) -> Snapshot:
    """`tokens`: how often each destination's credentials were replaced."""
    sites = {site: _site(site, hold_ms, places, tokens, rules[site]) for site in SITES}
    return Snapshot(
        version=version,
        sites=sites,
        write_keys={key_digest(f"wk_{site}"): site for site in SITES},
        public_keys={key_digest(f"pk_{site}"): site for site in SITES},
    )


def _site(site: str, hold_ms: int, places: Sequence[Place], tokens: Mapping[Place, int], rules: SiteRules) -> Site:
    destinations = [_destination(site, one, tokens.get((site, one), 0)) for at, one in places if at == site]
    return Site(
        id=site,
        destinations=tuple(structs.replace(one, enabled=one.id not in rules.disabled) for one in destinations),
        origins=frozenset({ORIGIN.format(site=site)}),
        retention_ms=RETENTION_MS,
        purchase_hold_ms=hold_ms,
        routes=tuple(rule.route for rule in rules.rules),
        consent_default=rules.default,
        consent=ConsentRules(hold_ms=rules.hold_ms, country=rules.country),
        ip_rate=50.0 if site == "shop" else 2.0,
        ip_burst=200.0 if site == "shop" else 12.0,
    )


def _destination(site: str, one: str, generation: int) -> Destination:
    url = f"http://{site}-{one}.example.com"
    token = Secret(f"token-{generation}")
    match one:
        case "meta":
            return Meta(id=one, pixel_id="1234567890", access_token=token, base_url=url)
        case "ga4":
            return Ga4(id=one, measurement_id="G-ABCDE12345", api_secret=token, base_url=url)
        case "webhook":
            return Webhook(id=one, url=f"{url}/in", secret=Secret(SECRET), concurrency=2 + generation % 3)
        case "linkedin":
            return LinkedIn(id=one, conversion_rules=dict(ACTIONS), access_token=token, base_url=url)
        case "reddit":
            return Reddit(id=one, pixel_id="a2_abc", access_token=token, base_url=url)
        case "criteo":
            return Criteo(id=one, partner_id="1", caller_id=str(1 + generation), base_url=url)
        case "tiktok":
            return TikTok(id=one, event_source_id="C0ABC", access_token=token, base_url=url)
        case "pinterest":
            return Pinterest(id=one, ad_account_id="1", access_token=token, base_url=url)
        case "snapchat":
            return Snapchat(id=one, pixel_id="3f2b8c1e", access_token=token, base_url=url)
        case "klaviyo":
            return Klaviyo(id=one, api_key=token, plaintext=False, base_url=url)
        case "awin":
            return Awin(id=one, advertiser_id="12345", api_key=token, leads=("lead_submitted",), currency="EUR",
                        base_url=url)  # fmt: skip
        case "taboola":
            return Taboola(id=one, account_id=str(1 + generation), base_url=url)
    return _google_ads(site, one, url, token)


def _google_ads(site: str, one: str, url: str, token: Secret) -> Destination:
    """One shop has a token that was given to it, the other mints its own."""
    way: Literal["data_manager", "google_ads_api"] = "google_ads_api" if one == "google_ads_api" else "data_manager"
    if site == "mart":
        return GoogleAds(
            id=one, via=way, customer_id="1234567890", conversion_actions=dict(ACTIONS), access_token=token,
            base_url=url,
        )  # fmt: skip
    return GoogleAds(
        id=one, via=way, customer_id="1234567890", conversion_actions=dict(ACTIONS), client_id="c",
        client_secret=Secret("s"), refresh_token=token, token_url=f"{url}/token", base_url=url,
    )  # fmt: skip
