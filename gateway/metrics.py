"""The observer, for Prometheus: every metric of the gateway, each with bounded labels.

    families      site, source, event (one of the 32, or `custom`), destination, platform, outcome, reason, kind
    bound         at most `SERIES` lines on the page, whatever the callers say (10,000 histograms were measured to cost
                  1.4 s a scrape); a family that is full counts what is new under `other`. A configured destination
                  has its own series beside that, until it is taken out of the configuration
    cost          well under a microsecond a call; docs/metrics.md has the figures

docs/metrics.md lists them; a test holds the page to this file.
"""

from collections.abc import Collection, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.process_collector import ProcessCollector

from actors.coverage import IDENTIFIERS
from actors.names import label
from actors.observer import AttemptOutcome, BreakerState, DeliveryOutcome, Observer, PauseCause, Reason
from gateway.metric_families import Families

SERIES = 4_000
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
GROUP = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
TURN_S = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1)
ATTEMPT_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
DELIVERY_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0, 43_200.0, 86_400.0)
SCORES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
LAG_S = (0.001, 0.005, 0.02, 0.05, 0.15, 0.5, 2.0)
PAUSE_CAUSES: tuple[PauseCause, ...] = get_args(PauseCause)
BREAKER_VALUES: Mapping[BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}


class PrometheusObserver(Observer):
    """Counts into a registry of its own; `render` makes the page."""

    def __init__(self) -> None:
        families = Families()
        self.registry = CollectorRegistry(auto_describe=False)
        self.families = families
        self._open_edge(families)
        self._open_core(families)
        self._open_delivery(families)
        assert families.most_samples <= SERIES, f"{families.most_samples} lines are more than {SERIES}"
        self.registry.register(families)
        ProcessCollector(registry=self.registry)

    def _open_edge(self, of: Families) -> None:
        self._received = of.counter("gateway_events_received", "Events in.", "site", "source", bound=60)
        self._accepted = of.counter("gateway_events_accepted", "Events on disk.", "site", "source", "event", bound=250)
        self._rejected = of.counter(
            "gateway_events_rejected", "Events not taken.", "site", "source", "reason", bound=100
        )
        self._cards = of.counter("gateway_card_data_removed", "Card data taken out of events.", "site", bound=20)
        self._persons = of.counter(
            "gateway_personal_data_removed", "Events something personal was taken out of.", "site", bound=20
        )
        self._answers = of.counter("gateway_answers", "Requests answered.", "door", "status", bound=40)
        self._bots = of.counter(
            "gateway_events_of_bots", "Accepted events that count as a bot's.", "site", "source", bound=30
        )
        self._links = of.counter("gateway_link_requests", "Requests for tracked links.", "site", "outcome", bound=60)
        self._connections = of.gauge("gateway_connections", "Open connections.")
        self._failed = of.counter("gateway_connection_failures", "Connections refused or failed.", "kind", bound=20)
        self._room = of.gauge("gateway_room", "1 while events are taken, 0 while disk or budget are short.")
        self._lag = of.histogram("gateway_loop_lag_seconds", "How late the event loop woke up.", bounds=LAG_S)

    def _open_core(self, of: Families) -> None:
        self._duplicate = of.counter(
            "gateway_events_duplicate", "Copies of earlier events.", "site", "source", "key", bound=80
        )
        self._merged = of.counter("gateway_events_merged", "Copies merged into one event.", "site", "source", bound=40)
        event = ("site", "source", "event")
        self._covered = of.counter(
            "gateway_coverage_events", "Events whose identifiers were counted, copies made one.", *event, bound=75
        )
        self._identifiers = of.flags(
            "gateway_coverage_identifiers",
            "Of these events, those that carry each identifier.",
            *event,
            "identifier",
            flags=IDENTIFIERS,
            bound=75,
        )
        self._limited = of.counter("gateway_callers_limited", "Verdicts against callers.", "site", "kind", bound=30)
        self._joined = of.counter(
            "gateway_identities_merged", "Identities that were merged into another.", "site", "key", bound=12
        )
        self._shared = of.counter("gateway_visitors_shared", "Visitors of several persons.", "site", bound=6)
        self._aside = of.counter(
            "gateway_identifiers_set_aside", "Identifiers seen with too many visitors.", "site", "kind", bound=12
        )
        self._turns = of.histogram("gateway_turn_seconds", "Duration of a turn.", "kind", bounds=TURN_S, bound=8)
        self._dead = of.counter("gateway_dead_letters", "Messages whose turn raised.", "kind", bound=12)
        self._mailbox_depth = of.gauge("gateway_mailbox_messages", "Messages not yet processed.")
        self._mailbox_age = of.gauge("gateway_mailbox_age_seconds", "Age of the oldest message not yet processed.")
        self._warm = of.gauge("gateway_warm_actors", "Actors in memory.")
        self._warm_bytes = of.gauge("gateway_warm_actor_bytes", "Bytes of the actors in memory.")
        self._commits = of.histogram("gateway_commit_seconds", "Duration of a commit.", bounds=COMMIT_S)
        self._groups = of.histogram("gateway_commit_writes", "Writes in one commit.", bounds=GROUP)
        self._used = of.gauge("gateway_store_used_bytes", "Bytes of the store in use.")
        self._budget = of.gauge("gateway_store_budget_bytes", "Bytes the store may use.")
        self._books = of.gauge("gateway_books_difference", "Accepted events the books cannot account for: always 0.")
        self._unreadable = of.counter("gateway_unreadable_rows", "Rows set aside.", "database", bound=16)

    def _open_delivery(self, of: Families) -> None:
        whose = ("site", "destination")
        self._not_routed = of.counter(
            "gateway_not_routed", "Events kept from a destination.", *whose, "reason", bound=100, own=13
        )
        self._outbox = of.gauge("gateway_outbox_deliveries", "Deliveries that wait.", *whose, bound=50, own=1)
        self._outbox_age = of.gauge(
            "gateway_outbox_due_age_seconds", "How long the oldest delivery has been due.", *whose, bound=50, own=1
        )
        self._outbox_full = of.counter(
            "gateway_outbox_full", "Deliveries dropped at a full outbox.", *whose, bound=50, own=1
        )
        self._attempts = of.counter(
            "gateway_attempts",
            "Deliveries by what an attempt came to.",
            *whose,
            "platform",
            "outcome",
            bound=170,
            own=8,
        )
        self._attempt_s = of.histogram(
            "gateway_attempt_seconds", "Duration of a request to a platform.", "platform", bounds=ATTEMPT_S, bound=20
        )
        self._deliveries = of.counter(
            "gateway_deliveries", "Deliveries by status.", *whose, "platform", "outcome", "reason", bound=220, own=24
        )
        self._delivery_s = of.histogram(
            "gateway_delivery_seconds",
            "From an event's arrival to the platform's yes.",
            *whose,
            "platform",
            bounds=DELIVERY_S,
            bound=8,
            own=1,
        )
        self._match = of.histogram(
            "gateway_match_quality",
            "Estimated match quality of delivered events, 0 to 10: what the platform could match them by.",
            *whose,
            "platform",
            bounds=SCORES,
            bound=4,
            own=1,
        )
        self._replays = of.gauge("gateway_replay_jobs", "Replay jobs that are not over.")
        self._replayed = of.counter(
            "gateway_replayed_deliveries", "Deliveries that replays looked at.", *whose, "outcome", bound=12, own=10
        )
        self._breaker = of.gauge("gateway_breaker", "0 closed, 1 half open, 2 open.", *whose, bound=50, own=1)
        self._paused = of.gauge("gateway_paused", "1 while a destination is paused.", *whose, "cause", bound=50, own=3)
        self._rate = of.gauge("gateway_requests_per_second", "Requests allowed.", *whose, bound=30, own=1)
        self._window = of.gauge("gateway_requests_at_once", "Requests allowed at once.", *whose, bound=30, own=1)

    # the edge

    def event_received(self, site: str, source: str, count: int = 1) -> None:
        self._received.at(site, source).value += count

    def event_accepted(self, site: str, source: str, event: str, count: int = 1) -> None:
        self._accepted.at(site, source, label(event)).value += count

    def event_rejected(self, site: str, source: str, reason: Reason, count: int = 1) -> None:
        self._rejected.at(site, source, reason).value += count

    def card_data_removed(self, site: str, count: int = 1) -> None:
        self._cards.at(site).value += count

    def personal_data_removed(self, site: str, count: int = 1) -> None:
        self._persons.at(site).value += count

    def event_of_bot(self, site: str, source: str) -> None:
        self._bots.at(site, source).value += 1

    def link_followed(self, site: str, outcome: str) -> None:
        self._links.at(site, outcome).value += 1

    def answered(self, door: str, status: int) -> None:
        self._answers.at(door, str(status)).value += 1

    def connections(self, open_now: int) -> None:
        self._connections.at().value = open_now

    def connection_failed(self, kind: str) -> None:
        self._failed.at(kind).value += 1

    def room(self, has_room: bool) -> None:
        self._room.at().value = has_room

    def loop_lag(self, seconds: float) -> None:
        self._lag.at().observe(seconds)

    # actors

    def event_identifiers(self, site: str, source: str, event: str, identifiers: int, count: int = 1) -> None:
        name = label(event)
        self._covered.at(site, source, name).value += count
        self._identifiers.at(site, source, name).add(identifiers, count)

    def event_duplicate(self, site: str, source: str, key: str) -> None:
        self._duplicate.at(site, source, key).value += 1

    def event_merged(self, site: str, source: str) -> None:
        self._merged.at(site, source).value += 1

    def caller_limited(self, site: str, kind: str) -> None:
        self._limited.at(site, kind).value += 1

    def identity_merged(self, site: str, key: str) -> None:
        self._joined.at(site, key).value += 1

    def visitor_shared(self, site: str) -> None:
        self._shared.at(site).value += 1

    def identifier_set_aside(self, site: str, kind: str) -> None:
        self._aside.at(site, kind).value += 1

    def turn_done(self, kind: str, duration_s: float, count: int = 1) -> None:
        self._turns.at(kind).observe(duration_s, count)

    def dead_letter(self, kind: str) -> None:
        self._dead.at(kind).value += 1

    def mailbox(self, depth: int, age_s: float) -> None:
        self._mailbox_depth.at().value = depth
        self._mailbox_age.at().value = age_s

    def warm_actors(self, count: int, size_bytes: int) -> None:
        self._warm.at().value = count
        self._warm_bytes.at().value = size_bytes

    # the store

    def commit_done(self, duration_s: float, group: int) -> None:
        self._commits.at().observe(duration_s)
        self._groups.at().observe(group)

    def store_bytes(self, used: int, budget: int) -> None:
        self._used.at().value = used
        self._budget.at().value = budget

    def books_difference(self, difference: int) -> None:
        self._books.at().value = difference

    def unreadable_row(self, database: str) -> None:
        self._unreadable.at(database).value += 1

    # delivery

    def destinations(self, configured: Collection[tuple[str, str]]) -> None:
        self.families.keep(configured)

    def not_routed(self, site: str, destination: str, reason: Reason) -> None:
        self._not_routed.at(site, destination, reason).value += 1

    def outbox(self, site: str, destination: str, depth: int, oldest_due_age_s: float) -> None:
        self._outbox.set(depth, site, destination)
        self._outbox_age.set(oldest_due_age_s, site, destination)

    def outbox_full(self, site: str, destination: str, count: int = 1) -> None:
        self._outbox_full.at(site, destination).value += count

    def attempt(
        self, site: str, destination: str, platform: str, outcomes: Mapping[AttemptOutcome, int], latency_s: float
    ) -> None:
        for outcome, count in outcomes.items():
            self._attempts.at(site, destination, platform, outcome).value += count
        self._attempt_s.at(platform).observe(latency_s)

    def delivery(
        self,
        site: str,
        destination: str,
        platform: str,
        outcome: DeliveryOutcome,
        reason: Reason = "none",
        latency_s: float | None = None,
    ) -> None:
        self._deliveries.at(site, destination, platform, outcome, reason).value += 1
        if latency_s is not None:
            self._delivery_s.at(site, destination, platform).observe(latency_s)

    def match_quality(self, site: str, destination: str, platform: str, score: float) -> None:
        self._match.at(site, destination, platform).observe(score)

    def replays_running(self, running: int) -> None:
        self._replays.at().value = running

    def replayed(self, site: str, destination: str, outcome: str, count: int = 1) -> None:
        self._replayed.at(site, destination, outcome).value += count

    def breaker(self, site: str, destination: str, state: BreakerState) -> None:
        self._breaker.set(BREAKER_VALUES.get(state, 0), site, destination)

    def paused(self, site: str, destination: str, cause: PauseCause | None) -> None:
        """A cause has a series from its first time on; the one that people are to be alerted by has it always."""
        for one in PAUSE_CAUSES:
            if one in ("credentials", cause) or self._paused.has(site, destination, one):
                self._paused.set(one == cause, site, destination, one)

    def pace(self, site: str, destination: str, requests_per_s: float, in_flight_most: int) -> None:
        self._rate.set(requests_per_s, site, destination)
        self._window.set(in_flight_most, site, destination)


def render(registry: CollectorRegistry) -> bytes:
    """The page, in Prometheus' text format. Takes milliseconds: call it in a thread of its own."""
    return generate_latest(registry)
