"""Actor, Turn, Message, Ref: what an actor is and what its turn may ask for.

An actor is state addressed by kind and key. The runtime creates it on its first message, keeps it in memory while it is
warm, writes it at the commit of each turn and forgets it when it is cold. A turn is a pure function of state, message,
time and random source: it changes its own state and tells `turn` the rest. Nothing it asks for happens before the
commit.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from msgspec import Struct

from actors.event import Consent, Event
from actors.facts import NOTHING_MET, VisitorFacts
from actors.graph import Graph
from actors.settled import Settled
from actors.snapshot import Snapshot
from actors.traffic import Traffic
from store.journey_records import GapFacts, TouchRow
from store.records import Copy, Learnt, LinkRow, Sighting

S = TypeVar("S", bound=Struct)


class Ref(Struct, frozen=True):
    """The address of an actor. An empty key is an actor without a memory: its state is blank and is not kept."""

    kind: str
    key: str


class Position(Struct, frozen=True):
    """Where a message is in the log."""

    shard: int
    sequence: int


class Message(Struct, frozen=True, tag=True):
    """What actors tell each other; each kind of message is a subclass beside the actor that takes it."""

    @property
    def carried(self) -> Event | None:
        """The event that is lost if the turn for this message fails."""
        return None

    @property
    def position(self) -> Position | None:
        """Where the event that it carries is in the log."""
        return None

    @property
    def is_question(self) -> bool:
        """Whether the actor that takes it only answers: its state stays as it is."""
        return False

    @property
    def otherwise(self) -> "tuple[Ref, Message] | None":
        """What is sent in its place if its turn fails."""
        return None


class Arrived(Message, frozen=True, kw_only=True):
    """An event as the edge put it into the mailbox. Taken by the visitor actor."""

    event: Event
    at: Position
    caller: str = ""
    session_id: str = ""

    @property
    def carried(self) -> Event:
        return self.event

    @property
    def position(self) -> Position:
        return self.at


class VisitorView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event's visitor knows of its own identity. `named`: identifiers it was given, in their standard form,
    that no identity knows of yet."""

    since_ms: int = 0
    is_joined: bool = False  # something but the visitor itself may be known of its identity
    named: dict[str, str] = {}
    settled: Settled | None = None  # whose its events were lately


class Processing(Struct, frozen=True, kw_only=True):
    """One event with all that was learnt about it before it is routed."""

    event: Event
    at: Position
    session_id: str | None = None
    consent: Consent = Consent()
    consent_from: str = ""  # event, visitor, identity; empty: nothing is known
    consent_version: int = 0  # of what its visitor, or its identity, had said by then
    released: bytes = b""  # key of its row, where it was routed before and some of it was held for a choice
    is_last: bool = True  # what nobody has answered by now is not waited for
    order: str | None = None
    copies: tuple[Copy, ...] = ()
    fields_from: dict[str, str] = {}
    is_merged: bool = False  # the event differs from what the log holds
    held_as: str | None = None  # event_id under which it waited for its twin
    facts: GapFacts | None = None  # of a conversion: what its visitor knew
    visitors: tuple[str, ...] = ()  # of its identity: their touchpoints are a conversion's, too
    met: VisitorFacts = NOTHING_MET  # what filters may ask of its visitor; only where one of its site does
    visitor: VisitorView = VisitorView()
    identity: str = ""  # empty: the visitor's own, or nobody's
    added: dict[str, Any] = {}  # fields of `user_data` that are known besides what the event brought
    added_from: dict[str, Learnt] = {}


