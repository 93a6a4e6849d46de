"""The destinations: one adapter a platform, pure from events to a request and from an answer to verdicts.

base.py        what a destination is: Destination, Payload, Request, Response, the verdicts, helpers
meta.py        Meta Conversions API; meta_places.py, meta_answers.py
ga4.py         GA4 Measurement Protocol; ga4_names.py, ga4_params.py
google_ads.py  Google Ads, by data_manager.py or google_ads_api.py
webhook.py     signed webhooks to an address of the user's own
linkedin.py    LinkedIn Conversions API; linkedin_answers.py
reddit.py      Reddit Conversions API v3; reddit_answers.py
criteo.py      Criteo server-to-server events
tiktok.py      TikTok Events API 2.0; tiktok_names.py, tiktok_answers.py
pinterest.py   Pinterest API for Conversions; pinterest_answers.py
snapchat.py    Snapchat Conversions API; snapchat_answers.py
ads_shared.py  what the adapters of ad platforms share: forms of identifiers, places, amounts and items
klaviyo.py     Klaviyo Events API; klaviyo_fields.py, klaviyo_answers.py
awin.py        Awin, by its Conversion API or sread.php; awin_orders.py, awin_answers.py
taboola.py     Taboola, in bulk or by postback
service_account.py  a token for a Google service account
credential_checks.py  how credentials are tried, without anything being counted
carried.py     which identifiers a request carries
minimise.py    what of page addresses and custom properties may leave
waits.py       how long an answer asks to be left alone
redaction.py   a platform's words without secrets and personal data
"""

from actors.destinations.awin import Awin
from actors.destinations.criteo import Criteo
from actors.destinations.ga4 import Ga4
from actors.destinations.google_ads import GoogleAds
from actors.destinations.klaviyo import Klaviyo
from actors.destinations.linkedin import LinkedIn
from actors.destinations.meta import Meta
from actors.destinations.pinterest import Pinterest
from actors.destinations.reddit import Reddit
from actors.destinations.snapchat import Snapchat
from actors.destinations.taboola import Taboola
from actors.destinations.tiktok import TikTok
from actors.destinations.webhook import Webhook

AnyDestination = (
    Meta
    | Ga4
    | GoogleAds
    | Webhook
    | LinkedIn
    | Reddit
    | Criteo
    | TikTok
    | Pinterest
    | Snapchat
    | Klaviyo
    | Awin
    | Taboola
)

__all__ = [
    "AnyDestination",
    "Awin",
    "Criteo",
    "Ga4",
    "GoogleAds",
    "Klaviyo",
    "LinkedIn",
    "Meta",
    "Pinterest",
    "Reddit",
    "Snapchat",
    "Taboola",
    "TikTok",
    "Webhook",
]
