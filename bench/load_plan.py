"""What a load is to be, and what came of it: the words that the load generators and the benches share."""

from typing import Final, Literal

from msgspec import Struct

Shape = Literal["plain", "chunked", "get"]  # chunked: the fast lane hands such a request to the other door
Kind = Literal["usual", "rich"]  # rich: with what every platform knows a buyer by
EVENTS_PATH: Final = "/v1/events"


class Plan(Struct, frozen=True, kw_only=True):
    """`connections` that always have a request under way; with `rate`, requests at their times whatever the answers.

    `run` and `first` are filled in when it starts: the name of its events and the number of the first.
    """

    port: int
    connections: int = 64
    seconds: float = 5.0
    rate: float | None = None  # requests a second, evenly spaced
    requests: int | None = None  # as many and no more; the time is then a bound
    batch: int = 1  # events in a request
    shape: Shape = "plain"
    kind: Kind = "usual"
    path: str = EVENTS_PATH
    visitors: int = 10_000
    run: str = ""
    first: int = 0


class Figures(Struct, frozen=True, kw_only=True):
    """Latencies are of all requests: from sending, or with a rate from the moment a request was due."""

    requests: int
    failed: int  # no answer, or one that is not 2xx
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    longest_ms: float
    tool: Literal["wrk", "python"]
    late_p99_ms: float = 0.0  # how late the generator itself was, with a rate

    @property
    def per_s(self) -> float:
        return (self.requests - self.failed) / self.seconds
