"""One request to a hot path, and its answer, as both doors hand them to the collector."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

KIB = 1024

# The hot paths, and the most bytes a body may have there: browsers send little, servers send batches.
BODY_BYTES: Mapping[str, int] = MappingProxyType(
    {"/v1/events": 1024 * KIB, "/": 1024 * KIB, "/i": 64 * KIB, "/i/identify": 64 * KIB}
)


class Call(Struct, frozen=True, kw_only=True):
    """A whole request: its body has arrived.

    Header names are in lower case, repeated headers joined by `, ` (cookies by `; `).
    """

    method: str
    path: str  # percent-decoded, without the query
    query: str  # as sent, without `?`
    headers: Mapping[str, str]
    body: bytes
    peer: str  # the address of the TCP peer
    is_https: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """What goes back. `content-length` is the door's to add."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Handler(Protocol):
    """Answers the hot paths. Never raises; has handed the events to the writer before it first waits."""

    async def handle(self, call: Call) -> Answer: ...
