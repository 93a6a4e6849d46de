"""Lines of `gateway stream`: one for each message of the mailbox that was processed, as the store has it now."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from actors.event import Event
from gateway.commands.facts import Place, body_of, decode_event, event_facts, followed, key_at
from gateway.commands.reading import rfc3339, visible
from store import ledger
from store.env import Store
from store.errors import Unreadable
from store.mailbox import next_messages, read_cursors
from store.records import EventRow

AT_ONCE = 200  # messages of a shard in one look
NAME_WIDTH, SOURCE_WIDTH, ID_WIDTH, DEDUP_WIDTH = 18, 8, 22, 9
PERSON = ("email", "phone", "external_id")
UNTOLD = ("anonymous_id", "session_id", "client_ip", "client_user_agent", "sealed", "plain")  # as good as always there
FINAL = frozenset({"delivered", "dropped", "not_routed"})


class Line(Struct, frozen=True, kw_only=True):
    """One message. `destinations`: the status at each; empty for a copy, whose event is `stands_for_it`."""

    received_at: str
    site: str
    event_name: str
    event_id: str
    source: str
    ids: tuple[str, ...]  # names of the identifiers that are there
    dedup: str  # new, held, merged, duplicate, dead, unreadable
    order_id: str | None = None
    stands_for_it: str | None = None
    destinations: Mapping[str, str] = {}
    match_quality_estimated: Mapping[str, float] = {}  # of 10, at each that was sent it
    bot_score: int = 0  # 0 to 100: how likely it is that no person sent it
    is_update: bool = False

    @property
    def is_settled(self) -> bool:
        return self.dedup != "held" and all(status in FINAL for status in self.destinations.values())

    @property
    def is_waiting(self) -> bool:
        """Something has not been tried yet."""
        return self.dedup == "held" or "queued" in self.destinations.values()


def line_of(store: Store, place: Place, key: bytes | None, event: Event | None = None) -> Line | None:
    """The message at a place as it stands now; None where retention took it. `key` None: its turn failed."""
    event = event if event is not None else body_of(store, place.shard, place.sequence)
    if event is None:
        return None
    if key is None:
        return _line(event, "dead")
    try:
        return _line_at(store, place, key, event)
    except Unreadable:
        return _line(event, "unreadable")


def _line_at(store: Store, place: Place, key: bytes, event: Event) -> Line | None:
    own = ledger.event(store, key)
    if own is None:
        return None
    first_key = followed(store, key)
    first = ledger.event(store, first_key) or own
    dedup = dedup_of(own.row, first.row, place)
    if dedup not in ("new", "held"):
        return _line(event, dedup, stands_for_it=first.row.event_id)
    facts = event_facts(store, first_key, first.row)
    statuses = {name: row.status if row is not None else "queued" for name, row in facts.deliveries.items()}
    as_other = first.row.event_id if first.row.event_id != event.event_id else None
    return _line(
        event,
        dedup,
        stands_for_it=as_other,
        destinations={**statuses, **dict.fromkeys(first.row.not_routed, "not_routed")},
        match_quality={
            name: row.match.tenths / 10 for name, row in facts.deliveries.items() if row is not None and row.match
        },
    )


def dedup_of(own: EventRow, first: EventRow, place: Place) -> str:
    """What this message was: the first of its event, or a copy. `first`: the row of the event that stands for it."""
    at = (place.shard, place.sequence)
    if at == (first.shard, first.sequence):
        return "held" if first.status == "held" else "new"
    for copy in first.copies:
        if at == (copy.shard, copy.sequence):
            return "merged" if copy.is_merged else "duplicate"
    return "merged" if own.status == "merged" else "duplicate"


def _line(
    event: Event,
    dedup: str,
    *,
    stands_for_it: str | None = None,
    destinations: Mapping[str, str] | None = None,
    match_quality: Mapping[str, float] | None = None,
) -> Line:
    return Line(
        received_at=rfc3339(event.received_at_ms),
        site=event.site,
        event_name=event.event_name,
        event_id=event.event_id,
        source=event.source,
        ids=tuple(_ids(event)),
        dedup=dedup,
        order_id=event.custom_data.order_id,
        stands_for_it=stands_for_it,
        destinations=destinations or {},
        match_quality_estimated=match_quality or {},
        bot_score=event.bot_score,
    )


def _ids(event: Event) -> Iterator[str]:
    """Names of those that platforms match on, a person's first."""
    present = [name for name in event.user_data.__struct_fields__ if getattr(event.user_data, name) is not None]
    yield from (name for name in PERSON if name in present)
    yield from (name for name in present if name not in PERSON and name not in UNTOLD)


def text_of(line: Line) -> str:
    """The line for people."""
    parts = [
        line.received_at[11:-1],
        f"{visible(line.event_name):<{NAME_WIDTH}}",
        f"{line.source:<{SOURCE_WIDTH}}",
        f"{visible(line.event_id):<{ID_WIDTH}}",
        f"{_word(line):<{DEDUP_WIDTH}}",
    ]
    if line.stands_for_it is not None and line.stands_for_it != line.event_id:
        word = "sent as" if line.dedup == "new" else "of"
        parts.append(f"{word} {visible(line.stands_for_it)}")
    if line.order_id is not None:
        parts.append(f"order {visible(line.order_id)}")
    if line.bot_score:
        parts.append(f"bot {line.bot_score}")
    if not line.is_update:
        parts.append(f"[{' '.join(line.ids)}]")
    parts += [f"{status.replace('_', ' ')}: {' '.join(names)}" for status, names in _by_status(line).items()]
    if line.match_quality_estimated:
        told = " ".join(f"{name} {score:.1f}" for name, score in line.match_quality_estimated.items())
        parts.append(f"match est.: {told}")
    return "  ".join(parts)


def _word(line: Line) -> str:
    if not line.is_update:
        return line.dedup
    return "settled" if line.is_settled else "update"


def _by_status(line: Line) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, status in line.destinations.items():
        found.setdefault(status, []).append(name)
    return found


class Tail:
    """What was committed since it was asked last. It reads on from each shard's cursor, so nothing is seen twice."""

    def __init__(self, store: Store, shards: int) -> None:
        self._store = store
        self._marks = read_cursors(store, shards)

    def read(self) -> list[tuple[Place, bytes | None, Event]]:
        """New messages with their events' keys, in order of arrival."""
        cursors = read_cursors(self._store, len(self._marks))
        found = [one for shard, cursor in cursors.items() for one in self._of_shard(shard, cursor)]
        return sorted(found, key=lambda one: one[0])

    def _of_shard(self, shard: int, cursor: int) -> Iterator[tuple[Place, bytes | None, Event]]:
        mark = self._marks[shard]
        if cursor <= mark:
            return
        with self._store.read() as txn:
            messages = next_messages(txn, self._store, shard, mark, AT_ONCE)
        for message in messages:
            if message.sequence > cursor:
                break
            self._marks[shard] = message.sequence
            event = decode_event(message.record.body) if message.record is not None else None
            if event is not None:
                place = Place(event.received_at_ms, shard, message.sequence)
                yield place, key_at(self._store, event, shard, message.sequence), event


def is_wanted(line: Line, sites: Sequence[str], event_name: str | None) -> bool:
    return line.site in sites and event_name in (None, line.event_name)