class Turn(Protocol):
    """What a turn may read and ask for. Everything asked for commits together with the actor's state."""

    now_ms: int
    random: Random
    snapshot: Snapshot
    traffic: Traffic  # counters of the event's site and hour; added to, committed with the turn
    graph: Graph

    def send(self, ref: Ref, message: Message) -> None:
        """The message is taken in the same commit, after this turn."""
        ...

    def seen(self, event: Event, *, is_copy: bool = False) -> None:
        """Counts the event at its site: one message to the site's actor for all alike of the batch."""
        ...

    def alarm_at(self, at_ms: int | None) -> None:
        """Wakes this actor at that time, or never; one alarm per actor, durable, late rather than never."""
        ...

    def sighting(self, event: Event) -> tuple[str, str, Sighting] | None:
        """The first event this one is a copy of: (key, value, where), looked up by the keys of `dedup.keys_of`."""
        ...

    def remember(self, event: Event, order: str | None) -> None:
        """From now on events that share one of this event's keys are copies of it."""
        ...

    def link(self, site: str, slug: str) -> LinkRow | None:
        """A tracked link of the site, in force or not: who came by it came by it."""
        ...

    def key_of(self, event: Event) -> bytes:
        """The key of the event's row."""
        ...

    def hold(self, event: Event, at: Position, order: str) -> None:
        """Records an event that waits for its twin."""
        ...

    def merged(self, event: Event, at: Position, order: str, into: bytes) -> None:
        """Records a copy whose fields are in another event."""
        ...

    def duplicate(self, event: Event, at: Position, of: bytes, key: str, value: str) -> None:
        """Records a copy that came too late or brought nothing: it goes nowhere."""
        ...

    def brought(self, digest: bytes) -> bool:
        """Whether a touchpoint with this key was recorded before."""
        ...

    def touch(self, row: TouchRow, *, is_full: bool) -> bytes:
        """Records a touchpoint; the key of its row. `is_full`: the visitor has as many as are kept."""
        ...

    def mark(self, key: bytes, at_ms: int) -> None:
        """Notes with a touchpoint the first cart, checkout or lead after it."""
        ...

    def identity_changed(self, site: str, identities: Sequence[str], visitors: Sequence[str]) -> None:
        """These visitors are the ones of one identity now, which has these ids: after a merge, and after a split by a
        call for each part. Their conversions are computed anew."""
        ...

    def process(self, processing: Processing) -> None:
        """Finds out whose the event is, then routes it."""
        ...

    def route(self, processing: Processing) -> None:
        """Routes the event: one delivery or one reason per destination, in the books and in the outbox."""
        ...

    def release(self, key: bytes, consent: Consent, version: int, *, is_last: bool) -> None:
        """Decides anew about what was held of this event, with the consent that its visitor states now."""
        ...

    def forget_person(self, event: Event, at: Position) -> None:
        """Takes out of a message that led nowhere what its person does not allow to be kept."""
        ...

    def withdrawn(self, site: str, visitor: str) -> None:
        """Tells the dispatchers, after the commit, that this visitor allows less than before."""
        ...

    def publish_verdict(self, site: str, caller: str, until_ms: int | None) -> None:
        """Tells the edge to refuse a caller until then; None takes the verdict back."""
        ...

    def count(self, what: str, **labels: str) -> None:
        """Tells the observer, after the commit."""
        ...


class Actor(Generic[S]):
    """One kind of actor. Subclasses name their kind, its number in keys, and their state."""

    kind: ClassVar[str]
    number: ClassVar[int]  # in store keys; never reused
    version: ClassVar[int] = 1  # of the state; `upgrade` reads older ones
    state_type: ClassVar[type[Any]]

    def __init__(self, key: str, state: S) -> None:
        self.key = key
        self.state = state

    def receive(self, message: Any, turn: Turn) -> None:
        raise TypeError(f"{self.kind} takes no {type(message).__name__}")

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to remember: no row is kept of it."""
        return False

    def alarm(self, turn: Turn) -> None:
        """Called when the actor's alarm is due; the alarm is gone by then."""

    @classmethod
    def upgrade(cls, version: int, data: bytes) -> Any:
        """The state from an older stored version."""
        raise ValueError(f"no way from version {version} of {cls.kind} to {cls.version}")
