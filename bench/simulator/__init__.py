"""Strict local platforms for tests, demo and benches.

base.py        what a simulated platform is; faults it may be told to play
meta.py, ga4.py, google_ads.py, webhook.py, linkedin.py, reddit.py, criteo.py,
tiktok.py, pinterest.py, snapchat.py, klaviyo.py, awin.py, taboola.py   one platform each
server.py      the HTTP server that mounts them; faults.py plays faults, control.py steers from another process
`python -m bench.simulator` serves all of them.
"""

from bench.simulator.awin import AwinSim
from bench.simulator.base import Accepted, Fault, Platform, SimRequest, SimResponse
from bench.simulator.criteo import CriteoSim
from bench.simulator.ga4 import Ga4Sim
from bench.simulator.google_ads import GoogleAdsSim
from bench.simulator.klaviyo import KlaviyoSim
from bench.simulator.linkedin import LinkedInSim
from bench.simulator.meta import MetaSim
from bench.simulator.pinterest import PinterestSim
from bench.simulator.reddit import RedditSim
from bench.simulator.server import Simulator
from bench.simulator.snapchat import SnapchatSim
from bench.simulator.taboola import TaboolaSim
from bench.simulator.tiktok import TikTokSim
from bench.simulator.webhook import WebhookSim

__all__ = [
    "Accepted",
    "AwinSim",
    "CriteoSim",
    "Fault",
    "Ga4Sim",
    "GoogleAdsSim",
    "KlaviyoSim",
    "LinkedInSim",
    "MetaSim",
    "PinterestSim",
    "Platform",
    "RedditSim",
    "SimRequest",
    "SimResponse",
    "Simulator",
    "SnapchatSim",
    "TaboolaSim",
    "TikTokSim",
    "WebhookSim",
    "all_platforms",
]


def all_platforms() -> list[Platform]:
    """One of each platform, with its own defaults."""
    return [
        MetaSim(),
        Ga4Sim(),
        GoogleAdsSim(),
        WebhookSim(),
        LinkedInSim(),
        RedditSim(),
        CriteoSim(),
        TikTokSim(),
        PinterestSim(),
        SnapchatSim(),
        KlaviyoSim(),
        AwinSim(),
        TaboolaSim(),
    ]
