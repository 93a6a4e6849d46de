"""By what each platform knows a repeat of an event: worked out from the event, and read from what the platform took.

Both sides say the same for the same event, whichever request brought it. Where a platform knows nothing by which to
tell a repeat (GA4, Criteo, Taboola), a mark or the time that the event carries tells it here.
"""

from typing import Any

from actors.destinations.awin import Awin
from actors.destinations.base import Destination, happened_at_ms
from actors.destinations.ga4_names import NAMES as GA4_NAMES
from actors.destinations.google_ads import GoogleAds
from actors.destinations.google_shared import order_key
from actors.destinations.linkedin import LinkedIn
from actors.destinations.snapchat import Snapchat
from actors.destinations.tiktok import TikTok
from actors.event import Event
from actors.wire import rfc3339
from actors.work import delivery_id
from bench.simulator import Accepted
from store import keys


def expected_key(destination: Destination, event_key: bytes, event: Event) -> str:
    """The key that the platform must get for this event, worked out apart from the adapters' requests."""
    name, data = destination.platform_name(event.event_name), event.custom_data
    match destination:
        case GoogleAds(via="google_ads_api"):
            action = f"customers/{destination.customer_id}/conversionActions/{_action(destination, event)}"
            return f"order|{action}|{order_key(event)}"
        case GoogleAds():
            return f"order|{_action(destination, event)}|{order_key(event)}"
        case LinkedIn():
            return f"{destination.conversion_rules.get(event.event_name)}/{event.event_id}"
        case TikTok():
            return f"{destination.event_source_id}/{name}/{event.event_id}"
        case Snapchat():
            return f"{destination.pixel_id}/{name}/{event.event_id}"
        case Awin():
            is_sent = destination.takes(event.event_name)
            own = data.order_id if event.event_name == "purchase_placed" else data.lead_id
            return f"order/{own or event.event_id}" if is_sent else f"unsent/{event.event_name}/{event.event_id}"
    match destination.platform:
        case "ga4":
            return f"{GA4_NAMES.get(event.event_name) or event.event_name}|{data.properties.get('mark')}"
        case "criteo":
            return f"{name}|{rfc3339(happened_at_ms(event))}|{event.user_data.criteo_id}"
        case "taboola":
            return f"{name}|{happened_at_ms(event)}|{event.user_data.tblci}"
        case "reddit":
            return f"WEBSITE/{name}/{event.event_id}"
        case "webhook":
            return f"msg_{delivery_id(event_key, keys.destination(event.site, destination.id))}"
    return f"{name}/{event.event_id}"  # Meta, Pinterest, Klaviyo


def taken_key(platform: str, one: Accepted) -> str:
    """The key of an event that the platform took."""
    fields: dict[str, Any] = one.event
    match platform:
        case "ga4":
            [event] = fields["events"]
            return f"{event['name']}|{event['params'].get('mark')}"
        case "criteo":
            [event] = fields["events"]
            return f"{event['event']}|{event['timestamp']}|{fields['id'].get('mapped_user_id')}"
        case "taboola":
            return f"{fields['name']}|{fields['timestamp']}|{fields['click-id']}"
        case "klaviyo":
            return one.key.partition("/")[2]  # without the profile
    return one.key


def _action(destination: GoogleAds, event: Event) -> str | None:
    return destination.conversion_actions.get(event.event_name)
