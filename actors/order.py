"""The order actor: the pixel's and the server's event of one order become one, with the evidence kept.

The first copy opens it and waits the site's `purchase_hold` for its twin. A copy that comes while it waits is merged
into it; once a browser's and a server's copy are there, nothing more is waited for. What comes later is a duplicate:
its row tells by which key it met the first and in what it differs, and nothing is delivered again.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from actors.actor import Actor, Message, Position, Processing, Turn, VisitorView
from actors.attribution.gaps import joined
from actors.consent import is_refused
from actors.event import Consent, Event, is_browser
from actors.facts import NOTHING_MET, VisitorFacts
from actors.merging import conflicts, merge, strictest
from store.journey_records import GapFacts
from store.records import COPIES_KEPT, Copy, Learnt


class Opened(Message, frozen=True):
    """The first sight of an order."""

    processing: Processing

    @property
    def carried(self) -> Event:
        return self.processing.event

    @property
    def position(self) -> Position:
        return self.processing.at


class Copied(Message, frozen=True, kw_only=True):
    """A further copy, the key by which it met the first, and what its own visitor added."""

    event: Event
    at: Position
    key: str
    value: str
    first_key: bytes = b""  # of the event it is a copy of
    consent: Consent = Consent()
    consent_from: str = ""
    consent_version: int = 0
    session_id: str | None = None
    facts: GapFacts | None = None
    met: VisitorFacts = NOTHING_MET
    visitor: VisitorView = VisitorView()
    added: dict[str, Any] = msgspec.field(default_factory=dict)
    added_from: dict[str, Learnt] = msgspec.field(default_factory=dict)

    @property
    def carried(self) -> Event:
        return self.event

    @property
    def position(self) -> Position:
        return self.at


class OrderState(Struct, kw_only=True, omit_defaults=True):
    first: Processing | None = None  # as it arrived, while it waits
    merged: Event | None = None  # with the fields of its copies, while it waits
    fields_from: dict[str, str] = {}
    copies: list[Copy] = []
    event_key: bytes = b""  # of the event that went out, or of the one that waits
    has_browser: bool = False
    has_server: bool = False
    is_held: bool = False


class Order(Actor[OrderState]):
    kind: ClassVar[str] = "order"
    number: ClassVar[int] = 3
    state_type: ClassVar[type[Any]] = OrderState

    def receive(self, message: Opened | Copied, turn: Turn) -> None:
        match message:
            case Opened():
                self._open(message.processing, turn)
            case Copied() if self.state.first is not None:
                self._merge(message, turn)
            case Copied():
                first = self.state.event_key or message.first_key
                turn.duplicate(message.event, message.at, first, message.key, message.value)
                if is_refused(message.consent):
                    turn.forget_person(message.event, message.at)

    def alarm(self, turn: Turn) -> None:
        if self.state.first is not None:
            self._release(turn)

    def _open(self, processing: Processing, turn: Turn) -> None:
        if self.state.first is not None:  # held for longer than its own window
            self._release(turn)
        self.state = state = OrderState()  # an id used again after its window is another order
        event = processing.event
        state.first, state.merged = processing, event
        state.event_key = turn.key_of(event)
        self._note_side(event)
        turn.remember(event, self.key)
        site = turn.snapshot.sites.get(event.site)
        if site is None or site.purchase_hold_ms <= 0:
            self._release(turn)
            return
        state.is_held = True
        turn.hold(event, processing.at, self.key)
        turn.alarm_at(turn.now_ms + site.purchase_hold_ms)

    def _merge(self, message: Copied, turn: Turn) -> None:
        state = self.state
        assert state.first is not None, "an order that waits has its first copy"
        assert state.merged is not None, "an order that waits has its event"
        result = merge(state.merged, message.event, state.fields_from)
        state.first = _joined(state.first, message)
        self._note_side(message.event)
        copy = evidence(state.merged, message, is_merged=True)
        if len(state.copies) < COPIES_KEPT:
            state.copies.append(copy)
        state.merged = result.event
        state.fields_from = result.fields_from
        turn.remember(message.event, self.key)
        turn.merged(message.event, message.at, self.key, state.event_key)
        turn.traffic.copy(message.event, "merged", message.key, is_conflict=bool(copy.conflicts))
        turn.count("event_merged", site=message.event.site, source=message.event.source)
        if state.has_browser and state.has_server:
            self._release(turn)

    def _release(self, turn: Turn) -> None:
        """Sends the one event on. Consent: the first copy's, filled from the visitor, and every denial of a copy."""
        state = self.state
        first, event = state.first, state.merged
        assert first is not None
        assert event is not None
        consent = strictest(first.consent, event.consent) if state.copies else first.consent
        turn.alarm_at(None)
        turn.process(
            msgspec.structs.replace(
                first,
                event=event,
                consent=consent,
                consent_from=first.consent_from or ("event" if consent != Consent() else ""),
                order=self.key,
                copies=tuple(state.copies),
                fields_from=state.fields_from,
                is_merged=bool(state.copies),
                held_as=first.event.event_id if state.is_held else None,
            )
        )
        state.event_key = turn.key_of(event)
        state.first = state.merged = None

    def _note_side(self, event: Event) -> None:
        if is_browser(event):
            self.state.has_browser = True
        else:
            self.state.has_server = True


def _joined(first: Processing, copy: Copied) -> Processing:
    """With the visit and the consent that a copy's own visitor adds: a browser's choice first, a denial before all."""
    if is_browser(copy.event):
        consent = strictest(copy.consent, first.consent)
    else:
        consent = strictest(first.consent, copy.consent)
    return msgspec.structs.replace(
        first,
        consent=consent,
        consent_from=first.consent_from or copy.consent_from,
        consent_version=first.consent_version or copy.consent_version,
        session_id=first.session_id or copy.session_id,
        facts=joined(first.facts, copy.facts),
        met=copy.met if is_browser(copy.event) else first.met,
        visitor=copy.visitor if is_browser(copy.event) or not first.visitor.since_ms else first.visitor,
        added={**copy.added, **first.added},
        added_from={**copy.added_from, **first.added_from},
    )


def evidence(first: Event, copy: Copied, *, is_merged: bool) -> Copy:
    """What a copy's record says: which it was, where it is, by which key it met, in what it differs."""
    return Copy(
        event_id=copy.event.event_id,
        source=copy.event.source,
        received_at_ms=copy.event.received_at_ms,
        shard=copy.at.shard,
        sequence=copy.at.sequence,
        key=copy.key,
        value=copy.value,
        conflicts=conflicts(first, copy.event),
        is_merged=is_merged,
    )
