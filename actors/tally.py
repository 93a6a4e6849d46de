"""What a batch of turns adds to the books: columns of one site, destination and hour of arrival, summed in memory."""

from actors.event import Event
from store import keys
from store.writer import WriteTxn


class Tally:
    """Written with the batch that it counts; an empty destination stands for the site itself."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], dict[str, int]] = {}

    def site(self, event: Event, **changes: int) -> None:
        """Into the site's own books."""
        counts = self._of(event, "")
        for name, change in changes.items():
            counts[name] = counts.get(name, 0) + change

    def destination(self, event: Event, destination: str, column: str) -> None:
        """One event into a destination's books: that it was processed, and what became of it."""
        counts = self._of(event, destination)
        counts["processed"] = counts.get("processed", 0) + 1
        counts[column] = counts.get(column, 0) + 1

    def write(self, write: WriteTxn) -> None:
        for (site, destination, hour_ms), changes in self._counts.items():
            write.count(site, destination, hour_ms, changes)

    def _of(self, event: Event, destination: str) -> dict[str, int]:
        place = (event.site, destination, event.received_at_ms - event.received_at_ms % keys.HOUR_MS)
        counts = self._counts.get(place)
        if counts is None:
            counts = self._counts[place] = {}
        return counts
