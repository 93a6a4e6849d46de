"""One message of a Segment client as canonical event (contracts/segment.md, sections 2 and 3). Pure.

track                     its event, by the e-commerce specification's names
page, screen              `page_viewed`
identify, alias, group    `identify`: it tells who a visitor is, and goes to no platform
"""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.canonical import CONTROL, NAME_CHARS
from actors.event import ActionSource, Event
from actors.routing import IDENTIFY
from gateway.checks import EPOCH
from gateway.form import EventForm, PageForm
from gateway.incoming import MILLISECOND, Intake, Invalid, event_of
from gateway.invalid import invalid_field
from gateway.sources.base import part
from gateway.sources.segment_body import Message
from gateway.sources.segment_fields import Fields, text, time_ms
from gateway.sources.segment_integrations import choices_of
from gateway.sources.segment_orders import custom_of, further_properties
from gateway.sources.segment_people import Categories, Connection, consent_of, is_browser, person_of

WHO: Final = frozenset({"identify", "alias", "group"})


class Reading(Struct, frozen=True, kw_only=True):
    """What the edge knows when it reads a request's messages."""

    intake: Intake
    connection: Connection
    categories: Categories = {}
    is_import: bool = False  # old data: the client's times count as they are
    needs_id: bool = True  # Jitsu's clients leave all ids out where a page wants that


def event_of_message(message: Message, reading: Reading) -> Event | Invalid:
    name = _event_name(message)
    if name is None:
        return invalid_field("event", "a track call needs the name of its event, such as 'Order Completed'")
    if reading.needs_id and text(message.user_id) is None and text(message.anonymous_id) is None:
        return invalid_field("userId", "nobody is named; give a userId or an anonymousId")
    properties = Fields(message.properties)
    at_ms = _occurred_at_ms(message, reading)
    page = _page(message, properties)
    form = EventForm(
        event_name=name,
        event_id=_event_id(message),
        occurred_at=EPOCH + at_ms * MILLISECOND,
        action_source=_action_source(message, page, reading.connection),
        page=page,
        user_data=person_of(message, name, properties, reading.connection),
        custom_data=None if message.type in WHO else custom_of(message, name, properties),
        consent=consent_of(message.context, reading.categories),
    )
    further = _who(message) if message.type in WHO else further_properties(message, properties)
    event = event_of(form, further, _intake(message, page, at_ms, reading))
    if isinstance(event, Invalid):
        return event
    marks = (*event.marks, *(f"{field}_left_out" for field in dict.fromkeys(properties.left_out)))
    return msgspec.structs.replace(
        event,
        marks=marks,
        integrations=choices_of(message.integrations),
        is_from_browser=is_browser(message.context, reading.connection),
    )


def _event_name(message: Message) -> str | None:
    match message.type:
        case "track":
            return text(message.event)
        case "page" | "screen":
            return "page_viewed"
    return IDENTIFY


def _event_id(message: Message) -> str | None:
    """What cannot be an id as it is has a digest that can: a copy is still the same."""
    own = text(message.message_id)
    if own is None or (len(own) <= NAME_CHARS and not CONTROL.search(own)):
        return own
    return hashlib.sha256(own.encode("utf-8", "surrogatepass")).hexdigest()


def _occurred_at_ms(message: Message, reading: Reading) -> int:
    """By our clock: the time that passed on the client's between the call and its sending, before it arrived."""
    received_at_ms = reading.intake.received_at_ms
    called = time_ms(message.original_timestamp)
    called = time_ms(message.timestamp) if called is None else called
    if called is None or called < 0:
        return received_at_ms
    sent = None if reading.is_import else time_ms(message.sent_at)
    at_ms = called if sent is None else received_at_ms - (sent - called)
    return min(at_ms, received_at_ms) if at_ms >= 0 else received_at_ms


def _page(message: Message, properties: Fields) -> PageForm:
    told = part(message.context, "page")
    own = properties.rest if message.type == "page" else {}
    return PageForm(**{name: text(told.get(name)) or text(own.get(name)) for name in PageForm.__struct_fields__})


def _action_source(message: Message, page: PageForm, connection: Connection) -> ActionSource:
    context = message.context
    if message.type == "screen":
        return "app"
    if part(context, "page").get("url") or (message.type == "page" and page.url) or is_browser(context, connection):
        return "website"
    return "app" if context.get("device") or context.get("app") else "other"


def _who(message: Message) -> dict[str, Any]:
    """Which call it was, and whom else it names."""
    told = {"call": message.type, "previous_id": text(message.previous_id), "group_id": text(message.group_id)}
    return {name: value for name, value in told.items() if value is not None}


def _intake(message: Message, page: PageForm, at_ms: int, reading: Reading) -> Intake:
    """Click ids stand in the page's address, else in `context.page.search` alone."""
    search = text(part(message.context, "page").get("search"))
    landing_url = None
    if search is not None and "?" not in (page.url or ""):
        landing_url = f"{(page.url or '').partition('#')[0]}?{search.lstrip('?')}"
    return msgspec.structs.replace(
        reading.intake,
        landing_url=landing_url,
        clicked_at_ms=at_ms,
        is_internal=message.type in WHO,
        cookies=reading.intake.cookies if reading.connection.is_browser else None,
    )
