"""Criteo as the simulator plays it: S2S v0, which says yes to any content and here keeps the faults.

Source: contracts/criteo.md. A 2xx says nothing about the content, so what Criteo would lose in silence is told in
`refused`. Sent to the wrong region it answers 307, as the real one does.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bench.simulator.base import Accepted, SimRequest, SimResponse

PATH = "/m/event"
WITH_ITEMS = frozenset({"viewList", "viewItem", "viewBasket", "addToCart", "beginCheckout", "addPaymentInfo"})
PRICED = frozenset({"viewBasket", "addToCart", "beginCheckout", "addPaymentInfo", "trackTransaction"})

Text = Annotated[str, Meta(min_length=1)]
Digits = Annotated[str, Meta(pattern=r"\A[0-9]+\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Email(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Criteo also takes `raw`; from this gateway it would be a fault."""

    md5: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")] | UnsetType = UNSET
    sha256: Sha256 | UnsetType = UNSET
    sha256_md5: Sha256 | UnsetType = UNSET


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mapping_key: Digits
    mapped_user_id: Text | UnsetType = UNSET
    email: Email | UnsetType = UNSET


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Text
    price: float | UnsetType = UNSET
    quantity: int | UnsetType = UNSET


class SiteEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    event: Literal[
        "viewPage", "viewHome", "viewList", "viewItem", "viewBasket", "addToCart", "beginCheckout", "addPaymentInfo",
        "trackTransaction", "login",
    ]  # fmt: skip
    timestamp: Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{3})?Z\Z")] | UnsetType = (
        UNSET
    )
    id: Text | UnsetType = UNSET
    item: Annotated[list[Item], Meta(min_length=1)] | UnsetType = UNSET
    deduplication_page_view_id: Text | UnsetType = UNSET


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Text
    account: Digits
    id: Identity
    events: Annotated[list[SiteEvent], Meta(min_length=1)]
    site_type: Literal["d", "t", "m"] | UnsetType = UNSET
    country: Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")] | UnsetType = UNSET
    language: Annotated[str, Meta(pattern=r"\A[a-z]{2}\Z")] | UnsetType = UNSET
    full_url: Text | UnsetType = UNSET
    previous_url: Text | UnsetType = UNSET
    ip: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{2,45}\Z")] | UnsetType = UNSET
    useragent: Text | UnsetType = UNSET
    retailer_visitor_id: Text | UnsetType = UNSET


class CriteoSim:
    """Any account. `region`: the address that serves it, where this one does not."""

    name = "criteo"

    def __init__(self, *, region: str | None = None) -> None:
        self.region = region
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []
        self._events_taken = 0

    def answer(self, request: SimRequest) -> SimResponse:
        if request.path != PATH or request.query.get("version") != "s2s_v0" or request.method != "POST":
            return self._malformed(404, f"no such request: {request.method} {request.path} {dict(request.query)}")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return self._malformed(400, "content-type is not application/json")
        if self.region is not None:
            return SimResponse(status=307, headers=(("location", f"{self.region}{PATH}?version=s2s_v0"),))
        fields = _object(request.body)
        faults = list(_faults(fields))
        self.refused += faults
        if not faults:
            self.accepted += [self._accepted(fields, event, request.at_ms) for event in fields["events"]]
        return SimResponse(status=200)

    def bad_token(self) -> SimResponse:
        """There is no token: a wrong account is answered like any other, and the event is lost."""
        return SimResponse(status=200)

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        headers = () if retry_after_s is None else (("retry-after", f"{retry_after_s:.0f}"),)
        return SimResponse(status=429, headers=headers)

    def _accepted(self, fields: dict[str, Any], event: dict[str, Any], at_ms: int) -> Accepted:
        """A sale is known by its transaction, a page view by OneTag's id, all else by nothing."""
        self._events_taken += 1
        known = event.get("id") or event.get("deduplication_page_view_id")
        key = f"{event['event']}/{known}" if known else f"{event['event']}#{self._events_taken}"
        return Accepted(key=key, event={**fields, "events": [event]}, at_ms=at_ms)

    def _malformed(self, status: int, words: str) -> SimResponse:
        self.refused.append(words)
        return SimResponse(status=status)


def _faults(fields: dict[str, Any]) -> Iterator[str]:
    try:
        message = msgspec.convert(fields, Message)
    except msgspec.ValidationError as error:
        yield str(error)
        return
    if message.id.mapped_user_id is UNSET and message.id.email is UNSET:
        yield "neither mapped_user_id nor email"
    for event in message.events:
        yield from _event_faults(event)


def _event_faults(event: SiteEvent) -> Iterator[str]:
    if (event.event == "trackTransaction") != (event.id is not UNSET):
        yield "id goes with trackTransaction, and only with it"
    if event.item is not UNSET and event.event not in WITH_ITEMS | PRICED:
        yield f"{event.event} has no items"
    for item in event.item or ():
        if event.event in PRICED and (item.price is UNSET or item.quantity is UNSET):
            yield f"an item of {event.event} needs price and quantity"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
