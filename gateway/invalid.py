"""Why an event is refused, with the field that is wrong and what would be right.

A message never repeats a value that could be a person's: it names types and gives an example instead.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import Struct

Code = Literal["invalid_json", "invalid_field", "too_large", "too_many_events"]

# What msgspec says, and where: "Expected `str | null`, got `int` - at `$.page.url`".
_WHERE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_ENUM_VALUE = re.compile(r"Invalid enum value .*", re.DOTALL)

_AMOUNT = "give an amount such as 19.90"
_STATE = "give 'granted' or 'denied', or leave it out"
_WHOLE = "give a whole number such as 2"
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "event_name": "give 1 to 128 characters such as 'purchase_placed'",
        "event_id": "give 1 to 128 characters, the same each time the event is sent",
        "occurred_at": "give RFC 3339 with its offset, such as '2026-11-20T09:55:12.345Z'",
        "action_source": "give one of website, app, physical_store, system_generated, email, phone_call, chat, other",
        "page": "give an object with url, referrer, title, path",
        "user_data": "give an object of identifiers",
        "custom_data": 'give an object such as {"value": 19.90, "currency": "EUR"}',
        "consent": "give an object with analytics, marketing, preferences, sale_of_data",
        "analytics": _STATE,
        "marketing": _STATE,
        "preferences": _STATE,
        "sale_of_data": _STATE,
        "value": _AMOUNT,
        "price": _AMOUNT,
        "shipping": _AMOUNT,
        "tax": _AMOUNT,
        "discount": _AMOUNT,
        "currency": "give three letters such as EUR",
        "quantity": _WHOLE,
        "num_items": _WHOLE,
        "items": 'give an array of objects such as {"id": "SKU-1", "quantity": 1, "price": 19.90}',
        "product_ids": "give an array of texts",
        "customer_type": "give 'new' or 'returning'",
        "client_ip": "give an IPv4 or IPv6 address",
    }
)


class Invalid(Struct, frozen=True, kw_only=True):
    """`field`: its path in the event, such as `custom_data.items[0].price`; empty for the event as a whole."""

    code: Code
    field: str
    message: str

    def under(self, place: str) -> "Invalid":
        """The same fault with the path of the event in its request, such as `events[3]`."""
        field = f"{place}.{self.field}" if place and self.field else place or self.field
        return Invalid(code=self.code, field=field, message=self.message)

    def body(self) -> bytes:
        """`{"error": {"code": …, "field": …, "message": …}}`"""
        return msgspec.json.encode({"error": self})


def invalid_field(field: str, problem: str, hints: Mapping[str, str] = _HINTS) -> Invalid:
    """`problem`: what is wrong; what would be right is added where the field is known."""
    name = field.rpartition(".")[2].partition("[")[0]
    hint = hints.get(name)
    return Invalid(code="invalid_field", field=field, message=f"{problem}; {hint}" if hint else problem)


def invalid_json(error: Exception, hints: Mapping[str, str] = _HINTS) -> Invalid:
    """The fault that made decoding fail: of one field where the JSON was well formed. `hints`: by field, what would be
    right; without others, those of events."""
    match error:
        case msgspec.ValidationError():
            return _of_field(str(error), hints)
        case UnicodeDecodeError():
            problem = "the text is no valid UTF-8"
        case RecursionError():
            problem = "the nesting is too deep; give at most 32 levels"
        case _:
            problem = f"the text is no valid JSON: {error}"
    return Invalid(code="invalid_json", field="", message=problem)


def _of_field(text: str, hints: Mapping[str, str]) -> Invalid:
    found = _WHERE.fullmatch(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    problem = _ENUM_VALUE.sub("no value that this field has", what).replace("`", "").replace(" | null", "")
    return invalid_field(path, problem[:1].lower() + problem[1:], hints)
