"""The estimated match quality of a delivery, told: how much of 10, what counted, what is missing and would add."""

from typing import get_args

from msgspec import Struct

from actors.destinations import AnyDestination, carried
from actors.destinations.base import Destination
from actors.event import UserData
from actors.match_quality import KINDS, gaps, is_there
from store.records import MatchRow


class MissingIdentifier(Struct, frozen=True, kw_only=True):
    identifier: str
    adds: float
    is_there: bool  # the event has it: it was not sent, or its form is not valid


class MatchStory(Struct, frozen=True, kw_only=True):
    """An estimate of ours, by the rule of docs/match-quality.md: no platform's own score."""

    estimated: float  # of 10
    counted: tuple[str, ...]
    missing: tuple[MissingIdentifier, ...]  # the heaviest first


def estimated(match: MatchRow | None) -> float | None:
    """Of 10, with one decimal."""
    return match.tenths / 10 if match is not None else None


def match_story(match: MatchRow, platform: str, user: UserData | None) -> MatchStory:
    """`user`: the identifiers of the event, where it can still be read."""
    known = platform_kind(platform)
    missing = tuple(
        MissingIdentifier(
            identifier=own_name(gap.kind, gap.name, known),
            adds=gap.adds_tenths / 10,
            is_there=user is not None and is_there(gap.kind, user, known),
        )
        for gap in gaps(match)
    )
    counted = tuple(own_name(kind, name, known) for kind, name, _ in KINDS if match.counted & kind)
    return MatchStory(estimated=match.tenths / 10, counted=counted, missing=missing)


def platform_kind(platform: str) -> type[Destination]:
    """The adapter of a platform; the one that knows of no ids of its own where there is no such platform any more."""
    return next((kind for kind in get_args(AnyDestination) if kind.platform == platform), Destination)


def own_name(kind: int, name: str, destination: type[Destination]) -> str:
    """A platform's own ids by the names of the fields that hold them."""
    own = {carried.CLICK_ID: destination.click_ids, carried.BROWSER_ID: destination.browser_ids}
    return " or ".join(own.get(kind, ())) or name


def match_words(match: MatchStory) -> str:
    """`6.3 of 10 estimated; email would add 3.0`."""
    absent = [one for one in match.missing if not one.is_there]
    kept = [one for one in match.missing if one.is_there]
    parts = [f"match quality {match.estimated:.1f} of 10 estimated"]
    if absent:
        first, *others = absent
        told = [
            f"{first.identifier} would add {first.adds:.1f}",
            *(f"{one.identifier} {one.adds:.1f}" for one in others),
        ]
        parts.append(", ".join(told))
    if kept:
        told = [f"{one.identifier} ({one.adds:.1f})" for one in kept]
        parts.append(f"there, but not sent or not valid: {', '.join(told)}")
    return "; ".join(parts)
