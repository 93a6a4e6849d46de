"""The named points at which a crash test stops the process, and the writer that passes some of them."""

import os
import signal
from typing import Final

from store.env import Usage
from store.writer import Apply, ThreadWriter, Ticket, WriteTxn

# In the order in which an event passes them.
POINTS: Final = (
    "append_before",  # the edge is about to hand the event to the writer
    "append_in_commit",  # it is in the transaction
    "append_after",  # it is on disk, nobody has heard of it
    "turns_before",
    "turns_in_commit",
    "turns_after",  # its effects are on disk, the core does not know
    "before_request",
    "after_answer",  # the platform has it, nothing is noted
    "before_settle",
    "settle_in_commit",
    "after_settle",
)


class Points:
    """Counts passages; at the chosen one the process ends as a power cut would end it."""

    def __init__(self, name: str, passage: int) -> None:
        self._name = name
        self._left = passage

    def at(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class PointTicket(Ticket):
    """Passes a point when its waiter would hear that it is on disk."""

    __slots__ = ("_name", "_points", "_ticket")

    def __init__(self, ticket: Ticket, points: Points, name: str) -> None:
        super().__init__(ticket.apply)
        self._ticket = ticket
        self._points = points
        self._name = name

    async def wait(self) -> None:
        await self._ticket.wait()
        self._points.at(f"{self._name}_after")


class PointWriter:
    """The writer as one part sees it: `name` says which part; empty: the core's, told apart by what it writes."""

    def __init__(self, writer: ThreadWriter, points: Points, name: str = "") -> None:
        self._writer = writer
        self._points = points
        self._name = name

    @property
    def has_room(self) -> bool:
        return self._writer.has_room

    @property
    def usage(self) -> Usage:
        return self._writer.usage

    def submit(self, apply: Apply) -> Ticket:
        is_settlement = getattr(apply, "__qualname__", "").startswith("Settlement")
        name = self._name or ("settle" if is_settlement else "turns")

        def passing(write: WriteTxn) -> None:
            apply(write)
            self._points.at(f"{name}_in_commit")

        self._points.at(f"{name}_before")
        return PointTicket(self._writer.submit(passing), self._points, name)
