"""One request to a hot path, and its answer, as both doors hand them to the collector."""

from collections.abc import Mapping

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    """A whole request: its body has arrived. Header names are in lower case, repeated headers joined by `, `."""

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
