"""The identity actor: one person of one site, whose events, visitors and identifiers meet.

    identify(processing) ─▶ Resolving ─▶ each identity that the event leads to, one after the other
                                 └─▶ Joining ─▶ the one whose it is: merges, links, adds what is known, routes
                                                   └─▶ Absorbed ─▶ those that were merged into it

An anonymous visitor has no identity of its own here: its id follows from the visitor's, and its age is when the visitor
was seen first, until an identifier or a second visitor appears. Whose an event is decides resolving.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from actors.actor import Actor, Arrived, Message, Position, Processing, Ref, Turn
from actors.cases import Case, case_of, lead, rules_of, share
from actors.consent import is_refused
from actors.enrichment import Added, is_steady, of_identity
from actors.event import Event, is_bot, is_test
from actors.graph import DEVICE, MERGE
from actors.hearing import consented, heard, tell_visitors
from actors.identifying import FOUNDS, JOINS, VISITOR, Named, has_leads, names_nobody
from actors.identity_notes import form_of, noted, set_aside, with_rows
from actors.identity_state import IdentityState, Merge, Today, Value, has_news, ids_of, merged, visitors_of, with_value
from actors.person_consent import Stated
from actors.resolving import Plan, resolve
from actors.settled import Mark, Settled, digest_of, settled_after
from actors.splitting import MERGE_ID, undone
from actors.visitor import Joined, Settles
from store import keys
from store.identifiers import IDENTITY
from store.identity_records import IdentifierRow

DAY_MS = 86_400_000


class _OfCase(Message, frozen=True, kw_only=True):
    case: Case

    @property
    def carried(self) -> Event:
        return self.case.processing.event

    @property
    def position(self) -> Position:
        return self.case.processing.at

    @property
    def otherwise(self) -> tuple[Ref, Message]:
        return Ref(Identity.kind, ""), Unresolved(self.case.processing)


class Resolving(_OfCase, frozen=True, kw_only=True):
    """Asks one identity after the other what it knows."""

    waiting: tuple[str, ...] = ()
    parts: dict[str, IdentityState] = msgspec.field(default_factory=dict)


class Joining(_OfCase, frozen=True, kw_only=True):
    """The event is this identity's."""

    plan: Plan
    parts: dict[str, IdentityState]


class Recurring(Message, frozen=True):
    """A further event of one of this identity's visitors, which names what was named before."""

    processing: Processing

    @property
    def carried(self) -> Event:
        return self.processing.event

    @property
    def position(self) -> Position:
        return self.processing.at

    @property
    def is_question(self) -> bool:
        return True

    @property
    def otherwise(self) -> tuple[Ref, Message]:
        return Ref(Identity.kind, ""), Unresolved(self.processing)


class Absorbed(Message, frozen=True, kw_only=True):
    """All that this identity knew is another's now."""


class Restored(Message, frozen=True, kw_only=True):
    """This identity is one of its own again."""

    state: IdentityState


class Unresolved(Message, frozen=True):
    """An event whose turn here failed goes on as nobody's. What cannot be routed either is lost; where a row says that
    it is held, that row is its place in the books."""

    processing: Processing

    @property
    def carried(self) -> Event | None:
        return self.processing.event if self.processing.held_as is None else None

    @property
    def position(self) -> Position | None:
        return self.processing.at if self.processing.held_as is None else None


