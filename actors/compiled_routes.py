"""The routes of a site as they are asked: by destination, in order, with their expressions compiled. Pure.

Compiled once for a snapshot (`Site.plan`). A route with a fault is refused where it is published; one that is in force
all the same, as of a release that took more, lets nothing through: its filter, or its transformation, fails.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from actors.destinations.base import Destination
from actors.event import Event, is_test
from actors.expressions import BadExpression, Budget, Failed
from actors.facts import Handed, Names
from actors.filters import Filter
from actors.routes import Problem, Route
from actors.routes import problems as own_problems
from actors.transform import Transformation

_UNREADABLE: Final = Failed("the filter cannot be compiled")


class CompiledRoute:
    """`problems`: what is wrong with it, by its fields."""

    __slots__ = ("_filter", "_names", "_sources", "problems", "route", "transformation")

    def __init__(self, route: Route, names: Names) -> None:
        self.route = route
        self.problems: list[Problem] = []
        self._names = frozenset(route.events) if route.events is not None else None
        self._sources = frozenset(route.sources) if route.sources is not None else None
        self._filter: Filter | Failed | None = None
        if route.filter.strip():
            self._filter = self._compiled(route.filter, names)
        self.transformation = Transformation(route.transform) if route.transform else None
        if self.transformation is not None:
            self.problems += self.transformation.problems

    def listens_to(self, event: Event, destination: Destination) -> bool:
        """By source and name. A test event goes to test twins alone, which are tried out as if it were live."""
        if self._sources is not None and event.source not in self._sources and not is_test(event):
            return False
        if self._names is None:
            return destination.takes(event.event_name)
        return event.event_name in self._names or "*" in self._names

    def matches(self, handed: Handed, budget: Budget) -> bool | Failed:
        if self._filter is None or isinstance(self._filter, Failed):
            return self._filter or True
        return self._filter.evaluate(handed, budget)

    @property
    def has_filter(self) -> bool:
        return self._filter is not None

    def decided_by(self, handed: Handed) -> str:
        """The part of its filter that decided; empty where it has none."""
        return self._filter.decided_by(handed) if isinstance(self._filter, Filter) else ""

    def _compiled(self, text: str, names: Names) -> Filter | Failed:
        try:
            return Filter(text, names)
        except BadExpression as error:
            self.problems.append(("filter", str(error)))
            return _UNREADABLE


class Plan:
    """All routes of a site. `names`: what their filters read of an event."""

    __slots__ = ("_asked", "_of", "names")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.names = Names()
        of: dict[str, list[CompiledRoute]] = {}
        for route in sorted(routes, key=lambda one: one.order):  # stable: then as they are listed
            if route.enabled:
                of.setdefault(route.destination, []).append(CompiledRoute(route, self.names))
            else:
                of.setdefault(route.destination, [])
        self._of: Mapping[str, Sequence[CompiledRoute]] = of
        self._asked = frozenset(self._variables())

    def of(self, destination_id: str) -> Sequence[CompiledRoute] | None:
        """The enabled routes of a destination, in order; None where it has none at all, and its default one holds."""
        return self._of.get(destination_id)

    def asks(self, variable: str) -> bool:
        """Whether a filter or a transformation may read anything of `visitor` or `attribution`."""
        return variable in self._asked

    def _variables(self) -> Iterator[str]:
        yield from (named.path[0] for named in self.names)
        transformations = (one.transformation for compiled in self._of.values() for one in compiled)
        for transformation in transformations:
            yield from transformation.variables() if transformation is not None else ()


def problems(route: Route) -> Iterator[Problem]:
    """All that is wrong with a route: its fields, its expressions, its paths."""
    yield from own_problems(route)
    yield from CompiledRoute(route, Names()).problems
