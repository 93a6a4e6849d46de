"""What a well-formed event must not hold: the checks that a type cannot say, each answer naming its field."""

import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from actors.canonical import (
    CONTROL,
    MAX_COUNT,
    MAX_PROPERTIES,
    NAME_CHARS,
    TEXT_CHARS,
    is_currency,
    is_sane_amount,
    value_fault,
)
from gateway.form import CustomForm, EventForm
from gateway.invalid import Invalid, invalid_field

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_problem(form: EventForm, properties: Mapping[str, Any]) -> Invalid | None:
    """The first fault of the event, in the order of its fields."""
    return (
        _name_problem(form)
        or _id_problem(form)
        or _time_problem(form)
        or _address_problem(form)
        or (_custom_problem(form.custom_data) if form.custom_data is not None else None)
        or (_properties_problem(properties) if properties else None)
    )


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address; `inet_pton` is a tenth of the cost of `ipaddress`."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def _name_problem(form: EventForm) -> Invalid | None:
    name = form.event_name
    if name is None or not name.strip():
        return invalid_field("event_name", "the event has no name")
    if len(name) > NAME_CHARS or CONTROL.search(name):
        return invalid_field("event_name", "too long, or with control characters")
    return None


def _id_problem(form: EventForm) -> Invalid | None:
    if form.event_id is None:
        return None
    event_id = str(form.event_id)
    if not event_id.strip():
        return invalid_field("event_id", "the id is empty; leave it out if there is none")
    if len(event_id) > NAME_CHARS or CONTROL.search(event_id):
        return invalid_field("event_id", "too long, or with control characters")
    return None


def _time_problem(form: EventForm) -> Invalid | None:
    if form.occurred_at is not None and form.occurred_at < EPOCH:
        return invalid_field("occurred_at", "before 1970")
    return None


def _address_problem(form: EventForm) -> Invalid | None:
    address = form.user_data.client_ip if form.user_data is not None else None
    if address and not is_address(address.strip()):
        return invalid_field("user_data.client_ip", "no IP address")
    return None


def _custom_problem(custom: CustomForm) -> Invalid | None:
    currency = custom.currency
    if currency and currency.strip() and not is_currency(currency):
        return invalid_field("custom_data.currency", f"{currency[:16]!r} is no ISO 4217 currency code")
    for path, amount in _amounts(custom):
        if amount is not None and not is_sane_amount(amount):
            return invalid_field(f"custom_data.{path}", "no amount, too large or too long")
    for path, count in _counts(custom):
        if count is not None and not is_count(count):
            return invalid_field(f"custom_data.{path}", "no whole number, negative or too large")
    return None


def _amounts(custom: CustomForm) -> Iterator[tuple[str, Decimal | None]]:
    yield "value", custom.value
    yield "shipping", custom.shipping
    yield "tax", custom.tax
    yield "discount", custom.discount
    for index, item in enumerate(custom.items or ()):
        yield f"items[{index}].price", item.price
        yield f"items[{index}].discount", item.discount


def _counts(custom: CustomForm) -> Iterator[tuple[str, Decimal | None]]:
    yield "num_items", custom.num_items
    for index, item in enumerate(custom.items or ()):
        yield f"items[{index}].quantity", item.quantity


def is_count(count: Decimal) -> bool:
    return is_sane_amount(count) and 0 <= count <= MAX_COUNT and count == count.to_integral_value()


def _properties_problem(properties: Mapping[str, Any]) -> Invalid | None:
    if len(properties) > MAX_PROPERTIES:
        return invalid_field("custom_data", f"{len(properties)} own properties; give at most {MAX_PROPERTIES}")
    for name, value in properties.items():
        if (problem := property_problem(name, value)) is not None:
            return problem
    return None


def property_problem(name: str, value: Any) -> Invalid | None:
    """What is wrong with one own property; its nesting has been bounded."""
    if (type(value) is not str or len(value) > TEXT_CHARS) and (problem := _value_problem(value)):
        return invalid_field(f"custom_data.{name[:NAME_CHARS]}", problem)
    if len(name) > NAME_CHARS or CONTROL.search(name):
        return invalid_field("custom_data", "a property's name is too long or has control characters")
    return None


def _value_problem(value: Any) -> str | None:
    """What is wrong with a JSON value or anything inside it; nesting has been bounded."""
    rest = [value]
    while rest:
        one = rest.pop()
        if (problem := value_fault(one)) is not None:
            return problem
        if isinstance(one, list):
            rest += one
        elif isinstance(one, dict):
            rest += one.keys()
            rest += one.values()
    return None
