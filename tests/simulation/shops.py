"""The two shops of the simulated world and their destinations, as a published snapshot."""

from collections.abc import Mapping
from typing import Final

from actors.destinations.base import Destination
from actors.destinations.ga4 import Ga4
from actors.destinations.google_ads import GoogleAds
from actors.destinations.meta import Meta
from actors.destinations.webhook import Webhook
from actors.secret import Secret
from actors.snapshot import Site, Snapshot, key_digest
from bench.simulator.webhook import SECRET

SITES: Final = ("shop", "mart")
ORIGIN: Final = "https://{site}.example.com"
RETENTION_MS: Final = 90 * 86_400_000
PLATFORMS: Final = (("shop", "meta"), ("shop", "ga4"), ("shop", "ads"), ("shop", "hook"), ("mart", "meta"),
                    ("mart", "ads"))  # fmt: skip
PLATFORM_OF: Final[Mapping[str, str]] = {"meta": "meta", "ga4": "ga4", "ads": "google_ads", "hook": "webhook"}
ACTIONS: Final = {"purchase_placed": "111", "lead_submitted": "222"}


def snapshot(version: int, hold_ms: int, tokens: Mapping[tuple[str, str], int]) -> Snapshot:
    """`tokens`: how often each destination's credentials were replaced."""
    sites = {site: _site(site, hold_ms, tokens) for site in SITES}
    return Snapshot(
        version=version,
        sites=sites,
        write_keys={key_digest(f"wk_{site}"): site for site in SITES},
        public_keys={key_digest(f"pk_{site}"): site for site in SITES},
    )


def _site(site: str, hold_ms: int, tokens: Mapping[tuple[str, str], int]) -> Site:
    return Site(
        id=site,
        destinations=tuple(_destination(site, one, tokens.get((site, one), 0)) for at, one in PLATFORMS if at == site),
        origins=frozenset({ORIGIN.format(site=site)}),
        retention_ms=RETENTION_MS,
        purchase_hold_ms=hold_ms,
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
        case "hook":
            return Webhook(id=one, url=f"{url}/in", secret=Secret(SECRET), concurrency=2 + generation % 3)
    if site == "mart":
        return GoogleAds(
            id=one, customer_id="1234567890", conversion_actions=dict(ACTIONS), access_token=token, base_url=url
        )
    return GoogleAds(
        id=one, customer_id="1234567890", conversion_actions=dict(ACTIONS), client_id="c", client_secret=Secret("s"),
        refresh_token=token, token_url=f"{url}/token", base_url=url,
    )  # fmt: skip
