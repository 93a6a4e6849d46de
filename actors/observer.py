"""What may be counted: one method per thing, which counts nothing by default.

The core, the dispatchers and the doors are given an observer and tell it what happened, after it is committed. Labels
are bounded by who calls: `site` and `destination` are configured ids, `source` is one of `event.Source`, the rest are
the codes below. Never a visitor, an address or a URL. Only `event` may be any name: whoever counts makes it one of the
32 or `custom`. `count` is for callers that tell several at once. Methods are called from the event loop's thread; none
waits and none raises.
"""

from collections.abc import Collection, Mapping
from typing import Literal, get_args

Reason = Literal[
    # at the edge: why an event or a request is not taken
    "malformed",
    "invalid_field",
    "too_large",
    "unknown_key",
    "wrong_origin",
    "rate_limited",
    "no_room",
    # in routing: why an event does not go to a destination
    "no_route",
    "filtered",
    "filter_error",
    "consent_denied",
    "consent_unknown",
    "held",
    "sale_denied",
    "held",
    "sampled",
    "dropped_by_transform",
    "transform_error",
    "destination_disabled",
    "test_event",
    "bot",
    # in delivery: why a delivery is dropped or does not go on
    "too_old",
    "consent_withdrawn",
    "not_encodable",
    "platform_refused",
    "attempts_exhausted",
    "outbox_full",
    "destination_deleted",
    "past_window",
    "erased",
    "paused",
    "timeout",
    "unreachable",
    "throttled",
    "unreadable",
    "unforeseen",
    "not_now",
    "none",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

AttemptOutcome = Literal["delivered", "retry", "drop", "split", "pause", "refresh", "again", "failure"]
DeliveryOutcome = Literal["queued", "delivered", "failed", "dropped"]
BreakerState = Literal["closed", "half_open", "open"]
PauseCause = Literal["credentials", "error_share", "operator", "disabled"]
DedupKey = Literal["event_id", "order_id", "checkout_token", "subscription_id", "lead_id"]


class Observer:
    """Counts nothing. Whoever counts overrides what it wants to know."""

    # the edge

    def event_received(self, site: str, source: str, count: int = 1) -> None:
        """Events that came in, good and bad."""

    def event_accepted(self, site: str, source: str, event: str, count: int = 1) -> None:
        """Events on disk."""

    def event_rejected(self, site: str, source: str, reason: Reason, count: int = 1) -> None:
        """Events not taken. `site` is empty where the key is unknown."""

    def card_data_removed(self, site: str, count: int = 1) -> None:
        """Card numbers and the like taken out of events."""

    def personal_data_removed(self, site: str, count: int = 1) -> None:
        """Events out of whose urls, texts or properties something was taken that names a person."""

    def event_of_bot(self, site: str, source: str) -> None:
        """An event on disk that counts as a bot's."""

    def link_followed(self, site: str, outcome: str) -> None:
        """A request for a tracked link; `outcome`: click, why it is none, or why the link is not in force."""

    def answered(self, door: str, status: int) -> None:
        """One request answered, by the door `fast`, `app` or `metrics`."""

    def connections(self, open_now: int) -> None:
        """How many connections are open."""

    def connection_failed(self, kind: str) -> None:
        """A connection that was refused or ended by a failure; `kind` is a code of the listener."""

    def room(self, has_room: bool) -> None:
        """Whether the edge takes events: False while disk or budget are short."""

    # actors

    def event_identifiers(self, site: str, source: str, event: str, identifiers: int, count: int = 1) -> None:
        """Events that were processed, copies made one; `identifiers` are the bits of coverage.py that they carry."""

    def event_duplicate(self, site: str, source: str, key: str) -> None:
        """An event that is a copy of an earlier one; `key` is the kind of key by which they met."""

    def event_merged(self, site: str, source: str) -> None:
        """A copy whose fields went into the event that was waiting for it."""

    def identity_merged(self, site: str, key: str) -> None:
        """Two identities became one; `key` is the kind of identifier that they met by."""

    def visitor_shared(self, site: str) -> None:
        """A visitor that several persons use."""

    def identifier_set_aside(self, site: str, kind: str) -> None:
        """An identifier that was seen with too many visitors in a day: it joins nobody from now on."""

    def caller_limited(self, site: str, kind: str) -> None:
        """A verdict against a caller; `kind` is `ip` or `key`."""

    def turn_done(self, kind: str, duration_s: float, count: int = 1) -> None:
        """Turns of one kind of actor, each of that duration."""

    def dead_letter(self, kind: str) -> None:
        """A message whose turn raised."""

    def mailbox(self, depth: int, age_s: float) -> None:
        """Messages not yet processed, and the age of the oldest."""

    def warm_actors(self, count: int, size_bytes: int) -> None:
        """Actors kept in memory."""

    # the store

    def commit_done(self, duration_s: float, group: int) -> None:
        """One commit, synced to disk, with the number of writes in it."""

    def store_bytes(self, used: int, budget: int) -> None:
        """Bytes of the store in use, and how many it may use."""

    def books_difference(self, difference: int) -> None:
        """Accepted events that the books cannot account for: always 0."""

    def unreadable_row(self, database: str) -> None:
        """A row that could not be read and was set aside."""

    # delivery

    def destinations(self, configured: Collection[tuple[str, str]]) -> None:
        """Site and id of each destination there is, told when a configuration is published."""

    def not_routed(self, site: str, destination: str, reason: Reason) -> None:
        """An event that does not go to a destination."""

    def outbox(self, site: str, destination: str, depth: int, oldest_due_age_s: float) -> None:
        """Deliveries that wait, and for how long the oldest has been due (0: none is)."""

    def outbox_full(self, site: str, destination: str, count: int = 1) -> None:
        """Deliveries dropped because the outbox was full."""

    def attempt(
        self, site: str, destination: str, platform: str, outcomes: Mapping[AttemptOutcome, int], latency_s: float
    ) -> None:
        """One request to a platform, and of how many of its deliveries came what."""

    def delivery(
        self,
        site: str,
        destination: str,
        platform: str,
        outcome: DeliveryOutcome,
        reason: Reason = "none",
        latency_s: float | None = None,
    ) -> None:
        """A delivery that changed its status. `latency_s`: from arrival to the platform's yes."""

    def match_quality(self, site: str, destination: str, platform: str, score: float) -> None:
        """The estimated match quality of a delivered event, 0 to 10."""

    def breaker(self, site: str, destination: str, state: BreakerState) -> None:
        """The state of a destination's breaker."""

    def paused(self, site: str, destination: str, cause: PauseCause | None) -> None:
        """Why a destination is paused; None where it is not."""

    def pace(self, site: str, destination: str, requests_per_s: float, in_flight_most: int) -> None:
        """How many requests a destination may be sent now: in a second (infinite: no bound) and at once."""

    def replays_running(self, running: int) -> None:
        """How many replay jobs are not over."""

    def replayed(self, site: str, destination: str, outcome: str, count: int = 1) -> None:
        """Deliveries that a replay job looked at; `outcome` is `queued`, or why they were left out."""

    # the process

    def loop_lag(self, seconds: float) -> None:
        """By how much the event loop woke up late."""
