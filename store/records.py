"""Every stored record, and the codec that it is stored by (store/codec.py)."""

from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct

from store.codec import Codec

EventStatus = Literal["held", "processed", "merged", "duplicate"]
DeliveryStatus = Literal["queued", "delivered", "failed", "dropped"]
StandingState = Literal["sending", "probing", "paused"]
StandingCause = Literal["", "credentials", "error_share", "operator", "disabled", "breaker"]
ReplayState = Literal["running", "done", "cancelled"]
PrivacyKind = Literal["export", "erase"]
PrivacyPhase = Literal["find", "states", "write", "erase", "rest", "done"]


class LogRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of the mailbox. `body` is msgpack of what the receiving kind of actor takes."""

    kind: str  # kind of actor that receives it
    actor_key: str
    received_at_ms: int
    body: bytes
    caller: str = ""  # rate bucket the sender is counted in: `ip:…` or `key:…`; empty: none
    session_id: str = ""  # the id the edge proposed, should this event open a visit


COPIES_KEPT = 50  # of one event, as evidence


class Copy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Evidence of one further copy of an event: where it is in the log and by which key it met the first."""

    event_id: str
    source: str
    received_at_ms: int
    shard: int
    sequence: int
    key: str  # event_id, checkout_token, order_id, subscription_id, lead_id
    value: str
    conflicts: tuple[str, ...] = ()  # fields in which it differs from the first
    is_merged: bool = False  # it came before the event went out, and its fields are in it


class DecidedRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an event at one destination: by which route, and in what form it goes out."""

    route: str = ""
    sample_rate: float = 1.0  # figures are scaled by 1 / this
    has_content: bool = False  # the route changes it: what goes out is with the delivery
    words: str = ""  # how a filter or transformation failed
    consent: tuple[str, ...] = ()  # purposes that the route asks for besides its destination


class Learnt(Struct, frozen=True, array_like=True):
    """Where a field that an event did not bring came from: `via` the visitor or the identity, by which source's event,
    when it was given first."""

    via: str
    source: str
    at_ms: int


class EventRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one event. Its body is in the log at (shard, sequence), unless copies were merged into `body`."""

    site: str
    event_id: str
    event_name: str
    source: str
    received_at_ms: int
    shard: int
    sequence: int
    status: EventStatus
    body: bytes | None = None  # msgpack of the merged event
    order: str | None = None  # key of the order actor that knows this event
    merged_into: bytes | None = None  # key of the event that carries this copy's fields
    copies: tuple[Copy, ...] = ()
    fields_from: dict[str, str] = {}  # field of the merged event -> source of the copy it came from
    session_id: str | None = None  # the gateway's own visit
    visitor_id: str | None = None
    consent: dict[str, str] = {}  # what was decided on: the event's own, filled from the visitor's
    consent_from: str = ""  # "event", "visitor", "identity" or "" where nothing was known
    consent_version: int = 0  # of what the visitor, or its identity, had said when it was routed; 0: nothing
    relied_on: dict[str, str] = {}  # destination that got it on another basis than consent -> which
    released: dict[str, int] = {}  # destination that was held -> version of the consent that decided
    routed: tuple[str, ...] = ()  # destinations that get a delivery
    not_routed: dict[str, str] = {}  # destination -> reason
    version: int = 0  # of the configuration that decided; 0: of a store from before it was kept
    decided: dict[str, DecidedRow] = {}  # destination -> what a route of it decided; not where the default route did
    facts: dict[str, Any] = {}  # what routes asked about besides the event, as it was then
    last_copy_at_ms: int = 0  # arrival of the last further message under this very key; retention waits for it
    erased_at_ms: int = 0  # when its person was taken out of it, and with the person its id; 0: never
    identity: str = ""  # whose it was when it was processed; empty: its visitor's own, or nobody's
    added: dict[str, Any] = {}  # fields of `user_data` that the visitor and the identity add to what it brought
    added_from: dict[str, Learnt] = {}


class HeadUser(Struct, frozen=True):
    anonymous_id: str | None = None


class HeadCustom(Struct, frozen=True):
    order_id: str | None = None


class EventHead(Struct, frozen=True):
    """Of an event's body what the store's own keys are made of; the rest of it is not the store's business."""

    site: str
    event_id: str
    event_name: str
    source: str = ""
    user_data: HeadUser = HeadUser()
    custom_data: HeadCustom = HeadCustom()


class AttemptRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request that carried this delivery, or what stopped it."""

    at_ms: int
    outcome: str  # delivered, retry, drop, split, pause, refresh, again, failure
    status: int | None = None
    latency_ms: int | None = None
    words: str = ""
    batch: int = 1  # events in the request
    counts: bool = True  # whether it used up one of the attempts
    request: bytes | None = None  # the event's own part of the request, where the destination keeps payloads


class MatchRow(Struct, frozen=True, kw_only=True, array_like=True):
    """The estimated match quality of what was sent last. `counted`, `taken`: which identifiers counted and which the
    platform takes, as the first nine bits of actors/destinations/carried.py, whose meaning never changes."""

    tenths: int  # 0 to 100
    counted: int
    taken: int


class ReplayMark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replay of a delivery: by which job, and what the delivery was before."""

    job: int
    at_ms: int
    status: DeliveryStatus
    reason: str = ""
    settled_at_ms: int | None = None
    latency_ms: int | None = None
    is_past_window: bool = False  # it was insisted on, though the platform may no longer know a copy


class DeliveryRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event on its way to one destination. Written with its first attempt; before that it is in the outbox only."""

    status: DeliveryStatus
    destination: str
    attempts: tuple[AttemptRow, ...] = ()
    tries: int = 0  # attempts that count
    reason: str = ""  # code of the reason it was dropped for
    words: str = ""  # the platform's own words, or the adapter's
    next_at_ms: int | None = None
    settled_at_ms: int | None = None
    latency_ms: int | None = None  # from arrival to the platform's yes
    decided: DecidedRow | None = None  # by which route a replay goes; None: as its event's row says
    content: bytes | None = None  # what its route's transformation made of the event, as it was decided
    match: MatchRow | None = None  # None: nothing was sent, the platform looks for nobody, or the row is older
    replays: tuple[ReplayMark, ...] = ()  # the last ones


class Sighting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the first event with a key is, and until when a second one counts as its copy."""

    event_key: bytes
    until_ms: int
    order: str | None = None


class AlarmFault(Struct, frozen=True, kw_only=True):
    """The turns of an actor's alarm raise: since when, the last time, how often."""

    error: str
    since_ms: int
    last_at_ms: int
    times: int  # of this error
    tries: int  # of whatever error, since the alarm last went well


class StateRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An actor's state. `version` is that of the state's own struct."""

    actor_key: str
    version: int
    data: bytes
    touched_at_ms: int
    alarm_at_ms: int | None = None
    alarm_fault: AlarmFault | None = None


class OutboxRow(Struct, frozen=True, array_like=True):
    """Which delivery this is."""

    event_key: bytes


class BooksRow(Struct, kw_only=True, omit_defaults=True):
    """Counters of one site, hour of arrival and destination (empty: the site itself)."""

    site: str = ""
    destination: str = ""
    counts: dict[str, int] = {}
    samples: dict[str, list[tuple[int, int]]] = {}  # column -> shard and sequence of some messages that are in it


class TrafficRow(Struct, kw_only=True, omit_defaults=True):
    """Traffic counters of one site and hour of arrival; columns as store/traffic.py names them."""

    site: str = ""
    is_partial: bool = False  # events of this hour were processed before it was counted
    counts: dict[str, int] = {}
    amounts: dict[str, Decimal] = {}  # conversions by type and currency -> their value


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message whose turn raised. `body` is the message as msgpack, `traceback` has no values of the message. An alarm
    that goes on raising the same error has one letter: `at_ms` is its last time, `since_ms` its first."""

    at_ms: int
    kind: str
    actor_key: str
    message: str
    body: bytes
    error: str
    traceback: str
    shard: int | None = None
    sequence: int | None = None
    since_ms: int | None = None
    times: int = 1


class VersionRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which configuration was in force since when."""

    version: int
    since_ms: int
    fingerprint: str  # SHA-256 of all settings
    summary: str  # what it declares, for people
    routes: dict[str, int] = {}  # site -> version of its routes


class StoredDestination(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A destination that was connected by command or API."""

    site: str
    id: str
    settings: bytes  # JSON of its settings with its type, without id and secrets
    sealed: dict[str, bytes] = {}  # name of a secret setting -> JSON of its value, sealed
    version: int = 0  # of the document that changed it last

    @property
    def sealed_for(self) -> str:
        """What its secrets are bound to, beside its site."""
        return self.id


class StoredSource(StoredDestination, frozen=True, kw_only=True, omit_defaults=True):
    """A source of webhooks that was connected by command: a record of the same form."""

    @property
    def sealed_for(self) -> str:
        return f"source {self.id}"  # no id has a space


