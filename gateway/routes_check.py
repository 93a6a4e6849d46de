"""Whether routes could be published: every fault by its path, and routes that have no effect. Plain functions.

A route cannot loosen consent: what it asks for comes on top of what its destination's class needs, so there is nothing
to check (contracts/routing.md, section 5: "consent not below class"; contracts/consent.md, section 3).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.routes import Route, as_table
from gateway.config_reader import Reader
from gateway.config_routes import read_routes
from gateway.errors import SettingsError
from gateway.routes_text import Table, decoded, encoded
from gateway.stored_destinations import kind_of
from gateway.views import DestinationView

Fault = tuple[str, str]  # path, what is wrong and what would be right


class Checked(Struct, frozen=True, kw_only=True):
    """`routes`: those that could be read. `warnings`: what may be published and is likely not meant."""

    routes: tuple[Route, ...]
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()

    def told(self) -> tuple[str, ...]:
        return SettingsError(self.faults).faults


def check_routes(tables: Sequence[Table], destinations: Sequence[DestinationView]) -> Checked:
    """`destinations`: the site's, the file's and the stored ones."""
    reader = Reader({}, Path(), is_literal=True)
    read = read_routes(list(tables), "routes", reader)
    faults = [(fault.path, fault.text) for fault in reader.faults]
    warnings = list(_shadowed(read))
    for path, route in read:
        found = [one for one in destinations if one.id == route.destination]
        if not found:
            names = ", ".join(one.id for one in destinations) or "none"
            faults.append((f"{path}.destination", f"there is no destination {route.destination!r}; there are: {names}"))
            continue
        kind = kind_of(found[0].type)
        if route.strip and kind is not None and not kind.takes_anonymous:
            warnings.append(f"{path}.strip: has no effect: {found[0].type} takes no events without anybody in them")
        if found[0].faults and found[0].origin == "store":
            faults.append((f"{path}.destination", f"{route.destination} is not in force: {'; '.join(found[0].faults)}"))
        elif found[0].faults:  # its secrets may be in the gateway's environment and not in this terminal's
            warnings.append(f"{path}: {route.destination} cannot be read from here: {'; '.join(found[0].faults)}")
    return Checked(routes=tuple(route for _, route in read), faults=tuple(faults), warnings=tuple(warnings))


def normalised(tables: Sequence[Table]) -> tuple[Table, ...]:
    """As the gateway reads and tells them: what has its default is left out. One that has faults stays as it is."""
    reader = Reader({}, Path())
    read = [reader.record(Route, table, "") for table in tables]
    told = [as_table(route) if route is not None else table for table, route in zip(tables, read, strict=True)]
    return tuple(decoded(encoded(told)))  # lists as JSON has them


def _shadowed(read: Sequence[tuple[str, Route]]) -> Iterator[str]:
    """Routes that no event reaches: an earlier one of their destination takes all of theirs."""
    ordered = sorted((one for one in read if one[1].enabled), key=lambda one: one[1].order)
    for index, (path, route) in enumerate(ordered):
        before = (one for _, one in ordered[:index] if one.destination == route.destination)
        if (over := next((one for one in before if _takes_all_of(one, route)), None)) is not None:
            yield f"{path}: route {route.id!r} has no effect: {over.id!r} comes before it and takes all that it would"


def _takes_all_of(earlier: Route, later: Route) -> bool:
    is_any = earlier.filter.strip() in ("", "true")
    return is_any and _covers(earlier.events, later.events) and _hears_all_of(earlier, later)


def _hears_all_of(earlier: Route, later: Route) -> bool:
    if earlier.sources is None:
        return "test" not in (later.sources or ())  # the default is all but that one
    return _covers(earlier.sources, later.sources)


def _covers(earlier: Sequence[Any] | None, later: Sequence[Any] | None) -> bool:
    """None stands for a default that lists nothing; `*` for all."""
    if earlier is None or later is None:
        return earlier is later or (earlier is not None and "*" in earlier)
    return "*" in earlier or set(later) <= set(earlier)
