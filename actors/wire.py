"""The canonical event as JSON on the wire: what a webhook's receiver gets.

Source: the field tables of contracts/README.md and the worked example of contracts/webhook.md. Fields keep their names
and order; what is absent is left out; times are RFC 3339 in UTC with milliseconds. An identifier of a person is its
plaintext where the event carries it opened, else the SHA-256 of its standard form, which a receiver tells by its 64
hex digits. What the gateway keeps for itself (site, time of receipt, sealed bytes, marks) stays here.
"""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from actors.destinations.base import drop_absent
from actors.event import CustomData, Event, Plaintext, UserData


def canonical_json(event: Event) -> dict[str, Any]:
    """The event with plain JSON types, decimals as `Decimal`."""
    return drop_absent(
        event_name=event.event_name,
        event_id=event.event_id,
        occurred_at=rfc3339(event.occurred_at_ms),
        source=event.source,
        action_source=event.action_source,
        page=_fields(event.page),
        user_data=_user_data(event.user_data),
        custom_data=_custom_data(event.custom_data),
        consent=_fields(event.consent),
    )


def rfc3339(at_ms: int) -> str:
    """`2026-11-20T09:15:30.250Z`."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at.isoformat()[:19]}.{at_ms % 1000:03d}Z"


def _user_data(user: UserData) -> dict[str, Any]:
    opened = user.plain or Plaintext()
    fields = _fields(user)
    fields.pop("sealed", None)
    fields.pop("plain", None)
    for name in Plaintext.__struct_fields__:
        if name in fields:
            fields[name] = getattr(opened, name) or fields[name].sha256
    return fields


def _custom_data(custom: CustomData) -> dict[str, Any]:
    fields = _fields(custom)
    fields.pop("properties", None)
    if "items" in fields:
        fields["items"] = [_fields(item) for item in custom.items]
    return {**fields, **{name: value for name, value in custom.properties.items() if name not in fields}}


def _fields(record: Struct) -> dict[str, Any]:
    """A record's fields that are there, in their order."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return {name: value for name, value in values.items() if value not in (None, "", (), {})}
