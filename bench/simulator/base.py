"""What a simulated platform is: a strict reader of requests that answers as the real platform does.

A platform keeps what it accepted for tests to read and never does I/O itself: the server (server.py) calls
`answer` for each request under its mount point and applies the faults it was told to play first.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct


class SimRequest(Struct, frozen=True, kw_only=True):
    method: str
    path: str  # without the mount point
    query: Mapping[str, str]
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    at_ms: int  # Unix time of arrival, by the simulator's clock


class SimResponse(Struct, frozen=True, kw_only=True):
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Accepted(Struct, frozen=True, kw_only=True):
    """One event that a platform took. `key` is what the platform deduplicates by; `event` is the parsed JSON."""

    key: str
    event: Any
    at_ms: int


FaultKind = Literal[
    "status", "rate_limit", "bad_token", "hang", "reset", "slow", "garbage", "endless", "gzip_bomb", "drip", "redirect"
]


class Fault(Struct, frozen=True, kw_only=True):
    """How a platform misbehaves. `share` of the requests, at most `count` of them, for at most `for_s` seconds."""

    kind: FaultKind
    status: int = 500
    share: float = 1.0
    count: int | None = None
    for_s: float | None = None
    retry_after_s: float | None = None
    delay_s: float = 1.0


class Platform(Protocol):
    """One simulated platform. `name` is its mount point: requests to `/{name}/…` come here."""

    name: str
    accepted: list[Accepted]
    refused: list[str]  # why requests or events were refused, for tests that expect none

    def answer(self, request: SimRequest) -> SimResponse: ...

    def bad_token(self) -> SimResponse:
        """The platform's own answer to refused credentials."""
        ...

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        """The platform's own answer when it is asked too often."""
        ...
