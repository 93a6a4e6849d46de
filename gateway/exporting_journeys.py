"""What an export tells of a person's journey: touchpoints, and conversions with the credit of every model."""

from collections.abc import Iterator
from typing import Any

from actors.attribution.amounts import amount
from actors.attribution.paths import summary
from actors.attribution.touchpoints import person_digests
from actors.person import Person
from actors.wire import rfc3339
from store import journeys
from store.env import Store
from store.journey_records import MODELS, SHARE, ConversionRow, Result, TouchRow


def person_journeys(store: Store, site: str, person: Person) -> Iterator[dict[str, Any]]:
    """Each once, whichever of the person's identifiers lead to it."""
    touched: dict[bytes, TouchRow] = {}
    converted: dict[bytes, ConversionRow] = {}
    for one in person_digests(site, person):
        touched |= {found.place: found.row for found in journeys.touches_by(store, site, one) if found.row is not None}
        listed = journeys.conversions_by(store, one)
        converted |= {found.event_key: found.row for found in listed if found.row is not None}
    for touch in sorted(touched.values(), key=lambda row: row.at_ms):
        yield _touch(touch)
    for conversion in sorted(converted.values(), key=lambda row: row.occurred_at_ms):
        yield _conversion(conversion)


def _touch(row: TouchRow) -> dict[str, Any]:
    return {
        "record": "touchpoint",
        "at": rfc3339(row.at_ms),
        "kind": row.kind,
        "source": row.source,
        "medium": row.medium,
        "campaign": row.campaign,
        "term": row.term,
        "content": row.content,
        "channel": row.channel,
        "click_ids": row.click_ids,
        "referrer": row.referrer,
        "visitor_id": row.visitor_id,
        "session_id": row.session_id,
    }


def _conversion(row: ConversionRow) -> dict[str, Any]:
    return {
        "record": "conversion",
        "event_id": row.event_id,
        "event_name": row.event_name,
        "occurred_at": rfc3339(row.occurred_at_ms),
        "value": str(row.value),
        "net_value": str(row.net_value),
        "currency": row.currency,
        "path": summary(row.path),
        "gap": row.gap,
        "credits": {model: _credits(row, result) for model, result in zip(MODELS, row.results, strict=False)},
    }


def _credits(row: ConversionRow, result: Result) -> list[dict[str, Any]]:
    return [
        {
            "at": rfc3339(row.path[place].at_ms),
            "channel": row.path[place].channel,
            "share": share / SHARE,
            "amount": str(amount(gross, row.places)),
        }
        for place, share, gross in zip(result.places, result.shares, result.gross, strict=True)
    ]
