"""The visitor actor: one first-party visitor id of one site; its visit, identifiers, click ids, consent and counters.

It is the first to take an event. It tells the activity guard, looks whether the event is a copy of an earlier one,
joins the event to a visit, fills in the consent last stated (actors/consent_state.py), and hands it on: to the order
actor where a twin may come, else to routing. Visits: 30 min of inactivity, a new campaign, or 24 h
(contracts/dedup_and_identity.md, section 3).

Events that wait for a choice of this visitor are kept in mind here, and decided anew when it is made
(actors/holds.py). Of one who allows neither measuring nor marketing nothing is learnt.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from actors import dedup
from actors.actor import Actor, Arrived, Message, Processing, Ref, Turn, VisitorView
from actors.attribution.evidence import LINK_ID, Link
from actors.attribution.touchpoints import MILESTONES
from actors.consent import are_taken_back, is_refused
from actors.consent_record import Changed, change_of
from actors.consent_state import ConsentState
from actors.contacts import TOUCHES_KEPT, Contact, Journey, facts_of, meet, note, recorded, touchpoint
from actors.enrichment import LIFETIMES_MS, Added, of_visitor
from actors.event import Consent, Event, UserData, happened_at_ms, is_bot, is_browser, is_test
from actors.facts import NOTHING_MET, VisitorFacts
from actors.holds import Held, Hold, end, next_end_ms
from actors.identity import is_blocked
from actors.ip import Activity
from actors.link import Clicked, link_key
from actors.order import Copied, Opened
from actors.person_consent import SILENT, OfPerson, Stated, Word, filled, word_of
from actors.settled import Settled
from actors.touching import link_told
from actors.traffic import told_by
from actors.visits import Visit, covers, time_of
from store.journey_records import GapFacts

ROTATED = "rotated:"  # a mark: the browser's visitor was another customer's, and so it got this id, the nth in a day
VALUES_KEPT = 5  # of each identifier and click id, the newest
PERSON_FIELDS = ("email", "phone", "external_id", "klaviyo_id", "kx")
CLICK_FIELDS = (
    "fbc", "fbp", "gclid", "gbraid", "wbraid", "ttclid", "ttp", "epik", "sc_click_id", "sc_cookie1", "li_fat_id",
    "rdt_cid", "rdt_uuid", "awc", "tblci", "criteo_id", "msclkid", "ga_client_id", "ga_session_id",
)  # fmt: skip


class Known(Struct, kw_only=True, omit_defaults=True):
    """A value, when it was seen first and last, and which source brought it. Email and phone are their standard
    digests."""

    value: str
    first_at_ms: int
    last_at_ms: int
    source: str = ""


class Joined(Message, frozen=True, kw_only=True):
    """Something besides the visitor is known of its identity; or it is several persons' visitor."""

    is_shared: bool = False


class Settles(Message, frozen=True):
    """Whose the visitor's events are, as long as they name nothing new."""

    settled: Settled


class VisitorState(ConsentState, Struct, kw_only=True, omit_defaults=True):
    first_seen_at_ms: int = 0
    last_seen_at_ms: int = 0
    visit: Visit | None = None
    visits: int = 0
    seen: dict[str, list[Known]] = {}
    held: list[Hold] = []  # events that wait for a choice
    events: int = 0
    purchases: int = 0
    told_day: int = 0  # the last day, since 1970, on which it told its site that it was there,
    known_day: int = 0  # and that it is known by an identifier
    journey: Journey | None = None
    is_joined: bool = False  # its identity is more than this visitor, or has an identifier
    is_shared: bool = False
    settled: Settled | None = None
    is_asked: bool = False  # False: of a store from before identities, which know nothing of it yet
    person: Word = SILENT  # what the same person states at other visitors
    rotations: int = 0  # visitor ids that its browser was given before it within a day, each for another person


