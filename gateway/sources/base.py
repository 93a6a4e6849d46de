"""What a source of webhooks is: settings as fields, and pure functions from a request to events.

A source does no I/O, reads no clock and draws no random number. The edge calls it in this order:

    verify(hook)    Verified, or Refused with the reason: before anything of the body is looked at
    decode(hook)    the events that the body tells, each as JSON of the public form, or why there is none

What `decode` gives goes the way of any other event: checked, normalised, hashed, cleaned (gateway/incoming.py).
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

from actors import event
from gateway.invalid import Invalid

MIB: Final = 1 << 20
ID_FORM = "1 to 63 characters: a-z, 0-9, _ and -, the first a letter or digit"
SourceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description=ID_FORM)]

# Fields of shops' and apps' resources that tell nothing of a person.
NAMELESS = (
    "id", "order_id", "customer_id", "charge_id", "subscription_id", "token", "cart_token", "checkout_token",
    "created_at", "updated_at", "scheduled_at", "status", "financial_status", "fulfillment_status", "type",
)  # fmt: skip

_json = msgspec.json.Decoder(float_hook=Decimal)


class Hook(Struct, frozen=True, kw_only=True):
    """One request of a sender: header names in lower case, the body as its bytes came.

    `topic`: what its path has after the source. `query`: as sent, without `?`. `address`: of the client, as the trusted
    proxies tell it.
    """

    headers: Mapping[str, str]
    body: bytes
    received_at_ms: int
    topic: str = ""
    query: str = ""
    address: str = ""

    def json(self) -> Any:
        """The body as JSON, amounts as decimals; None where it is none."""
        try:
            return _json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
            return None


class Verified(Struct, frozen=True):
    """The sender is who it says."""


class Refused(Struct, frozen=True):
    """401: nothing of the body is used. The reason is for the sender's operator."""

    reason: str


class Draft(Struct, frozen=True, kw_only=True):
    """One event as a sender's own server could have posted it: `event` is JSON of the public form.

    `landing_url`: where click ids and campaign are read from, where that is not the page. `order_id`: the stored order
    that lends what a refund does not say of its buyer. `is_internal`: kept, and sent to no platform. `fault`: why it
    cannot be an event; `event` is then what the sender said, and set apart.
    """

    event: Mapping[str, Any]
    landing_url: str | None = None
    order_id: str | None = None
    is_internal: bool = False
    fault: Invalid | None = None


class Wish(Struct, frozen=True, kw_only=True):
    """What the sender asks for about a person. `given`: identifiers as gateway/identifiers.py reads them; `sources` in
    their place: all that these told. `cause`: the same for each delivery of one request."""

    kind: Literal["export", "erase"]
    given: tuple[str, ...] = ()
    sources: tuple[event.Source, ...] = ()
    asked_by: str
    cause: str = ""


class Decoded(Struct, frozen=True):
    """`note`: a word for the log where nothing of this kind becomes an event. `malformed`: 400 with these words, only
    for senders that do not come again with the same bytes."""

    drafts: tuple[Draft, ...] = ()
    note: str = ""
    malformed: str = ""
    wish: Wish | None = None


class WebhookSource(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One configured sender of a site. Subclasses add their settings as fields."""

    id: SourceId

    kind: ClassVar[str]  # the tag, and the first part of its path
    source: ClassVar[event.Source]  # what its events say they came from
    most_bytes: ClassVar[int] = MIB  # of a body
    is_only: ClassVar[bool] = True  # the only one of its kind at a site: its path may name the kind
    has_topics: ClassVar[bool] = False  # its path may go on with a topic

    def problems(self) -> Iterable[tuple[str, str]]:
        """Faults in the settings, as (field, what is wrong and what would be right)."""
        return ()

    def verify(self, hook: Hook) -> Verified | Refused:
        raise NotImplementedError

    def decode(self, hook: Hook) -> Decoded:
        raise NotImplementedError


def is_signed(body: bytes, digest: bytes, keys: Iterable[str]) -> bool:
    """Whether HMAC-SHA256 of the body under one of the keys is this; every key is tried, in constant time each."""
    found = [hmac.compare_digest(hmac.new(key.encode(), body, hashlib.sha256).digest(), digest) for key in keys]
    return any(found)


# --- reading what a sender wrote, whatever its shape ---------------------------------------------------------------


def part(value: Any, name: str) -> dict[str, Any]:
    """The object under that name; empty where there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def rows(value: Any, name: str) -> list[dict[str, Any]]:
    """The objects of the array under that name."""
    inner = value.get(name) if isinstance(value, dict) else None
    return [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []


def text(value: Any) -> str | None:
    """A text that says something; ids that came as numbers too."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def first(*values: Any) -> str | None:
    """The first of them that says something."""
    return next((found for value in values if (found := text(value)) is not None), None)


def amount(value: Any) -> Decimal | None:
    """An amount that came as text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        found = Decimal(value)
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def total(values: Iterable[Any]) -> Decimal | None:
    """The sum of the amounts among them; None where there is none, or where it is past all bounds."""
    found = [one for value in values if (one := amount(value)) is not None]
    try:
        return sum(found, Decimal()) if found else None
    except ArithmeticError:
        return None


def is_one_of(given: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of these is one of those. Every pair is compared, in constant time each."""
    right = [one.encode("utf-8", "surrogatepass") for one in wanted]
    found = [hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other) for one in given for other in right]
    return any(found)


def nameless(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What may be kept of a resource that may be about a person: names of people stand under names nobody can list."""
    return {name: resource[name] for name in NAMELESS if isinstance(resource.get(name), str | int)}


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}
