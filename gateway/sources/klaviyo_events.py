"""One event of Klaviyo's, of a system webhook or of a flow's webhook action (contracts/klaviyo_webhooks.md, 3 to 5)."""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.sources.base import Draft, first, part, present, rows, text

PREFIX: Final = "event:klaviyo."
CLICKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(  # topic -> channel, action source
    {"clicked_email": ("email", "email"), "clicked_sms": ("sms", "other")}
)
SUBSCRIBED: Final = ("subscribed_to_email_marketing", "subscribed_to_sms_marketing")
NO_NEWS: Final = frozenset(
    {
        "opened_email", "received_email", "sent_sms", "received_sms", "opened_push", "received_push", "bounced_email",
        "dropped_email",
    }
)  # fmt: skip
TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "campaign_name": "Campaign Name", "subject": "Subject", "message_id": "$message", "flow_id": "$flow",
        "variation": "$variation", "client_type": "Client Type", "email_domain": "Email Domain",
        "inbox_provider": "Inbox Provider",
    }
)  # fmt: skip
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
EXCHANGE_ID: Final = re.compile(r"[^.\s]+\.[A-Za-z0-9]{6}")  # a profile's id has no dot
KX: Final = re.compile(r"(?:^|(?<=[?&]))_kx=[^&#]*&?")


def is_news(entry: dict[str, Any]) -> bool:
    """Whether events of its topic are kept."""
    name = _name(entry)
    return name is not None and name not in NO_NEWS


def system_event(entry: dict[str, Any]) -> Draft | None:
    """The event of one entry of `data`; None where its topic is none."""
    name = _name(entry)
    if name is None or name in NO_NEWS:
        return None
    data = part(part(entry, "payload"), "data")
    told = part(part(data, "attributes"), "event_properties")
    profile = _profile(entry)
    person = {
        "klaviyo_id": text(part(part(part(data, "relationships"), "profile"), "data").get("id")),
        "email": first(told.get("email_address"), told.get("$email"), profile.get("email")),
        "phone": first(told.get("To Number"), profile.get("phone_number")),
    }
    event = {
        "event_id": _own_id(entry.get("external_id"), data.get("id")),
        "occurred_at": text(part(data, "attributes").get("datetime")),
        "custom_data": {own: text(told.get(theirs)) for own, theirs in TOLD.items()},
    }
    return _draft(name, event, person, text(told.get("URL")), is_bot=_is_true(told.get("Bot Click")))


def flow_event(body: dict[str, Any]) -> Draft:
    """The body that docs/sources/klaviyo.md proposes for a flow's webhook action."""
    name = text(body.get("event")) or "clicked_email"
    if name == "message_clicked":
        name = "clicked_sms" if text(body.get("channel")) == "sms" else "clicked_email"
    person = {
        "klaviyo_id": text(body.get("profile_id")), "email": text(body.get("email")), "phone": text(body.get("phone")),
    }  # fmt: skip
    told = {own: text(body.get(own)) for own in TOLD}
    event = {
        "event_id": _own_id(body.get("event_id")) or _made_id(body),
        "occurred_at": text(body.get("occurred_at")),
        "custom_data": told,
    }
    name = name.removeprefix(PREFIX)
    return _draft(name, event, person, text(body.get("url")), is_bot=_is_true(body.get("bot_click")))


def _draft(name: str, event: dict[str, Any], person: dict[str, Any], url: str | None, *, is_bot: bool) -> Draft:
    """A robot's click is kept, and goes to no platform."""
    channel, action_source = CLICKS.get(name, (None, "system_generated"))
    if channel is None and name in SUBSCRIBED:
        channel = "sms" if "sms" in name else "email"
    named = "message_clicked" if name in CLICKS else "newsletter_subscribed" if name in SUBSCRIBED else name
    told = {
        **event,
        "event_name": named,
        "action_source": action_source,
        "page": _page(url),
        "user_data": present(_by_form(person)),
        "custom_data": present({"channel": channel, "bot_click": is_bot or None, **event["custom_data"]}),
    }
    return Draft(event=present(told), landing_url=url, is_internal=is_bot)


def _name(entry: dict[str, Any]) -> str | None:
    name = (text(entry.get("topic")) or "").removeprefix(PREFIX)
    return name if NAME.fullmatch(name) else None


def _profile(entry: dict[str, Any]) -> dict[str, Any]:
    found = (one for one in rows(part(entry, "payload"), "included") if one.get("type") == "profile")
    return part(next(found, {}), "attributes")


def _own_id(*values: Any) -> str | None:
    found = first(*values)
    return found if found is not None and len(found) <= 128 and found.isprintable() else None


def _made_id(body: dict[str, Any]) -> str | None:
    """The same for the same profile, message and time; none where one of them is missing."""
    parts = [text(body.get(name)) for name in ("profile_id", "message_id", "occurred_at")]
    if None in parts:
        return None
    joined = "\x1f".join(one for one in parts if one is not None)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _by_form(person: dict[str, Any]) -> dict[str, Any]:
    """An exchange id among the ids is no profile id (section 5)."""
    found = person["klaviyo_id"]
    is_exchange = found is not None and EXCHANGE_ID.fullmatch(found) is not None
    return {**person, "klaviyo_id": None, "kx": found} if is_exchange else person


def _page(url: str | None) -> dict[str, str]:
    """The clicked page without the exchange id, which is personal data (section 5); the landing still tells it."""
    if url is None:
        return {}
    bare = KX.sub("", url).rstrip("?&")
    try:
        is_web = urlsplit(bare).scheme in ("http", "https")
    except ValueError:
        return {}
    return {"url": bare} if is_web else {}


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
