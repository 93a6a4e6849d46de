"""Awin as the simulator plays it: the Conversion API and sread.php, as strict as their page.

Source: contracts/awin.md. A bad order fails alone (206) as in the page's third-party test double. Awin counts an order
reference once; a repeat is kept here under the same key, so that tests can count it. What sread.php would lose in
silence is told in `refused`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

ORDERS = 1_000
ORDERS_PATH = re.compile(r"/s2s/advertiser/(\d+)/orders")
SREAD_FIELDS = frozenset(
    {"tt", "tv", "merchant", "amount", "ch", "parts", "cr", "ref", "vc", "testmode", "cks", "customeracquisition"}
)
SREAD_NEEDS = ("merchant", "amount", "ch", "parts", "ref", "cks")
OPTIONAL = re.compile(r"p[1-9]\d{0,2}|bd\[\d+\]")
ROW = re.compile(r"AW:P(\|[^|]*){9}")
AMOUNT = re.compile(r"\d+\.\d\d")
PARTS = re.compile(r"[A-Z0-9_.-]+:\d+\.\d\d(\|[A-Z0-9_.-]+:\d+\.\d\d)*")
CLICK = r"(\d+_\d+_\w+|gclid_\d+_[\w.-]+)"
CLICKS = re.compile(rf"{CLICK}(,{CLICK})?")

Text = Annotated[str, Meta(min_length=1)]
NoBar = Annotated[str, Meta(min_length=1, pattern=r"\A[^|]+\Z")]
Code = Annotated[str, Meta(pattern=r"\A[A-Z0-9_.-]+\Z")]
Amount = Annotated[float, Meta(ge=0)]
Seconds = Annotated[int, Meta(gt=0, lt=100_000_000_000)]
Parameter = Annotated[str, Meta(pattern=r"\A([1-9]|[1-9][0-9]|1[01][0-9]|12[0-7])\Z")]


class CommissionGroup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Code
    amount: Amount


class BasketRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: NoBar
    name: NoBar
    price: float
    quantity: int
    sku: NoBar | UnsetType = UNSET
    category: NoBar | UnsetType = UNSET
    commissionGroupCode: Code | UnsetType = UNSET


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    orderReference: Annotated[str, Meta(min_length=1, max_length=50)]
    amount: Amount
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
    channel: Text
    commissionGroups: Annotated[list[CommissionGroup], Meta(min_length=1)]
    awc: Text | UnsetType = UNSET
    voucher: Text | UnsetType = UNSET
    publisherId: int | UnsetType = UNSET
    clickTime: Seconds | UnsetType = UNSET
    customerAcquisition: Annotated[str, Meta(pattern=r"\A(NEW|RETURNING)\Z")] | UnsetType = UNSET
    transactionTime: Seconds | UnsetType = UNSET
    isTest: bool | UnsetType = UNSET
    basket: Annotated[list[BasketRow], Meta(min_length=1)] | UnsetType = UNSET
    custom: dict[Parameter, str | bool | float] | UnsetType = UNSET


class AwinSim:
    """Any token and advertiser, unless told which it knows."""

    name = "awin"

    def __init__(self, *, api_key: str | None = None, advertiser_id: str | None = None) -> None:
        self.api_key = api_key
        self.advertiser_id = advertiser_id
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if request.path == "/sread.php" and request.method == "GET":
            return self._sread(request)
        found = ORDERS_PATH.fullmatch(request.path)
        if request.method != "POST" or not found:
            return self._refuse(404, "not_found", f"{request.method} {request.path}")
        key = request.headers.get("x-api-key", "")
        if not key or key.startswith("Bearer") or (self.api_key is not None and key != self.api_key):
            self.refused.append("401 x-api-key")
            return self.bad_token()
        if self.advertiser_id not in (None, found[1]):
            return self._refuse(403, "forbidden", f"no right to advertiser {found[1]}")
        return self._orders(request)

    def bad_token(self) -> SimResponse:
        return _error(401, "unauthorized", "Full authentication is required to access this resource")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """No header tells when to come back (section 9)."""
        return _error(429, "too_many_requests", "20 calls a minute are allowed")

    def failed(self, status: int) -> SimResponse:
        return _error(status, "error", "the server failed")

    def _orders(self, request: SimRequest) -> SimResponse:
        body = _object(request.body)
        orders = body.get("orders")
        if body.keys() - {"orders", "webhook"} or not isinstance(orders, list) or not 1 <= len(orders) <= ORDERS:
            return self._refuse(400, "bad_request", f"orders holds 1 to {ORDERS} orders, beside it stands webhook")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._refuse(400, "bad_request", "content-type is not application/json")
        failed, done = [], []
        for order in orders:
            fault = _fault_in_order(order)
            named = {"orderReference": order.get("orderReference") if isinstance(order, dict) else None}
            if fault:
                self.refused.append(fault)
                failed.append(named)
                continue
            done.append({**named, "correlationId": "c0ffee"})
            key = f"order/{order['orderReference']}"
            if not order.get("isTest"):
                self.accepted.append(Accepted(key=key, event=order, at_ms=request.at_ms))
        answer = {"batchId": "b-1", "successfulOrders": done, "failedOrders": failed}
        return _json(206 if failed else 200, answer)

    def _sread(self, request: SimRequest) -> SimResponse:
        """Any request gets a 200, whose body says nothing."""
        faults = list(_sread_faults(request.query))
        self.refused += faults
        if not faults:
            fields = dict(request.query)
            self.accepted.append(Accepted(key=f"order/{fields['ref']}", event=fields, at_ms=request.at_ms))
        return SimResponse(status=200, headers=(("content-type", "image/gif"),), body=b"GIF89a")

    def _refuse(self, status: int, code: str, words: str) -> SimResponse:
        self.refused.append(f"{status} {code}: {words}")
        return _error(status, code, words)


def _fault_in_order(raw: object) -> str | None:
    try:
        order = msgspec.convert(raw, Order)
    except msgspec.ValidationError as error:
        return str(error)
    has_publisher = order.publisherId is not UNSET and order.clickTime is not UNSET
    if order.awc is UNSET and order.voucher is UNSET and not has_publisher:
        return "none of awc, voucher, publisherId with clickTime"
    if order.awc is not UNSET and not CLICKS.fullmatch(order.awc):
        return "awc is malformed"
    total = sum(group.amount for group in order.commissionGroups)
    if abs(total - order.amount) > 0.005:
        return "the commission groups do not sum up to the amount"
    return None


def _sread_faults(query: Mapping[str, str]) -> Iterator[str]:
    if query.get("tt") != "ss" or query.get("tv") != "2":
        yield "tt is not ss or tv is not 2"
    for name in SREAD_NEEDS:
        if not query.get(name):
            yield f"{name} is missing"
    if unknown := [name for name in query if name not in SREAD_FIELDS and not OPTIONAL.fullmatch(name)]:
        yield f"unknown parameters {unknown}"
    if not AMOUNT.fullmatch(query.get("amount", "")) or not PARTS.fullmatch(query.get("parts", "")):
        yield "amount or parts is malformed"
    if not CLICKS.fullmatch(query.get("cks", "")) or len(query.get("ref", "")) > 50:
        yield "cks or ref is malformed"
    if query.get("testmode", "0") not in ("0", "1"):
        yield "testmode is neither 0 nor 1"
    for name, value in query.items():
        if name.startswith("bd[") and not ROW.fullmatch(value):
            yield f"{name} is malformed"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _error(status: int, code: str, words: str) -> SimResponse:
    return _json(status, {"error": code, "description": words})


def _json(status: int, body: object) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(body))
