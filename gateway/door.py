"""What both doors are given: their bounds and the log they write to."""

from typing import Protocol

from msgspec import Struct

from gateway.call import Answer, Call

KIB = 1024
HEAD_BYTES = 16 * KIB
HEAD_FIELDS = 100
COOKIE_BYTES = 8 * KIB
TARGET_BYTES = 8 * KIB


class DoorBounds(Struct, frozen=True, kw_only=True):
    """How many, how long, how much. At each bound the caller is answered (408, 413, 431, 503) or cut off."""

    connections: int = 4096
    connections_per_address: int = 64  # IPv6 by /64; loopback and trusted proxies are exempt: a proxy multiplexes
    reserve_descriptors: int = 64  # kept for the store and for deliveries
    head_s: float = 5.0  # from the first byte of a head to its last
    body_s: float = 10.0  # the whole body of a hot path
    keep_alive_s: float = 5.0  # an idle connection
    send_s: float = 10.0  # one answer on the fast lane, each 64 KiB of one on the other door
    app_read_s: float = 60.0  # between two pieces of a body on the other door
    linger_s: float = 2.0  # reading on after a refusal, so that it is not lost to a reset
    linger_bytes: int = 4096 * KIB
    drain_s: float = 8.0  # at shutdown: for requests under way
    drain_send_s: float = 2.0  # at shutdown: for a client that does not read
    user_timeout_ms: int = 8000  # TCP_USER_TIMEOUT: sent and not acknowledged


class Ready(Struct, frozen=True):
    """The store is open, the core runs and there is room."""


class Share(Protocol):
    """An answer that a door makes by itself, with the headers by which the script of the site's page may read it."""

    def __call__(self, call: Call, answer: Answer) -> Answer: ...


def share_nothing(call: Call, answer: Answer) -> Answer:
    """For a door that knows no sites."""
    return answer


class DoorLog(Protocol):
    """Writes one fact: a stable action word and its fields. No address, header or body is ever among them."""

    def __call__(self, action: str, **fields: object) -> None: ...


def log_nothing(action: str, **fields: object) -> None:
    """The log of a door that was given none."""
