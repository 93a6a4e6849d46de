"""Every key of the store, encoded to sort: big-endian numbers, fixed-size digests of what may be long.

LMDB compares keys byte by byte and takes at most 511 bytes, while an `event_id` alone may have 128 characters, so names
that a sender chooses are BLAKE2b digests: 8 bytes where the configuration bounds their number, 16 bytes elsewhere.
"""

import struct
from functools import lru_cache
from hashlib import blake2b

from store.errors import Unreadable

EVENT_KEY_BYTES = 29
U64_BYTES = 8
DIGEST_BYTES = 8  # of what the configuration names: a site, a destination
NEW_LANE, RETRY_LANE, REPLAY_LANE = LANES = (0, 1, 2)  # of an outbox; what is replayed goes behind live traffic

_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")
_LOG = struct.Struct(">HQ")
_ALARM = struct.Struct(">QB16s")
_OUTBOX = struct.Struct(">8sBQHQ")
_SITE_EVENT = struct.Struct(">8sQHQ")
_BOOKS = struct.Struct(">8sI8s")
_TRAFFIC = struct.Struct(">8sI")
HOUR_MS = 3_600_000
REPLAYS, RUNNING_REPLAYS = b"j", b"r"
JOBS, RUNNING_JOBS, RECEIPTS = b"j", b"r", b"s"  # of persons' data


@lru_cache(maxsize=1024)
def digest16(*parts: str) -> bytes:
    """16 bytes for a name of any length; the parts cannot run into each other. The last ones are remembered: one event
    asks for that of its visitor, of its site and of its own id several times."""
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def digest8(name: str) -> bytes:
    """8 bytes for a configured name (site, destination): memoised, since their number is bounded."""
    return blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()


