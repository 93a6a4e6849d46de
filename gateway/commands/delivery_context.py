"""What platforms got of a conversion, to be compared with its credit (contracts/attribution.md, section 9)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from actors.attribution.models import is_paid
from actors.destinations.carried import CLICK_ID
from actors.event import UserData
from gateway.commands.match_story import platform_kind
from gateway.commands.reading import rfc3339
from store.journey_records import PathTouch
from store.records import DeliveryRow, EventRow

# Sources of touchpoints, and the platform whose they are. Google's count where the contact was paid for: a search that
# cost nothing is no contact of Google Ads.
SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("facebook", "instagram", "meta", "fb", "ig", "messenger"), "meta"),
        **dict.fromkeys(("google", "youtube", "doubleclick"), "google_ads"),
        **dict.fromkeys(("snapchat", "snap"), "snapchat"),
        **{
            name: name for name in ("tiktok", "pinterest", "linkedin", "reddit", "klaviyo", "taboola", "awin", "criteo")
        },
    }
)
PAID_ALONE: Final = "google_ads"
OWN: Final = frozenset(SOURCES.values())
NOT_FOR_IT: Final = frozenset({"no_route", "test_event"})  # the destination was never to have it


class PlatformContext(Struct, frozen=True, kw_only=True):
    """One destination. `click_ids`: names of the platform's own that were sent; `words`: its last error."""

    destination: str
    platform: str
    status: str  # queued, delivered, failed, dropped, not_routed
    reason: str = ""
    attempts: int = 0
    delivered_at: str | None = None
    latency_ms: int | None = None
    words: str = ""
    click_ids: tuple[str, ...] = ()
    event_id: str


class DeliveryContext(Struct, frozen=True, kw_only=True):
    """`credited_not_accepted`: destinations of platforms that have credit and did not take the conversion;
    `accepted_without_touchpoint`: of platforms that took it and have no touchpoint in its path."""

    summary: str  # accepted 4 of 5
    destinations: tuple[PlatformContext, ...] = ()
    credited_not_accepted: tuple[str, ...] = ()
    accepted_without_touchpoint: tuple[str, ...] = ()


class Sent(Struct, frozen=True, kw_only=True):
    """An event with its deliveries (None: nothing was sent yet); `user`: None where its body is gone."""

    row: EventRow
    deliveries: Mapping[str, DeliveryRow | None]
    user: UserData | None
    platforms: Mapping[tuple[str, str], str]


def context_of(sent: Sent, path: Sequence[PathTouch], credited: Sequence[PathTouch]) -> DeliveryContext:
    """`credited`: the touchpoints of the path that have credit."""
    row = sent.row
    told = [_delivery(sent, name, row_of) for name, row_of in sent.deliveries.items()]
    told += [_not_routed(sent, name, reason) for name, reason in row.not_routed.items()]
    meant = [one for one in told if one.reason not in NOT_FOR_IT]
    accepted = [one for one in meant if one.status == "delivered"]
    with_credit = {platform_of(touch) for touch in credited}
    with_touch = {platform_of(touch) for touch in path}
    return DeliveryContext(
        summary=f"accepted {len(accepted)} of {len(meant)}",
        destinations=tuple(told),
        credited_not_accepted=tuple(
            one.destination for one in meant if one.platform in with_credit and one.status != "delivered"
        ),
        accepted_without_touchpoint=tuple(
            one.destination for one in accepted if one.platform in OWN and one.platform not in with_touch
        ),
    )


def platform_of(touch: PathTouch) -> str:
    """Empty where no platform that can be connected is behind it."""
    platform = SOURCES.get(touch.source.lower(), "")
    return "" if platform == PAID_ALONE and not is_paid(touch) else platform


def _delivery(sent: Sent, destination: str, row: DeliveryRow | None) -> PlatformContext:
    platform = sent.platforms.get((sent.row.site, destination), "")
    if row is None:
        return PlatformContext(destination=destination, platform=platform, status="queued", event_id=sent.row.event_id)
    is_delivered = row.status == "delivered"
    return PlatformContext(
        destination=destination,
        platform=platform,
        status=row.status,
        reason=row.reason,
        attempts=row.tries,
        delivered_at=rfc3339(row.settled_at_ms) if is_delivered and row.settled_at_ms is not None else None,
        latency_ms=row.latency_ms,
        words="" if is_delivered else row.words,
        click_ids=_click_ids(sent, row, platform),
        event_id=sent.row.event_id,
    )


def _click_ids(sent: Sent, row: DeliveryRow, platform: str) -> tuple[str, ...]:
    if row.match is None or not row.match.counted & CLICK_ID or sent.user is None:
        return ()
    return tuple(name for name in platform_kind(platform).click_ids if getattr(sent.user, name) is not None)


def _not_routed(sent: Sent, destination: str, reason: str) -> PlatformContext:
    platform = sent.platforms.get((sent.row.site, destination), "")
    return PlatformContext(
        destination=destination, platform=platform, status="not_routed", reason=reason, event_id=sent.row.event_id
    )
