"""What a route's transformation made of an event, as it is kept with the delivery: only what differs.

It is bound when the event is decided (contracts/routing.md, section 5): later attempts send the same, whatever routes
say by then, encoded by the adapter and with the credentials of their day.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.consent import stripped
from actors.event import ActionSource, CustomData, Event, Page, Plaintext, UserData

PLAINTEXT: Final = frozenset(Plaintext.__struct_fields__)


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Each field is there where it differs. `user_data`: field -> what it became; None: it was taken away."""

    is_stripped: bool = False  # nobody is in it any more; the rest differs from the event without anybody
    event_name: str | None = None
    occurred_at_ms: int | None = None
    action_source: ActionSource | None = None
    page: Page | None = None
    custom_data: CustomData | None = None
    user_data: dict[str, str | None] = {}


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Content)


def content_of(before: Event, after: Event, *, is_stripped: bool = False) -> bytes | None:
    """What `with_content` makes `after` of `before` by; None where nothing differs. `is_stripped`: `before` is the
    event without anybody in it."""
    if before == after and not is_stripped:
        return None
    changes: dict[str, Any] = {
        name: getattr(after, name)
        for name in ("event_name", "occurred_at_ms", "action_source", "page", "custom_data")
        if getattr(after, name) != getattr(before, name)
    }
    user = _differences(before.user_data, after.user_data) if after.user_data != before.user_data else {}
    return _encoder.encode(Content(**changes, user_data=user, is_stripped=is_stripped))


def _differences(before: UserData, after: UserData) -> dict[str, Any]:
    names = UserData.__struct_fields__
    return {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}


def read_content(raw: bytes) -> Content | None:
    """None where it cannot be read."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def with_content(event: Event, content: Content) -> Event:
    if content.is_stripped:
        event = stripped(event)
    changes: dict[str, Any] = {
        name: value
        for name in ("event_name", "occurred_at_ms", "action_source", "page", "custom_data")
        if (value := getattr(content, name)) is not None
    }
    if content.user_data:
        known = {name: value for name, value in content.user_data.items() if name in UserData.__struct_fields__}
        changes["user_data"] = msgspec.structs.replace(event.user_data, **known)
    return msgspec.structs.replace(event, **changes)


def without_removed(event: Event, content: Content) -> Event:
    """An event whose plaintext was opened, without the plaintext of what the transformation took away."""
    removed = {name: None for name, value in content.user_data.items() if value is None and name in PLAINTEXT}
    if not removed or event.user_data.plain is None:
        return event
    plain = msgspec.structs.replace(event.user_data.plain, **removed)
    return msgspec.structs.replace(event, user_data=msgspec.structs.replace(event.user_data, plain=plain))
