"""The core: takes messages from the shards and alarms that are due, runs their turns, commits all that they change.

A batch is planned in one read transaction without a checkpoint, and committed together with the cursors it moves. A
turn that raises is undone alone: the batch is planned again from the same input with that turn left out, which gives
the same effects for all others, since turns are pure and the random source starts from the same seed. A commit that
fails stops the core: StoreBroken leaves `run`, and the process opens the store again.
"""

import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import lmdb
import msgspec
import trio
from msgspec import Struct

from actors.actor import Actor, Arrived, Message, Position, Ref
from actors.alarm_faults import again_at_ms, fault_after
from actors.batch import Batch
from actors.consent_record import ConsentRecord
from actors.event import Event
from actors.identities import Identity
from actors.ip import Ip
from actors.link import Link
from actors.observer import Observer
from actors.order import Order
from actors.site import Site
from actors.snapshot import Snapshot
from actors.visitor import Visitor
from actors.warm import Warm, WarmActors
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.mailbox import Logged, depth, next_messages, read_cursors
from store.records import DeadLetter, LogRecord
from store.writer import Writer, commit, count_outbox

KINDS: Final[Mapping[str, type[Actor[Any]]]] = {
    kind.kind: kind for kind in (Visitor, Ip, Order, Site, Link, ConsentRecord, Identity)
}
BATCH: Final = 128  # messages in one commit at most
PER_SHARD: Final = 32
BATCH_S: Final = 0.008  # a batch takes no further message after so long, so that the edge is not kept waiting
FARTHEST_ALARM_MS: Final = 48 * 3_600_000  # no actor asks to be woken later
GATHER_BELOW: Final = 100  # after a batch smaller than this the next one waits a little, to be larger:
GATHER_S: Final = 0.016  # each batch has costs of its own (a commit, its pages), which more messages share
NO_ROOM_S: Final = 1.0
IDLE_S: Final = 30.0  # the clock is looked at so often, should it have been set


class Poison(Struct, frozen=True):
    """A turn that raised, by its number in the batch."""

    error: str
    traceback: str


class _TurnFailed(Exception):
    def __init__(self, number: int, error: Exception) -> None:
        self.number = number
        self.error = error


class Input(Struct, frozen=True):
    """What a batch is made of."""

    messages: list[Logged]
    alarms: list[tuple[bytes, bytes]]  # key of the alarm, key of the actor's state


