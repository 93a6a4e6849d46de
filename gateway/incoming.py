"""From a request's body to canonical events: taken apart, checked, normalised, hashed, cleaned.

    parse_body(body)      one event, an array, or {"events": […]}: the raw events, each still undecoded
    to_event(raw, intake) one raw event: the canonical event, or what is wrong with it

So in a batch the good events are taken and each bad one is answered in its place. A source with a format of its own
fills an `EventForm` and calls `event_of`. Nothing here raises on what a sender can send.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from actors.cleaning import Cleaning
from actors.clickids import fill_click_ids
from actors.event import Consent, CustomData, Event, Item, Page
from actors.names import canonical_name
from gateway.checks import EPOCH, first_problem
from gateway.consent_form import Read, read_consent, with_gpc
from gateway.form import CustomForm, EventForm, Id, ItemForm, PageForm, UserForm, decode_form, text_of
from gateway.halves import mark_of, with_halves, without_halves
from gateway.intake import Intake
from gateway.invalid import Invalid, invalid_field, invalid_json
from gateway.person import user_data_of

__all__ = ["Body", "Intake", "Invalid", "event_of", "parse_body", "to_event"]

MAX_EVENTS = 1000
LATE_MS = 7 * 86_400_000
EARLY_MS = 10 * 60_000
MILLISECOND = timedelta(milliseconds=1)

_SHOPIFY_GID = "gid://shopify/"
_NO_PAGE = PageForm()
_NO_USER = UserForm()
_NO_CUSTOM = CustomForm()
_NO_CONSENT = Read(Consent())


class Body(Struct, frozen=True, kw_only=True):
    """A request's events. What a browser may put beside them: the public key as `k`, and `cookies` that its page can
    read, in the header's form."""

    events: tuple[Raw, ...]
    is_batch: bool
    key: str | None = None
    cookies: str | None = None

    def place(self, index: int) -> str:
        """The path of an event in the request; empty where the body is the event."""
        return f"events[{index}]" if self.is_batch else ""


class _Envelope(Struct, frozen=True, kw_only=True):
    events: list[Raw] | None = None
    k: str | None = None
    cookies: Any = None


_ENVELOPE: msgspec.json.Decoder[_Envelope] = msgspec.json.Decoder(_Envelope)
_ARRAY: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])


def parse_body(body: bytes, max_events: int = MAX_EVENTS) -> Body | Invalid:
    """The events of a request, each to be given to `to_event`. Invalid: the request as a whole is refused."""
    found = _parsed(body, max_events)
    if isinstance(found, Invalid) and found.code == "invalid_json" and b"\\u" in body:
        return _marked(body, max_events) or found
    return found


def _marked(body: bytes, max_events: int) -> Body | None:
    """A batch in which halves of characters spoil the events that hold them, and no others."""
    mark = mark_of(body)
    found = None if mark is None else _parsed(without_halves(body, mark), max_events)
    if mark is None or not isinstance(found, Body) or not found.is_batch:
        return None
    return msgspec.structs.replace(found, events=tuple(Raw(with_halves(bytes(one), mark)) for one in found.events))


def _parsed(body: bytes, max_events: int) -> Body | Invalid:
    try:
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            return _batch(_ARRAY.decode(body), _Envelope(), max_events)
        envelope = _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return invalid_json(error)
    if envelope.events is not None:
        return _batch(envelope.events, envelope, max_events)
    return Body(events=(Raw(body),), is_batch=False, key=envelope.k, cookies=_cookies(envelope))


def to_event(raw: bytes | Raw, intake: Intake) -> Event | Invalid:
    """The canonical event of one event's JSON; Invalid names the field by its path in the event."""
    size = len(bytes(raw))
    if size > intake.max_event_bytes:
        message = f"the event has {size} bytes; give at most {intake.max_event_bytes}"
        return Invalid(code="too_large", field="", message=message)
    decoded = decode_form(raw)
    if isinstance(decoded, Invalid):
        return decoded
    return event_of(*decoded, intake)


