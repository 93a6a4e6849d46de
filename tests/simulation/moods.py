"""How platforms fail: what a mood does to a request, and the answers that are no platform's everyday ones."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from bench.simulator.base import SimResponse

Misfortune = Literal["status", "own_fault", "reset", "timeout", "lost", "lie", "garbage", "limit", "token", "disabled"]
# What a mood may do to a request, with how often each; the rest goes well. `lost`, `lie` and `garbage`: the platform
# took it, and its answer does not come, or is another's.
MOODS: Final[Mapping[str, Mapping[Misfortune, float]]] = {
    "fair": {},
    "down": {"status": 0.7, "own_fault": 0.3},
    "gone": {"reset": 0.7, "timeout": 0.3},
    "flaky": {
        "status": 0.1, "own_fault": 0.1, "reset": 0.1, "lost": 0.12, "lie": 0.1, "garbage": 0.08, "timeout": 0.05,
    },
    "deaf": {"lost": 0.8},
    "busy": {"limit": 0.6},
    "locked": {"token": 1.0},
    "disabled": {"disabled": 1.0},
}  # fmt: skip
PAUSING: Final = frozenset({"locked", "disabled"})  # moods that pause a destination until somebody acts
NOT_TAKEN: Final = frozenset({"status", "own_fault", "reset", "timeout", "limit", "token", "disabled"})
# GA4 and webhooks tell nothing that a destination would pause for.
NEVER_PAUSED: Final = frozenset({"ga4", "webhook"})
GARBAGE: Final = b"\x00\xff<html>not what you asked for"


def disabled(platform: str) -> SimResponse:
    """The account may not be used any more, as the platform's page has it."""
    match platform:
        case "meta":
            error = {"message": "Ad account disabled", "type": "OAuthException", "code": 200}
            return _json(403, {"error": error})
        case "google_ads" | "google_ads_api":
            error = {"code": 403, "message": "The account is not enabled.", "status": "PERMISSION_DENIED"}
            return _json(403, {"error": error})
        case "tiktok":
            return _json(200, {"code": 40001, "message": "No permission to operate pixel", "data": {}})
        case "criteo":
            return SimResponse(status=307, headers=(("location", "https://widget.eu.criteo.com/m/event"),))
        case "taboola":
            return SimResponse(status=404)
        case "reddit":
            return _json(403, {"error": {"code": 403, "message": "no right to this pixel"}})
        case "klaviyo":
            error = {"status": 403, "code": "permission_denied", "title": "No.", "detail": "account disabled"}
            return _json(403, {"errors": [error]})
        case "awin":
            return _json(403, {"error": "forbidden", "description": "no right to this advertiser"})
    return _json(403, {"status": 403, "code": 29, "message": "not permitted"})  # LinkedIn, Pinterest, Snapchat


def _json(status: int, body: Any) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
