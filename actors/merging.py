"""One event from two copies: per field, the better source wins if it has a value (contracts/dedup_and_identity.md,
section 1.3)."""

from typing import Any

import msgspec
from msgspec import Struct

from actors.event import PURPOSES, Consent, CustomData, Event, Page, UserData, is_browser

TIME_SPREAD_MS = 600_000  # a server's time is taken if it lies within 10 min of the browser's
BLOCK = ("value", "currency", "order_id", "items", "tax", "shipping", "discount", "coupon", "num_items", "product_ids")
NEVER_MIXED = ("value", "currency")
SERVER_PERSON = frozenset(
    {
        "email", "phone", "first_name", "last_name", "street", "city", "region", "postal_code", "country",
        "date_of_birth", "gender", "external_id", "sealed",
    }
)  # fmt: skip
COMPARED = ("value", "currency", "order_id")

Pair = tuple[Event, Event]  # the better copy for a field, and the other


class Merged(Struct, frozen=True):
    """`fields_from`: field of the merged event -> source of the copy it came from, where the copies differ."""

    event: Event
    fields_from: dict[str, str]


class _Notes:
    """Where fields came from. Those of the first copy may have come from an earlier one: `known` tells."""

    def __init__(self, first: Event, known: dict[str, str]) -> None:
        self.fields = dict(known)
        self._first = first

    def add(self, field: str, winner: Event) -> None:
        if winner is not self._first:
            self.fields[field] = winner.source
        else:
            self.fields.setdefault(field, winner.source)

    def choose(self, field: str, pair: Pair, mine: Any, other: Any, *, is_final: bool = False) -> Any:
        """The better copy's value, if it has one; its very lack of one where that is final."""
        takes_mine = is_final or not _is_empty(mine)
        if mine != other:
            self.add(field, pair[0] if takes_mine else pair[1])
        return mine if takes_mine else other


def conflicts(first: Event, copy: Event) -> tuple[str, ...]:
    """What two copies of one event disagree on."""
    pairs = ((name, getattr(first.custom_data, name), getattr(copy.custom_data, name)) for name in COMPARED)
    return tuple(name for name, one, other in pairs if one is not None and other is not None and one != other)


def merge(first: Event, second: Event, known: dict[str, str] | None = None) -> Merged:
    """`first` arrived first; of two copies from the same side it is the better one. `known`: `fields_from` so far."""
    notes = _Notes(first, known or {})
    by_browser, by_server = _pairs(first, second)
    identified = _identified(by_browser, first, second)
    notes.add("event_id", identified)
    least = min(first, second, key=lambda copy: copy.bot_score)  # a shop's own word that it sold proves a person
    event = msgspec.structs.replace(
        first,
        event_id=identified.event_id,
        is_id_made=identified.is_id_made,
        occurred_at_ms=_time(by_server, notes),
        action_source="website" if is_browser(by_browser[0]) else first.action_source,
        page=_page(by_browser, notes),
        landing_query=by_browser[0].landing_query or by_browser[1].landing_query,
        user_data=_person(by_browser, by_server, notes),
        custom_data=_custom(by_browser, by_server, notes),
        consent=strictest(by_browser[0].consent, by_browser[1].consent),
        integrations=_wanted(first.integrations, second.integrations),
        bot_score=least.bot_score,
        bot_reasons=least.bot_reasons,
        marks=tuple(dict.fromkeys((*first.marks, *second.marks))),
    )
    return Merged(event, notes.fields)


def strictest(preferred: Consent, other: Consent) -> Consent:
    """Per purpose the preferred copy's choice, but a denial in either wins."""
    choices: dict[str, Any] = {}
    for purpose in PURPOSES:
        both = (getattr(preferred, purpose), getattr(other, purpose))
        choices[purpose] = "denied" if "denied" in both else both[0] or both[1]
    return Consent(**choices)


def _wanted(first: dict[str, bool], second: dict[str, bool]) -> dict[str, bool]:
    """A copy that does not want the event somewhere is heard."""
    return {name: first.get(name, True) and second.get(name, True) for name in {**first, **second}}


def _pairs(first: Event, second: Event) -> tuple[Pair, Pair]:
    """(for what the browser knows better, for what the server knows better)."""
    if is_browser(first) == is_browser(second):
        return (first, second), (first, second)
    browser, server = (first, second) if is_browser(first) else (second, first)
    return (browser, server), (server, browser)


def _identified(by_browser: Pair, first: Event, second: Event) -> Event:
    """The copy whose id the platform's own browser pixel sends too; never one that the gateway made, if it can be."""
    for copy in (by_browser[0], first, second):
        if not copy.is_id_made:
            return copy
    return first


def _time(by_server: Pair, notes: _Notes) -> int:
    better, other = by_server
    is_near = abs(better.occurred_at_ms - other.occurred_at_ms) <= TIME_SPREAD_MS
    winner = better if is_near or better.occurred_at_ms <= other.occurred_at_ms else other
    if better.occurred_at_ms != other.occurred_at_ms:
        notes.add("occurred_at", winner)
    return winner.occurred_at_ms


def _page(by_browser: Pair, notes: _Notes) -> Page:
    better, other = by_browser
    winner = better if better.page.url is not None or other.page == Page() else other
    if better.page != other.page:
        notes.add("page", winner)
    return winner.page


def _person(by_browser: Pair, by_server: Pair, notes: _Notes) -> UserData:
    values: dict[str, Any] = {}
    for name in UserData.__struct_fields__:
        pair = by_server if name in SERVER_PERSON else by_browser
        mine, other = (getattr(copy.user_data, name) for copy in pair)
        values[name] = notes.choose(f"user_data.{name}", pair, mine, other)
    return UserData(**values)


def _custom(by_browser: Pair, by_server: Pair, notes: _Notes) -> CustomData:
    """Value, currency, items and what belongs to them come from one copy; the two first are never mixed."""
    values_of = [copy.custom_data.value for copy in by_server]
    block = (by_server[1], by_server[0]) if values_of[0] is None and values_of[1] is not None else by_server
    has_value = block[0].custom_data.value is not None
    values: dict[str, Any] = {}
    for name in CustomData.__struct_fields__:
        pair = block if name in BLOCK else by_server
        mine, other = (getattr(copy.custom_data, name) for copy in pair)
        values[name] = notes.choose(
            f"custom_data.{name}", pair, mine, other, is_final=name in NEVER_MIXED and has_value
        )
    values["properties"] = _properties(by_server, notes)
    return CustomData(**values)


def _properties(by_server: Pair, notes: _Notes) -> dict[str, Any]:
    better, other = (copy.custom_data.properties for copy in by_server)
    names = dict.fromkeys((*other, *better))
    return {
        name: notes.choose(f"custom_data.properties.{name}", by_server, better.get(name), other.get(name))
        for name in names
    }


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == () or value == [] or value == {}
