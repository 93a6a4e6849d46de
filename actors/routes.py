"""A route: which events of a site go to one destination, under which conditions and in what form.

A record as it is declared, stored and compared; `problems` says what is wrong with one by itself. What compiles it is
actors/compiled_routes.py. Fields and their meaning: contracts/routing.md, sections 4.1, 4.4 and 4.5.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from actors.event import Purpose, Source

ID_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
MOST_STEPS: Final = 32
MOST_TABLE: Final = 1_000  # entries of one `map`
NAME_CHARS: Final = 64
EVENT_NAME_CHARS: Final = 128

SampleKey = Literal["anonymous_id", "external_id", "order_id", "event_id"]
Problem = tuple[str, str]  # field of the route, what is wrong and what would be right


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Keeps a fixed share; `salt`: the route's id unless set, routes with one salt choose alike."""

    rate: Annotated[float, Meta(ge=0, le=1, description="0 (nothing) to 1 (everything)")] = 1.0
    key: SampleKey = "anonymous_id"
    salt: str = ""
    allow_conversions: bool = False  # else conversions are all kept


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="step"):
    """One change to a route's copy of the event. Paths begin at the event: `custom_data.items[].price`."""


class Set(Step, frozen=True, kw_only=True, tag="set"):
    """The path becomes what the expression gives; null takes it away."""

    path: str
    expression: str


class Remove(Step, frozen=True, kw_only=True, tag="remove"):
    path: str


class Keep(Step, frozen=True, kw_only=True, tag="keep"):
    """Of each group that a path names (`custom_data`, `user_data`) only the paths named stay."""

    paths: tuple[str, ...]


class Rename(Step, frozen=True, kw_only=True, tag="rename"):
    path: str
    to: str


class EventName(Step, frozen=True, kw_only=True, tag="event_name"):
    """This route's name for the event."""

    name: str


class Map(Step, frozen=True, kw_only=True, tag="map"):
    """Looks the value up; one that is not in the table becomes `else`, and stays as it is where there is no `else`."""

    path: str
    table: dict[str, str | int | float | bool | None]
    otherwise: str | int | float | bool | msgspec.UnsetType | None = msgspec.field(name="else", default=msgspec.UNSET)


class Hash(Step, frozen=True, kw_only=True, tag="hash"):
    """SHA-256 of the trimmed text, lower-case hex; a digest stays as it is."""

    path: str


class DropIf(Step, frozen=True, kw_only=True, tag="drop_if"):
    """No delivery where the expression is true."""

    expression: str


AnyStep = Set | Remove | Keep | Rename | EventName | Map | Hash | DropIf


class Route(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One rule. Of a destination's routes the first by `order`, then as listed, whose sources, names and filter fit
    decides; where none fits the event does not go there."""

    id: Annotated[str, Meta(pattern=ID_PATTERN, description="1 to 63 characters: a-z, 0-9, _ and -, no _ or - first")]
    destination: str  # id of one of the site's
    name: Annotated[str, Meta(max_length=NAME_CHARS, description="at most 64 characters")] = ""
    enabled: bool = True
    order: int = 0
    events: tuple[str, ...] | None = None  # names, "*"; default: those that the destination takes
    sources: tuple[Source, ...] | None = None  # default: all but `test`
    filter: str = ""  # CEL, true or false; empty: true
    consent: tuple[Purpose, ...] = ()  # that must be granted besides what the destination needs
    strip: bool = False  # without identifiers where consent is missing and the platform makes sense of that
    sample: Sample = Sample()
    transform: tuple[AnyStep, ...] = ()


def problems(route: Route) -> Iterator[Problem]:
    """What is wrong with the route by itself, expressions and paths apart."""
    if not re.fullmatch(ID_PATTERN, route.id):
        yield "id", f"{route.id!r} is no id; give 1 to 63 characters: a-z, 0-9, _ and -, the first a letter or digit"
    if len(route.name) > NAME_CHARS:
        yield "name", f"has {len(route.name)} characters; give at most {NAME_CHARS}"
    if not 0 <= route.sample.rate <= 1:
        yield "sample.rate", f"{route.sample.rate:g} is out of range; give 0 to 1"
    if route.events == ():
        yield "events", 'takes nothing; give names, "*" for all, or leave it out'
    if route.sources == ():
        yield "sources", "takes nothing; give sources, or leave it out for all but test"
    if len(route.transform) > MOST_STEPS:
        yield "transform", f"has {len(route.transform)} steps; give at most {MOST_STEPS}"
    for index, step in enumerate(route.transform):
        yield from _step_problems(step, f"transform[{index}]")


def _step_problems(step: AnyStep, place: str) -> Iterator[Problem]:
    match step:
        case EventName(name=name) if not name.strip() or len(name) > EVENT_NAME_CHARS or not name.isprintable():
            yield f"{place}.name", f"is no name of an event; give 1 to {EVENT_NAME_CHARS} printable characters"
        case Map(table=table) if not 1 <= len(table) <= MOST_TABLE:
            yield f"{place}.table", f"has {len(table)} entries; give 1 to {MOST_TABLE}"
        case Keep(paths=()):
            yield f"{place}.paths", "keeps nothing; give paths, or remove what is to go"


def as_table(route: Route) -> dict[str, Any]:
    """The route as JSON and TOML have it; what has its default is left out."""
    table: dict[str, Any] = msgspec.to_builtins(route)
    return table


def route_of(table: object) -> Route:
    """The route of such a table. Raises msgspec.ValidationError."""
    return msgspec.convert(table, Route)