def event_of(form: EventForm, properties: dict[str, Any], intake: Intake) -> Event | Invalid:
    """The canonical event of a filled form. `properties`: further custom properties, JSON values only."""
    problem = first_problem(form, properties)
    if problem is not None:
        return problem
    told = read_consent(form.consent, intake.received_at_ms) if form.consent is not None else _NO_CONSENT
    if isinstance(told, Invalid):
        return told
    if intake.opts_out:
        told = with_gpc(told.consent, told.note)
    cleaning = Cleaning()
    marks: list[str] = []
    event_id = intake.make_id() if form.event_id is None else str(form.event_id)
    occurred_at_ms = _occurred_at_ms(form, intake, marks)
    page = _page(form.page or _NO_PAGE, cleaning)
    user_data = user_data_of(form.user_data or _NO_USER, intake, event_id, cleaning, marks)
    landed = page if intake.landing_url is None else Page(url=intake.landing_url)
    clicked_at_ms = intake.clicked_at_ms if intake.clicked_at_ms is not None else intake.received_at_ms
    user_data, campaign = fill_click_ids(user_data, landed, intake.cookies, clicked_at_ms, intake.ga_measurement_id)
    properties = cleaning.properties(properties) if properties else properties
    custom_data = _custom_data(form.custom_data or _NO_CUSTOM, {**campaign, **properties}, cleaning)
    event_name = cleaning.text(canonical_name(form.event_name or ""))
    marks += cleaning.marks()
    return Event(
        site=intake.site,
        event_name=event_name,
        event_id=event_id,
        occurred_at_ms=occurred_at_ms,
        received_at_ms=intake.received_at_ms,
        source=intake.source,
        action_source=form.action_source or "website",
        page=page,
        landing_query=_query_of(cleaning.url(intake.landing_url)),
        user_data=user_data,
        custom_data=custom_data,
        consent=told.consent,
        consent_note=told.note,
        ip_country=intake.ip_country,
        is_internal=intake.is_internal,
        is_id_made=form.event_id is None,
        bot_score=intake.bot.score,
        bot_reasons=intake.bot.reasons,
        marks=tuple(marks),
    )


def _batch(events: list[Raw], envelope: _Envelope, max_events: int) -> Body | Invalid:
    if not events:
        return invalid_field("events", "no event; give at least one")
    if len(events) > max_events:
        message = f"{len(events)} events; give at most {max_events} in one request"
        return Invalid(code="too_many_events", field="events", message=message)
    return Body(events=tuple(events), is_batch=True, key=envelope.k, cookies=_cookies(envelope))


def _cookies(envelope: _Envelope) -> str | None:
    return envelope.cookies if isinstance(envelope.cookies, str) else None


def _occurred_at_ms(form: EventForm, intake: Intake, marks: list[str]) -> int:
    if form.occurred_at is None:
        return intake.received_at_ms
    at_ms = (form.occurred_at - EPOCH) // MILLISECOND
    if at_ms < intake.received_at_ms - LATE_MS:
        marks.append("late")
    elif at_ms > intake.received_at_ms + EARLY_MS:
        marks.append("early")
    return at_ms


def _page(form: PageForm, cleaning: Cleaning) -> Page:
    url = cleaning.url(form.url or None)
    path = cleaning.url(form.path) if form.path else _path_of(url)
    return Page(
        url=url, referrer=cleaning.url(form.referrer or None), title=cleaning.optional(form.title or None), path=path
    )


def _query_of(url: str | None) -> str:
    return (url or "").partition("#")[0].partition("?")[2]


def _path_of(url: str | None) -> str | None:
    if url is None:
        return None
    rest = url.partition("?")[0].partition("#")[0]
    scheme, found, host_and_path = rest.partition("://")
    if not found:
        return scheme if scheme.startswith("/") else None
    return "/" + host_and_path.partition("/")[2]


def _custom_data(form: CustomForm, properties: dict[str, Any], cleaning: Cleaning) -> CustomData:
    currency = _id(form.currency)
    return CustomData(
        value=form.value,
        currency=currency.upper() if currency else None,
        order_id=_order_id(form.order_id),
        checkout_token=_id(form.checkout_token),
        items=tuple(_item(item, cleaning) for item in form.items or ()),
        num_items=_count(form.num_items),
        product_ids=tuple(text for one in form.product_ids or () if (text := _id(one))),
        shipping=form.shipping,
        tax=form.tax,
        discount=form.discount,
        coupon=cleaning.optional(text_of(form.coupon)),
        search_term=cleaning.optional(text_of(form.search_term)),
        subscription_id=_id(form.subscription_id),
        lead_id=_id(form.lead_id),
        content_name=cleaning.optional(text_of(form.content_name)),
        content_category=cleaning.optional(text_of(form.content_category)),
        customer_type=form.customer_type,
        properties=properties,
    )


def _item(form: ItemForm, cleaning: Cleaning) -> Item:
    return Item(
        id=_id(form.id),
        name=cleaning.optional(text_of(form.name)),
        quantity=_count(form.quantity),
        price=form.price,
        brand=cleaning.optional(text_of(form.brand)),
        category=cleaning.optional(text_of(form.category)),
        variant=cleaning.optional(text_of(form.variant)),
        discount=form.discount,
    )


def _id(value: Id | None) -> str | None:
    text = text_of(value)
    return text.strip() if text is not None else None


def _order_id(value: Id | None) -> str | None:
    """Trimmed, and `123` for `gid://shopify/Order/123`; no other change (dedup_and_identity.md section 1.2)."""
    text = _id(value)
    if text is not None and text.startswith(_SHOPIFY_GID):
        return text.rpartition("/")[2].partition("?")[0] or text
    return text


def _count(value: Decimal | None) -> int | None:
    return None if value is None else int(value)
