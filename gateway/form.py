"""An event as senders write it: the JSON of contracts/README.md, typed and bounded, nothing decided yet.

Lenient where senders differ without harm (ids as numbers, amounts as text, null for what is absent), strict elsewhere.
Of a name given twice the last value counts; unknown names are ignored, except in `custom_data`, where they are the
sender's own properties.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from actors.canonical import MAX_LEVELS, TEXT_CHARS
from actors.event import ActionSource
from gateway.consent_form import ConsentForm
from gateway.invalid import Invalid, invalid_field, invalid_json

Text = Annotated[str, Meta(max_length=TEXT_CHARS)]
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Id = Text | Number  # shops write `"order_id": 1234` as often as "1234"


class PageForm(Struct, frozen=True, kw_only=True):
    url: Text | None = None
    referrer: Text | None = None
    title: Text | None = None
    path: Text | None = None


class UserForm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Plaintext or arrived hashes, click ids and cookies as the sender has them."""

    email: Text | None = None
    phone: Id | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    street: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: Id | None = None
    country: Text | None = None
    date_of_birth: Id | None = None
    gender: Text | None = None
    external_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    client_ip: Text | None = None
    client_user_agent: Text | None = None
    fbp: Text | None = None
    fbc: Text | None = None
    ga_client_id: Id | None = None
    ga_session_id: Id | None = None
    gclid: Text | None = None
    gbraid: Text | None = None
    wbraid: Text | None = None
    ttclid: Text | None = None
    ttp: Text | None = None
    epik: Text | None = None
    sc_click_id: Text | None = None
    sc_cookie1: Text | None = None
    li_fat_id: Text | None = None
    rdt_cid: Text | None = None
    rdt_uuid: Text | None = None
    awc: Text | None = None
    tblci: Text | None = None
    criteo_id: Id | None = None
    klaviyo_id: Text | None = None
    kx: Text | None = None
    msclkid: Text | None = None


class ItemForm(Struct, frozen=True, kw_only=True):
    id: Id | None = None
    name: Text | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    brand: Text | None = None
    category: Text | None = None
    variant: Id | None = None
    discount: Decimal | None = None


class CustomForm(Struct, frozen=True, kw_only=True):
    value: Decimal | None = None
    currency: Text | None = None
    order_id: Id | None = None
    checkout_token: Id | None = None
    items: list[ItemForm] | None = None
    num_items: Decimal | None = None
    product_ids: list[Id] | None = None
    shipping: Decimal | None = None
    tax: Decimal | None = None
    discount: Decimal | None = None
    coupon: Id | None = None
    search_term: Id | None = None
    subscription_id: Id | None = None
    lead_id: Id | None = None
    content_name: Text | None = None
    content_category: Text | None = None
    customer_type: Literal["new", "returning"] | None = None


class EventForm(Struct, frozen=True, kw_only=True):
    event_name: Text | None = None
    event_id: Id | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    action_source: ActionSource | None = None
    page: PageForm | None = None
    user_data: UserForm | None = None
    custom_data: CustomForm | None = None
    consent: ConsentForm | None = None


class _Properties(Struct, frozen=True, kw_only=True):
    custom_data: dict[str, Any] | None = None


_FORM = msgspec.json.Decoder(EventForm)
_PROPERTIES = msgspec.json.Decoder(_Properties)
_KNOWN = frozenset(CustomForm.__struct_fields__)


def decode_form(raw: bytes | msgspec.Raw) -> tuple[EventForm, dict[str, Any]] | Invalid:
    """The event's form, and its further custom properties with JSON values; nulls are left out."""
    try:
        form = _FORM.decode(raw)
        custom_data = _PROPERTIES.decode(raw).custom_data if form.custom_data is not None else None
        if is_too_deep(bytes(raw)):
            return invalid_field("", f"the nesting is too deep; give at most {MAX_LEVELS} levels")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return invalid_json(error)
    if not custom_data:
        return form, {}
    return form, {name: value for name, value in custom_data.items() if value is not None and name not in _KNOWN}


def text_of(value: Id | None) -> str | None:
    """Text as it came; blank text is none."""
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if text and not text.isspace() else None


def is_too_deep(raw: bytes) -> bool:
    """Also what is ignored counts. Only an event with many brackets is looked at closely."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_LEVELS:
        return False
    level = [msgspec.json.decode(raw)]
    for _ in range(MAX_LEVELS):
        level = [inner for value in level for inner in _insides(value)]
    return bool(level)


def _insides(value: Any) -> list[Any]:
    """The arrays and objects right inside a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]
