"""What a sender said and no event could hold, in a form that every check lets through: kept for somebody to look at."""

from typing import Any, Final

from actors.canonical import MAX_INT, MIN_INT

MOST_LEVELS: Final = 24  # an event has at most 32 (gateway/form.py), and some of them are around this
MOST_CHARS: Final = 2_000  # of one text
MOST_ALL_CHARS: Final = 200_000  # of all texts
MOST_NODES: Final = 20_000
CUT: Final = "…"
LEAST_CHARS: Final = 8  # that anything takes


class _Room:
    """How much may still be kept."""

    def __init__(self) -> None:
        self.chars = MOST_ALL_CHARS
        self.nodes = MOST_NODES

    def take(self, chars: int) -> bool:
        self.chars -= max(chars, LEAST_CHARS)
        self.nodes -= 1
        return self.chars > 0 and self.nodes > 0


def tamed(value: Any) -> Any:
    """The JSON value with long texts cut, numbers past 64 bits as text, and what is too deep or too much left out."""
    return _tamed(value, MOST_LEVELS, _Room())


def tamed_name(value: Any) -> str:
    """The name of an event, without what no name may hold."""
    return "".join(char for char in str(value)[:100] if char.isprintable())


def _tamed(value: Any, levels: int, room: _Room) -> Any:
    match value:
        case str():
            cut = value if len(value) <= MOST_CHARS else value[:MOST_CHARS] + CUT
            return cut if room.take(len(cut)) else CUT
        case bool() | None:
            return value if room.take(1) else CUT
        case int():
            if not room.take(20):
                return CUT
            return value if MIN_INT <= value <= MAX_INT else f"a whole number of {value.bit_length()} bits"
        case dict() | list() if levels == 0 or not room.take(1):
            return CUT
        case dict():
            return {str(name)[:100]: _tamed(one, levels - 1, room) for name, one in _first(value.items(), room)}
        case list():
            return [_tamed(one, levels - 1, room) for one in _first(value, room)]
    return str(value)[:MOST_CHARS] if room.take(20) else CUT


def _first(values: Any, room: _Room) -> Any:
    """As long as there is room."""
    for one in values:
        if room.chars <= 0 or room.nodes <= 0:
            return
        yield one
