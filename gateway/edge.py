"""What every source at the edge needs: the snapshot, the store to read from, the writer, the clock and the ids."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from actors.bots import Judgement, judge
from actors.consent import heeds_gpc
from actors.event import Event, is_bot, is_test
from actors.ip import SUSPECT_MS
from actors.names import label
from actors.observer import Observer, Reason
from actors.snapshot import Site, Snapshot, key_digest
from gateway.answers import error_answer, no_room
from gateway.call import Answer, Call
from gateway.client import Network, address_key, client_address, country, opts_out
from gateway.intake import Intake
from gateway.invalid import Invalid
from gateway.refusals import Refusals
from gateway.script_answer import Script
from gateway.sealing import Sealer
from gateway.sources.registry import Senders
from store import keys
from store.env import Store, fetch
from store.errors import StoreError, StoreFull
from store.mailbox import append
from store.records import LOG, LogRecord
from store.writer import Writer

MIB: Final = 1 << 20
GZIP_MEMBERS: Final = 64  # of one body; each of them copies what follows it

NO_SESSIONS: Final[Mapping[str, str]] = MappingProxyType({})

_encoder = msgspec.msgpack.Encoder()


class Edge(Struct, kw_only=True):
    """Handed to the sources. `snapshot` is replaced as a whole when a new one is published."""

    store: Store
    writer: Writer
    snapshot: Snapshot
    observer: Observer
    now_ms: Callable[[], int]
    make_id: Callable[[], str]  # 32 hexadecimal digits, random
    shards: int
    id_key: bytes = b""  # the store's own, which `opaque_id` is keyed with
    trusted_proxies: Sequence[Network] = ()
    country_header: str = ""  # in which trusted proxies tell the country of an address; empty: in none
    sealers: Mapping[str, Sealer] = {}
    senders: Senders = Senders()  # configured sources of webhooks
    tags: Mapping[str, Script] = {}  # by site: its tag loader
    refusals: Refusals = msgspec.field(default_factory=Refusals)  # on their way to the traffic counters
    refuses: Callable[[], str | None] = lambda: None  # why nothing is taken now, for people; None: all is well
    log: Callable[..., None] = lambda action, **fields: None
    on_append: Callable[[], None] = lambda: None  # told after each commit of new messages

    def opaque_id(self, *parts: str) -> str:
        """32 hexadecimal digits, the same for the same parts; without the store's key nobody can try parts out."""
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=16, key=self.id_key).hexdigest()


class Caller(Struct, frozen=True, kw_only=True):
    """Who sent a request. `bucket` is what its rate is counted by; empty: it is not."""

    site: Site
    address: str = ""  # of a browser
    bucket: str = ""


def address_of(edge: Edge, call: Call) -> str:
    return client_address(call.peer, call.headers, edge.trusted_proxies)


def of_browser(edge: Edge, call: Call, site: Site, intake: Intake) -> Intake:
    """With what a visitor's own connection tells of consent: the country, and whether the browser opts out."""
    told = country(call, edge.country_header, edge.trusted_proxies)
    is_out = opts_out(call.headers) and heeds_gpc(told, site.consent)
    return msgspec.structs.replace(intake, ip_country=told, opts_out=is_out) if told or is_out else intake


def ip_bucket(address: str) -> str:
    return f"ip:{address_key(address)}"


def key_bucket(site: Site, key: str) -> str:
    """A server is not judged by its address; its key may have a rate of its own."""
    return f"key:{key_digest(key)[:8].hex()}" if site.key_rate > 0 else ""


def unavailable(edge: Edge) -> Answer | None:
    """503 while nothing can be taken: shutting down, no room on disk, or the core too far behind."""
    reason = edge.refuses()
    if reason is None and edge.writer.has_room:
        return None
    return no_room(reason or "the store has no room for more events; what it holds is still delivered")


