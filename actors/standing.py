"""Keeps what one destination is doing on record: a row of the store that any process reads, written as it changes."""

from collections.abc import Callable

import msgspec

from store import standing
from store.errors import StoreFull
from store.records import Standing, StandingCause, StandingState
from store.writer import Ticket, Writer, WriteTxn


class Record:
    """`keep` waits for nothing: what could not be written is tried again at the next call."""

    def __init__(self, destination_key: bytes, writer: Writer, now_ms: Callable[[], int]) -> None:
        self._key = destination_key
        self._writer = writer
        self._now_ms = now_ms
        self._told: Standing | None = None
        self._ticket: Ticket | None = None

    def keep(self, state: StandingState, cause: StandingCause = "", words: str = "") -> None:
        """`words` are redacted by the caller; new ones for the same cause do not begin it anew."""
        told = self._told
        if told is None or (told.state, told.cause) != (state, cause):
            told = Standing(state=state, cause=cause, words=words, since_ms=self._now_ms())
        elif told.words != words:
            told = msgspec.structs.replace(told, words=words)
        elif self._ticket is not None and self._ticket.error is None:
            return
        self._told, self._ticket = told, self._submit(told)

    def _submit(self, row: Standing) -> Ticket | None:
        """None where there was no room."""

        def apply(write: WriteTxn) -> None:
            standing.put(write, self._key, row)

        try:
            return self._writer.submit(apply)
        except StoreFull:
            return None