@lru_cache(maxsize=1024)
def _digest4(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest()


def u64(number: int) -> bytes:
    return _U64.pack(number)


def read_u64(raw: bytes) -> int:
    """Raises Unreadable where this is no number."""
    if len(raw) != U64_BYTES:
        raise Unreadable(f"a number of {len(raw)} bytes; it has {U64_BYTES}")
    return int(_U64.unpack(raw)[0])


def number_or(raw: bytes | None, otherwise: int) -> int:
    """The number; the other one where there is none, or none that can be read."""
    return read_u64(raw) if raw is not None and len(raw) == U64_BYTES else otherwise


# --- mailbox -------------------------------------------------------------------------------------------------------


def shard(number: int) -> bytes:
    return _U16.pack(number)


def shard_of(actor_key: str, shards: int) -> int:
    """The shard that owns an actor: the same for a key for as long as the number of shards stays."""
    return int.from_bytes(blake2b(actor_key.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big") % shards


def log(shard_number: int, sequence: int) -> bytes:
    return _LOG.pack(shard_number, sequence)


def read_log(key: bytes) -> tuple[int, int]:
    """(shard, sequence)."""
    number, sequence = _LOG.unpack(key)
    return int(number), int(sequence)


# --- actors --------------------------------------------------------------------------------------------------------


def state(kind: int, actor_key: str) -> bytes:
    return bytes((kind,)) + digest16(actor_key)


def alarm(due_ms: int, state_key: bytes) -> bytes:
    """Due time first, so that what is due is one range scan; `state_key` names the actor."""
    return _ALARM.pack(due_ms, state_key[0], state_key[1:])


def read_alarm(key: bytes) -> tuple[int, bytes]:
    """(due_ms, state key)."""
    due_ms, kind, digest = _ALARM.unpack(key)
    return int(due_ms), bytes((kind,)) + digest


# --- events --------------------------------------------------------------------------------------------------------


def event(site: str, event_id: str, event_name: str, generation: int = 0) -> bytes:
    """Site, id, name. `generation` tells apart uses of one id so far apart that they are different events."""
    return digest8(site) + digest16(event_id) + _digest4(event_name) + bytes((generation,))


def event_prefix(site: str, event_id: str) -> bytes:
    """All events of a site that carry this id, whatever their name."""
    return digest8(site) + digest16(event_id)


def dedup(site: str, event_name: str, kind: str, value: str) -> bytes:
    return digest16(site, event_name, kind, value)


def visitor_event(site: str, visitor_id: str, received_at_ms: int, event_key: bytes) -> bytes:
    return digest16(site, visitor_id) + _U64.pack(received_at_ms) + event_key


def read_visitor_event(key: bytes) -> bytes:
    """The event's key."""
    return key[24:]


def visitor_prefix(site: str, visitor_id: str) -> bytes:
    return digest16(site, visitor_id)


def order_event(site: str, order_id: str, received_at_ms: int, event_key: bytes) -> bytes:
    return digest16(site, order_id) + _U64.pack(received_at_ms) + event_key


def order_prefix(site: str, order_id: str) -> bytes:
    return digest16(site, order_id)


def site_event(site: str, received_at_ms: int, shard_number: int, sequence: int) -> bytes:
    """One row per message of the log, by time of arrival."""
    return _SITE_EVENT.pack(digest8(site), received_at_ms, shard_number, sequence)


def site_events_from(site: str, received_at_ms: int) -> bytes:
    return digest8(site) + _U64.pack(received_at_ms)


def read_site_event(key: bytes) -> tuple[int, int, int]:
    """(received_at_ms, shard, sequence)."""
    _, received_at_ms, shard_number, sequence = _SITE_EVENT.unpack(key)
    return int(received_at_ms), int(shard_number), int(sequence)


def quarantine(database: str, key: bytes) -> bytes:
    """Where a row that cannot be read is set aside."""
    return database.encode() + b"\x00" + key


def read_quarantine(key: bytes) -> tuple[str, bytes]:
    """(database, key)."""
    database, _, own = key.partition(b"\x00")
    return database.decode("ascii", "replace"), own


# --- deliveries ----------------------------------------------------------------------------------------------------


def destination(site: str, destination_id: str) -> bytes:
    return digest8(f"{site}/{destination_id}")


def delivery(event_key: bytes, destination_key: bytes) -> bytes:
    return event_key + destination_key


def outbox(destination_key: bytes, lane: int, due_ms: int, shard_number: int, sequence: int) -> bytes:
    """Lane, due time, then arrival order: what to send next is one range scan of each lane."""
    return _OUTBOX.pack(destination_key, lane, due_ms, shard_number, sequence)


def outbox_lane(destination_key: bytes, lane: int) -> bytes:
    return destination_key + bytes((lane,))


def read_outbox(key: bytes) -> tuple[bytes, int, int, int, int]:
    """(destination key, lane, due_ms, shard, sequence)."""
    destination_key, lane, due_ms, shard_number, sequence = _OUTBOX.unpack(key)
    return destination_key, int(lane), int(due_ms), int(shard_number), int(sequence)


def books(site: str, received_at_ms: int, destination_key: bytes = bytes(8)) -> bytes:
    """Site, hour, destination; eight zero bytes stand for the site itself."""
    return _BOOKS.pack(digest8(site), received_at_ms // HOUR_MS, destination_key)


def read_books(key: bytes) -> tuple[bytes, int, bytes]:
    """(site digest, hour since 1970, destination key)."""
    site, hour, destination_key = _BOOKS.unpack(key)
    return site, int(hour), destination_key


def traffic(site: str, received_at_ms: int) -> bytes:
    """Site, hour."""
    return _TRAFFIC.pack(digest8(site), received_at_ms // HOUR_MS)


def read_traffic(key: bytes) -> tuple[bytes, int]:
    """(site digest, hour since 1970)."""
    site, hour = _TRAFFIC.unpack(key)
    return site, int(hour)


def verdict(site: str, caller: str) -> bytes:
    return digest16(site, caller)


# --- identities ----------------------------------------------------------------------------------------------------


def identifier(site: str, kind: str, value: str) -> bytes:
    """An identifier of a site's persons, by its kind."""
    return digest16(site, kind, value)


# --- configuration -------------------------------------------------------------------------------------------------

STORED_CONFIG = b"stored\x00"  # before the number of a version
SEALING_KEY = b"sealing_key"
ROUTES_VERSION, ROUTES_DRAFT = b"routes\x00", b"draft\x00"  # before a site


def stored_config(version: int) -> bytes:
    return STORED_CONFIG + u64(version)


def routes_versions(site: str) -> bytes:
    """Before the numbers of a site's versions."""
    return ROUTES_VERSION + digest8(site)


def routes_version(site: str, number: int) -> bytes:
    return routes_versions(site) + u64(number)


def routes_draft(site: str) -> bytes:
    return ROUTES_DRAFT + digest8(site)


def read_stored_config(key: bytes) -> int:
    """The number of the version."""
    return read_u64(key[len(STORED_CONFIG) :])


# --- replays -------------------------------------------------------------------------------------------------------


def replay(number: int) -> bytes:
    """A replay job by its number, in the order in which they were asked for."""
    return REPLAYS + _U64.pack(number)


def running_replay(number: int) -> bytes:
    """The mark of a job that is not over: what runs is one short range scan, however many jobs are kept."""
    return RUNNING_REPLAYS + _U64.pack(number)


def read_replay(key: bytes) -> int:
    """The number of a job, of either key. Raises Unreadable."""
    return read_u64(key[1:])


# --- tracked links -------------------------------------------------------------------------------------------------


def link(site: str, slug: str) -> bytes:
    return digest8(site) + digest16(slug)


def links_of(site: str) -> bytes:
    """What all keys of a site's links begin with."""
    return digest8(site)


# --- persons' data -------------------------------------------------------------------------------------------------


def privacy_job(number: int) -> bytes:
    return JOBS + _U64.pack(number)


def running_privacy_job(number: int) -> bytes:
    """The mark of a job that is not over."""
    return RUNNING_JOBS + _U64.pack(number)


def receipt(number: int) -> bytes:
    return RECEIPTS + _U64.pack(number)


def read_numbered(key: bytes) -> int:
    """The number after the letter of such a key. Raises Unreadable."""
    return read_u64(key[1:])


# --- attribution ---------------------------------------------------------------------------------------------------

TOUCHES, TOUCHES_BY = b"t", b"k"  # rows by site and time; what leads to them by a key that they carry
CONVERSIONS, VERSIONS, CONVERSIONS_AT, CONVERSIONS_BY = b"c", b"v", b"s", b"k"
TOUCH_ID_BYTES = 25
KEY_BYTES = 16


def touch(site: str, at_ms: int, event_key: bytes) -> bytes:
    """A touchpoint's row, which is its id, too. Site and time first: what is past its time is one range."""
    return TOUCHES + digest8(site) + _U64.pack(at_ms) + blake2b(event_key, digest_size=8).digest()


def touches_from(site: str, at_ms: int) -> bytes:
    return TOUCHES + digest8(site) + _U64.pack(at_ms)


def touches_of(site_digest: bytes) -> bytes:
    return TOUCHES + site_digest


def read_touch(key: bytes) -> int:
    """When it was."""
    return read_u64(key[9:17])


def touch_by(digest: bytes, touch_key: bytes) -> bytes:
    return TOUCHES_BY + digest + touch_key[9:]


def touches_by(digest: bytes, at_ms: int = 0) -> bytes:
    """Where the touchpoints with this key begin that are not before that time."""
    return TOUCHES_BY + digest + _U64.pack(at_ms)


def read_touch_by(key: bytes, site: str) -> bytes:
    """The touchpoint's row."""
    return TOUCHES + digest8(site) + key[1 + KEY_BYTES :]


def conversion(event_key: bytes) -> bytes:
    return CONVERSIONS + event_key


def conversion_version(event_key: bytes, version: int) -> bytes:
    """An earlier version of it."""
    return VERSIONS + event_key + _U64.pack(version)


def conversion_versions(event_key: bytes) -> bytes:
    return VERSIONS + event_key


def conversion_at(site: str, occurred_at_ms: int, event_key: bytes) -> bytes:
    return CONVERSIONS_AT + digest8(site) + _U64.pack(occurred_at_ms) + event_key


def conversions_from(site: str, occurred_at_ms: int) -> bytes:
    return CONVERSIONS_AT + digest8(site) + _U64.pack(occurred_at_ms)


def conversions_of(site_digest: bytes) -> bytes:
    return CONVERSIONS_AT + site_digest


def read_conversion_at(key: bytes) -> tuple[int, bytes]:
    """(occurred_at_ms, key of its event)."""
    return read_u64(key[9:17]), key[17:]


def conversion_by(digest: bytes, occurred_at_ms: int, event_key: bytes) -> bytes:
    return CONVERSIONS_BY + digest + _U64.pack(occurred_at_ms) + event_key


def conversions_by(digest: bytes, occurred_at_ms: int = 0) -> bytes:
    """Where the conversions with this key begin that are not before that time."""
    return CONVERSIONS_BY + digest + _U64.pack(occurred_at_ms)


def read_conversion_by(key: bytes) -> bytes:
    """The key of its event."""
    return key[1 + KEY_BYTES + U64_BYTES :]
