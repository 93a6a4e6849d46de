"""What a canonical event may hold beyond its types: names, texts, amounts, counts, properties within their bounds.

The door asks it of what senders give (gateway/checks.py), a transformation of what it made. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import astuple

from actors.event import CustomData, Event

NAME_CHARS: Final = 128  # of an event's name or id, and of a property's name
TEXT_CHARS: Final = 8192
MAX_PROPERTIES: Final = 200
MAX_LEVELS: Final = 32  # of values in values
AMOUNT_DIGITS: Final = 13  # before the point: above any order in any currency
AMOUNT_CHARS: Final = 40  # digits, sign and point: 0.1 + 0.2 of a shop's binary floats has 19
MAX_COUNT: Final = 1_000_000_000
MIN_INT, MAX_INT = -(2**63), 2**63 - 1  # what msgpack and most platforms' JSON readers hold

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def fault_of(event: Event) -> str | None:
    """The first thing that no canonical event may have, with its path; None where there is none."""
    if not is_name(event.event_name):
        return "event_name: is no name"
    if event.occurred_at_ms < 0:
        return "occurred_at: before 1970"
    return next(_faults(event), None)


def _faults(event: Event) -> Iterator[str]:
    for group in (event.page, event.user_data, event.custom_data):
        for number, value in enumerate(astuple(group)):  # far faster than asking for each by its name
            if value is not None and isinstance(value, str) and len(value) > TEXT_CHARS:
                yield f"{group.__struct_fields__[number]}: the text is too long"
    custom = event.custom_data
    if custom.currency is not None and not (is_currency(custom.currency) and custom.currency.isupper()):
        yield "custom_data.currency: no ISO 4217 currency code in upper case"
    for path, amount in _amounts(custom):
        if amount is not None and not is_sane_amount(amount):
            yield f"custom_data.{path}: no amount, too large or too long"
    for path, count in _counts(custom):
        if count is not None and not 0 <= count <= MAX_COUNT:
            yield f"custom_data.{path}: negative or too large"
    if len(custom.properties) > MAX_PROPERTIES:
        yield f"custom_data: more than {MAX_PROPERTIES} own properties"
    for name, value in custom.properties.items():
        if (words := property_fault(name, value)) is not None:
            yield f"custom_data.{name[:NAME_CHARS]}: {words}"


def property_fault(name: str, value: Any) -> str | None:
    """What is wrong with one own property."""
    if len(name) > NAME_CHARS or CONTROL.search(name):
        return "a property's name is too long or has control characters"
    level = [value]
    for _ in range(MAX_LEVELS):
        inner: list[Any] = []
        for one in level:
            if (words := value_fault(one)) is not None:
                return words
            inner += one if isinstance(one, list | tuple) else (*one, *one.values()) if isinstance(one, Mapping) else ()
        if not inner:
            return None
        level = inner
    return "the nesting is too deep"


def value_fault(value: Any) -> str | None:
    """What is wrong with a JSON value, whatever is in it apart."""
    match value:
        case str() if len(value) > TEXT_CHARS:
            return f"the text is too long; give at most {TEXT_CHARS} characters"
        case bool():
            return None
        case int() if not MIN_INT <= value <= MAX_INT:
            return "the number is out of range; give a 64-bit number, or text"
    return None


def is_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= NAME_CHARS and CONTROL.search(text) is None


def is_currency(text: str) -> bool:
    """Three letters."""
    return _CURRENCY.fullmatch(text.strip()) is not None


def is_sane_amount(amount: Decimal) -> bool:
    return amount.is_finite() and -AMOUNT_CHARS < amount.adjusted() < AMOUNT_DIGITS and len(str(amount)) <= AMOUNT_CHARS


def _amounts(custom: CustomData) -> Iterator[tuple[str, Decimal | None]]:
    for name in ("value", "shipping", "tax", "discount"):
        yield name, getattr(custom, name)
    for index, item in enumerate(custom.items):
        yield f"items[{index}].price", item.price
        yield f"items[{index}].discount", item.discount


def _counts(custom: CustomData) -> Iterator[tuple[str, int | None]]:
    yield "num_items", custom.num_items
    for index, item in enumerate(custom.items):
        yield f"items[{index}].quantity", item.quantity
