"""What sends a request: the transport, or what a test puts in its place."""

from typing import Protocol

from actors.destinations.base import Request, Response
from actors.dialing import Failure


class Sender(Protocol):
    """Never raises for anything a peer can do."""

    async def send(self, request: Request) -> Response | Failure: ...

    async def close_idle(self) -> None:
        """Nothing is to be sent for a while: connections that no request uses are closed."""
        ...

    async def aclose(self) -> None:
        """Nothing is sent any more: all connections are closed."""
        ...
