"""A destination's access token: fetched before it is needed, one refresh at a time, replaced before it ends."""

from typing import Final

import trio

from actors.destinations.base import Destination, Pause, Retry, Token
from actors.dialing import Failure
from actors.sender import Sender

EARLY_S: Final = 120.0  # replaced so long before it ends


class AccessToken:
    """`get` gives the token to send with; None for a destination that needs none."""

    def __init__(self, destination: Destination, sender: Sender) -> None:
        self._destination = destination
        self._sender = sender
        self._token: Token | None = None
        self._until_s = 0.0
        self._one_refresh = trio.Lock()

    def forget(self, called_old: str | None) -> None:
        """The platform called that token old; one that was fetched since is kept."""
        if self._token is not None and self._token.value.reveal() == called_old:
            self._token = None

    async def get(self) -> str | Pause | Retry | None:
        """The token, or why there is none: refused, or not now."""
        oauth = self._destination.oauth()
        if oauth is None:
            return None
        async with self._one_refresh:
            if self._token is None or trio.current_time() >= self._until_s:
                answer = await self._sender.send(oauth.request)
                if isinstance(answer, Failure):
                    return Retry(f"no access token: {answer.message}")
                token = self._destination.read_token(answer)
                if not isinstance(token, Token):
                    return token
                self._token = token
                self._until_s = trio.current_time() + max(1.0, token.expires_in_s - EARLY_S)
            return self._token.value.reveal()
