"""The path of a conversion: what is in it, how it reads, how sure it is (contracts/attribution.md, 5 and 7)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from actors.attribution.settings import DAY_MS
from store.journey_records import SHARE, Evidence, Label, PathTouch, Result, TouchRow

TOUCHES_MOST: Final = 50  # in a path: the first, and the latest
Confidence = Literal["high", "medium", "low"]
# How sure a key links a touchpoint to a conversion, in hundredths, in the order in which the first one counts. An
# erased touchpoint keeps its credit, and nothing vouches for it.
LINK_WEIGHTS: Final[Mapping[Label, int]] = MappingProxyType(
    {
        "journey": 100,
        "identity": 95,
        "visitor": 95,
        "session": 90,
        "external_id": 85,
        "email": 80,
        "customer": 70,
        "erased": 0,
    }
)
# How sure it is where the visitor came from, in hundredths.
EVIDENCE_WEIGHTS: Final[Mapping[Evidence, int]] = MappingProxyType(
    {
        "link": 100,
        "ads_click": 100,
        "message": 95,
        "campaign": 90,
        "parameters": 80,
        "click": 70,
        "referrer": 70,
        "signal": 60,
        "direct": 30,
    }
)
HIGH, MEDIUM = 0.80, 0.55


class Matched(NamedTuple):
    """A touchpoint, and the first key by which it was reached."""

    id: bytes
    row: TouchRow
    label: Label


class Step(NamedTuple):
    """One step of a path as it is told: neighbours alike."""

    channel: str
    source: str
    medium: str
    campaign: str
    at_ms: int  # of the last of them
    touches: int


def capped(reached: Mapping[bytes, Label], at_ms: Callable[[bytes], int]) -> list[tuple[bytes, Label]]:
    """In order of time, at most as many as a path holds: the first, and the latest. A link by the customer's hash alone
    makes no path."""
    if all(label == "customer" for label in reached.values()):
        return []
    ordered = sorted(reached.items(), key=lambda one: (at_ms(one[0]), one[0]))
    return ordered if len(ordered) <= TOUCHES_MOST else [ordered[0], *ordered[1 - TOUCHES_MOST :]]


def belongs(one: Matched, external: bytes) -> bool:
    """Whether a touchpoint may be the conversion's: what a person only gave is not followed to somebody who is known by
    another customer id."""
    is_followed = one.label not in ("external_id", "email", "customer")
    return is_followed or not (one.row.external and external) or one.row.external == external


def path_of(found: Sequence[Matched]) -> tuple[PathTouch, ...]:
    return tuple(
        PathTouch(
            one.id, one.row.at_ms, one.row.channel, one.row.source, one.row.medium, one.row.campaign, one.label,
            one.row.evidence, one.row.is_direct, one.row.is_paid,
        )
        for one in found
    )  # fmt: skip


def milestone_of(found: Sequence[Matched], converted_at_ms: int) -> int:
    """When the first cart, checkout or lead of the path was; 0: there was none before the conversion."""
    times = [one.row.milestone_at_ms for one in found if 0 < one.row.milestone_at_ms <= converted_at_ms]
    return min(times, default=0)


def visits_of(found: Sequence[Matched]) -> int:
    """How many visits the touchpoints were in; one without a visit counts for itself."""
    return len({one.row.session_id or one.id for one in found})


def exposure_path(path: Sequence[PathTouch]) -> list[Step]:
    """Neighbours with equal channel, source, medium and campaign are one step."""
    steps = []
    for (channel, source, medium, campaign), alike in groupby(
        path, key=lambda touch: (touch.channel, touch.source.lower(), touch.medium.lower(), touch.campaign)
    ):
        some = list(alike)
        steps.append(Step(channel, source, medium, campaign, some[-1].at_ms, len(some)))
    return steps


def summary(path: Sequence[PathTouch]) -> str:
    """`paid_social > email (2) > direct`."""
    groups = [(channel, len(list(alike))) for channel, alike in groupby(path, key=lambda touch: touch.channel)]
    return " > ".join(channel if count == 1 else f"{channel} ({count})" for channel, count in groups)


def days_from_first(path: Sequence[PathTouch], converted_at_ms: int) -> float:
    return (converted_at_ms - path[0].at_ms) / DAY_MS if path else 0.0


def certainty(path: Sequence[PathTouch], result: Result) -> float:
    """From 0 to 1: shares weighed by how sure the link is, and how sure the source."""
    summed = sum(
        share * LINK_WEIGHTS[path[place].label] * EVIDENCE_WEIGHTS[path[place].evidence]
        for place, share in zip(result.places, result.shares, strict=True)
    )
    return summed / (SHARE * 10_000)


def confidence(path: Sequence[PathTouch], result: Result) -> Confidence:
    sure = certainty(path, result)
    return "high" if sure >= HIGH else "medium" if sure >= MEDIUM else "low"
