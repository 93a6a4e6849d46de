"""Reads the body of the Events API's `POST /`, for callers of its Worker: a pure decoder.

Source: contracts/events_api.md, sections 1, 4 and 5, read 2026-11-20. Every field may be null or absent, and one of
another type counts as absent: the only refusals of its own are a body that is no JSON, or that has no `data` object.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from actors.canonical import NAME_CHARS, TEXT_CHARS
from actors.clickids import google_click_id
from actors.event import Event
from actors.names import CANONICAL_NAMES, canonical_name
from gateway.form import EventForm, PageForm, UserForm
from gateway.incoming import Intake, event_of
from gateway.invalid import Invalid, invalid_json

ADS_ONLY_NAME = "conversion"  # of a body that names an event for Google Ads alone


class _UserData(Struct, frozen=True, kw_only=True, rename="camel"):
    email: Any = None
    phone: Any = None
    name: Any = None


class _Data(Struct, frozen=True, kw_only=True, rename="camel"):
    meta_event: Any = None
    ga_event: Any = None
    gads_conversion_label: Any = None
    event_url: Any = None
    event_id: Any = None
    user_id: Any = None
    user_data: Any = None
    cookie_fbp: Any = None
    cookie_fbc: Any = None
    cookie_gclid: Any = None


class _Meta(Struct, frozen=True, kw_only=True, rename="camel"):
    meta_pixel_id: Any = None
    meta_test_code: Any = None
    ga_measurement_id: Any = None


class _Body(Struct, frozen=True, kw_only=True):
    data: _Data
    meta: Any = None


_Inner = TypeVar("_Inner", bound=Struct)
_BODY = msgspec.json.Decoder(_Body)


def decode_events_api(body: bytes, intake: Intake) -> Event | Invalid | None:
    """The canonical event; None where no platform is named an event: there is nothing to send, the caller is answered
    as always. `invalid_json` is the page's 400."""
    if len(body) > intake.max_event_bytes:
        message = f"the body has {len(body)} bytes; give at most {intake.max_event_bytes}"
        return Invalid(code="too_large", field="", message=message)
    try:
        parsed = _BODY.decode(body)
        hints = _inner(parsed.meta, _Meta)
        user = _inner(parsed.data.user_data, _UserData)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = invalid_json(error)
        return Invalid(code="invalid_json", field=problem.field, message=problem.message)
    form = _form(parsed.data, user)
    return event_of(form, _properties(parsed.data, hints), intake) if form is not None else None


def _inner(value: Any, kind: type[_Inner]) -> _Inner:
    """An object as its struct; anything else as one without fields."""
    return msgspec.convert(value if isinstance(value, dict) else {}, kind)


def _form(data: _Data, user: _UserData) -> EventForm | None:
    name = _event_name(data)
    if name is None:
        return None
    first_name, last_name = _names(_text(user.name))
    event_id = _short(data.event_id)
    return EventForm(
        event_name=name,
        event_id=event_id,
        page=PageForm(url=_text(data.event_url)),
        user_data=UserForm(
            email=_text(user.email),
            phone=_phone(_text(user.phone)),
            first_name=first_name,
            last_name=last_name,
            anonymous_id=_text(data.user_id),
            fbp=_text(data.cookie_fbp),
            fbc=_text(data.cookie_fbc),
            gclid=_gclid(_text(data.cookie_gclid)),
        ),
    )


def _event_name(data: _Data) -> str | None:
    """By alias of Meta's name, else of GA4's, else the name itself."""
    names = [name for name in (_short(data.meta_event), _short(data.ga_event)) if name is not None]
    for name in names:
        if (canonical := canonical_name(name)) in CANONICAL_NAMES:
            return canonical
    if names:
        return names[0]
    return ADS_ONLY_NAME if _text(data.gads_conversion_label) is not None else None


def _properties(data: _Data, hints: _Meta) -> dict[str, Any]:
    """The names as sent, for destinations' rules; pixel, test code and measurement id are hints of a stranger."""
    texts = {
        "meta_event": _text(data.meta_event),
        "ga_event": _text(data.ga_event),
        "gads_conversion_label": _text(data.gads_conversion_label),
        "meta_pixel_id": _text(hints.meta_pixel_id),
        "meta_test_code": _text(hints.meta_test_code),
        "ga_measurement_id": _text(hints.ga_measurement_id),
    }
    return {name: text for name, text in texts.items() if text is not None}


def _text(value: Any) -> str | None:
    """Text or a number as text; null, blank, too long and other types are absent."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 2**63 else ""
    return value if isinstance(value, str) and value.strip() and len(value) <= TEXT_CHARS else None


def _short(value: Any) -> str | None:
    """Text that can be an event's name or id."""
    text = _text(value)
    return text if text is not None and len(text) <= NAME_CHARS and text.isprintable() else None


def _names(name: str | None) -> tuple[str | None, str | None]:
    first, _, last = (name or "").strip().partition(" ")
    return first or None, last.strip() or None


def _phone(text: str | None) -> str | None:
    """The API's phones have their country code and no `+`."""
    number = text.strip() if text is not None else None
    return f"+{number}" if number and number.isascii() and number.isdigit() else number


def _gclid(text: str | None) -> str | None:
    """`GCL.<s>.<gclid>` is the whole cookie: its last part counts."""
    return google_click_id(text) if text is not None and text.startswith("GCL.") else text
