"""The destinations of the benches: one block of configuration for each way into a platform, at the simulator's address.

`{url}` is the simulator's, `{actions}` the conversion actions or rules by event name.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.simulator.webhook import SECRET

# Under each destination's id: the platform that the simulator plays for it, and its settings.
PLATFORMS: Final[Mapping[str, str]] = {
    "meta": "meta",
    "ga4": "ga4",
    "google_ads": "google_ads",
    "google_ads_api": "google_ads",
    "webhook": "webhook",
    "linkedin": "linkedin",
    "reddit": "reddit",
    "criteo": "criteo",
    "tiktok": "tiktok",
    "pinterest": "pinterest",
    "snapchat": "snapchat",
    "klaviyo": "klaviyo",
    "awin": "awin",
    "taboola": "taboola",
}
_SETTINGS: Final[Mapping[str, str]] = {
    "meta": 'pixel_id = "1234567890"\naccess_token = "bench-token"',
    "ga4": 'measurement_id = "G-BENCH12345"\napi_secret = "bench-secret"',
    "google_ads": 'customer_id = "1234567890"\nconversion_actions = { {actions} }\naccess_token = "bench-token"',
    "google_ads_api": 'customer_id = "1234567890"\nconversion_actions = { {actions} }\naccess_token = "bench-token"\n'
    'via = "google_ads_api"',
    "webhook": f'url = "{{url}}/webhook/events"\nsecret = "{SECRET}"',
    "linkedin": 'conversion_rules = { {actions} }\naccess_token = "bench-token"',
    "reddit": 'pixel_id = "a2_bench"\naccess_token = "bench-token"',
    "criteo": 'partner_id = "98765"\ncaller_id = "4321"\ncountry = "US"\nlanguage = "en"',
    "tiktok": 'event_source_id = "C0BENCHPIXELCODE0000"\naccess_token = "bench-token"\n'
    'event_source_ids = { offline = "7000000000000000001" }',
    # Pinterest knows at most 15 names of an advertiser's own: all go under one.
    "pinterest": 'ad_account_id = "549700000123"\naccess_token = "bench-token"\ncustom_name = "custom"',
    "snapchat": 'pixel_id = "3f2b8c1e-0d57-4c3a-9d52-6a1f0e9b7c44"\naccess_token = "bench-token"',
    "klaviyo": 'api_key = "bench-key"',
    "awin": 'advertiser_id = "12345"\napi_key = "bench-key"\nleads = ["lead_submitted"]\ncurrency = "EUR"',
    "taboola": 'account_id = "1234567"',
}
FREE: Final = (
    'allow_private = true\nrate = "100000/s"\n'  # what is measured is the gateway, not the platforms' own limits
)
NEEDS_PLAINTEXT: Final = frozenset({"klaviyo"})


def block(name: str, url: str, names: Sequence[str]) -> str:
    """The destination's part of config.toml; `names`: the events that are conversions."""
    actions = ", ".join(f'{event} = "{111222333 + index}"' for index, event in enumerate(names))
    settings = _SETTINGS[name].replace("{url}", url).replace("{actions}", actions)
    base = "" if name == "webhook" else f'base_url = "{url}/{PLATFORMS[name]}"\n'
    kind = PLATFORMS[name]
    return f'\n[[sites.destinations]]\nid = "{name}"\ntype = "{kind}"\n{settings}\n{base}{FREE}'
