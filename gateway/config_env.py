"""The site that stands in where none is declared: the Events API's own, from its environment variables.

Source: contracts/events_api.md, sections 3 and 5. That API's callers name the pixel and the property themselves;
sending with the server's token wherever a stranger points would be a hole, so both are configured here too, and a
platform whose account is not configured is skipped, with a note for the log.
"""

from collections.abc import Mapping
from typing import Any

SITE_ID = "events_api"

# path of the key -> the variable it is read from, for faults in an operator's words
VARIABLES: Mapping[str, str] = {
    "pixel_id": "META_PIXEL_ID",
    "access_token": "META_ACCESS_TOKEN",
    "measurement_id": "GA_MEASUREMENT_ID",
    "api_secret": "GA_SECRET_KEY",
    "customer_id": "GADS_CUSTOMER_ID",
    "origins": "EVENTS_API_ORIGINS",
}


def site_table(env: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The site as config.toml would have it, and the notes on what is skipped."""
    notes: list[str] = []
    found = [_meta(env, notes), _ga4(env, notes), _google_ads(env, notes)]
    origins = [part.strip() for part in env.get("EVENTS_API_ORIGINS", "").split(",") if part.strip()]
    table = {
        "id": SITE_ID,
        "events_api": True,
        "origins": origins,
        "destinations": [one for one in found if one is not None],
    }
    return table, tuple(notes)


def _meta(env: Mapping[str, str], notes: list[str]) -> dict[str, Any] | None:
    if not _has_all(env, notes, "Meta", "META_ACCESS_TOKEN", "META_PIXEL_ID"):
        return None
    return {
        "id": "meta",
        "type": "meta",
        "pixel_id": env["META_PIXEL_ID"],
        "access_token": {"env": "META_ACCESS_TOKEN"},
    }


def _ga4(env: Mapping[str, str], notes: list[str]) -> dict[str, Any] | None:
    if not _has_all(env, notes, "GA4", "GA_SECRET_KEY", "GA_MEASUREMENT_ID"):
        return None
    return {
        "id": "ga4",
        "type": "ga4",
        "measurement_id": env["GA_MEASUREMENT_ID"],
        "api_secret": {"env": "GA_SECRET_KEY"},
    }


def _google_ads(env: Mapping[str, str], notes: list[str]) -> dict[str, Any] | None:
    """By way of the Google Ads API, whose scope that API's tokens have. A label of digits is the conversion action."""
    if env.get("GADS_DEVELOPER_TOKEN"):
        notes.append("GADS_DEVELOPER_TOKEN is not used: Google ended developer tokens on 2026-09-09")
    if not _has_all(env, notes, "Google Ads", "GADS_ACCESS_TOKEN", "GADS_CUSTOMER_ID"):
        return None
    table: dict[str, Any] = {
        "id": "google_ads",
        "type": "google_ads",
        "via": "google_ads_api",
        "customer_id": env["GADS_CUSTOMER_ID"].replace("-", ""),
        "access_token": {"env": "GADS_ACCESS_TOKEN"},
        "is_label_action": True,
    }
    if labels := env.get("GADS_CONVERSION_LABELS"):
        pairs = [part.partition("=") for part in labels.split(",") if part.strip()]
        table["conversion_labels"] = {label.strip(): action.strip() for label, _, action in pairs}
    return table


def _has_all(env: Mapping[str, str], notes: list[str], platform: str, *names: str) -> bool:
    missing = [name for name in names if not env.get(name)]
    if missing:
        notes.append(f"{platform} is skipped: {' and '.join(missing)} not set")
    return not missing
