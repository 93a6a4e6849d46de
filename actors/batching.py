"""Groups deliveries into the requests that a platform takes, and splits a refused group.

Deliveries share a request only where their payloads' envelopes are equal. A refused group is halved, and each half goes
out alone: k bad events in n cost at most 2·k·⌈log₂ n⌉ requests more. What is replayed has requests of its own, behind
those of live traffic: they get what that leaves over, and one in `REPLAY_EVERY` where it leaves nothing.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from actors.destinations.base import Limits
from actors.work import Work
from store import keys

OVERHEAD_BYTES = 1_024  # of a request's own part, beside its envelope
LATE_S = 1.0  # a group that has waited so long goes before full ones
REPLAY_EVERY = 16


class _Group:
    """Deliveries of one envelope: new and retried ones go by turns, so that neither line waits for the whole other."""

    __slots__ = ("_lines", "_turn", "since_s")

    def __init__(self, since_s: float) -> None:
        self._lines: tuple[deque[Work], deque[Work]] = (deque(), deque())  # by lane of the outbox
        self._turn = 0
        self.since_s = since_s

    def __len__(self) -> int:
        return len(self._lines[0]) + len(self._lines[1])

    def add(self, work: Work) -> None:
        self._lines[work.due.lane == keys.RETRY_LANE].append(work)

    def head(self) -> Work:
        return (self._lines[self._turn] or self._lines[1 - self._turn])[0]

    def pop(self) -> Work:
        line = self._turn if self._lines[self._turn] else 1 - self._turn
        self._turn = 1 - line
        return self._lines[line].popleft()


class Lots:
    """Deliveries that wait for a request: those of live traffic, and behind them those that are replayed."""

    def __init__(self, limits: Limits, linger_s: float, replays_most: Callable[[], int] = lambda: 1) -> None:
        """`replays_most`: how many requests with replayed deliveries may be under way."""
        self._live = _Waiting(limits, linger_s)
        self._replays = _Waiting(limits, linger_s)
        self._replays_most = replays_most
        self._replays_out = 0
        self._overtaken = 0  # live requests that went since the last replayed one, while one waited

    @property
    def is_empty(self) -> bool:
        return self._live.is_empty and self._replays.is_empty

    def add(self, work: Work, now_s: float) -> None:
        self._of(work).add(work, now_s)

    def add_first(self, works: list[Work]) -> None:
        """Goes out again before all others of its kind, in the same company."""
        if works:
            self._of(works[0]).add_first(works)

    def put_back(self, works: Sequence[Work]) -> None:
        """What was taken goes out before all others of its kind, in its order; its payloads may be others by now."""
        if works:
            self._of(works[0]).put_back(works)

    def split(self, works: Sequence[Work]) -> None:
        """Halves a group that one event spoiled; the halves go out first, each by itself."""
        if works:
            self._of(works[0]).split(works)

    def clear(self) -> list[Work]:
        """Gives up all that waits."""
        return [*self._live.clear(), *self._replays.clear()]

    def is_ready(self, now_s: float) -> bool:
        wait_s = self.linger_s(now_s)
        return wait_s is not None and wait_s <= 0

    def linger_s(self, now_s: float) -> float | None:
        """How long the next request waits for company; None where nothing may go."""
        waits = [self._live.linger_s(now_s), self._replays.linger_s(now_s) if self._may_replay() else None]
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    def take(self, now_s: float, most: int) -> list[Work] | None:
        """The deliveries of the next request, at most `most`; None where all still wait for company."""
        is_replay = self._may_replay() and self._replays.is_ready(now_s)
        if self._live.is_ready(now_s) and not (is_replay and self._overtaken >= REPLAY_EVERY - 1):
            self._overtaken += is_replay
            return self._live.take(now_s, most)
        if not is_replay:
            return None
        self._overtaken = 0
        self._replays_out += 1
        return self._replays.take(now_s, most)

    def ended(self, lot: Sequence[Work]) -> None:
        """The request of these deliveries is over."""
        self._replays_out -= lot[0].due.lane == keys.REPLAY_LANE

    def _may_replay(self) -> bool:
        return self._replays_out < self._replays_most()

    def _of(self, work: Work) -> "_Waiting":
        return self._replays if work.due.lane == keys.REPLAY_LANE else self._live


class _Waiting:
    """Deliveries of one kind that wait for a request, by envelope; the one that waits longest goes first."""

    def __init__(self, limits: Limits, linger_s: float) -> None:
        self._limits = limits
        self._linger_s = linger_s
        self._first: deque[list[Work]] = deque()  # parts of refused groups and innocents: they keep their company
        self._groups: OrderedDict[bytes, _Group] = OrderedDict()
        self._full: dict[bytes, None] = {}  # envelopes of groups that need not wait, in order

    @property
    def is_empty(self) -> bool:
        return not self._first and not self._groups

    def add(self, work: Work, now_s: float) -> None:
        envelope = work.payload.envelope
        group = self._groups.get(envelope)
        if group is None:
            group = self._groups[envelope] = _Group(now_s)
        group.add(work)
        if len(group) == self._limits.events:
            self._full[envelope] = None

    def add_first(self, works: list[Work]) -> None:
        self._first.append(works)

    def put_back(self, works: Sequence[Work]) -> None:
        groups: dict[bytes, _Group] = {}
        for work in works:
            groups.setdefault(work.payload.envelope, _Group(0.0)).add(work)
        lots = [
            self._fill(group, self._limits.events, len(envelope))
            for envelope, group in groups.items()
            for _ in range(len(group))
            if group
        ]
        self._first.extendleft(reversed(lots))

    def clear(self) -> list[Work]:
        works = [work for part in self._first for work in part]
        for group in self._groups.values():
            works += [group.pop() for _ in range(len(group))]
        self._first.clear()
        self._groups.clear()
        self._full.clear()
        return works

    def split(self, works: Sequence[Work]) -> None:
        middle = (len(works) + 1) // 2
        for half in (list(works[middle:]), list(works[:middle])):
            if half:
                self._first.appendleft(half)

    def is_ready(self, now_s: float) -> bool:
        wait_s = self.linger_s(now_s)
        return wait_s is not None and wait_s <= 0

    def linger_s(self, now_s: float) -> float | None:
        if self._first or self._full:
            return 0.0
        if not self._groups:
            return None
        oldest = next(iter(self._groups.values()))  # groups stand in the order in which they were begun
        return max(0.0, oldest.since_s + self._linger_s - now_s)

    def take(self, now_s: float, most: int) -> list[Work] | None:
        if self._first:
            return self._take_first(most)
        if not self.is_ready(now_s):
            return None
        envelope = self._next(now_s)
        group = self._groups.pop(envelope)
        self._full.pop(envelope, None)
        lot = self._fill(group, min(most, self._limits.events), len(envelope))
        if group:  # behind the others: an envelope that never runs dry must not keep them waiting
            self._groups[envelope] = group
            if len(group) >= self._limits.events:
                self._full[envelope] = None
        return lot

    def _next(self, now_s: float) -> bytes:
        """A full group, unless another has waited too long already."""
        first = next(iter(self._groups))
        is_late = now_s - self._groups[first].since_s > LATE_S
        return first if is_late else next(iter(self._full), first)

    def _take_first(self, most: int) -> list[Work]:
        works = self._first.popleft()
        lot, rest = works[:most], works[most:]
        if rest:
            self._first.appendleft(rest)
        return lot

    def _fill(self, group: _Group, most: int, envelope_bytes: int) -> list[Work]:
        lot = [group.pop()]
        size = OVERHEAD_BYTES + envelope_bytes + len(lot[0].payload.body)
        while group and len(lot) < most:
            size += len(group.head().payload.body) + 1
            if size > self._limits.body_bytes:
                break
            lot.append(group.pop())
        return lot
