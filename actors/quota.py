"""What an answer's headers say about when, and how often, the platform may be asked again.

    Retry-After                                 seconds or a date (RFC 9110, section 10.2.3)
    RateLimit-Remaining, RateLimit-Reset        and with X- or X-Rate-Limit- before it: seconds, or a Unix time
    RateLimit: "default";r=50;t=30              the later form, also `remaining=50, reset=30`

Whatever else stands there is taken as not said: no header can stop a destination for longer than a day.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from actors.rates import Quota

DAY_S: Final = 86_400.0
FAMILIES: Final = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")
UNIX_FROM: Final = 1e9  # a reset of so many seconds is a time
UNIX_MS_FROM: Final = 1e12
_NUMBER: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:[,;].*)?", re.ASCII | re.DOTALL)
_REMAINING: Final = re.compile(r"(?:^|[;,\s])(?:r|remaining)\s*=\s*(\d{1,15})", re.ASCII)
_RESET: Final = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d{1,15})", re.ASCII)


def read_quota(headers: Mapping[str, str], now_ms: int) -> Quota:
    """`headers` by lower-case names; `now_ms` stands in for a `Date` that is missing."""
    wait_s = retry_after_s(headers, now_ms) or 0.0
    found = [(remaining, reset_s) for remaining, reset_s in _quotas(headers, now_ms) if reset_s > 0]
    if not found:
        return Quota(wait_s=wait_s)
    remaining, reset_s = min(found, key=lambda one: one[0] / one[1])  # the tightest
    return Quota(wait_s=wait_s, remaining=remaining, reset_s=min(reset_s, DAY_S))


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """`Retry-After` in seconds, between 0 and a day; a date counts from the answer's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    wanted_s = _number(value) if "," not in value else None
    if wanted_s is None:
        until_ms = _date_ms(value)
        if until_ms is None:
            return None
        wanted_s = (until_ms - (_date_ms(headers.get("date", "")) or now_ms)) / 1000
    return min(max(wanted_s, 0.0), DAY_S)


def _quotas(headers: Mapping[str, str], now_ms: int) -> Iterable[tuple[int, float]]:
    """Each (remaining, seconds until it is reset) that is told whole."""
    for family in FAMILIES:
        remaining, reset = _number(headers.get(f"{family}remaining", "")), _number(headers.get(f"{family}reset", ""))
        if remaining is not None and reset is not None:
            yield int(remaining), _until_s(reset, now_ms)
    whole = headers.get("ratelimit", "")
    for item in (*whole.split(","), whole):  # one for each policy, or the parts of one
        left, reset_in = _REMAINING.search(item), _RESET.search(item)
        if left and reset_in:
            yield int(left[1]), float(reset_in[1])


def _number(value: str) -> float | None:
    """The first number of a header; what follows a comma is further windows."""
    match = _NUMBER.fullmatch(value)
    return float(match[1]) if match else None


def _until_s(reset: float, now_ms: int) -> float:
    if reset >= UNIX_MS_FROM:
        return (reset - now_ms) / 1000
    return reset - now_ms / 1000 if reset >= UNIX_FROM else reset


def _date_ms(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
