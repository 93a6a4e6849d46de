"""A destination's access token: fetched before it is needed, one refresh at a time, replaced before it ends.

Who asks while a refresh is under way waits for it and takes what it brings, a refusal too: requests that wait one after
the other, each to try for itself, would take as many times the time of an attempt.
"""

from collections.abc import Callable
from typing import Final

import trio

from actors.destinations.base import Destination, OAuth, Pause, Retry, Token
from actors.dialing import Failure
from actors.sender import Sender

EARLY_S: Final = 120.0  # replaced so long before it ends; of a life shorter than twice that, at its half


class AccessToken:
    """`get` gives the token to send with; None for a destination that needs none. `now_ms`: Unix time."""

    def __init__(self, destination: Destination, sender: Sender, now_ms: Callable[[], int]) -> None:
        self._destination = destination
        self._sender = sender
        self._now_ms = now_ms
        self._token: Token | None = None
        self._until_s = 0.0
        self._refresh: _Refresh | None = None  # under way

    def forget(self, called_old: str | None) -> None:
        """The platform called that token old; one that was fetched since is kept."""
        if self._token is not None and self._token.value.reveal() == called_old:
            self._token = None

    async def get(self) -> str | Pause | Retry | None:
        """The token, or why there is none: refused, or not now."""
        while True:
            if self._token is not None and trio.current_time() < self._until_s:
                return self._token.value.reveal()
            under_way = self._refresh
            if under_way is None:
                oauth = self._destination.oauth(self._now_ms())
                return None if oauth is None else await self._fetch(oauth)
            await under_way.ended.wait()
            if under_way.result is not None:  # None: who fetched was cancelled
                return under_way.result

    async def _fetch(self, oauth: OAuth) -> str | Pause | Retry:
        refresh = self._refresh = _Refresh()
        try:
            refresh.result = await self._ask(oauth)
            return refresh.result
        finally:
            self._refresh = None
            refresh.ended.set()

    async def _ask(self, oauth: OAuth) -> str | Pause | Retry:
        answer = await self._sender.send(oauth.request)
        if isinstance(answer, Failure):
            return Retry(f"no access token: {answer.message}")
        token = self._destination.read_token(answer)
        if not isinstance(token, Token):
            return token
        self._token = token
        self._until_s = trio.current_time() + max(1.0, token.expires_in_s - min(EARLY_S, token.expires_in_s / 2))
        return token.value.reveal()


class _Refresh:
    """One fetch, and what came of it."""

    __slots__ = ("ended", "result")

    def __init__(self) -> None:
        self.ended = trio.Event()
        self.result: str | Pause | Retry | None = None