class Identity(Actor[IdentityState]):
    kind: ClassVar[str] = "identity"
    number: ClassVar[int] = 5
    state_type: ClassVar[type[Any]] = IdentityState

    @property
    def is_blank(self) -> bool:
        return not self.state.values

    @property
    def id(self) -> str:
        return self.key.rpartition("\x1f")[2]

    @property
    def site(self) -> str:
        return self.key.partition("\x1f")[0]

    def receive(
        self,
        message: Arrived | Recurring | Resolving | Joining | Absorbed | Restored | Stated | Unresolved,
        turn: Turn,
    ) -> None:
        match message:
            case Arrived():
                self._split(message, turn)
            case Recurring():
                self._recur(message.processing, turn)
            case Restored():
                self.state = message.state
                tell_visitors(self.state, self.site, turn)
            case Stated():
                self.state = heard(self.state, message, self.site, turn)
            case Resolving():
                self._asked(message, turn)
            case Joining():
                self._join(message.case, message.plan, message.parts, turn)
            case Absorbed():
                self.state = IdentityState()
            case Unresolved():
                turn.route(message.processing)

    def _asked(self, message: Resolving, turn: Turn) -> None:
        case = message.case
        self._forget_old(case.processing.event, turn)
        parts = {**message.parts, self.id: self._known(case)}
        site = case.processing.event.site
        if message.waiting:
            following = Resolving(case=case, waiting=message.waiting[1:], parts=parts)
            turn.send(ref_of(site, message.waiting[0]), following)
            return
        plan = resolve(case.named, case.led, parts, case.made, case.processing.event.received_at_ms)
        if not plan.identity:
            turn.route(case.processing)
        elif plan.identity == self.id:
            self._join(case, plan, parts, turn)
        else:
            turn.send(ref_of(site, plan.identity), Joining(case=case, plan=plan, parts=parts))

    def _recur(self, processing: Processing, turn: Turn) -> None:
        """What was settled holds for as long as the visitor is this identity's."""
        visitor = processing.event.user_data.anonymous_id
        if any(one.form == visitor for one in self.state.values.get(VISITOR, ())):
            self._route_known(processing, turn)
        else:
            look_up(processing, turn)

    def _split(self, message: Arrived, turn: Turn) -> None:
        """Undoes the merge that the event names. A merge that is undone already, or whose identity went on into another
        meanwhile, changes nothing here."""
        event = message.event
        wanted = event.custom_data.properties.get(MERGE_ID)
        merge = next((one for one in self.state.merges if one.id == wanted), None)
        if merge is not None:
            self._tell(event.site, turn)
            self.state, back = undone(self.state, self.id, merge, event.site, turn)
            tell_visitors(self.state, event.site, turn)
            turn.send(ref_of(event.site, merge.merged), Restored(state=back))
        turn.seen(event)
        turn.route(Processing(event=event, at=message.at, identity=self.id))

    def _forget_old(self, event: Event, turn: Turn) -> None:
        """What retention took, or is about to take, is not known any more, though it may be in memory still."""
        site = turn.snapshot.sites.get(event.site)
        if site is not None and 0 < self.state.last_at_ms < event.received_at_ms - site.retention_ms:
            for key in self.state.rows:
                turn.graph.drop(key)
            self.state = IdentityState()

    def _known(self, case: Case) -> IdentityState:
        """What is known of it; of one that is nobody's but a visitor's own, that visitor."""
        founder = case.founders.get(self.id)
        if not self.is_blank or founder is None:
            return self.state
        visitor, since_ms = founder
        event = case.processing.event
        since_ms = min(since_ms or event.received_at_ms, event.received_at_ms)
        value = Value(visitor, since_ms, event.received_at_ms, event.source, event.event_id, self.id)
        return IdentityState(first_at_ms=since_ms, last_at_ms=event.received_at_ms, values={VISITOR: (value,)})

    def _join(self, case: Case, plan: Plan, parts: Mapping[str, IdentityState], turn: Turn) -> None:
        event = case.processing.event
        is_anonymous = self.is_blank and not plan.merges and all(one.kind == VISITOR for one in plan.links)
        joined: list[str] = []
        has_told = False
        if not is_anonymous:
            before = self.state
            self.state = self._after(case, plan, parts, turn)
            joined = sorted(set(visitors_of(self.state)) - set(visitors_of(before)))
            has_told = bool(joined) or has_news(before, self.state)
            if has_told:
                self._tell(event.site, turn)
        if plan.merges or joined:
            turn.identity_changed(event.site, ids_of(self.state, self.id), visitors_of(self.state))
            if self.state.said:
                tell_visitors(self.state, event.site, turn)
        founder = case.founders.get(self.id) if self.is_blank else None
        lead(event, self.id, turn, founder[0] if founder is not None else "")
        if plan.is_shared:
            share(event, turn)
        self._settle(case, plan, None if has_told else case.processing.visitor.settled, turn)
        self._route(case, plan, turn)

    def _tell(self, site: str, turn: Turn) -> None:
        """What was settled with its visitors has to be looked up again."""
        for visitor in visitors_of(self.state):
            turn.send(Ref("visitor", f"{site}\x1f{visitor}"), Joined())

    def _settle(self, case: Case, plan: Plan, before: Settled | None, turn: Turn) -> None:
        """Where nothing is in doubt, further events of the visitor that name the same need no looking up."""
        processing, event = case.processing, case.processing.event
        visitor = event.user_data.anonymous_id
        is_doubtful = not plan.is_sure or plan.is_conflict or plan.is_shared or plan.left_aside or case.is_shared
        visitors = visitors_of(self.state)
        if is_doubtful or self.is_blank or processing.is_merged or visitor not in visitors or not is_steady(self.state):
            return
        is_alone = visitors == [visitor] and not self._adds(event, turn)[0]
        mark = Mark(digest_of(event.user_data), is_alone)
        settled = settled_after(before, self.id, mark, event.received_at_ms)
        turn.send(Ref("visitor", f"{event.site}\x1f{visitor}"), Settles(settled))

    def _after(self, case: Case, plan: Plan, parts: Mapping[str, IdentityState], turn: Turn) -> IdentityState:
        event = case.processing.event
        state = self._known(case)
        state = msgspec.structs.replace(
            state,
            first_at_ms=state.first_at_ms or event.received_at_ms,
            last_at_ms=max(state.last_at_ms, event.received_at_ms),
        )
        for other, key in plan.merges:
            state = self._merge(state, other, parts[other], key, event, turn)
        is_known = not is_refused(consented(case.processing, state).consent)
        for one in plan.links:
            if is_known or one.kind == VISITOR:  # of one who refuses no more than who is meant
                state = self._link(state, one, event, turn)
        if is_known and not plan.is_conflict and not case.is_shared:
            state = noted(state, event, self.id)
        return self._watched(state, case, turn)

    def _merge(
        self, state: IdentityState, other: str, part: IdentityState, key: str, event: Event, turn: Turn
    ) -> IdentityState:
        merge = Merge(
            id=turn.graph.id_of(event.site, MERGE, f"{self.id}/{other}/{event.received_at_ms}")[:16],
            surviving=self.id, merged=other, at_ms=event.received_at_ms, event_id=event.event_id, key=key,
            merged_first_at_ms=part.first_at_ms, merged_last_at_ms=part.last_at_ms,
        )  # fmt: skip
        row = IdentifierRow(site=event.site, identity=self.id, at_ms=event.received_at_ms)
        new = [turn.graph.put(event.site, IDENTITY, one, row) for one in ids_of(part, other)]
        new.append(turn.graph.put(event.site, MERGE, merge.id, row))
        turn.send(ref_of(event.site, other), Absorbed())
        turn.count("identity_merged", site=event.site, key=key)
        return with_rows(merged(state, part, merge), new)

    def _link(self, state: IdentityState, one: Named, event: Event, turn: Turn) -> IdentityState:
        """With the value; the index leads from it to here, unless it leads to somebody else."""
        now_ms = event.received_at_ms
        given = one.value if one.kind == VISITOR else form_of(event, one)
        state = with_value(state, one.kind, Value(given, now_ms, now_ms, event.source, event.event_id, self.id))
        if one.kind == VISITOR or turn.graph.find(event.site, one.kind, one.value) is not None:
            return state
        key = turn.graph.put(
            event.site, one.kind, one.value, IdentifierRow(site=event.site, identity=self.id, at_ms=now_ms)
        )
        return with_rows(state, [key])

    def _watched(self, state: IdentityState, case: Case, turn: Turn) -> IdentityState:
        """Counts the visitors that an identifier is seen with in a day: one that is seen with too many is no person's
        (a till, a test), is set aside and told."""
        event = case.processing.event
        visitor, day = event.user_data.anonymous_id, event.received_at_ms // DAY_MS
        most = rules_of(turn, event.site).visitors_a_day
        for one in case.named:
            if visitor is None or one.kind == VISITOR or one.kind not in JOINS:
                continue
            name, mark = f"{one.kind}\x1f{one.value}", keys.digest16(visitor).hex()[:8]
            seen = state.today.get(name)
            marks = seen.visitors if seen is not None and seen.day == day else ()
            if mark in marks:
                continue
            if len(marks) >= most:
                state = set_aside(state, one, event, turn)
                continue
            today = {other: value for other, value in state.today.items() if value.day == day}
            state = msgspec.structs.replace(state, today={**today, name: Today(day, (*marks, mark))})
        return state

    def _route(self, case: Case, plan: Plan, turn: Turn) -> None:
        processing = consented(case.processing, self.state)
        if is_refused(processing.consent):
            turn.route(msgspec.structs.replace(processing, identity=self.id, added={}, added_from={}))
            return
        if case.is_shared or plan.is_conflict:
            alone = () if case.is_shared else tuple(visitors_of(self.state))
            turn.route(msgspec.structs.replace(processing, identity=self.id, visitors=alone, added={}, added_from={}))
            return
        if self.is_blank:
            turn.route(processing)
            return
        self._route_known(processing, turn, is_sure=plan.is_sure)

    def _route_known(self, processing: Processing, turn: Turn, *, is_sure: bool = True) -> None:
        """With what the person gave before."""
        added, learnt = processing.added, processing.added_from
        if is_sure:
            found, found_from = self._adds(processing.event, turn)
            if found:
                added, learnt = {**found, **added}, {**found_from, **learnt}
        turn.route(
            msgspec.structs.replace(
                processing, identity=self.id, visitors=tuple(visitors_of(self.state)), added=added, added_from=learnt
            )
        )

    def _adds(self, event: Event, turn: Turn) -> Added:
        max_age_ms = rules_of(turn, event.site).max_age_ms
        if not max_age_ms or event.is_internal:
            return {}, {}
        has_visitor = event.user_data.anonymous_id is not None
        return of_identity(event.user_data, self.state, event.received_at_ms, max_age_ms, has_visitor=has_visitor)