class Visitor(Actor[VisitorState]):
    kind: ClassVar[str] = "visitor"
    number: ClassVar[int] = 1
    state_type: ClassVar[type[Any]] = VisitorState

    def receive(self, message: Arrived | Held | Joined | OfPerson | Settles, turn: Turn) -> None:
        match message:
            case Arrived():
                self._arrived(message, turn)
            case Held():
                self.state.held.append(message.hold)
            case Joined():
                self._joined(message, turn)
            case OfPerson():
                self._told(message, turn)
            case Settles():
                self.state.settled = message.settled
        if self.state.held:
            self._end_holds(turn)

    def alarm(self, turn: Turn) -> None:
        self._end_holds(turn)

    def _joined(self, message: Joined, turn: Turn) -> None:
        """What a visitor of several persons states is none of theirs, and what a person states elsewhere not its."""
        state = self.state
        state.is_joined, state.settled = True, None
        state.is_shared = state.is_shared or message.is_shared
        if state.is_shared:
            state.person = SILENT
        elif state.consent != Consent():
            self._tell_person(turn)

    def _told(self, message: OfPerson, turn: Turn) -> None:
        """What the person takes back elsewhere is taken back from what waits here, too."""
        state = self.state
        before, state.person = state.person, SILENT if state.is_shared else message.word
        if are_taken_back(before.consent, state.person.consent):
            site, _, visitor = self.key.partition("\x1f")
            turn.withdrawn(site, visitor)
        if is_refused(filled(state.consent, "", state.person, turn.now_ms)[0]):
            self._forget_seen()

    def _tell_person(self, turn: Turn) -> None:
        site, _, visitor = self.key.partition("\x1f")
        identity = turn.graph.of_visitor(site, visitor)
        turn.send(Ref("identity", f"{site}\x1f{identity}"), Stated(visitor=visitor, word=word_of(self.state)))

    def _arrived(self, message: Arrived, turn: Turn) -> None:
        event = message.event
        if is_test(event):  # it is nobody's: no copy is looked for, and nothing is learnt, held or counted
            turn.process(Processing(event=event, at=message.at, **self._consent(event)))
            return
        if message.caller:
            turn.send(Ref("ip", f"{event.site}\x1f{message.caller}"), Activity(at_ms=event.received_at_ms))
        found = turn.sighting(event)
        if found is not None:
            self._copy(message, *found, turn)
            return
        if event.source == "link":
            self._clicked(event, turn)
        turn.seen(event)
        self._learn(message, turn)
        processing = Processing(
            event=event,
            at=message.at,
            session_id=self._session_id(event),
            facts=self._facts(event, turn),
            met=self._met(event, turn),
            **self._identity(event, turn),
            **self._consent(event),
        )
        self._hand_on(processing, turn)

    def _clicked(self, event: Event, turn: Turn) -> None:
        slug = event.custom_data.properties.get("link_id")
        if isinstance(slug, str):
            turn.send(Ref("link", link_key(event.site, slug)), Clicked(at_ms=event.received_at_ms))

    def _copy(self, message: Arrived, key: str, value: str, sighting: Any, turn: Turn) -> None:
        """A copy of an earlier event: the order actor decides where one knows the first, else it is a duplicate."""
        turn.seen(message.event, is_copy=True)
        if sighting.order is None:
            self._learn_consent(message.event, turn)
            self._tell_site(message.event, turn)
            turn.duplicate(message.event, message.at, sighting.event_key, key, value)
            if is_refused(self._consent(message.event)["consent"]):
                turn.forget_person(message.event, message.at)
            return
        self._learn(message, turn, is_copy=True)
        copied = Copied(
            event=message.event, at=message.at, key=key, value=value, first_key=sighting.event_key,
            session_id=self._session_id(message.event), facts=self._facts(message.event, turn),
            met=self._met(message.event, turn), **self._identity(message.event, turn),
            **self._consent(message.event),
        )  # fmt: skip
        turn.send(Ref("order", sighting.order), copied)

    def _hand_on(self, processing: Processing, turn: Turn) -> None:
        event = processing.event
        if not dedup.is_held(event):
            turn.remember(event, None)
            turn.process(processing)
            return
        turn.send(Ref("order", f"{event.site}\x1f{event.event_name}\x1f{event.event_id}"), Opened(processing))

    def _met(self, event: Event, turn: Turn) -> VisitorFacts:
        """What filters of routes may ask about the visitor."""
        site = turn.snapshot.sites.get(event.site)
        if site is None or not site.routes:
            return NOTHING_MET
        state = self.state
        is_identified = any(state.seen.get(field) for field in PERSON_FIELDS)
        return VisitorFacts(is_new=state.visits <= 1, visits=state.visits, identified=is_identified)

    def _session_id(self, event: Event) -> str | None:
        """The visit that the event belongs to; one that a server sends joins the visit of its time, if there is one."""
        visit = self.state.visit
        return visit.id if visit is not None and covers(visit, event) else None

    def _identity(self, event: Event, turn: Turn) -> dict[str, Any]:
        """What the visitor knows of its identity, and the click and browser ids that the event does not bring."""
        state = self.state
        named: dict[str, str] = {}
        if not state.is_asked:
            state.is_asked = True
            if state.events > 1:
                named = {field: state.seen[field][-1].value for field in PERSON_FIELDS if state.seen.get(field)}
            elif event.user_data.anonymous_id is not None:  # it may be known from before its memory went
                state.is_joined = state.is_joined or turn.graph.is_joined(event.site, event.user_data.anonymous_id)
        if state.is_shared:
            return {"visitor": VisitorView(since_ms=state.first_seen_at_ms, is_joined=True)}
        view = VisitorView(
            since_ms=state.first_seen_at_ms, is_joined=state.is_joined, named=named, settled=state.settled
        )
        added, learnt = self._added(event, turn)
        return {"visitor": view, "added": added, "added_from": learnt}

    def _added(self, event: Event, turn: Turn) -> Added:
        user, seen = event.user_data, self.state.seen
        if event.is_internal or all(getattr(user, field) is not None for field in seen if field in LIFETIMES_MS):
            return {}, {}
        site = turn.snapshot.sites.get(event.site)
        last = {
            field: (known[-1].value, known[-1].first_at_ms, known[-1].last_at_ms, known[-1].source)
            for field, known in seen.items()
            if known and field in LIFETIMES_MS
        }
        return of_visitor(user, last, event.received_at_ms, site.identity.max_age_ms if site is not None else 0)

    def _learn(self, message: Arrived, turn: Turn, *, is_copy: bool = False) -> None:
        """What an event tells about its visitor. A copy of it may come from another side and know more, but it is not
        another event."""
        event, state = message.event, self.state
        now_ms = event.received_at_ms
        state.first_seen_at_ms = state.first_seen_at_ms or now_ms
        state.last_seen_at_ms = max(state.last_seen_at_ms, now_ms)
        state.events += not is_copy
        if state.events == 1 and event.marks:
            state.rotations = max((int(mark[-1]) for mark in event.marks if mark.startswith(ROTATED)), default=0)
        state.purchases += not is_copy and event.event_name == "purchase_placed"
        self._learn_consent(event, turn)
        if is_refused(self._consent(event)["consent"]):
            self._withhold(event, turn)
            return
        contact = self._visit(message, turn) if is_browser(event) and not is_bot(event) else None
        if contact is not None and contact.is_new_visit and self.key and not is_test(event):
            turn.traffic.add(event, "visits")
        if is_bot(event):
            self._exclude(event)
        for field, value in _identifiers(event.user_data):
            self._note(field, value, now_ms, event.source)
        self._tell_site(event, turn)
        if contact is not None and contact.is_touch:
            self._touch(contact, event, turn)
        if event.event_name in MILESTONES:
            self._mark(event, turn)

    def _withhold(self, event: Event, turn: Turn) -> None:
        """Nothing is learnt; that something was withheld explains a conversion without touchpoints."""
        self._tell_site(event, turn)
        if is_browser(event) and not is_bot(event):
            journey = self.state.journey = self.state.journey or Journey()
            journey.withheld_at_ms = max(journey.withheld_at_ms, time_of(event))

    def _tell_site(self, event: Event, turn: Turn) -> None:
        """That it was there, and is known by an identifier that joins: each once a day."""
        if self.key and not is_bot(event) and not is_test(event):
            for column in told_by(self.state, event, is_there=is_browser(event)):
                turn.traffic.add(event, column)

    def _learn_consent(self, event: Event, turn: Turn) -> None:
        """From every copy too: a denial counts, whichever message brought it."""
        state = self.state
        before = state.consent
        if not state.learn(event) or not self.key:
            return
        change = change_of(event, state.consent, state.consent_version)
        turn.send(Ref("consent", self.key), Changed(change=change))
        if are_taken_back(before, state.consent):
            turn.withdrawn(event.site, event.user_data.anonymous_id or "")
        if state.is_joined and not state.is_shared:
            self._tell_person(turn)
        if is_refused(state.consent):
            self._forget_seen()

    def _forget_seen(self) -> None:
        state = self.state
        state.visit = None
        state.seen = {}

    def _end_holds(self, turn: Turn) -> None:
        """Decides anew what need not wait any longer; the alarm is set for the next whose time ends."""
        state = self.state
        consent, _ = filled(state.consent, "", state.person, turn.now_ms)
        state.held, ended = end(state.held, consent, turn.now_ms)
        turn.alarm_at(next_end_ms(state.held))
        for one in ended:
            turn.release(one.hold.event_key, consent, state.consent_version, is_last=one.is_last)

    def _visit(self, message: Arrived, turn: Turn) -> Contact:
        state, event = self.state, message.event
        contact = meet(
            event, state.visit, turn.snapshot.sites.get(event.site), turn.brought, partial(self._new_id, message, turn)
        )
        is_first, state.visit = state.visits == 0, contact.visit
        state.visits += contact.is_new_visit
        if contact.is_new_visit:
            state.journey = state.journey or Journey()
            note(state.journey, contact, event, is_first=is_first)
        return contact

    def _new_id(self, message: Arrived, turn: Turn) -> str:
        """What the edge proposed, unless it took the event for one of the visit that is open."""
        proposed, visit = message.session_id, self.state.visit
        if proposed and (visit is None or proposed != visit.id):
            return proposed
        return f"{turn.random.getrandbits(128):032x}"

    def _exclude(self, event: Event) -> None:
        """A bot's contact makes no touchpoint; that there was one explains a conversion without any."""
        journey = self.state.journey = self.state.journey or Journey()
        journey.excluded_at_ms = max(journey.excluded_at_ms, time_of(event))

    def _touch(self, contact: Contact, event: Event, turn: Turn) -> None:
        site = turn.snapshot.sites.get(event.site)
        journey = self.state.journey = self.state.journey or Journey()
        if site is None or event.user_data.anonymous_id is None:
            return
        row = touchpoint(
            event, contact, self._consent(event)["consent"], site, turn.key_of(event), _link(contact, event, turn),
            turn.brought,
        )  # fmt: skip
        if row is None:
            journey.withheld_at_ms = max(journey.withheld_at_ms, time_of(event))
            return
        recorded(journey, turn.touch(row, is_full=journey.touches >= TOUCHES_KEPT), row.at_ms)

    def _mark(self, event: Event, turn: Turn) -> None:
        """The first cart, checkout or lead after a touchpoint is noted with it."""
        journey = self.state.journey
        if journey is not None and journey.last and not journey.is_marked:
            journey.is_marked = True
            turn.mark(journey.last, time_of(event))

    def _facts(self, event: Event, turn: Turn) -> GapFacts | None:
        """Of a conversion's visitor; of other events nobody asks."""
        site, state = turn.snapshot.sites.get(event.site), self.state
        if site is None or event.event_name not in site.attribution.conversions:
            return None
        return facts_of(state.journey, event, first_seen_at_ms=state.first_seen_at_ms, visits=state.visits)

    def _note(self, field: str, value: str, now_ms: int, source: str) -> None:
        known = self.state.seen.setdefault(field, [])
        for entry in known:
            if entry.value == value:
                entry.last_at_ms = max(entry.last_at_ms, now_ms)
                return
        known.append(Known(value=value, first_at_ms=now_ms, last_at_ms=now_ms, source=source))
        del known[:-VALUES_KEPT]

    def _consent(self, event: Event) -> dict[str, Any]:
        """Per purpose the event's own choice, else what the visitor stated, else what its person states elsewhere."""
        state = self.state
        consent, came = filled(*state.of(event), state.person, happened_at_ms(event))
        version = state.person.version if came == "identity" else state.consent_version
        return {"consent": consent, "consent_from": came, "consent_version": version}


def _link(contact: Contact, event: Event, turn: Turn) -> Link | None:
    """The tracked link that the visitor came by."""
    slug = contact.landing.parameters.get(LINK_ID)
    row = turn.link(event.site, slug) if slug else None
    return link_told(row) if row is not None else None


def _identifiers(user_data: UserData) -> Iterator[tuple[str, str]]:
    """What the visitor is known by, that is there; of digest sets the standard form. Placeholders tell nobody apart."""
    for field in PERSON_FIELDS:
        value = getattr(user_data, field)
        if isinstance(value, str):
            if not is_blocked(value):
                yield field, value
        elif value is not None:  # the edge makes no digest of a value that may join nobody
            yield field, value.sha256
    for field in CLICK_FIELDS:
        value = getattr(user_data, field)
        if value is not None:
            yield field, value
