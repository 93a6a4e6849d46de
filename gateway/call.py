"""One request to a hot path, and its answer, as both doors hand them to the collector."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

KIB = 1024

# Paths of Segment's, RudderStack's and Jitsu's clients -> the call that the path names; None: a batch names its own
# (contracts/segment.md, section 1).
_CALLS = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
SEGMENT_CALLS: Mapping[str, str | None] = MappingProxyType(
    {f"/v1/{call}": call for call in _CALLS}
    | {f"/v1/{letter}": call for call, letter in _CALLS.items()}
    | {f"{prefix}/{call}": call for prefix in ("/api/s", "/api/s/s2s") for call in _CALLS}
    | dict.fromkeys(("/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"))
)
SEGMENT_METRICS = frozenset({"/v1/m"})  # what Segment's browser library counts of itself: taken and thrown away
SEGMENT_PATHS = SEGMENT_METRICS | SEGMENT_CALLS.keys()

# The hot paths, and the most bytes a body may have there: browsers send little, servers send batches.
BODY_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "/v1/events": 1024 * KIB,
        "/": 1024 * KIB,
        "/i": 64 * KIB,
        "/i/identify": 64 * KIB,
        "/i/consent": 64 * KIB,
        "/v1/consent": 64 * KIB,
        "/i/shopify": 64 * KIB,
        "/i.gif": 0,
    }
    | dict.fromkeys(SEGMENT_PATHS, 64 * KIB)
    | {path: 4096 * KIB for path, call in SEGMENT_CALLS.items() if call is None}
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
