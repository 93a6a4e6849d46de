"""Takes the known fields out of a Segment client's object, and notes which of them were there and could not be used.

Nobody reads the answers that a client gets for a batch: so a field of another form than its name says is left out, and
its event is kept and marked.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from actors.canonical import TEXT_CHARS, is_currency, is_sane_amount
from gateway.checks import EPOCH, is_count
from gateway.incoming import MILLISECOND
from gateway.sources import base

SECONDS_BELOW: Final = 100_000_000_000  # a number as a time is in seconds below, else in milliseconds

_Read = TypeVar("_Read")


class Fields:
    """`rest`: what nobody has taken. `left_out`: names of fields that could not be used."""

    __slots__ = ("left_out", "rest")

    def __init__(self, values: Any) -> None:
        self.rest: dict[str, Any] = dict(values) if isinstance(values, dict) else {}
        self.left_out: list[str] = []

    def take(self, read: Callable[[Any], _Read | None], *names: str) -> _Read | None:
        """The first of the names that says something; all of them are taken out."""
        found: _Read | None = None
        for name in names:
            value = self.rest.pop(name, None)
            if value is None or value == "":
                continue
            own = read(value)
            if own is None:
                self.left_out.append(name)
            elif found is None:
                found = own
        return found

    def text(self, *names: str) -> str | None:
        return self.take(text, *names)


def text(value: Any) -> str | None:
    """A text of a bearable length, or an id that came as a number."""
    found = base.text(value)
    return found if found is None or len(found) <= TEXT_CHARS else None


def amount(value: Any) -> Decimal | None:
    found = base.amount(str(value) if isinstance(value, float) else value)
    return found if found is not None and is_sane_amount(found) else None


def count(value: Any) -> Decimal | None:
    found = amount(value)
    return found if found is not None and is_count(found) else None


def currency(value: Any) -> str | None:
    found = text(value)
    return found if found is not None and is_currency(found) else None


def time_ms(value: Any) -> int | None:
    """Unix milliseconds of a text as ISO 8601 writes it, without an offset in UTC, or of a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_ms(value)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return (at.replace(tzinfo=at.tzinfo or UTC) - EPOCH) // MILLISECOND


def _number_ms(value: float) -> int | None:
    if not -SECONDS_BELOW * 1_000 < value < SECONDS_BELOW * 1_000:
        return None
    return int(value if abs(value) >= SECONDS_BELOW else value * 1_000)
