"""Way A of the simulated Google Ads: uploadClickConversions, strict and partial.

Source: contracts/google_ads.md, sections 3, 4 and 9, "A". What protobuf's JSON reader refuses (unknown fields, wrong
types and enum names) refuses the whole request; what the service refuses is named per row.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from bench.simulator.base import Accepted, SimRequest
from bench.simulator.google_answers import (
    FAILURE_TYPE,
    Account,
    Fault,
    Outcome,
    answer_json,
    parse_object,
    refuse,
    refuse_fields,
    schema_fault,
)

MAX_ROWS = 2_000
MAX_IDENTIFIERS = 5
MAX_AGE_MS = 90 * 86_400_000
REQUEST_FIELDS = frozenset({"conversions", "partialFailure", "validateOnly", "jobId"})
ACTION = re.compile(r"customers/(\d{10})/conversionActions/(\d+)")
VARIABLE = re.compile(r"customers/\d{10}/conversionCustomVariables/(\d+)")
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d")
SHA256 = re.compile(r"[0-9a-f]{64}")
OPAQUE = re.compile(r"[\x21-\x7e]+")

Digits = Annotated[str, Meta(pattern=r"^\d+$")]


class Identifier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    user_identifier_source: Literal["FIRST_PARTY", "THIRD_PARTY"] | None = None
    hashed_email: str | None = None
    hashed_phone_number: str | None = None
    address_info: dict[str, Any] | None = None
    mobile_id: str | None = None
    third_party_user_id: str | None = None


class RowConsent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    ad_user_data: Literal["GRANTED", "DENIED"]  # adPersonalization is for the user-list services only (section 7)


class CartItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    product_id: Annotated[str, Meta(min_length=1)]
    quantity: int | None = None
    unit_price: float | None = None


class CartData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    items: Annotated[list[CartItem], Meta(min_length=1)]
    merchant_id: Digits | None = None
    feed_country_code: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] | None = None
    feed_language_code: Annotated[str, Meta(pattern=r"^[A-Za-z]{2}$")] | None = None
    local_transaction_cost: float | None = None


class Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    conversion_custom_variable: str
    value: str


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    conversion_action: str
    conversion_date_time: str
    gclid: str | None = None
    gbraid: str | None = None
    wbraid: str | None = None
    user_identifiers: list[Identifier] = field(default_factory=list)
    conversion_value: float | None = None
    currency_code: str | None = None
    order_id: str | None = None
    conversion_environment: Literal["WEB", "APP"] | None = None
    consent: RowConsent | None = None
    customer_type: Literal["NEW", "RETURNING"] | None = None
    cart_data: CartData | None = None
    custom_variables: list[Variable] = field(default_factory=list)

    def dedup_keys(self) -> list[tuple[str, ...]]:
        """What Google deduplicates by (section 8): order id first, click id with the time beside it."""
        keys = [("order", self.conversion_action, self.order_id)] if self.order_id else []
        clicks = [click for click in (self.gclid, self.gbraid, self.wbraid) if click]
        return [*keys, *(("click", self.conversion_action, click, self.conversion_date_time) for click in clicks)]


class RowFault(Struct, frozen=True, kw_only=True):
    kind: str
    code: str
    field: str = ""


def upload(account: Account, taken: set[tuple[str, ...]], request: SimRequest, customer: str) -> Outcome:
    """Answers one upload; adds what it takes to `taken`."""
    body = parse_object(request.body)
    if body is None:
        return refuse(400, "", "Invalid JSON payload received.")
    raw = body.get("conversions")
    if unknown := body.keys() - REQUEST_FIELDS:
        return refuse(
            400, "", f"Invalid JSON payload received. Unknown name {sorted(unknown)[0]!r}: Cannot find field."
        )
    if body.get("partialFailure") is not True:
        return refuse(400, "PARTIAL_FAILURE_MODE_REQUIRED", "partial_failure must be true.")
    if not isinstance(raw, list) or not raw or not isinstance(body.get("validateOnly", False), bool):
        return refuse(400, "REQUIRED", "conversions is required, validate_only is a boolean.", kind="fieldError")
    if len(raw) > MAX_ROWS:
        return refuse(400, "TOO_MANY_CONVERSIONS_IN_REQUEST", "Too many.", kind="conversionUploadError")
    rows, faults = _parse(raw)
    if faults:
        return refuse_fields(faults)
    return _take(account, taken, request, customer, rows, raw, is_kept=not body.get("validateOnly", False))


def _parse(raw: list[Any]) -> tuple[list[Row], list[Fault]]:
    rows: list[Row] = []
    faults: list[Fault] = []
    for index, fields in enumerate(raw):
        try:
            rows.append(msgspec.convert(fields, Row))
        except msgspec.ValidationError as error:
            faults.append(schema_fault(error, f"conversions[{index}]"))
    return rows, faults


def _take(
    account: Account,
    taken: set[tuple[str, ...]],
    request: SimRequest,
    customer: str,
    rows: list[Row],
    raw: list[Any],
    *,
    is_kept: bool,
) -> Outcome:
    counts = Counter(key for row in rows for key in row.dedup_keys())
    errors: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    accepted: list[Accepted] = []
    for index, row in enumerate(rows):
        faults = list(_row_faults(account, row, customer, request.at_ms)) or list(_repeats(row, counts, taken))
        errors += [_error(fault, index) for fault in faults]
        results.append({} if faults else _result(raw[index]))
        if not faults and is_kept:
            keys = row.dedup_keys()
            taken.update(keys)
            key = "|".join(keys[0]) if keys else f"{row.conversion_action}|{request.at_ms}|{index}"
            accepted.append(Accepted(key=key, event=raw[index], at_ms=request.at_ms))
    body: dict[str, Any] = {"partialFailureError": _partial_failure(errors)} if errors else {}
    if is_kept:
        body |= {"results": results, "jobId": "1234567890"}
    refused = tuple(f"{error['location']['fieldPathElements'][0]['index']} {error['errorCode']}" for error in errors)
    return Outcome(response=answer_json(body), accepted=tuple(accepted), refused=refused)


def _row_faults(account: Account, row: Row, customer: str, now_ms: int) -> Iterable[RowFault]:
    upload_error = "conversionUploadError"
    action = ACTION.fullmatch(row.conversion_action)
    known = account.conversion_actions
    if not action or action.group(1) != customer or (known is not None and action.group(2) not in known):
        yield RowFault(kind=upload_error, code="NO_CONVERSION_ACTION_FOUND", field="conversion_action")
    if not TIME.fullmatch(row.conversion_date_time):
        code = "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"
        yield RowFault(kind="dateError", code=code, field="conversion_date_time")
    elif datetime.fromisoformat(row.conversion_date_time).timestamp() * 1000 < now_ms - MAX_AGE_MS:
        yield RowFault(kind=upload_error, code="EXPIRED_EVENT", field="conversion_date_time")
    if not (row.gclid or row.gbraid or row.wbraid or row.user_identifiers):
        yield RowFault(kind="fieldError", code="REQUIRED", field="gclid")
    if row.gbraid and row.wbraid:
        yield RowFault(kind=upload_error, code="GBRAID_WBRAID_BOTH_SET", field="gbraid")
    for name in ("gclid", "gbraid", "wbraid"):
        value = getattr(row, name)
        if value is not None and not OPAQUE.fullmatch(value):
            yield RowFault(kind=upload_error, code=f"UNPARSEABLE_{name.upper()}", field=name)
    yield from _identifier_faults(row)
    if row.currency_code is not None and not re.fullmatch(r"[A-Z]{3}", row.currency_code):
        yield RowFault(kind="fieldError", code="INVALID_VALUE", field="currency_code")
    if row.order_id is not None and "@" in row.order_id:
        yield RowFault(kind=upload_error, code="ORDER_ID_CONTAINS_PII", field="order_id")
    if row.conversion_environment and not account.may_send_environment:
        code = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"
        yield RowFault(kind="notAllowlistedError", code=code, field="conversion_environment")
    for variable in row.custom_variables:
        found, known = VARIABLE.fullmatch(variable.conversion_custom_variable), account.custom_variables
        if not found or (known is not None and found.group(1) not in known):
            yield RowFault(kind=upload_error, code="CUSTOM_VARIABLE_NOT_FOUND", field="custom_variables")


def _identifier_faults(row: Row) -> Iterable[RowFault]:
    """One kind in each element, hashed as lower-case hex; names and addresses are for other services."""
    kind, place = "conversionUploadError", "user_identifiers"
    if len(row.user_identifiers) > MAX_IDENTIFIERS:
        yield RowFault(kind="collectionSizeError", code="TOO_MANY", field=place)
    for identifier in row.user_identifiers:
        hashes = [value for value in (identifier.hashed_email, identifier.hashed_phone_number) if value is not None]
        if identifier.address_info or identifier.mobile_id or identifier.third_party_user_id:
            yield RowFault(kind=kind, code="UNSUPPORTED_USER_IDENTIFIER", field=place)
        elif len(hashes) != 1 or not SHA256.fullmatch(hashes[0]):
            yield RowFault(kind=kind, code="INVALID_USER_IDENTIFIER", field=place)


def _repeats(row: Row, counts: Counter[tuple[str, ...]], taken: set[tuple[str, ...]]) -> Iterable[RowFault]:
    within = {"order": "DUPLICATE_ORDER_ID", "click": "DUPLICATE_CLICK_CONVERSION_IN_REQUEST"}
    before = {"order": "ORDER_ID_ALREADY_IN_USE", "click": "CLICK_CONVERSION_ALREADY_EXISTS"}
    place = {"order": "order_id", "click": "gclid"}
    for key in row.dedup_keys()[:1]:  # the click id counts only where there is no order id
        codes = before if key in taken else within if counts[key] > 1 else None
        if codes:
            yield RowFault(kind="conversionUploadError", code=codes[key[0]], field=place[key[0]])


def _error(fault: RowFault, index: int) -> dict[str, Any]:
    path: list[dict[str, Any]] = [{"fieldName": "conversions", "index": index}, {"fieldName": fault.field}]
    message = f"simulated: {fault.code}"
    return {"errorCode": {fault.kind: fault.code}, "message": message, "location": {"fieldPathElements": path}}


def _partial_failure(errors: list[dict[str, Any]]) -> dict[str, Any]:
    details = [{"@type": FAILURE_TYPE, "errors": errors, "requestId": "simulated"}]
    return {"code": 3, "message": f"Multiple errors in details: {len(errors)}", "details": details}


def _result(fields: dict[str, Any]) -> dict[str, Any]:
    names = ("gclid", "gbraid", "wbraid", "conversionAction", "conversionDateTime", "userIdentifiers")
    return {name: fields[name] for name in names if name in fields}
