"""Reads the routes of a site, the file's and the stored ones alike: each by itself, and ids that are used twice.

Whether their destinations are there is looked at where both the file's and the connected ones are known.
"""

from collections.abc import Iterator, Sequence

from actors.compiled_routes import problems
from actors.routes import Route
from gateway.config_reader import Reader

Placed = tuple[str, Route]  # the path of a route, and the route


def read_routes(value: object, path: str, reader: Reader) -> list[Placed]:
    """Those that could be read; what is wrong is among the reader's faults."""
    placed = [(where, reader.record(Route, table, where)) for table, where in reader.tables(value, path)]
    read = [(where, route) for where, route in placed if route is not None]
    for where, route in read:
        for field, text in problems(route):
            reader.fault(f"{where}.{field}", text)
    for where, text in _taken(read):
        reader.fault(where, text)
    return read


def _taken(read: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for path, route in read:
        if route.id in first:
            yield f"{path}.id", f"{route.id!r} is the id of {first[route.id]} already; give another one"
        first.setdefault(route.id, path)
