"""Warm actors: those in memory, least recently used out, bounded by number and bytes."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import lmdb
import msgspec

from actors.actor import Actor, Ref
from store import keys
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE, AlarmFault, StateRow

ACTORS_KEPT = 50_000
BYTES_KEPT = 64 << 20

_encoder = msgspec.msgpack.Encoder()


class Warm:
    """One actor in memory, with what the store knows of it."""

    __slots__ = ("actor", "alarm_at_ms", "alarm_fault", "ref", "size", "state_key", "stored_alarm_ms")

    def __init__(
        self,
        ref: Ref,
        state_key: bytes,
        actor: Actor[Any],
        alarm_at_ms: int | None,
        size: int,
        alarm_fault: AlarmFault | None = None,
    ) -> None:
        self.ref = ref
        self.state_key = state_key
        self.actor = actor
        self.alarm_at_ms = alarm_at_ms  # as the turn wants it
        self.stored_alarm_ms = alarm_at_ms  # as the alarm database has it
        self.alarm_fault = alarm_fault  # None: its last alarm went well
        self.size = size

    def puts(self, now_ms: int) -> list[tuple[str, bytes, bytes | None]]:
        """The rows that make the store agree with this actor; none for an actor without a memory."""
        if not self.ref.key:
            return []
        if self.actor.is_blank:
            return [("state", self.state_key, None)]
        data = _encoder.encode(self.actor.state)
        self.size = len(data) + 200
        row = StateRow(
            actor_key=self.ref.key,
            version=self.actor.version,
            data=data,
            touched_at_ms=now_ms,
            alarm_at_ms=self.alarm_at_ms,
            alarm_fault=self.alarm_fault,
        )
        puts: list[tuple[str, bytes, bytes | None]] = [("state", self.state_key, STATE.encode(row))]
        if self.alarm_at_ms != self.stored_alarm_ms:
            if self.stored_alarm_ms is not None:
                puts.append(("alarm", keys.alarm(self.stored_alarm_ms, self.state_key), None))
            if self.alarm_at_ms is not None:
                puts.append(("alarm", keys.alarm(self.alarm_at_ms, self.state_key), b""))
            self.stored_alarm_ms = self.alarm_at_ms
        return puts


class WarmActors:
    """Finds actors by their address; `kinds` maps a kind's name to its class."""

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, type[Actor[Any]]],
        *,
        actors_kept: int = ACTORS_KEPT,
        bytes_kept: int = BYTES_KEPT,
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._by_number = {kind.number: kind for kind in kinds.values()}
        self._decoders = {kind.kind: msgspec.msgpack.Decoder(kind.state_type) for kind in kinds.values()}
        self._warm: OrderedDict[bytes, Warm] = OrderedDict()
        self._bytes = 0
        self._actors_kept = actors_kept
        self._bytes_kept = bytes_kept

    def __len__(self) -> int:
        return len(self._warm)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def get(self, ref: Ref, txn: lmdb.Transaction) -> Warm:
        """The actor of this address; a blank one where the store has none. Raises Unreadable."""
        kind = self._kinds[ref.kind]
        if not ref.key:
            return Warm(ref, bytes((kind.number,)), kind("", kind.state_type()), None, 0)
        state_key = keys.state(kind.number, ref.key)
        found = self._warm.get(state_key)
        if found is not None:
            self._warm.move_to_end(state_key)
            return found
        raw = fetch(txn, self._store.dbs["state"], state_key)
        warm = self._load(kind, ref, state_key, raw) if raw is not None else _blank(kind, ref, state_key)
        self._keep(warm)
        return warm

    def blank(self, ref: Ref, txn: lmdb.Transaction) -> tuple[Warm, bytes]:
        """The actor without its memory, for an address whose state cannot be read; and the bytes of that state."""
        kind = self._kinds[ref.kind]
        warm = _blank(kind, ref, keys.state(kind.number, ref.key))
        self._keep(warm)
        return warm, fetch(txn, self._store.dbs["state"], warm.state_key) or b""

    def ref_of(self, state_key: bytes, txn: lmdb.Transaction) -> Ref | None:
        """The address of a stored actor; None where it is gone. Raises Unreadable."""
        raw = fetch(txn, self._store.dbs["state"], state_key)
        kind = self._by_number.get(state_key[0])
        return Ref(kind.kind, STATE.decode(raw).actor_key) if raw is not None and kind is not None else None

    def clear(self) -> None:
        self._warm.clear()
        self._bytes = 0

    def forget(self, actors: list[Warm]) -> None:
        """Drops actors from memory: what they hold must not be used."""
        for warm in actors:
            if self._warm.pop(warm.state_key, None) is not None:
                self._bytes -= warm.size

    def forget_states(self, state_keys: Collection[bytes]) -> None:
        """Drops the actors of these states from memory: the store has other ones now, or none."""
        self.forget([warm for key in set(state_keys) if (warm := self._warm.get(key)) is not None])

    def cool(self, touched: list[Warm], sizes: Mapping[bytes, int]) -> None:
        """After a commit: takes account of sizes that changed and lets the least recently used go."""
        for warm in touched:
            if warm.state_key in self._warm:
                self._bytes += warm.size - sizes[warm.state_key]
        while self._warm and (len(self._warm) > self._actors_kept or self._bytes > self._bytes_kept):
            _, oldest = self._warm.popitem(last=False)
            self._bytes -= oldest.size

    def _keep(self, warm: Warm) -> None:
        self._warm[warm.state_key] = warm
        self._bytes += warm.size

    def _load(self, kind: type[Actor[Any]], ref: Ref, state_key: bytes, raw: bytes) -> Warm:
        row = STATE.decode(raw)
        try:
            if row.version == kind.version:
                state = self._decoders[kind.kind].decode(row.data)
            else:
                state = kind.upgrade(row.version, row.data)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise Unreadable(f"state of {kind.kind}, version {row.version}: {type(error).__name__}") from error
        return Warm(ref, state_key, kind(ref.key, state), row.alarm_at_ms, len(raw) + 200, row.alarm_fault)


def _blank(kind: type[Actor[Any]], ref: Ref, state_key: bytes) -> Warm:
    return Warm(ref, state_key, kind(ref.key, kind.state_type()), None, 200)
