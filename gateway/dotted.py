"""Fields named by their paths, as `custom_data.value=12`, put together to an event's JSON. Pure."""

from collections.abc import Iterable
from typing import Any, Final

LEVELS: Final = 4
PLAIN: Final = frozenset({"event_name", "event_id", "occurred_at", "action_source"})
GROUPS: Final = frozenset({"page", "user_data", "custom_data", "consent"})


class BadPath(ValueError):
    """A path that no field of an event has."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Of a path given twice the last value counts. Raises BadPath."""
    found: dict[str, Any] = {}
    for path, value in pairs:
        _put(found, path, path.split("."), value)
    return found


def _put(found: dict[str, Any], path: str, names: list[str], value: Any) -> None:
    is_known = path in PLAIN or (names[0] in GROUPS and len(names) > 1)
    if not is_known or "" in names or len(names) > LEVELS:
        groups = ", ".join(f"{group}.…" for group in sorted(GROUPS))
        raise BadPath(path[:100], f"is no field of an event; give one of {', '.join(sorted(PLAIN))}, {groups}")
    for name in names[:-1]:
        inner = found.setdefault(name, {})
        if not isinstance(inner, dict):
            raise BadPath(path[:100], "stands below a field that has a value of its own")
        found = inner
    if isinstance(found.get(names[-1]), dict):
        raise BadPath(path[:100], "has fields of its own; it cannot have a value too")
    found[names[-1]] = value
