"""What both ways into Google Ads share: which identifiers of an event are sent, how an error body is read.

Source: contracts/google_ads.md, sections 4, 8 and 9.
"""

import re
from typing import Any, Literal

from msgspec import Struct

from actors.destinations.base import DAY_S, WORDS_CHARS, Response, Retry
from actors.destinations.minimise import is_personal
from actors.event import Event, UserData

ClickIdKind = Literal["gclid", "gbraid", "wbraid"]

_OPAQUE = re.compile(r"[\x21-\x7e]{1,1000}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


class ClickId(Struct, frozen=True, kw_only=True):
    kind: ClickIdKind
    value: str


def click_id(event: Event) -> ClickId | None:
    """The one click id that is sent. gbraid with wbraid is an error, and whether gclid may stand beside either is not
    documented (section 12), so exactly one goes: gclid, else the one that fits where the conversion happened
    (gbraid: in an app, wbraid: on the web). A malformed one is left out: it would cost the event its email too."""
    order: tuple[ClickIdKind, ...] = ("gclid", "wbraid", "gbraid")
    if event.action_source == "app":
        order = ("gclid", "gbraid", "wbraid")
    for kind in order:
        value = getattr(event.user_data, kind)
        if value and _OPAQUE.fullmatch(value):
            return ClickId(kind=kind, value=value)
    return None


def order_key(event: Event) -> str:
    """What Google deduplicates by, together with the conversion action (section 8)."""
    return event.custom_data.order_id or event.event_id


def email_digest(user: UserData) -> str | None:
    """Gmail addresses without dots and +tag, all others trimmed and in lower case (section 6)."""
    return (user.email.google or user.email.sha256) if user.email else None


def phone_digest(user: UserData) -> str | None:
    return user.phone.sha256 if user.phone else None


def custom_text(event: Event, name: str) -> str | None:
    """A custom property as text, if it is a single value; a custom variable holds no personal data (section 4)."""
    value = event.custom_data.properties.get(name)
    match value:
        case bool():
            return "true" if value else "false"
        case None | dict() | list() | tuple():
            return None
    return None if is_personal(name, value) else str(value)


def error_of(response: Response) -> dict[str, Any]:
    """The `error` object of an answer, also where it stands in a one-element array; empty where there is none."""
    body = response.json()
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def records(value: object) -> list[dict[str, Any]]:
    """The objects of a list that should hold objects."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def reason(response: Response, code: str, message: object) -> str:
    """The platform's words: http status, code and message; the head of the body where it gives neither."""
    words = f"{code}: {message}" if code else str(message or response.words())
    return f"{response.status} {words}"[:WORDS_CHARS]


def duration_s(value: object) -> float | None:
    """A protobuf duration such as `900s`, at most a day."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return min(float(found.group(1)), float(DAY_S)) if found else None


def throttle(text: str, after_s: float | None = None) -> Retry:
    return Retry(text, after_s=after_s, is_throttle=True)
