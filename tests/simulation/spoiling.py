"""Events that a platform never takes: spoiled in the request on its way, so that the platform refuses them itself.

It then says so in its own words and its own way: for one event, or for all of the request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

Spoil = Callable[[dict[str, Any]], None]


def _unknown_field(event: dict[str, Any]) -> None:
    event["no_such_field"] = 1


def _nobodys_address(event: dict[str, Any]) -> None:
    event["user_data"]["client_ip_address"] = "0.0.0.0"


def _old(event: dict[str, Any]) -> None:
    event["conversionHappenedAt"] = 1_500_000_000_000


def _no_time(event: dict[str, Any]) -> None:
    event["conversionDateTime"] = "yesterday"


# How each platform's events can be bad: as a whole request, or by themselves.
SPOILS: Final[Mapping[str, Sequence[Spoil]]] = {
    "meta": (_unknown_field,),
    "google_ads": (_unknown_field,),
    "google_ads_api": (_unknown_field, _no_time),
    "linkedin": (_unknown_field, _old),
    "reddit": (_unknown_field,),
    "tiktok": (_unknown_field,),
    "pinterest": (_unknown_field, _nobodys_address),
    "snapchat": (_unknown_field,),
    "klaviyo": (_unknown_field,),
    "awin": (_unknown_field,),
}


def spoiled(platform: str, body: bytes, bad: Sequence[bool]) -> bytes:
    """The request's body with each bad event spoiled; as it was where its events cannot be told apart."""
    whole = msgspec.json.decode(body)
    events = _events(platform, whole)
    if len(events) != len(bad):
        return body
    for index, event in enumerate(events):
        if bad[index]:
            ways = SPOILS[platform]
            ways[index % len(ways)](event)
    return msgspec.json.encode(whole)


def _events(platform: str, whole: dict[str, Any]) -> list[dict[str, Any]]:
    match platform:
        case "google_ads":
            found = whole["events"]
        case "google_ads_api":
            found = whole["conversions"]
        case "linkedin":
            found = whole["elements"]
        case "reddit":
            found = whole["data"]["events"]
        case "awin":
            found = whole["orders"]
        case "klaviyo":
            return _klaviyo(whole["data"]["attributes"])
        case _:
            found = whole["data"]
    return list(found)


def _klaviyo(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """One event, or a job of profiles with one event each."""
    job = attributes.get("events-bulk-create")
    if job is None:
        return [attributes]
    return [group["attributes"]["events"]["data"][0]["attributes"] for group in job["data"]]
