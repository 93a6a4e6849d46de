"""What a batch of turns adds to counters, summed in memory: columns of the books, and events seen at a site.

The books are kept by site, destination and hour of arrival; the site's own counters by event name and source.
"""

from actors.actor import Message, Position, Ref
from actors.event import Event, is_test
from actors.site import Seen
from store import keys
from store.books import TEST_EVENTS
from store.writer import SAMPLES_KEPT, Samples, WriteTxn


class Tally:
    """Written with the batch that it counts; an empty destination stands for the site itself."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, str, int], Samples] = {}
        self._counts: dict[tuple[str, str, int], dict[str, int]] = {}
        self._seen: dict[tuple[str, str, str, bool], tuple[int, int, int]] = {}  # first and last arrival, how many

    def see(self, event: Event, is_copy: bool) -> None:
        """One event of its site."""
        alike, at_ms = (event.site, event.event_name, event.source, is_copy), event.received_at_ms
        first_ms, last_ms, count = self._seen.get(alike, (at_ms, at_ms, 0))
        self._seen[alike] = min(first_ms, at_ms), max(last_ms, at_ms), count + 1

    def seen(self) -> list[tuple[Ref, Message]]:
        """A message for each kind of event seen at a site."""
        return [
            (Ref("site", site), Seen(event_name, source, is_copy, *times))
            for (site, event_name, source, is_copy), times in self._seen.items()
        ]

    def site(self, event: Event, **changes: int) -> None:
        """Into the site's own books; what is tried out has a row beside them."""
        counts = self._of(event, TEST_EVENTS if is_test(event) else "")
        for name, change in changes.items():
            counts[name] = counts.get(name, 0) + change

    def destination(self, event: Event, destination: str, column: str, at: Position | None = None) -> None:
        """One event into a destination's books: that it was processed, and what became of it. `at`: where it is, to be
        shown as a sample of its column."""
        counts = self._of(event, destination)
        if at is not None:
            some = self._samples.setdefault(_place(event, destination), {}).setdefault(column, [])
            if len(some) < SAMPLES_KEPT:
                some.append((at.shard, at.sequence))
        counts["processed"] = counts.get("processed", 0) + 1
        counts[column] = counts.get(column, 0) + 1

    def moved(self, event: Event, destination: str, before: str, after: str) -> None:
        """What was in one column of a destination's books is in another."""
        counts = self._of(event, destination)
        counts[before] = counts.get(before, 0) - 1
        counts[after] = counts.get(after, 0) + 1

    def write(self, write: WriteTxn) -> None:
        for (site, destination, hour_ms), changes in self._counts.items():
            samples = self._samples.get((site, destination, hour_ms))
            write.count(site, destination, hour_ms, changes, samples)

    def _of(self, event: Event, destination: str) -> dict[str, int]:
        place = _place(event, destination)
        counts = self._counts.get(place)
        if counts is None:
            counts = self._counts[place] = {}
        return counts


def _place(event: Event, destination: str) -> tuple[str, str, int]:
    return event.site, destination, event.received_at_ms - event.received_at_ms % keys.HOUR_MS
