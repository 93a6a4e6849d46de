"""An event as an Awin order or lead: reference, amount, click, basket; the same for both of Awin's interfaces.

Source: contracts/awin.md, sections 4 to 6; "Parameter guidance", help.awin.com, read 2026-11-20.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from msgspec import Struct

from actors.destinations.base import Drop, sha256
from actors.destinations.minimise import leaving_properties
from actors.event import CustomData, Event, Item

REFERENCE_CHARS = 50
CENT = Decimal("0.01")
ACQUISITIONS: Mapping[str, str] = {"new": "NEW", "returning": "RETURNING"}

# `<advertiser>_<s>_<hash>`, `gclid_<advertiser>_<gclid>`, two of them joined by a comma; never made up or changed.
_AWC = re.compile(r"[A-Za-z0-9_.,~-]{1,1000}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Row(Struct, frozen=True, kw_only=True):
    """One line of a basket."""

    id: str
    name: str
    price: Decimal
    quantity: int
    category: str
    code: str  # of its commission group


class Order(Struct, frozen=True, kw_only=True):
    """What Awin is told of one conversion."""

    reference: str
    amount: Decimal
    currency: str
    channel: str
    groups: tuple[tuple[str, Decimal], ...]  # each commission group's code and its part of the amount
    awc: str | None
    voucher: str | None
    acquisition: str | None
    rows: tuple[Row, ...]
    custom: tuple[tuple[str, object], ...]


def order_of(
    event: Event,
    *,
    is_lead: bool,
    code: str,
    codes: Mapping[str, str],
    channel: str,
    currency: str | None,
    parameters: Mapping[str, str],
) -> Order | Drop:
    """The order, or why Awin could not count it. `code`: its commission group; `codes`: of an item's category."""
    data, awc = event.custom_data, event.user_data.awc
    awc = awc if awc and _AWC.fullmatch(awc) else None
    voucher = (data.coupon or "").strip() or None
    if awc is None and voucher is None:
        return Drop("no awc and no voucher: Awin cannot tell whose order it is")
    own_currency = (data.currency or currency or "").upper()
    if not _CURRENCY.fullmatch(own_currency):
        return Drop("no currency: Awin requires it; give it with the event or in the destination's settings")
    amount = Decimal(1) if is_lead else amount_of(data)
    if isinstance(amount, Drop):
        return amount
    rows = () if is_lead else _rows(data, code, codes)
    return Order(
        reference=_reference(event, is_lead),
        amount=amount,
        currency=own_currency,
        channel=channel,
        groups=_groups(amount, code, rows),
        awc=awc,
        voucher=voucher,
        acquisition=ACQUISITIONS.get(data.customer_type or ""),
        rows=rows,
        custom=tuple(_custom(data, parameters)),
    )


def amount_of(data: CustomData) -> Decimal | Drop:
    """After discounts, before tax, delivery and fees: `value` holds all of these (contracts/README.md)."""
    if data.value is None:
        return Drop("no value: Awin requires an amount")
    amount = data.value - (data.tax or 0) - (data.shipping or 0)
    return amount if amount >= 0 else Drop("tax and shipping are more than the value: Awin takes no negative amount")


def _reference(event: Event, is_lead: bool) -> str:
    """Cut as Awin cuts it (section 4); a stand-in that is too long is hashed, since cut it could equal another."""
    own = event.custom_data.lead_id if is_lead else event.custom_data.order_id
    if own and own.strip():
        return own.strip()[:REFERENCE_CHARS]
    return event.event_id if len(event.event_id) <= REFERENCE_CHARS else sha256(event.event_id)[:REFERENCE_CHARS]


def _groups(amount: Decimal, code: str, rows: tuple[Row, ...]) -> tuple[tuple[str, Decimal], ...]:
    """The amount divided as the items' prices are, to the cent; the largest part takes what rounding leaves. Items may
    sum up to another figure: the order's own discount, and tax where prices include it, concern all of them alike."""
    worth: dict[str, Decimal] = {}
    for row in rows:
        worth[row.code] = worth.get(row.code, Decimal(0)) + row.price * row.quantity
    total = sum(worth.values(), Decimal(0))
    if len(worth) < 2 or total <= 0 or min(worth.values()) < 0:
        return ((next(iter(worth)) if len(worth) == 1 else code, amount),)
    parts = {own: (amount * part / total).quantize(CENT) for own, part in worth.items()}
    parts[max(parts, key=parts.__getitem__)] += amount - sum(parts.values())
    return tuple(parts.items())


def _rows(data: CustomData, code: str, codes: Mapping[str, str]) -> tuple[Row, ...]:
    rows = [_row(item, code, codes) for item in data.items]
    whole = tuple(row for row in rows if row is not None)
    return whole if len(whole) == len(rows) else ()


def _row(item: Item, code: str, codes: Mapping[str, str]) -> Row | None:
    """None where Awin would miss something; its texts hold no `|`."""
    name = item.name or item.id or ""
    if not name.replace("|", "").strip() or item.price is None:
        return None
    item_id = item.id or name
    return Row(
        id=item_id if item_id.replace("|", "").strip() else name,
        name=name,
        price=item.price,
        quantity=1 if item.quantity is None else item.quantity,
        category=item.category or "",
        code=codes.get(item.category or "", code),
    )


def _custom(data: CustomData, parameters: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """The custom properties that have a parameter, if they are single values and not personal."""
    if not parameters:
        return
    for name, value in leaving_properties(data.properties):
        if name in parameters and isinstance(value, str | int | float):
            yield parameters[name], value