def limited(edge: Edge, caller: Caller) -> Answer | None:
    """429 while the activity guard has a verdict against the caller."""
    if not caller.bucket:
        return None
    wait_ms = _limited_until_ms(edge, caller) - edge.now_ms()
    if wait_ms <= 0:
        return None
    wait_s = str(max(1, -(-wait_ms // 1000)))
    return error_answer(429, "rate_limited", f"too many events; try again in {wait_s} s", ("retry-after", wait_s))


def judged(edge: Edge, call: Call, caller: Caller) -> Judgement:
    """How likely it is that no person made a browser's request."""
    until_ms = _limited_until_ms(edge, caller) if caller.bucket else 0
    return judge(call.headers, is_limited=0 <= edge.now_ms() - until_ms < SUSPECT_MS)


def _limited_until_ms(edge: Edge, caller: Caller) -> int:
    """0 where there is no verdict; a damaged one is none: the guard gives another."""
    with edge.store.read() as txn:
        raw = fetch(txn, edge.store.dbs["verdict"], keys.verdict(caller.site.id, caller.bucket))
    return keys.number_or(raw, 0)


def plain_body(call: Call, most_bytes: int = MIB) -> bytes | Answer:
    """The body, unpacked if it is gzip; 413 and 415 where it is too large or packed otherwise."""
    coding = call.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return call.body
    if coding != "gzip":
        return error_answer(415, "unsupported_encoding", f"content-encoding {coding!r} is not taken; give gzip or none")
    return _unpacked(call.body, most_bytes)


def _unpacked(packed: bytes, most_bytes: int) -> bytes | Answer:
    """All members of a gzip file, one after the other (RFC 1952 section 2.2); nothing else may follow them."""
    body = bytearray()
    for _ in range(GZIP_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            body += unpacker.decompress(packed, most_bytes + 1 - len(body))
        except zlib.error:
            return error_answer(400, "invalid_encoding", "the body is not the gzip that content-encoding says")
        if len(body) > most_bytes or unpacker.unconsumed_tail:
            return error_answer(413, "too_large", f"the unpacked body is larger than {most_bytes} bytes")
        if not unpacker.eof:
            return error_answer(400, "invalid_encoding", "the gzip body ends too early")
        packed = unpacker.unused_data
        if not packed:
            return bytes(body)
    return error_answer(400, "invalid_encoding", f"the gzip body has more than {GZIP_MEMBERS} members")


async def take(
    edge: Edge, events: Sequence[Event], caller: Caller, session_id: str = "", sessions: Mapping[str, str] = NO_SESSIONS
) -> Answer | None:
    """Puts events into the mailbox; None once they are on disk. Nothing is awaited before the writer has them.
    `sessions`: the visit that is proposed to other visitors than the request's own."""
    try:
        proposed = [sessions.get(event.user_data.anonymous_id or "", session_id) for event in events]
        entries = [_entry(edge, event, caller, own) for event, own in zip(events, proposed, strict=True)]
        ticket = edge.writer.submit(append(entries))
        await ticket.wait()
    except StoreFull:
        return no_room("the store has no room for more events; what it holds is still delivered")
    except StoreError:
        edge.log("append_failed", events=len(events))
        return error_answer(500, "internal_error", "the events may not be on disk; send them again with the same ids")
    edge.on_append()
    for event in events:
        edge.observer.event_accepted(event.site, event.source, label(event.event_name))
        if is_bot(event):
            edge.observer.event_of_bot(event.site, event.source)
        if "card_removed" in event.marks:
            edge.observer.card_data_removed(event.site)
        if "personal_removed" in event.marks:
            edge.observer.personal_data_removed(event.site)
    return None


def unread(refused: Answer | Invalid) -> Reason:
    """Why a body was not read."""
    is_large = refused.status == 413 if isinstance(refused, Answer) else refused.code == "too_large"
    return "too_large" if is_large else "malformed"


def rejected(edge: Edge, site: str, source: str, reason: Reason, count: int = 1) -> None:
    edge.observer.event_rejected(site, source, reason, count)
    edge.refusals.add(site, source, reason, count, edge.now_ms())


def _entry(edge: Edge, event: Event, caller: Caller, session_id: str) -> tuple[int, bytes]:
    """The shard and the encoded message: one visitor's events share a shard, and so keep their order."""
    visitor = event.user_data.anonymous_id if not is_test(event) else None
    actor_key = f"{event.site}\x1f{visitor}" if visitor else ""
    shard = keys.shard_of(actor_key or f"{event.site}\x1f{event.user_data.external_id or event.event_id}", edge.shards)
    record = LogRecord(
        kind="visitor",
        actor_key=actor_key,
        received_at_ms=event.received_at_ms,
        body=_encoder.encode(event),
        caller=caller.bucket,
        session_id=session_id,
    )
    return shard, LOG.encode(record)