class Core:
    """Runs all shards of one store. `wake()` says that there may be work; `on_commit` is told what was queued,
    and `on_denial` of each visitor (site, id) who allows less than before."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        snapshot: Snapshot,
        *,
        now_ms: Callable[[], int],
        random: Random,
        observer: Observer,
        shards: int,
        outbox_limit: int,
        on_commit: Callable[[Mapping[bytes, int]], None],
        on_denial: Callable[[str, str], None] = lambda *_: None,
        kinds: Mapping[str, type[Actor[Any]]] = KINDS,
        idle_s: float = IDLE_S,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.snapshot = snapshot
        self.is_running = False
        self.depths: dict[bytes, int] = read_depths(store)
        self._store = store
        self._writer = writer
        self._now_ms = now_ms
        self._random = random
        self._observer = observer
        self._shards = shards
        self._outbox_limit = outbox_limit
        self._on_commit = on_commit
        self._on_denial = on_denial
        self._most_idle_s = idle_s
        self._stopwatch = stopwatch
        self._cursors = read_cursors(store, shards)
        self._warm = WarmActors(store, kinds)
        self._id_key = store.id_key()
        self._event_decoder = msgspec.msgpack.Decoder(Event)
        self._work = trio.Event()
        self._first_shard = 0
        self._rest = trio.Lock()

    def wake(self) -> None:
        self._work.set()

    async def run(self) -> None:
        """Never returns. Raises StoreBroken where a commit fails. Begins from what is on disk, also after a crash."""
        self.is_running = True
        try:
            self._warm.clear()
            self._cursors = read_cursors(self._store, self._shards)
            while True:
                self._work = trio.Event()
                taken = await self.step()
                if 0 < taken < GATHER_BELOW:
                    await trio.sleep(GATHER_S)
                elif taken == 0:
                    with trio.move_on_after(self._idle_s()):
                        await self._work.wait()
        finally:
            self.is_running = False

    async def step(self) -> int:
        """One batch; of how many messages and alarms: 0 where nothing was to do, or there is no room to do it in."""
        async with self._rest:
            return await self._step()

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """No batch is planned or on its way to the disk inside: what is rewritten there no turn writes back."""
        async with self._rest:
            yield

    def forget(self, state_keys: Collection[bytes]) -> None:
        """The actors of these states were rewritten in the store, at rest."""
        self._warm.forget_states(state_keys)

    async def _step(self) -> int:
        if not self._writer.usage.has_room_for_turns:
            return 0
        now_ms = self._now_ms()
        given = self._input(now_ms)
        if not given.messages and not given.alarms:
            return 0
        batch, cursors = self._plan(given, now_ms)
        sizes = {warm.state_key: warm.size for warm in batch.touched()}
        await commit(self._writer, batch.freeze())
        self._cursors.update(cursors)
        self._warm.cool(batch.touched(), sizes)
        for destination_key, change in batch.writes.queued.items():
            self.depths[destination_key] = self.depths.get(destination_key, 0) + change
        self._tell(batch)
        self._on_commit(batch.writes.queued)
        for site, visitor in batch.denials:
            self._on_denial(site, visitor)
        return len(given.messages) + len(given.alarms)

    def settle(self, destination_key: bytes, change: int) -> None:
        """A dispatcher took deliveries out of an outbox."""
        self.depths[destination_key] = self.depths.get(destination_key, 0) + change

    def waiting(self) -> int:
        """Messages in the mailbox that no turn has taken."""
        return depth(self._store, self._cursors)

    def cursors(self) -> Mapping[int, int]:
        """How far each shard is processed."""
        return self._cursors

    # --- planning ---

    def _input(self, now_ms: int) -> Input:
        messages: list[Logged] = []
        with self._store.read() as txn:
            for offset in range(self._shards):
                shard = (self._first_shard + offset) % self._shards
                most = min(PER_SHARD, BATCH - len(messages))
                if most > 0:
                    messages += next_messages(txn, self._store, shard, self._cursors[shard], most)
            alarms = _due(txn, self._store, now_ms, BATCH)
        self._first_shard = (self._first_shard + 1) % self._shards
        return Input(messages, alarms)

    def _plan(self, given: Input, now_ms: int) -> tuple[Batch, dict[int, int]]:
        """Runs the turns until none raises that is not known to."""
        poison: dict[int, Poison] = {}
        seed = self._random.getrandbits(64)
        taken = len(given.messages)
        while True:
            with self._store.read() as txn:
                batch = Batch(
                    self._store, txn, self._warm, self.snapshot, self.depths,
                    now_ms=now_ms, seed=seed, outbox_limit=self._outbox_limit, id_key=self._id_key,
                )  # fmt: skip
                try:
                    cursors, taken = self._turns(batch, given, txn, poison, taken)
                except _TurnFailed as failed:
                    self._warm.forget(batch.touched())
                    poison[failed.number] = _poison(failed.error)
                    continue
            return batch, cursors

    def _turns(
        self, batch: Batch, given: Input, txn: lmdb.Transaction, poison: dict[int, Poison], most: int
    ) -> tuple[dict[int, int], int]:
        """The alarms, then the messages, at most `most` of them; how far each shard came, and how many were taken."""
        cursors: dict[int, int] = {}
        for alarm_key, state_key in given.alarms:
            self._alarm(batch, alarm_key, state_key, txn, poison)
        started, taken = self._stopwatch(), 0
        for logged in given.messages[:most]:
            self._message(batch, logged, poison)
            cursors[logged.shard] = logged.sequence
            taken += 1
            if not poison and self._stopwatch() - started > BATCH_S:
                break
        for ref, message in batch.told():
            self._take(batch, ref, message, poison)
        for shard, sequence in cursors.items():
            batch.move_cursor(shard, sequence)
        return cursors, taken

    def _alarm(
        self, batch: Batch, alarm_key: bytes, state_key: bytes, txn: lmdb.Transaction, poison: dict[int, Poison]
    ) -> None:
        batch.take_alarm(alarm_key)
        try:
            ref = self._warm.ref_of(state_key, txn)
        except Unreadable:
            batch.quarantine("state", state_key, fetch(txn, self._store.dbs["state"], state_key) or b"")
            return
        if ref is None:
            return
        warm = batch.actor(ref)
        if warm.alarm_at_ms is None or keys.alarm(warm.alarm_at_ms, state_key) != alarm_key:
            return
        warm.alarm_at_ms = warm.stored_alarm_ms = None
        if self._turn(batch, ref, None, poison):
            warm.alarm_fault = None
            self._drain(batch, poison)

    def _message(self, batch: Batch, logged: Logged, poison: dict[int, Poison]) -> None:
        record = logged.record
        event = self._event(record) if record is not None else None
        if record is None or event is None:
            batch.quarantine("log", keys.log(logged.shard, logged.sequence), logged.raw)
            return
        at = Position(logged.shard, logged.sequence)
        arrived = Arrived(event=event, at=at, caller=record.caller, session_id=record.session_id)
        batch.accepted(event)
        self._take(batch, Ref(record.kind, record.actor_key), arrived, poison)
        self._drain(batch, poison)

    def _event(self, record: LogRecord) -> Event | None:
        try:
            return self._event_decoder.decode(record.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _drain(self, batch: Batch, poison: dict[int, Poison]) -> None:
        """The messages that turns sent, in order, until there are none."""
        waiting = deque(batch.sent)
        batch.sent.clear()
        while waiting:
            self._take(batch, *waiting.popleft(), poison)
            waiting.extend(batch.sent)
            batch.sent.clear()

    def _take(self, batch: Batch, ref: Ref, message: Message, poison: dict[int, Poison]) -> None:
        if self._turn(batch, ref, message, poison):
            return
        if message.otherwise is not None:
            batch.send(*message.otherwise)
        elif (event := message.carried) is not None:
            batch.lost(event)

    def _turn(self, batch: Batch, ref: Ref, message: Message | None, poison: dict[int, Poison]) -> bool:
        """One turn; False where it is known to raise and its dead letter is written instead."""
        number = batch.turns
        batch.turns += 1
        if number in poison:
            letter = _letter(batch.now_ms, ref, message, poison[number])
            if message is None:
                _note_fault(batch, batch.actor(ref), letter)
            else:
                batch.dead_letter(letter)
            return False
        started = self._stopwatch()
        try:
            actor = batch.actor(ref, is_asked=message is not None and message.is_question).actor
            if message is None:
                actor.alarm(batch)
            else:
                actor.receive(message, batch)
        except Exception as error:
            raise _TurnFailed(number, error) from error
        batch.took.append((ref.kind, self._stopwatch() - started))
        return True

    # --- after the commit ---

    def _tell(self, batch: Batch) -> None:
        for kind, duration_s in batch.took:
            self._observer.turn_done(kind, duration_s)
        for counted in batch.writes.counted:
            getattr(self._observer, counted.what)(**counted.labels)
        for (site, source, name, identifiers), count in batch.writes.covered.items():
            self._observer.event_identifiers(site, source, name, identifiers, count)
        self._observer.warm_actors(len(self._warm), self._warm.size_bytes)

    def _idle_s(self) -> float:
        """How long nothing is due."""
        if not self._writer.usage.has_room_for_turns:
            return NO_ROOM_S
        with self._store.read() as txn, txn.cursor(db=self._store.dbs["alarm"]) as cursor:
            if not cursor.first():
                return self._most_idle_s
            due_ms, _ = keys.read_alarm(bytes(cursor.key()))
        return min(self._most_idle_s, max(0.0, (due_ms - self._now_ms()) / 1000))


def read_depths(store: Store) -> dict[bytes, int]:
    """How many deliveries each outbox holds; counted anew where the number kept beside it cannot be read."""
    with store.read() as txn, txn.cursor(db=store.dbs["depth"]) as cursor:
        kept = {bytes(key): bytes(value) for key, value in cursor}
        return {
            key: keys.read_u64(raw) if len(raw) == keys.U64_BYTES else count_outbox(txn, store.dbs, key)
            for key, raw in kept.items()
        }


def _due(txn: lmdb.Transaction, store: Store, now_ms: int, most: int) -> list[tuple[bytes, bytes]]:
    """What is due; and what is set for later than any actor asks for: the clock was ahead when it was."""
    found: list[tuple[bytes, bytes]] = []
    with txn.cursor(db=store.dbs["alarm"]) as cursor:
        is_there = cursor.first()
        while is_there and len(found) < most:
            due_ms, state_key = keys.read_alarm(bytes(cursor.key()))
            if now_ms < due_ms < now_ms + FARTHEST_ALARM_MS:
                is_there = cursor.set_range(keys.alarm(now_ms + FARTHEST_ALARM_MS, bytes(17)))
                continue
            found.append((bytes(cursor.key()), state_key))
            is_there = cursor.next()
    return found


def _note_fault(batch: Batch, warm: Warm, letter: DeadLetter) -> None:
    """An alarm whose turn raised: it is tried again, later each time."""
    before = warm.alarm_fault
    fault = fault_after(before, letter.error, letter.at_ms)
    warm.alarm_fault, warm.alarm_at_ms = fault, again_at_ms(fault)
    told = msgspec.structs.replace(letter, since_ms=fault.since_ms, times=fault.times)
    batch.alarm_letter(told, before.last_at_ms if before is not None and fault.times > 1 else None)


def _poison(error: Exception) -> Poison:
    """The traceback without the exception's text, which may hold values of the message."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return Poison(error=type(error).__name__, traceback=frames[-8_000:])


def _letter(now_ms: int, ref: Ref, message: Message | None, poison: Poison) -> DeadLetter:
    is_lost = message is not None and message.otherwise is None  # else its event went on
    at = message.position if message is not None and is_lost else None
    return DeadLetter(
        at_ms=now_ms,
        kind=ref.kind,
        actor_key=ref.key,
        message=type(message).__name__ if message is not None else "alarm",
        body=msgspec.msgpack.encode(message) if message is not None else b"",
        error=poison.error,
        traceback=poison.traceback,
        shard=at.shard if at is not None else None,
        sequence=at.sequence if at is not None else None,
    )
