"""Way B of the simulated Google Ads: events:ingest of the Data Manager API, strict and atomic.

Source: contracts/google_ads.md, sections 3, 4 and 9, "B". A bad event refuses the whole request and is named.
"""

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from bench.simulator.base import Accepted, SimRequest
from bench.simulator.google_answers import (
    Account,
    Fault,
    Outcome,
    answer_json,
    parse_object,
    refuse_fields,
    schema_fault,
)

MAX_EVENTS = 2_000
MAX_DESTINATIONS = 10
MAX_IDENTIFIERS = 10
MAX_AHEAD_MS = 86_400_000
SHA256 = re.compile(r"[0-9a-f]{64}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
# Section 7, a sample of the countries: enough to catch an adapter that does not look.
NO_IP_COUNTRIES = frozenset({"DE", "FR", "IT", "ES", "NL", "PL", "SE", "IE", "NO", "IS", "LI", "GB", "CH"})

AccountId = Annotated[str, Meta(pattern=r"^\d{10}$")]
Amount = Annotated[float, Meta(ge=0)]


class ProductAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    account_type: Literal["GOOGLE_ADS"]
    account_id: AccountId


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    operating_account: ProductAccount
    product_destination_id: str
    login_account: ProductAccount | None = None
    reference: str | None = None


class AdIdentifiers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    gclid: str | None = None
    gbraid: str | None = None
    wbraid: str | None = None


class Address(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    given_name: str
    family_name: str
    region_code: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    postal_code: Annotated[str, Meta(min_length=1, max_length=32)]


class Identifier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    email_address: str | None = None
    phone_number: str | None = None
    address: Address | None = None


class EventUserData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    user_identifiers: list[Identifier]


Consented = Literal["CONSENT_GRANTED", "CONSENT_DENIED"]


class EventConsent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    ad_user_data: Consented | None = None
    ad_personalization: Consented | None = None


class Device(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    user_agent: str | None = None
    ip_address: str | None = None


class UserProperties(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    customer_type: Literal["NEW", "RETURNING", "REENGAGED"]


class CartItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    merchant_product_id: Annotated[str, Meta(min_length=1)]
    quantity: int | Annotated[str, Meta(pattern=r"^\d+$")] | None = None
    unit_price: Amount | None = None


class CartData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    items: Annotated[list[CartItem], Meta(min_length=1)]
    merchant_id: str | None = None
    merchant_feed_label: str | None = None
    merchant_feed_language_code: str | None = None
    transaction_discount: Amount | None = None
    coupon_codes: list[str] = field(default_factory=list)


class Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    variable: str
    value: str


class IngestEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    event_timestamp: str
    transaction_id: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    event_source: Literal["WEB", "APP", "IN_STORE", "PHONE", "MESSAGE", "OTHER"] | None = None
    ad_identifiers: AdIdentifiers | None = None
    user_data: EventUserData | None = None
    consent: EventConsent | None = None
    conversion_value: float | None = None
    currency: str | None = None
    user_properties: UserProperties | None = None
    event_device_info: Device | None = None
    cart_data: CartData | None = None
    custom_variables: list[Variable] = field(default_factory=list)
    destination_references: list[str] = field(default_factory=list)


class Ingest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    destinations: list[Target]
    events: list[Any]
    encoding: Literal["HEX", "BASE64"] | None = None
    consent: EventConsent | None = None
    validate_only: bool = False


def ingest(account: Account, request: SimRequest) -> Outcome:
    body = parse_object(request.body)
    if body is None:
        return refuse_fields([Fault(field="", reason="INVALID_FORMAT", words="Invalid JSON payload received.")])
    try:
        whole = msgspec.convert(body, Ingest)
    except msgspec.ValidationError as error:
        return refuse_fields([schema_fault(error, "")])
    if faults := list(_request_faults(account, whole)):
        return refuse_fields(faults)
    events: list[IngestEvent] = []
    for index, fields in enumerate(whole.events):
        event = _parse(fields, index)
        if isinstance(event, Fault):
            faults.append(event)
        else:
            faults += _event_faults(event, f"events[{index}]", request.at_ms, has_encoding=whole.encoding is not None)
            events.append(event)
    return refuse_fields(faults) if faults else _take(account, whole, events, request.at_ms)


def _parse(fields: object, index: int) -> IngestEvent | Fault:
    try:
        return msgspec.convert(fields, IngestEvent)
    except msgspec.ValidationError as error:
        return schema_fault(error, f"events[{index}]")


def _request_faults(account: Account, whole: Ingest) -> Iterable[Fault]:
    if not whole.events:
        yield Fault(field="events", reason="REQUIRED_FIELD_MISSING", words="events is required")
    if len(whole.events) > MAX_EVENTS:
        yield Fault(field="events", reason="TOO_MANY_EVENTS", words=f"{len(whole.events)} events")
    if not 0 < len(whole.destinations) <= MAX_DESTINATIONS:
        yield Fault(field="destinations", reason="TOO_MANY_DESTINATIONS", words="1 to 10 destinations")
    known = account.conversion_actions
    for index, target in enumerate(whole.destinations):
        action_id = target.product_destination_id
        if not re.fullmatch(r"\d+", action_id) or (known is not None and action_id not in known):
            place = f"destinations[{index}].product_destination_id"
            yield Fault(field=place, reason="INVALID_CONVERSION_ACTION_ID", words="no conversion action of the account")


def _event_faults(event: IngestEvent, at: str, now_ms: int, *, has_encoding: bool) -> Iterable[Fault]:
    identifiers = event.user_data.user_identifiers if event.user_data else []
    clicks = event.ad_identifiers or AdIdentifiers()
    yield from _time_faults(event, at, now_ms)
    if not (clicks.gclid or clicks.gbraid or clicks.wbraid or identifiers):
        yield Fault(field=at, reason="NO_IDENTIFIERS_PROVIDED", words="an ad or user identifier is needed")
    if identifiers and not has_encoding:
        yield Fault(field="encoding", reason="REQUIRED_FIELD_MISSING", words="encoding is needed with user data")
    if len(identifiers) > MAX_IDENTIFIERS:
        place = f"{at}.user_data.user_identifiers"
        yield Fault(field=place, reason="TOO_MANY_USER_IDENTIFIERS", words=f"{len(identifiers)} identifiers")
    for index, identifier in enumerate(identifiers):
        yield from _identifier_faults(identifier, f"{at}.user_data.user_identifiers[{index}]")
    if event.currency is not None and not re.fullmatch(r"[A-Z]{3}", event.currency):
        yield Fault(field=f"{at}.currency", reason="INVALID_CURRENCY_CODE", words="no ISO 4217 code")
    yield from _address_faults(event, identifiers, at)


def _time_faults(event: IngestEvent, at: str, now_ms: int) -> Iterable[Fault]:
    place = f"{at}.event_timestamp"
    if not RFC3339.fullmatch(event.event_timestamp):
        yield Fault(field=place, reason="INVALID_FORMAT", words="no RFC 3339 time")
    elif datetime.fromisoformat(event.event_timestamp).timestamp() * 1000 > now_ms + MAX_AHEAD_MS:
        yield Fault(field=place, reason="EVENT_TIME_INVALID", words="in the future")


def _identifier_faults(identifier: Identifier, at: str) -> Iterable[Fault]:
    kinds = [kind for kind in (identifier.email_address, identifier.phone_number, identifier.address) if kind]
    if len(kinds) != 1:
        yield Fault(field=at, reason="INVALID_FORMAT", words="one kind of identifier in each element")
    address = identifier.address
    hashed = {
        "email_address": identifier.email_address,
        "phone_number": identifier.phone_number,
        "address.given_name": address.given_name if address else None,
        "address.family_name": address.family_name if address else None,
    }
    for name, value in hashed.items():
        if value is not None and not SHA256.fullmatch(value):
            yield Fault(field=f"{at}.{name}", reason="INVALID_SHA256_FORMAT", words="no SHA-256 in lower-case hex")


def _address_faults(event: IngestEvent, identifiers: list[Identifier], at: str) -> Iterable[Fault]:
    """The real API cannot see where a person is; here an address of the EEA beside an IP address is a fault."""
    ip = event.event_device_info.ip_address if event.event_device_info else None
    if ip is None:
        return
    place = f"{at}.event_device_info.ip_address"
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        yield Fault(field=place, reason="INVALID_FORMAT", words="no IP address")
    if any(known.address and known.address.region_code in NO_IP_COUNTRIES for known in identifiers):
        yield Fault(field=place, reason="INVALID_EVENT", words="no IP address of people in the EEA, UK, Switzerland")


def _take(account: Account, whole: Ingest, events: list[IngestEvent], now_ms: int) -> Outcome:
    warnings = [
        warning for index, event in enumerate(events) for warning in _warnings(account, event, f"events[{index}]")
    ]
    body: dict[str, Any] = {"requestId": f"simulated-{now_ms}"}
    if warnings:
        body["fieldWarnings"] = warnings
    accepted = tuple(
        Accepted(key=_key(target, event), event=fields, at_ms=now_ms)
        for event, fields in zip(events, whole.events, strict=True)
        for target in whole.destinations
        if not event.destination_references or target.reference in event.destination_references
    )
    return Outcome(response=answer_json(body), accepted=() if whole.validate_only else accepted)


def _warnings(account: Account, event: IngestEvent, at: str) -> Iterable[dict[str, str]]:
    """A bad optional field: the event is taken without it."""
    clicks = event.ad_identifiers or AdIdentifiers()
    if event.cart_data and (clicks.gbraid or clicks.wbraid):
        words = "cart data is ignored with gbraid or wbraid"
        yield {"reason": "CART_DATA_IGNORED", "description": words, "field": f"{at}.cart_data"}
    for index, variable in enumerate(event.custom_variables):
        if account.custom_variables is not None and variable.variable not in account.custom_variables:
            place = f"{at}.custom_variables[{index}].variable"
            yield {"reason": "INVALID_CUSTOM_VARIABLE", "description": "no such variable", "field": place}


def _key(target: Target, event: IngestEvent) -> str:
    """Section 8: transaction id and conversion action; without it the same click and time."""
    action_id = target.product_destination_id
    if event.transaction_id:
        return f"order|{action_id}|{event.transaction_id}"
    clicks = event.ad_identifiers or AdIdentifiers()
    return f"click|{action_id}|{clicks.gclid or clicks.gbraid or clicks.wbraid}|{event.event_timestamp}"
