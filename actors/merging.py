"""One event from two copies: per field, the better source wins if it has a value (dedup_and_identity.md, section
1.3)."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from actors.event import BROWSER_SOURCES, PURPOSES, Consent, CustomData, Event, UserData

TIME_SPREAD_MS = 600_000  # a server's time is taken if it lies within 10 min of the browser's
BLOCK = ("value", "currency", "order_id", "items", "tax", "shipping", "discount", "coupon", "num_items", "product_ids")
SERVER_PERSON = frozenset(
    {
        "email", "phone", "first_name", "last_name", "street", "city", "region", "postal_code", "country",
        "date_of_birth", "gender", "external_id", "sealed",
    }
)  # fmt: skip
COMPARED = ("value", "currency", "order_id")


class Merged(Struct, frozen=True):
    """`fields_from`: field of the merged event -> source of the copy it came from, where the copies differ."""

    event: Event
    fields_from: dict[str, str]


def is_browser(event: Event) -> bool:
    return event.source in BROWSER_SOURCES


def conflicts(first: Event, copy: Event) -> tuple[str, ...]:
    """What two copies of one event disagree on."""
    pairs = ((name, getattr(first.custom_data, name), getattr(copy.custom_data, name)) for name in COMPARED)
    return tuple(name for name, one, other in pairs if one is not None and other is not None and one != other)


def merge(first: Event, second: Event) -> Merged:
    """`first` arrived first. Of two copies of the same side the first counts as the better one."""
    browser, server = (second, first) if is_browser(second) and not is_browser(first) else (first, second)
    notes: dict[str, str] = {}
    custom = _custom(browser, server, notes)
    event = msgspec.structs.replace(
        first,
        event_id=browser.event_id,
        is_id_made=browser.is_id_made,
        source=first.source,
        occurred_at_ms=_time(browser, server),
        action_source="website" if is_browser(browser) else server.action_source,
        page=_page(browser, server),
        user_data=_person(browser, server, notes),
        custom_data=custom,
        consent=strictest(browser.consent, server.consent),
        marks=tuple(dict.fromkeys((*browser.marks, *server.marks))),
    )
    notes["event_id"] = browser.source
    return Merged(event, notes)


def strictest(preferred: Consent, other: Consent) -> Consent:
    """Per purpose the preferred copy's choice, but a denial in either wins."""
    choices: dict[str, Any] = {}
    for purpose in PURPOSES:
        both = (getattr(preferred, purpose), getattr(other, purpose))
        choices[purpose] = "denied" if "denied" in both else both[0] or both[1]
    return Consent(**choices)


def _time(browser: Event, server: Event) -> int:
    if abs(browser.occurred_at_ms - server.occurred_at_ms) <= TIME_SPREAD_MS:
        return server.occurred_at_ms
    return min(browser.occurred_at_ms, server.occurred_at_ms)


def _page(browser: Event, server: Event) -> Any:
    return browser.page if browser.page.url is not None else server.page


def _person(browser: Event, server: Event, notes: dict[str, str]) -> UserData:
    values: dict[str, Any] = {}
    for name in UserData.__struct_fields__:
        better, worse = (server, browser) if name in SERVER_PERSON else (browser, server)
        mine, other = getattr(better.user_data, name), getattr(worse.user_data, name)
        values[name] = mine if mine is not None else other
        _note(notes, f"user_data.{name}", mine, other, better, worse)
    return UserData(**values)


def _custom(browser: Event, server: Event, notes: dict[str, str]) -> CustomData:
    """Value, currency, items and what belongs to them come from one copy, never mixed."""
    block = server if server.custom_data.value is not None else browser
    values: dict[str, Any] = {}
    for name in CustomData.__struct_fields__:
        if name == "properties":
            continue
        better, worse = (block, browser if block is server else server) if name in BLOCK else (server, browser)
        mine, other = getattr(better.custom_data, name), getattr(worse.custom_data, name)
        takes_other = mine in (None, ()) and not (name in ("value", "currency") and block.custom_data.value is not None)
        values[name] = other if takes_other else mine
        _note(notes, f"custom_data.{name}", mine, other, better, worse)
    values["properties"] = {**browser.custom_data.properties, **server.custom_data.properties}
    return CustomData(**values)


def _note(notes: dict[str, str], field: str, mine: Any, other: Any, better: Event, worse: Event) -> None:
    """Remembers where a field came from, where it makes a difference."""
    if mine in (None, ()) and other in (None, ()):
        return
    if isinstance(mine, Decimal) and mine == other:
        return
    if mine != other:
        notes[field] = (better if mine not in (None, ()) else worse).source
