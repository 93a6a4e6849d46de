"""How long an answer asks to be left alone: `Retry-After`, and headers in seconds that a platform names beside it."""

import re
from email.utils import parsedate_to_datetime

from actors.destinations.base import DAY_S, Response

_SECONDS = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


def retry_after_s(response: Response, *others: str) -> float | None:
    """The longest wait in seconds, between 0 and a day; None where none is told."""
    found = (_wait_s(response, name) for name in ("retry-after", *others))
    waits = [wait_s for wait_s in found if wait_s is not None]
    return min(max(*waits, 0.0), float(DAY_S)) if waits else None


def _wait_s(response: Response, name: str) -> float | None:
    """A date counts from the answer's own `Date` (RFC 9110, section 10.2.3)."""
    value = response.headers.get(name, "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return (parsedate_to_datetime(value) - parsedate_to_datetime(response.headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
