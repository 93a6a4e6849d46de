"""A payload by the rules of its source: drafts of events, and what of it could not become one."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from actors.expressions import Budget, Expression, Failed, Missing
from gateway.invalid import invalid_field
from gateway.sources.base import Draft, Hook, present
from gateway.sources.generic_paths import Path
from gateway.sources.generic_rules import Constant, Each, Header, Leaf, Rule

MOST_EVENTS: Final = 1_000
MOST_ITEMS: Final = 1_000
BARE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?")
UNIX_TIME: Final = re.compile(r"\d{9,13}(?:\.\d{1,9})?")
MILLISECONDS_FROM: Final = 10**11  # in seconds it would be the year 5138
SWITCHES: Final[Mapping[Any, str]] = {True: "granted", False: "denied"}
LATEST_S: Final = 253_402_300_799  # the end of the year 9999


class Place(Struct, frozen=True, kw_only=True):
    """Where a rule stands: in which payload, at which element."""

    body: Any
    here: Any
    index: int
    hook: Hook
    budget: Budget

    def evaluate(self, expression: Expression) -> Any | Missing | Failed:
        values = {"body": self.body, "item": self.here, "index": self.index, "headers": dict(self.hook.headers)}
        return expression.evaluate(values, self.budget)


class _Fault(Exception):
    """An expression gave no value."""

    def __init__(self, place: str, words: str) -> None:
        self.invalid = invalid_field(place, words)


def drafts_of(rules: tuple[Rule, ...], body: Any, hook: Hook) -> tuple[list[Draft], bool]:
    """The events, and whether all elements were looked at: of one request at most MOST_EVENTS become events."""
    budget, drafts = Budget(), list[Draft]()
    for number, rule in enumerate(rules):
        elements = [body] if rule.each is None else rule.each.elements(body, body)
        for index, here in enumerate(elements):
            if len(drafts) >= MOST_EVENTS:
                return drafts, False
            place = Place(body=body, here=here, index=index, hook=hook, budget=budget)
            if (draft := _draft(rule, number, place)) is not None:
                drafts.append(draft)
    return drafts, True


def _draft(rule: Rule, number: int, place: Place) -> Draft | None:
    """None where the rule does not hold. What an expression fails on is set apart, as the sender said it."""
    try:
        if rule.when is not None and not _holds(rule.when, place):
            return None
        event = _event(rule, place)
    except _Fault as fault:
        told = fault.invalid.under(f"events[{number}]")
        return Draft(event={"event_name": "webhook", "custom_data": {"said": place.here}}, fault=told)
    event.setdefault("event_id", _made_id(place.hook, number, place.index))
    return Draft(event=event)


def _holds(when: Expression, place: Place) -> bool:
    """A field that is not there makes it false."""
    match place.evaluate(when):
        case Missing():
            return False
        case Failed(words=words):
            raise _Fault("when", words)
        case bool() as holds:
            return holds
    raise _Fault("when", "gives neither true nor false")


def _event(rule: Rule, place: Place) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for at, leaf in rule.leaves.items():
        value = _value(leaf, place, ".".join(at))
        if at == ("occurred_at",):
            value = in_rfc3339(value)
        if at[0] == "consent" and isinstance(value, bool):
            value = SWITCHES[value]
        if value is None or value == "":
            continue
        if len(at) == 1:
            event[at[0]] = value
        else:
            event.setdefault(at[0], {})[at[1]] = value
    return event


def _value(leaf: Leaf, place: Place, name: str) -> Any:
    found = _found(leaf.origin, place, name)
    return leaf.default if found is None or found in ("", []) else found


def _found(origin: Path | Expression | Header | Constant | Each, place: Place, name: str) -> Any:
    match origin:
        case Path():
            return origin.find(place.body, place.here)
        case Header():
            return place.hook.headers.get(origin.name)
        case Constant():
            return origin.value
        case Each():
            return _each(origin, place, name)
    found = place.evaluate(origin)
    if isinstance(found, Failed):
        raise _Fault(name, found.words)
    return None if isinstance(found, Missing) else found


def _each(each: Each, place: Place, name: str) -> list[dict[str, Any]]:
    made = []
    for index, here in enumerate(each.path.elements(place.body, place.here)[:MOST_ITEMS]):
        inner = Place(body=place.body, here=here, index=index, hook=place.hook, budget=place.budget)
        values = {field: _value(leaf, inner, f"{name}[{index}].{field}") for field, leaf in each.fields.items()}
        made.append(present(values))
    return [one for one in made if one]


def in_rfc3339(value: Any) -> Any:
    """Unix time in seconds or milliseconds, and times without a zone as UTC; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return value
    is_short = isinstance(value, str) or -(10**20) < value < 10**20
    told = str(value).strip() if is_short else ""
    if UNIX_TIME.fullmatch(told):
        seconds = Decimal(told) / (1000 if Decimal(told) >= MILLISECONDS_FROM else 1)
        return datetime.fromtimestamp(float(seconds), UTC).isoformat() if seconds <= LATEST_S else value
    if BARE_TIME.fullmatch(told):
        return f"{told.replace(' ', 'T')}{'T00:00' if len(told) == 10 else ''}{':00' if len(told) <= 16 else ''}Z"
    return value


def _made_id(hook: Hook, number: int, index: int) -> str:
    """The same bytes again are the same events again."""
    return f"{hashlib.sha256(hook.body).hexdigest()[:40]}.{number}.{index}"