def ref_of(site: str, identity: str) -> Ref:
    return Ref(Identity.kind, f"{site}\x1f{identity}")


def identify(processing: Processing, turn: Turn) -> None:
    """Asks whose the event is, where anything but its visitor may tell; else routes it at once. A test's and a bot's
    are nobody's."""
    event, view = processing.event, processing.visitor
    is_plain = names_nobody(event) and not view.is_joined and not view.named and not processing.is_merged
    if is_plain or is_test(event) or is_bot(event):
        turn.route(processing)
        return
    settled = view.settled
    is_further = settled is not None and not has_leads(event.custom_data) and not processing.is_merged
    mark = settled.mark(event) if settled is not None and is_further else None
    if settled is None or mark is None:
        look_up(processing, turn)
    elif mark.is_alone:
        visitor = event.user_data.anonymous_id
        visitors = (visitor,) if visitor is not None else ()
        turn.route(msgspec.structs.replace(processing, identity=settled.identity, visitors=visitors))
    else:
        turn.send(ref_of(event.site, settled.identity), Recurring(processing))


def look_up(processing: Processing, turn: Turn) -> None:
    """Whose the event is, by all that it names."""
    event = processing.event
    case = case_of(processing, turn)
    asked = tuple(dict.fromkeys([*(one.identity for one in case.named if one.identity is not None), *case.led]))
    if not asked:
        asked = tuple(case.made[kind] for kind in FOUNDS if kind in case.made)[:1]
    if case.is_shared and not case.named:
        device = turn.graph.id_of(event.site, DEVICE, event.user_data.anonymous_id or "")
        turn.route(msgspec.structs.replace(processing, identity=device, added={}, added_from={}))
    elif not asked:
        turn.route(processing)
    else:
        turn.send(ref_of(event.site, asked[0]), Resolving(case=case, waiting=asked[1:]))
