"""What a batch of turns adds to the traffic counters, summed in memory, and which of them an event changes.

Hours are those of arrival, as in the books. What the columns mean: store/traffic.py. A visitor tells its site once a
day (UTC) that it was there, once that it is new, once that it is known; so days add up exactly. Only what a browser
sent makes a visit or a visitor, as section 3 of contracts/dedup_and_identity.md says of visits; bots make none. Test
events are in no counter: the books have them apart.
"""

from collections import defaultdict
from collections.abc import Container
from decimal import Decimal
from typing import Final, Protocol

from actors.event import Consent, Event, State, is_bot, is_test
from actors.names import label
from store import keys, traffic
from store.traffic import Changes, Column
from store.writer import WriteTxn

DAY_MS: Final = 24 * keys.HOUR_MS

Choice = State | None


class Days(Protocol):
    """What a visitor remembers of what it told; days since 1970."""

    first_seen_at_ms: int
    told_day: int
    known_day: int

    @property
    def seen(self) -> Container[str]:
        """Names of the identifiers it was seen with."""
        ...


class Traffic:
    """Written with the batch that it counts. What every event adds to is gathered by what it says, and named when it is
    written: naming it per event took 2 µs more."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, Column], int] = {}  # site, hour since 1970, column
        self._accepted: dict[tuple[str, int, str], int] = {}  # and source
        self._processed: dict[tuple[str, int, str, str, Choice, Choice], int] = {}  # name, source, consent
        self._amounts: dict[tuple[str, int, Column], Decimal] = {}

    def add(self, event: Event, *column: str) -> None:
        place = event.site, event.received_at_ms // keys.HOUR_MS, column
        self._counts[place] = self._counts.get(place, 0) + 1

    def accepted(self, event: Event) -> None:
        """One message that turns took, whatever becomes of it."""
        if is_test(event):
            return
        place = event.site, event.received_at_ms // keys.HOUR_MS, event.source
        self._accepted[place] = self._accepted.get(place, 0) + 1
        if event.bot_score and is_bot(event):
            self.add(event, "bots", event.bot_reasons[0] if event.bot_reasons else "unknown")

    def processed(self, event: Event, consent: Consent) -> None:
        if is_test(event):
            return
        hour, choices = event.received_at_ms // keys.HOUR_MS, (consent.analytics, consent.marketing)
        place = event.site, hour, event.event_name, event.source, *choices
        self._processed[place] = self._processed.get(place, 0) + 1

    def copy(self, event: Event, kind: str, key: str, *, is_conflict: bool) -> None:
        """`kind`: duplicates or merged; `key`: by which it met the first."""
        if is_test(event):
            return
        name = label(event.event_name)
        self.add(event, kind, key, name)
        if is_conflict:
            self.add(event, "conflicts", key, name)

    def converted(self, event: Event) -> None:
        value = event.custom_data.value
        column = ("conversions", label(event.event_name), event.custom_data.currency or "none")
        self.add(event, *column)
        if value is not None:
            place = event.site, event.received_at_ms // keys.HOUR_MS, column
            self._amounts[place] = self._amounts.get(place, Decimal(0)) + value

    def write(self, write: WriteTxn) -> None:
        hours: defaultdict[tuple[str, int], Changes] = defaultdict(Changes)
        for (site, hour, source), count in self._accepted.items():
            hours[site, hour].add(("accepted", source), count)
        for (site, hour, name, source, *choices), count in self._processed.items():
            hours[site, hour].add(("events", label(name), source, _state(*choices)), count)
        for (site, hour, column), count in self._counts.items():
            hours[site, hour].add(column, count)
        for (site, hour, column), amount in self._amounts.items():
            hours[site, hour].add_amount(column, amount)
        for (site, hour), changes in hours.items():
            traffic.add(write, site, hour * keys.HOUR_MS, changes)


def consent_state(consent: Consent) -> str:
    """`granted` or `denied` where analytics and marketing are both that, `partial` where they differ, `unknown` where
    nothing was stated of either."""
    return _state(consent.analytics, consent.marketing)


def _state(analytics: Choice, marketing: Choice) -> str:
    return (analytics or "unknown") if analytics == marketing else "partial"


def told_by(state: Days, event: Event, *, is_there: bool) -> tuple[str, ...]:
    """The columns that one event of a visitor adds to; its state remembers that they are told. Known is who was seen
    with an identifier that joins. `is_there`: its browser sent the event; a server may tell who was there that day.

    A clock that went back tells no day twice: days before the last one told count as told.
    """
    day = event.received_at_ms // DAY_MS
    is_first = is_there and day > state.told_day
    is_known = (
        day > state.known_day
        and (is_there or day == state.told_day)
        and ("email" in state.seen or "external_id" in state.seen)
    )
    if not is_first and not is_known:
        return ()
    is_new = is_first and state.told_day == 0 and state.first_seen_at_ms // DAY_MS in (0, day)
    if is_first:
        state.told_day = day
    if is_known:
        state.known_day = day
    told = {"visitors": is_first, "new_visitors": is_new, "identified_visitors": is_known}
    return tuple(column for column, is_told in told.items() if is_told)
