"""Taboola as the simulator plays it: the postback, which checks little, and the bulk submit, which checks nothing.

Source: contracts/taboola.md. What the real bulk endpoint would lose in silence is told in `refused`, so that a test may
demand that there is none; it answers 204 all the same.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

ACTIONS = 1_000
CLICK_ID = re.compile(r"Gi[A-Za-z0-9_-]{3,200}")
BULK = re.compile(r"/(\d+)/log/3/bulk-s2s-action")
POSTBACK = "/actions-handler/log/3/s2s-action"
PARAMETERS = frozenset({"click-id", "name", "revenue", "currency", "orderid", "quantity"})
AMOUNT = re.compile(r"-?\d+(\.\d+)?")
WHOLE = re.compile(r"\d+")

Currency = Literal[
    "AUD", "BRL", "CAD", "CNY", "EUR", "GBP", "HKD", "ILS", "INR", "JPY", "KRW", "MXN", "NZD", "RUB", "SGD", "THB",
    "TRY", "USD", "ZAR",
]  # fmt: skip


class Action(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    click_id: Annotated[str, Meta(pattern=r"\AGi[A-Za-z0-9_-]{3,200}\Z")]
    timestamp: Annotated[int, Meta(gt=1_000_000_000_000, lt=10_000_000_000_000)]  # milliseconds, not seconds
    name: Annotated[str, Meta(min_length=1)]
    revenue: float | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    quantity: int | UnsetType = UNSET
    orderid: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET


class TaboolaSim:
    """Any account, unless told which it knows."""

    name = "taboola"

    def __init__(self, *, account_id: str | None = None) -> None:
        self.account_id = account_id
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        if request.path == POSTBACK and request.method in ("GET", "POST"):
            return self._postback(request)
        found = BULK.fullmatch(request.path)
        if request.method != "POST" or not found or (self.account_id not in (None, found[1])):
            return self._refuse(404, f"no such request: {request.method} {request.path}")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._refuse(400, "content-type is not application/json")
        return self._bulk(request)

    def bad_token(self) -> SimResponse:
        """There is no token: the account that does not exist is what comes nearest."""
        return SimResponse(status=404, body=b"unknown account")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        return SimResponse(status=429, headers=headers)

    def _postback(self, request: SimRequest) -> SimResponse:
        """It answers 400 for a click id or name that is missing or unreadable; other faults are lost in silence."""
        fields = dict(request.query)
        if request.body or not CLICK_ID.fullmatch(fields.get("click-id", "")) or not fields.get("name"):
            return self._refuse(400, "click-id or name is missing or unreadable")
        if fault := _fault_in_parameters(fields):
            return self._refuse(204, fault)
        self.accepted.append(_accepted(fields, request.at_ms))
        return SimResponse(status=204)

    def _bulk(self, request: SimRequest) -> SimResponse:
        try:
            body: Any = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._refuse(400, "body is not JSON")
        actions = body.get("actions") if isinstance(body, dict) and body.keys() == {"actions"} else None
        if not isinstance(actions, list) or not 1 <= len(actions) <= ACTIONS:
            return self._refuse(400, f"actions holds 1 to {ACTIONS} objects")
        for index, action in enumerate(actions):
            try:
                msgspec.convert(action, Action)
            except msgspec.ValidationError as error:
                self.refused.append(f"actions[{index}]: {error}")
            else:
                self.accepted.append(_accepted(action, request.at_ms))
        return SimResponse(status=204)

    def _refuse(self, status: int, words: str) -> SimResponse:
        self.refused.append(words)
        return SimResponse(status=status, body=b"" if status == 204 else words.encode())


def _fault_in_parameters(fields: dict[str, str]) -> str | None:
    if unknown := fields.keys() - PARAMETERS:
        return f"unknown parameters {sorted(unknown)}"
    if not AMOUNT.fullmatch(fields.get("revenue", "0")) or not WHOLE.fullmatch(fields.get("quantity", "0")):
        return "revenue or quantity is no number"
    try:
        msgspec.convert(fields.get("currency", "USD"), Currency)
    except msgspec.ValidationError:
        return "currency is not supported"
    return None


def _accepted(fields: dict[str, Any], at_ms: int) -> Accepted:
    """No key is documented (section 8): rule, order and click together are the nearest to one."""
    key = "/".join(str(fields.get(name, "")) for name in ("name", "orderid", "click-id"))
    return Accepted(key=key, event=fields, at_ms=at_ms)
