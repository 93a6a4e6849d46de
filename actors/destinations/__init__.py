"""The destinations: one adapter a platform, pure from events to a request and from an answer to verdicts.

base.py        what a destination is: Destination, Payload, Request, Response, the verdicts, helpers
meta.py        Meta Conversions API; meta_places.py, meta_answers.py
ga4.py         GA4 Measurement Protocol; ga4_names.py, ga4_params.py
google_ads.py  Google Ads, by data_manager.py or google_ads_api.py
webhook.py     signed webhooks to an address of the user's own
linkedin.py    LinkedIn Conversions API; linkedin_answers.py
reddit.py      Reddit Conversions API v3; reddit_answers.py
criteo.py      Criteo server-to-server events
minimise.py    what of page addresses and custom properties may leave
redaction.py   a platform's words without secrets and personal data
"""

from actors.destinations.criteo import Criteo
from actors.destinations.ga4 import Ga4
from actors.destinations.google_ads import GoogleAds
from actors.destinations.linkedin import LinkedIn
from actors.destinations.meta import Meta
from actors.destinations.reddit import Reddit
from actors.destinations.webhook import Webhook

AnyDestination = Meta | Ga4 | GoogleAds | Webhook | LinkedIn | Reddit | Criteo

__all__ = [
    "AnyDestination",
    "Criteo",
    "Ga4",
    "GoogleAds",
    "LinkedIn",
    "Meta",
    "Reddit",
    "Webhook",
]
