"""Dry runs: what would become of one event, live and by the draft, at each destination; nothing is written or sent.

The turns, the decision and the adapters are those of the core (actors/trial.py, actors/routing.py). An event that is
given has all its turns; one of the ledger is routed again with what was known of it then, and with the consent of then.
Its age counts as when it arrived.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from actors.content import read_content, without_removed
from actors.destinations.base import Destination
from actors.event import Event
from actors.redaction import secrets_of
from actors.route_trace import consent_trace, sample_trace, trace
from actors.routes import Route
from actors.routing import Asking, Decision, decide_one
from actors.snapshot import Site, Snapshot
from actors.trial import Failed, Tried, asked_of, try_again, try_event
from actors.twins import real_id
from actors.work import event_to_send
from gateway.commands.trial import HIDDEN, Hide, Plan, Shown, encoded, hide_person, shown_request
from gateway.dry_run_records import DestinationTrial, Difference, EventTrial, SideName, SideTrial
from gateway.given_event import Opener
from gateway.routes_compare import SettingChange, compare_tables
from gateway.routes_words import refusal_in_words
from store.env import Store
from store.ledger import Found

SENT = "sent"


class Side(Struct, frozen=True, kw_only=True):
    """One version of the configuration. `number`: of the site's routes in it."""

    name: SideName
    snapshot: Snapshot
    number: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of the event at one destination. `plan`: where it would be sent; `event`: as it would be encoded."""

    destination: Destination
    decision: Decision
    reason: str = SENT
    words: str = ""
    plan: Plan | None = None
    event: Event | None = None


class DryRuns:
    """`sides`: live, and the draft where it is asked for. `open_plaintext`: for destinations that take plaintext."""

    def __init__(self, store: Store, site: str, sides: Sequence[Side], now_ms: int, open_plaintext: Opener) -> None:
        self._store = store
        self._site = site
        self._sides = sides
        self._now_ms = now_ms
        self._open = open_plaintext

    def given(self, event: Event) -> EventTrial:
        """An event as the edge would hand it over. Its person is shown as far as the event tells: it was given."""
        tried = [(side, try_event(self._store, side.snapshot, event, self._now_ms)) for side in self._sides]
        return self._told(event, tried, is_stored=False)

    def stored(self, found: Found) -> EventTrial | None:
        """One of the ledger; None where it has no body any more."""
        if found.body is None:
            return None
        tried = [(side, self.again(side, found)) for side in self._sides]
        first = next((one.event for _, one in tried if isinstance(one, Tried)), None)
        return self._told(first, tried, is_stored=True) if first is not None else None

    def again(self, side: Side, found: Found) -> Tried | Failed:
        assert found.body is not None, "who asks has looked"
        return try_again(self._store, side.snapshot, found.row, found.body, self._now_ms)

    def outcomes(self, side: Side, tried: Tried) -> list[Outcome]:
        """At each destination of the site; none where the event is a copy of another one."""
        asking = self._asking(side, tried)
        if asking is None or tried.row is None:
            return []
        return [self._outcome(asking, tried, destination) for destination in asking.site.destinations]

    # --- one destination ---

    def _outcome(self, asking: Asking, tried: Tried, destination: Destination) -> Outcome:
        decision = _as_recorded(decide_one(asking, destination), tried)
        if decision.reason is not None:
            words = refusal_in_words(decision, asking, destination)
            return Outcome(destination=destination, decision=decision, reason=decision.reason, words=words)
        assert tried.row is not None, "what was decided has a row"
        target = asking.site.destination(decision.destination) or destination
        sent = event_to_send(tried.row, msgspec.msgpack.encode(tried.event), decision.content)
        if sent is None:
            return Outcome(destination=target, decision=decision, reason="unreadable", words="its content is damaged")
        ids = (tried.event.event_id, *(copy.event_id for copy in tried.row.copies))
        opened = self._open(sent, ids) if target.opens_plaintext() else sent
        changes = read_content(decision.content) if decision.content is not None else None
        opened = without_removed(opened, changes) if changes is not None else opened
        return self._encoded(Outcome(destination=target, decision=decision, event=opened))

    def _encoded(self, one: Outcome) -> Outcome:
        assert one.event is not None
        try:
            plan = encoded(one.event, self._site, one.destination, one.event.received_at_ms)
        except Exception as error:  # noqa: BLE001  an adapter's bug is an answer too; its text may hold values
            words = f"the adapter failed on it: {type(error).__name__}"
            return msgspec.structs.replace(one, reason="not_encodable", words=words)
        if isinstance(plan, Plan):
            return msgspec.structs.replace(one, plan=plan)
        return msgspec.structs.replace(one, reason=plan.reason, words=Hide(secrets_of(one.destination))(plan.words))

    def _asking(self, side: Side, tried: Tried) -> Asking | None:
        site = side.snapshot.sites.get(self._site)
        return asked_of(tried, site) if site is not None else None

    # --- what is told ---

    def _told(self, event: Event, tried: Sequence[tuple[Side, Tried | Failed]], *, is_stored: bool) -> EventTrial:
        told = [self._side(side, one, is_stored=is_stored) for side, one in tried]
        return EventTrial(
            site=self._site,
            event_name=event.event_name,
            event_id=event.event_id,
            source=event.source,
            is_stored=is_stored,
            sides=tuple(one for one, _ in told),
            differences=tuple(differences(told[0][1], told[1][1])) if len(told) == 2 else (),
        )

    def _side(self, side: Side, tried: Tried | Failed, *, is_stored: bool) -> tuple[SideTrial, list[Outcome]]:
        if isinstance(tried, Failed):
            return SideTrial(
                side=side.name, version=side.number, status="dead_letter", words=tried.error, destinations=()
            ), []
        status, words = _status(tried)
        outcomes = self.outcomes(side, tried)
        asking = self._asking(side, tried)
        shown = [self._shown(one, asking, tried, is_stored=is_stored) for one in outcomes if asking is not None]
        found = SideTrial(side=side.name, version=side.number, status=status, words=words, destinations=tuple(shown))
        return found, outcomes

    def _shown(self, one: Outcome, asking: Asking, tried: Tried, *, is_stored: bool) -> DestinationTrial:
        destination = asking.site.destination(real_id(one.destination.id)) or one.destination
        route = _route(asking.site, one.decision.route)
        learnt_from = tried.row.consent_from if tried.row is not None else ""
        return DestinationTrial(
            destination=one.decision.destination,
            platform=destination.platform,
            outcome=one.reason,
            words=one.words,
            route=one.decision.route,
            routes=trace(asking, destination),
            consent=consent_trace(asking, destination, route, learnt_from),
            sample=sample_trace(asking.event, route, asking.site) if route is not None else None,
            changes=_changes(asking, one),
            request=_request(one, is_stored=is_stored),
        )


def _as_recorded(decision: Decision, tried: Tried) -> Decision:
    """What is unknown may wait for a choice: the row tells."""
    recorded = tried.row.not_routed.get(decision.destination) if tried.row is not None else None
    if decision.reason == "consent_unknown" and recorded == "held":
        return msgspec.structs.replace(decision, reason="held")
    return decision


def differences(live: Sequence[Outcome], draft: Sequence[Outcome]) -> list[Difference]:
    """What the draft changes, destination by destination."""
    by_id = {one.decision.destination: one for one in live}
    found = [(one.decision.destination, by_id.get(one.decision.destination), one) for one in draft]
    return [
        Difference(destination=id, what=what, live=before.reason if before else "", draft=after.reason)
        for id, before, after in found
        if (what := difference(before, after))
    ]


def difference(live: Outcome | None, draft: Outcome) -> Any:
    """`new`, `lost`, another `payload`, `reason` or `route`; empty where all is alike."""
    was, will = live is not None and live.reason == SENT, draft.reason == SENT
    if was != will:
        return "new" if will else "lost"
    if live is None:
        return ""
    if was and _body(live) != _body(draft):
        return "payload"
    if live.reason != draft.reason:
        return "reason"
    return "route" if live.decision.route != draft.decision.route else ""


def _body(one: Outcome) -> Any:
    return (one.plan.payload.body, one.plan.payload.envelope) if one.plan is not None else None


def _status(tried: Tried) -> tuple[str, str]:
    """What the event would be; a copy is decided with the event that it is a copy of."""
    if tried.processing is not None:
        return "processed", ""
    status = tried.row.status if tried.row is not None else "duplicate"
    if status == "processed":  # the row is of the event that came first under this very id
        return "duplicate", "an event of this id was processed before"
    return status, "it is a copy of an event that came before"


def _route(site: Site, id: str) -> Route | None:
    return next((one for one in site.routes if one.id == id), None) if id else None


def _changes(asking: Asking, one: Outcome) -> tuple[SettingChange, ...]:
    """Of the transformation: what an identifier became is nobody's business, that it did is."""
    if one.decision.content is None or one.event is None:
        return ()
    before, after = (_table(event) for event in (asking.to_transform(), one.event))
    return tuple(_masked(change) for change in compare_tables(before, after))


def _table(event: Event) -> Mapping[str, Any]:
    plain = msgspec.structs.replace(event.user_data, plain=None, sealed=None)
    table: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(event, user_data=plain))
    return {name: value for name, value in table.items() if value is not None}


def _masked(change: SettingChange) -> SettingChange:
    if not change.path.startswith("user_data."):
        return change
    hidden = [HIDDEN if value is not None else None for value in (change.before, change.after)]
    return SettingChange(path=change.path, before=hidden[0], after=hidden[1])


def _request(one: Outcome, *, is_stored: bool) -> Shown | None:
    """Without secrets, and of a stored event without its person."""
    if one.plan is None or one.event is None:
        return None
    token = HIDDEN if one.destination.oauth() is not None else None
    try:
        shown = shown_request(one.plan.request(token), Hide(secrets_of(one.destination)))
    except Exception:  # noqa: BLE001  as above: what cannot be made cannot be shown
        return None
    return hide_person(shown, one.event) if is_stored else shown
