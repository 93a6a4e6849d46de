"""Paths into a payload, a small part of JSONPath (RFC 9535): `$.order.lines[0]['unit price']`, `$.lines[*].sku`, `$`.

`$` is the payload, `@` the element that an `each` stands at. `[*]` gives a list of all it finds; any other path gives
one value, or nothing.
"""

import re
from typing import Any, Final

from msgspec import Struct

MOST_CHARS: Final = 500
_STEP = re.compile(r"\.([\w-]+)|\[(-?\d{1,6})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]|(\[\*\]|\.\*)")

Step = str | int | None  # None: all of a list, or of an object's values


class Path(Struct, frozen=True):
    """`is_here`: begins at the element, not at the payload."""

    steps: tuple[Step, ...] = ()
    is_here: bool = False

    @property
    def is_many(self) -> bool:
        return None in self.steps

    def find(self, body: Any, here: Any) -> Any:
        """The value, None where there is none; of a path with `[*]` the list of all."""
        found = [here if self.is_here else body]
        for step in self.steps:
            found = [inner for value in found for inner in _inside(value, step)]
        return found if self.is_many else (found[0] if found else None)

    def elements(self, body: Any, here: Any) -> list[Any]:
        """What an `each` goes through: all it finds, the inside of a list, or the one value."""
        found = self.find(body, here)
        if self.is_many or isinstance(found, list):
            return [one for one in found if one is not None]
        return [] if found is None else [found]


def read_path(text: str) -> Path:
    """Raises ValueError saying what would be right."""
    fault = f"{text[:100]!r} is no path; give one such as '$.order.id', '$.lines[0].sku' or '@.sku'"
    if not text or text[0] not in "$@" or len(text) > MOST_CHARS:
        raise ValueError(fault)
    steps: list[Step] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(fault)
        name, index, quoted, other, every = match.groups()
        steps.append(
            None if every else int(index) if index is not None else next(filter(None, (name, quoted, other)), "")
        )
        at = match.end()
    return Path(tuple(steps), text[0] == "@")


def _inside(value: Any, step: Step) -> list[Any]:
    match step:
        case None:
            return list(value) if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        case int():
            return [value[step]] if isinstance(value, list) and -len(value) <= step < len(value) else []
        case str():
            return [value[step]] if isinstance(value, dict) and step in value else []
