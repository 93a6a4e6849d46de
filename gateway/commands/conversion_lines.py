"""Conversions as a list tells them: who gets the credit under one model, the path, and what platforms got."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from actors.attribution.amounts import amount
from actors.attribution.gap_words import what_to_do
from actors.attribution.paths import Confidence, confidence, days_from_first, summary
from gateway.commands.delivery_context import DeliveryContext, Sent, context_of
from gateway.commands.facts import decode_event, event_facts
from gateway.commands.reading import rfc3339
from store import ledger
from store.env import Store
from store.errors import Unreadable
from store.journey_records import MODELS, SHARE, Cause, ConversionRow, Gap, Model
from store.journeys import ListedConversion


class Winner(Struct, frozen=True, kw_only=True):
    """The touchpoint that the model names first."""

    at: str
    channel: str
    source: str
    medium: str
    campaign: str
    share: float
    net: Decimal


class ConversionLine(Struct, frozen=True, kw_only=True):
    """One conversion. `delivery`: none where its event is gone or cannot be read."""

    occurred_at: str
    site: str
    event_name: str
    event_id: str
    order_id: str | None
    gross: Decimal
    net: Decimal
    currency: str | None
    model: Model
    winner: Winner | None
    confidence: Confidence | None
    path: str
    days_from_first: float
    visits: int
    gap: Gap
    what_to_do: str
    status: Literal["provisional", "final"]
    version: int
    cause: Cause
    computed_at: str
    delivery: DeliveryContext | None


class Wanted(Struct, frozen=True, kw_only=True):
    """`gap`: only of this reason; `conversion`: only of this event name; empty: all."""

    model: Model = "last_non_direct"
    gap: str = ""
    conversion: str = ""

    def is_met_by(self, row: ConversionRow) -> bool:
        return self.gap in ("", row.gap) and self.conversion in ("", row.event_name)


def line_of(
    store: Store, listed: ListedConversion, platforms: Mapping[tuple[str, str], str], wanted: Wanted, now_ms: int
) -> ConversionLine | None:
    """None where it is not wanted, or cannot be read. Raises nothing that the store says of one row."""
    row = listed.row
    if row is None or not wanted.is_met_by(row):
        return None
    at = MODELS.index(wanted.model)
    result = row.results[at] if len(row.results) > at else None
    credited = [row.path[place] for place in result.places] if result is not None else []
    return ConversionLine(
        occurred_at=rfc3339(row.occurred_at_ms),
        site=row.site,
        event_name=row.event_name,
        event_id=row.event_id,
        order_id=row.order_id,
        gross=row.value,
        net=row.net_value,
        currency=row.currency,
        model=wanted.model,
        winner=_winner(row, at),
        confidence=confidence(row.path, result) if result is not None else None,
        path=summary(row.path),
        days_from_first=round(days_from_first(row.path, row.occurred_at_ms), 2),
        visits=row.visits,
        gap=row.gap,
        what_to_do=what_to_do(row.gap),
        status="final" if now_ms >= row.final_at_ms else "provisional",
        version=row.version,
        cause=row.cause,
        computed_at=rfc3339(row.computed_at_ms),
        delivery=context_of(sent, row.path, credited) if (sent := _sent(store, listed, platforms)) else None,
    )


def _winner(row: ConversionRow, at: int) -> Winner | None:
    if len(row.results) <= at:
        return None
    result = row.results[at]
    touch, place = row.path[result.winner], result.places.index(result.winner)
    return Winner(
        at=rfc3339(touch.at_ms),
        channel=touch.channel,
        source=touch.source,
        medium=touch.medium,
        campaign=touch.campaign,
        share=result.shares[place] / SHARE,
        net=amount(result.net[place], row.places),
    )


def _sent(store: Store, listed: ListedConversion, platforms: Mapping[tuple[str, str], str]) -> Sent | None:
    try:
        found = ledger.event(store, listed.event_key)
        if found is None:
            return None
        facts = event_facts(store, listed.event_key, found.row)
    except Unreadable:  # `gateway check-store` names it
        return None
    event = decode_event(found.body)
    user = event.user_data if event is not None else None
    return Sent(row=found.row, deliveries=facts.deliveries, user=user, platforms=platforms)