class PauseOverride(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator said of a destination that the file declares."""

    site: str
    id: str
    is_paused: bool
    version: int = 0


class SiteRoutes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The published routes of one site."""

    site: str
    routes: bytes  # JSON of a list of tables, each as under [[sites.routes]]
    version: int  # of the document that published them


class StoredConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of all that the store holds of the configuration."""

    version: int = 0  # 0: nothing was ever stored
    at_ms: int = 0
    change: str = ""  # what was done, for people
    destinations: tuple[StoredDestination, ...] = ()
    pauses: tuple[PauseOverride, ...] = ()
    sources: tuple[StoredSource, ...] = ()
    routes: tuple[SiteRoutes, ...] = ()  # of sites without any the defaults hold


class SealingKey(Struct, frozen=True, kw_only=True):
    """Which secret key the gateway seals with: its id, never the key."""

    key_id: bytes


class ReplayRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replay job: what was asked for, and how far it is."""

    number: int
    site: str
    destination: str
    since_ms: int  # of the arrival of events, the end not included
    until_ms: int
    statuses: tuple[DeliveryStatus, ...]
    event_name: str = ""  # empty: of any name
    is_past_window: bool = False
    is_as_decided: bool = False  # by the routes of then; else those in force decide anew
    asked_by: str = ""
    asked_at_ms: int = 0
    state: ReplayState = "running"
    words: str = ""  # what it waits for, or why it ended
    cursor: bytes = b""  # the last message looked at: its key in the index by time
    first_ms: int = 0  # arrival of the first message in that time
    last_ms: int = 0  # and of the last
    messages: int = 0  # looked at
    counts: dict[str, int] = {}  # deliveries by what became of them
    examples: dict[str, str] = {}  # of what was left out, an event's id for each reason
    ended_at_ms: int | None = None


class PrivacyRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job that exports or erases a person. `person`: who that is, msgpack; empty once the job is over."""

    number: int
    kind: PrivacyKind
    site: str
    names: tuple[str, ...]  # kinds of the identifiers that were given: email, order
    subject: tuple[bytes, ...]  # keyed digests of these
    person: bytes = b""
    cause: str = ""  # what asked for it, where that may come twice: a webhook's own id
    asked_by: str = ""
    asked_at_ms: int = 0  # what arrived later is no part of it
    phase: PrivacyPhase = "find"
    words: str = ""  # what it waits for
    cursor: bytes = b""  # the last row looked at in this phase
    passes: int = 0  # through the messages, in this phase
    is_again: bool = False  # this pass found what makes another one needed
    looked_at: int = 0  # messages
    counts: dict[str, int] = {}  # rows by what became of them
    delivered: dict[str, int] = {}  # destination -> deliveries that its platform had taken
    file: str = ""  # of an export, in the data directory
    ended_at_ms: int | None = None


class ReceiptRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an erasure did. `mac`: of all the rest and, in it, of the receipt before."""

    number: int
    job: int
    site: str
    names: tuple[str, ...]
    subject: tuple[bytes, ...]
    asked_by: str
    asked_at_ms: int
    ended_at_ms: int
    looked_at: int
    counts: dict[str, int]
    platforms: dict[str, str]  # destination -> how many events it had been given, and what it was told
    previous: bytes  # mac of the receipt before; empty: this is the first
    mac: bytes = b""


class LinkRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tracked link: where it leads, and what a click on it tells of its campaign (contracts/attribution.md,
    section 8). `version` counts its changes."""

    site: str
    slug: str
    target: str
    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    channel: str = ""  # in place of the one that source and medium come to
    expires_at_ms: int | None = None
    is_enabled: bool = True
    created_at_ms: int = 0
    changed_at_ms: int = 0
    version: int = 1


class SetAside(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row that could not be read, as it was found; retention takes it, and a message of the log with it."""

    at_ms: int
    raw: bytes


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a destination is doing. `cause`: why it is not simply sending; `words`: redacted, for people."""

    state: StandingState
    since_ms: int
    cause: StandingCause = ""
    words: str = ""


LOG: Codec[LogRecord] = Codec(LogRecord)
EVENT: Codec[EventRow] = Codec(EventRow)
DELIVERY: Codec[DeliveryRow] = Codec(DeliveryRow)
SIGHTING: Codec[Sighting] = Codec(Sighting)
STATE: Codec[StateRow] = Codec(StateRow)
OUTBOX: Codec[OutboxRow] = Codec(OutboxRow)
BOOKS: Codec[BooksRow] = Codec(BooksRow)
TRAFFIC: Codec[TrafficRow] = Codec(TrafficRow)
DEAD: Codec[DeadLetter] = Codec(DeadLetter)
VERSION: Codec[VersionRow] = Codec(VersionRow)
STORED_CONFIG: Codec[StoredConfig] = Codec(StoredConfig)
SEALING_KEY: Codec[SealingKey] = Codec(SealingKey)
SET_ASIDE: Codec[SetAside] = Codec(SetAside)
REPLAY: Codec[ReplayRow] = Codec(ReplayRow)
STANDING: Codec[Standing] = Codec(Standing)
LINK: Codec[LinkRow] = Codec(LinkRow)
PRIVACY: Codec[PrivacyRow] = Codec(PrivacyRow)
RECEIPT: Codec[ReceiptRow] = Codec(ReceiptRow)


def plain_msgpack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)
