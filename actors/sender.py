"""What sends a request: the transport, or what a test puts in its place."""

from typing import Protocol

from actors.destinations.base import Request, Response
from actors.dialing import Failure


class Sender(Protocol):
    """Never raises for anything a peer can do."""

    async def send(self, request: Request) -> Response | Failure: ...
